#!/bin/sh
# Runs every fuzz target of the repository in turn, FUZZTIME each. A target
# that finds a fault stops the run; Go has then written the input to the
# package's testdata/fuzz, ready to be committed with the fix.
set -eu
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-30s}
FUZZ=${FUZZ:-.}

programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT
cache=$("$GO" env GOCACHE)/fuzz
found=0
for dir in $(grep -rl --include='*_test.go' '^func Fuzz' cmd pkg | xargs -n1 dirname | sort -u); do
	names=$(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$dir"/*_test.go | grep -E "$FUZZ" || true)
	test -n "$names" || continue
	# It is built once, which takes longer than a short run.
	"$GO" test -c -fuzz . -o "$programs/fuzz.test" "./$dir"
	for name in $names; do
		found=$((found + 1))
		echo "fuzz $dir $name $FUZZTIME"
		(cd "$dir" && "$programs/fuzz.test" -test.run '^$' -test.fuzz "^$name\$" -test.fuzztime "$FUZZTIME" -test.fuzzcachedir "$cache/$("$GO" list .)")
	done
done
echo "fuzz targets run: $found"
test "$found" -gt 0
