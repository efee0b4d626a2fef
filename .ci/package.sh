#!/bin/sh
# Builds the packages for Debian and RPM systems into a folder: package.sh DIR. VERSION is that
# of the tag, or 0.0.0; GOARCH is that of this machine. The same source makes the same bytes.
set -eu
GO=${GO:-go}
cd "$(dirname "$0")/.."
mkdir -p "$1"
out=$(cd "$1" && pwd)
VERSION=${VERSION:-$(git describe --tags --exact-match --match 'v[0-9]*' 2>/dev/null || echo 0.0.0)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 1793491200)}
ARCH=${GOARCH:-$("$GO" env GOHOSTARCH)}
STAGE=$(mktemp -d)
trap 'rm -rf "$STAGE"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
export VERSION SOURCE_DATE_EPOCH ARCH STAGE

CGO_ENABLED=0 GOOS=linux GOARCH=$ARCH "$GO" build -trimpath -ldflags='-s -w' -o "$STAGE/aliasflat" ./cmd/aliasflat
# What the program says of itself is told by one for this machine.
native=$STAGE/native
if [ "$ARCH" = "$("$GO" env GOHOSTARCH)" ]; then
	ln -s aliasflat "$native"
else
	env -u GOOS -u GOARCH CGO_ENABLED=0 "$GO" build -o "$native" ./cmd/aliasflat
fi
"$native" man "$STAGE/man"
gzip -9n "$STAGE"/man/*.1
mkdir "$STAGE/completion"
for shell in bash zsh fish; do
	"$native" completion "$shell" >"$STAGE/completion/$shell"
done
for packager in deb rpm; do
	"$GO" tool -modfile=.tools/nfpm.mod nfpm package --config examples/deploy/nfpm.yaml --packager "$packager" --target "$out/" >&2
done
