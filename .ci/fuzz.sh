#!/bin/sh
# Runs every fuzz target of the repository in turn, FUZZTIME each. A target
# that finds a fault stops the run; Go has then written the input to the
# package's testdata/fuzz, ready to be committed with the fix.
set -eu
GO=${GO:-go}
FUZZTIME=${FUZZTIME:-30s}
FUZZ=${FUZZ:-.}

found=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' cmd pkg | sort); do
	for name in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file" | grep -E "$FUZZ" || true); do
		found=$((found + 1))
		echo "fuzz $(dirname "$file") $name $FUZZTIME"
		"$GO" test "./$(dirname "$file")" -run '^$' -fuzz "^$name\$" -fuzztime "$FUZZTIME"
	done
done
echo "fuzz targets run: $found"
test "$found" -gt 0
