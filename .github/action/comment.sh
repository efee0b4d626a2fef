#!/bin/sh
# usage: comment.sh FILE
#
# Makes the text in FILE a comment of a pull request. The first line of the text is
# its marker: a comment of the same author that begins with it is updated in place,
# and only without one is another written.
#
# GITHUB_API_URL, GITHUB_REPOSITORY   as GitHub sets them for a job
# GITHUB_TOKEN                        may write comments of pull requests
# PULL_REQUEST                        number of the pull request
# COMMENT_AUTHOR                      login under which the token writes
#
# It needs curl and jq. A token that may not write, as a pull request from a fork
# has it, is a warning; any other failure ends with 1.
set -eu

file=$1
author=${COMMENT_AUTHOR:-github-actions[bot]}
case $PULL_REQUEST in
*[!0-9]* | "")
	echo "::error::\"$PULL_REQUEST\" is no number of a pull request"
	exit 1
	;;
esac
marker=$(head -n 1 "$file")
case $marker in
"<!-- "*" -->") ;;
*)
	echo "::error::$file does not begin with a marker"
	exit 1
	;;
esac

repository=$GITHUB_API_URL/repos/$GITHUB_REPOSITORY
# 100 comments a page; a pull request with more comments than this has no reader.
pages=50
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# call METHOD URL [CURL-ARGUMENT...]: the answer goes to $work/answer, the status to
# $code. The token goes through standard input, where no list of processes shows it.
call() {
	method=$1
	url=$2
	shift 2
	code=$(printf 'header = "Authorization: Bearer %s"\n' "$GITHUB_TOKEN" |
		curl --config - --silent --show-error --max-time 60 --request "$method" \
			--header 'Accept: application/vnd.github+json' --header 'X-GitHub-Api-Version: 2022-11-28' \
			--output "$work/answer" --write-out '%{http_code}' "$@" "$url") || {
		echo "::error::the comment is not written: $method $url failed"
		exit 1
	}
	case $code in
	2??) return ;;
	esac
	said=$(jq -r '.message | tostring | gsub("[[:cntrl:]]"; " ")' "$work/answer" 2>/dev/null) || said=
	case $code,$said in
	"403,Resource not accessible by "*)
		echo "::warning::the comment is not written: the token may not (pull-requests: write is missing, or the pull request comes from a fork); the summary of the job has the text"
		exit 0
		;;
	esac
	echo "::error::the comment is not written: $method $url: status $code: ${said:-no message}"
	exit 1
}

page=1
comment=
while [ "$page" -le "$pages" ] && [ -z "$comment" ]; do
	# What only reads may be asked again.
	call GET "$repository/issues/$PULL_REQUEST/comments?per_page=100&page=$page" --retry 3
	# A comment that somebody else wrote stays theirs, whatever it begins with.
	comment=$(jq -r --arg marker "$marker" --arg author "$author" '
		map(select(.user.login == $author and (.body | split("\n")[0] | rtrimstr("\r")) == $marker))
		| .[0].id // empty' "$work/answer")
	[ "$(jq length "$work/answer")" -eq 100 ] || break
	page=$((page + 1))
done

jq -Rs '{body: .}' "$file" >"$work/body"
if [ -n "$comment" ]; then
	call PATCH "$repository/issues/comments/$comment" --data-binary "@$work/body" --retry 3
	echo "updated the comment $(jq -r .html_url "$work/answer")"
else
	# Not again: what was written although the answer got lost would be there twice.
	call POST "$repository/issues/$PULL_REQUEST/comments" --data-binary "@$work/body"
	echo "wrote the comment $(jq -r .html_url "$work/answer")"
fi
