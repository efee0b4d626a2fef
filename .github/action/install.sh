#!/bin/sh
# Puts aliasflat into PATH for the steps that follow: the version of this action,
# built from its own source, or with $VERSION another one.
set -eu
bin=$RUNNER_TEMP/aliasflat/bin
mkdir -p "$bin"
case $VERSION in
source)
	cd "$(dirname "$0")/../.."
	go build -buildvcs=false -o "$bin/aliasflat" ./cmd/aliasflat
	;;
*[!A-Za-z0-9._+-]* | "" | -*)
	echo "::error::version: \"$VERSION\" is no version, nor source or installed"
	exit 2
	;;
*)
	GOBIN=$bin go install "github.com/aliasflat/aliasflat/cmd/aliasflat@$VERSION"
	;;
esac
echo "$bin" >>"$GITHUB_PATH"
