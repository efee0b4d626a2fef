#!/bin/sh
# Checks the sources of a pull request and compares what they give with what is
# published. The findings stand beside the lines, the difference in the summary of
# the job. It ends with 0 whatever it finds: the outputs of the step tell, so that
# a comment is written of failures too.
#
# SOURCES, ARGUMENTS, DIFF_ARGUMENTS   words; only SOURCES are patterns
# AGAINST, FAIL_ON                     values of --against and --fail-on
set -eu

comment=$RUNNER_TEMP/aliasflat-diff.md
rm -f "$comment"

# A name that begins with a dash stands behind --, and is no flag there.
words() {
	set -f
	# shellcheck disable=SC2086 # they are words
	set -- "$@" $ARGUMENTS ${more:-} ${FAIL_ON:+--fail-on "$FAIL_ON"} ${base:+--against "$base"} --
	set +f
	# shellcheck disable=SC2086 # they are patterns
	exec aliasflat "$@" $SOURCES
}

checked=0
(words check --format github) || checked=$?

compared=0
more=$DIFF_ARGUMENTS
base=$AGAINST
(words diff --exit-code --format markdown --report "$comment") || compared=$?

# What check says is right may fail as it is compared, and the other way round.
status=$compared
if [ "$checked" -ne 0 ] && { [ "$status" -eq 0 ] || [ "$status" -eq 3 ]; }; then
	status=$checked
fi

changed=false
[ "$status" -ne 3 ] || changed=true
{
	echo "status=$status"
	echo "changed=$changed"
} >>"$GITHUB_OUTPUT"
[ -s "$comment" ] || exit 0
{
	echo "comment=$comment"
	# shellcheck disable=SC2016 # the backquotes are those of Markdown
	echo "plan=$(sed -n '$s/^plan `\([0-9a-f]*\)`$/\1/p' "$comment")"
} >>"$GITHUB_OUTPUT"
cat "$comment" >>"$GITHUB_STEP_SUMMARY"
