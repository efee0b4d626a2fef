package zonefile

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// splitMR takes the MR records out of what a name server printed.
func splitMR(records []string) (mr, others []string) {
	for _, r := range records {
		if strings.Fields(r)[3] == "MR" {
			mr = append(mr, r)
		} else {
			others = append(others, r)
		}
	}
	return mr, others
}

// named is a line of owner, TTL and target, both names in one spelling.
func named(t *testing.T, owner string, ttl uint32, target string, origin zone.Name) string {
	t.Helper()
	o, err := zone.ParseName(owner, zone.Name{})
	if err != nil {
		t.Fatalf("owner %q: %v", owner, err)
	}
	n, err := zone.ParseName(target, origin)
	if err != nil {
		t.Fatalf("target %q: %v", target, err)
	}
	return fmt.Sprintf("%s %d %s", o, ttl, n)
}

// fromMR gives the lines of MR records.
func fromMR(t *testing.T, mr []string) []string {
	t.Helper()
	var lines []string
	for _, r := range mr {
		f := strings.Fields(r)
		ttl, err := strconv.ParseUint(f[1], 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, named(t, f[0], uint32(ttl), f[4], zone.Name{}))
	}
	slices.Sort(lines)
	return lines
}

// fromAliases gives the lines of ALIAS entries.
func fromAliases(t *testing.T, z *Zone) []string {
	t.Helper()
	var lines []string
	for _, a := range z.Aliases() {
		lines = append(lines, named(t, a.OwnerText(), a.TTL, a.Target.Text, a.Origin))
	}
	slices.Sort(lines)
	return slices.Compact(lines) // one record that stands there twice is one for a server
}

// sameLines compares two sorted lists and tells how they differ.
func sameLines(t *testing.T, what string, got, want []string) {
	t.Helper()
	if slices.Equal(got, want) {
		return
	}
	for _, l := range got {
		if !slices.Contains(want, l) {
			t.Errorf("%s: we have %s", what, l)
		}
	}
	for _, l := range want {
		if !slices.Contains(got, l) {
			t.Errorf("%s: want    %s", what, l)
		}
	}
	if !t.Failed() {
		t.Errorf("%s: %d lines, want %d", what, len(got), len(want))
	}
}

// mustRead reads a random zone, which has no errors.
func mustRead(t *testing.T, z *randomZone, o Options) *Zone {
	t.Helper()
	got := z.read("ALIAS", o)
	if got.Found.HasErrors() {
		t.Fatalf("errors in a good zone:\n%s", listing(got.Found))
	}
	return got
}

// TestContextAsBIND holds owner, TTL and target of every ALIAS entry against
// what BIND reads in its place when the type is one it knows.
func TestContextAsBIND(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir, total := t.TempDir(), 0
	eachSeed(t, rounds(250), func(t *testing.T, seed uint64) {
		t.Helper()
		what := mix{records: 5 + int(seed%40), aliases: true, includes: seed%2 == 0, generates: seed%3 == 0, outside: seed%5 == 0}
		z := makeZone(seed, what)
		defer z.showFailed(t)
		mr, _ := splitMR(judge.NamedCompile(t, randomOrigin, z.write(t, dir, "MR")))
		sameLines(t, "ALIAS", fromAliases(t, mustRead(t, &z, Options{})), fromMR(t, mr))
		total += len(mr)
	})
	if total < 1000 {
		t.Errorf("only %d ALIAS entries were compared", total)
	}
}

// TestContextAsNSD does the same with NSD, for zones that both read alike.
func TestContextAsNSD(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir, total := t.TempDir(), 0
	eachSeed(t, rounds(160), func(t *testing.T, seed uint64) {
		t.Helper()
		z := makeZone(seed, mix{records: 5 + int(seed%40), aliases: true, portable: true})
		defer z.showFailed(t)
		mr, _ := splitMR(judge.NSDPrint(t, randomOrigin, z.write(t, dir, "MR")))
		sameLines(t, "ALIAS", fromAliases(t, mustRead(t, &z, Options{})), fromMR(t, mr))
		total += len(mr)
	})
	if total < 500 {
		t.Errorf("only %d ALIAS entries were compared", total)
	}
}

// TestCanonicalAsBIND holds the records of canonical output against those of
// the source, both as BIND loads them.
func TestCanonicalAsBIND(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir := t.TempDir()
	eachSeed(t, rounds(200), func(t *testing.T, seed uint64) {
		t.Helper()
		z := makeZone(seed, mix{records: 10 + int(seed%60), includes: seed%2 == 0, generates: true, mixedTTLs: seed%3 == 0, outside: seed%5 == 0})
		defer z.showFailed(t)
		want := judge.NamedCompile(t, randomOrigin, z.write(t, dir, "MR"))
		read := mustRead(t, &z, Options{})
		file := filepath.Join(dir, "canonical")
		text := read.Canonical(nil, nil).Text(nil).Bytes()
		writeFile(t, file, text)
		sameLines(t, "record", judge.NamedCompile(t, randomOrigin, file), want)
		again := Read("canonical", text, Options{Origin: read.Name})
		if c := again.Canonical(nil, nil).Text(nil).Bytes(); string(c) != string(text) {
			t.Errorf("canonical output of canonical output differs\n%s", c)
		}
		if t.Failed() {
			t.Logf("canonical:\n%s", text)
		}
	})
}

// replacements gives lines for each ALIAS entry: a comment or none, and up to
// three records. The TTL goes by the owner, so that RRsets have one.
func replacements(aliases []AliasEntry, rng *rand.Rand, eol string) (texts [][]byte, records []string) {
	for i := range aliases {
		a := &aliases[i]
		var text []byte
		if rng.IntN(3) == 0 {
			text = append(text, "; ALIAS x. 60 IN A 192.0.2.1"+eol...)
		}
		for range rng.IntN(4) {
			address := fmt.Sprintf("2001:db8:ffff::%x", 1+rng.IntN(0xfffe))
			ttl := []int{60, 300, 7}[len(a.Owner.String())%3]
			text = fmt.Appendf(text, "%s %d IN AAAA %s%s", a.OwnerText(), ttl, address, eol)
			records = append(records, fmt.Sprintf("%s %d IN AAAA %s", a.Owner, ttl, address))
		}
		texts = append(texts, text)
	}
	return texts, records
}

// spelled gives records in one spelling of owner names, sorted, each once.
func spelled(t *testing.T, records []string) []string {
	t.Helper()
	var lines []string
	for _, r := range records {
		owner, rest, _ := strings.Cut(r, " ")
		n, err := zone.ParseName(owner, zone.Name{})
		if err != nil {
			t.Fatal(err)
		}
		lines = append(lines, n.String()+" "+rest)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// checkRewrite rewrites a random zone and has BIND read the result: the
// records of the source, the ALIAS entries apart, and those put in.
func checkRewrite(t *testing.T, z *randomZone, dir string, rng *rand.Rand, o Options) {
	t.Helper()
	defer z.showFailed(t)
	read := mustRead(t, z, o)
	_, want := splitMR(judge.NamedCompile(t, randomOrigin, z.write(t, dir, "MR")))
	texts, added := replacements(read.Aliases(), rng, read.EOL())
	serial := zone.Serial(rng.Uint32())
	text, explicit := read.Rewrite(Rewrite{Aliases: texts, Serial: &serial})
	out := text.Bytes()
	file := filepath.Join(dir, "out")
	writeFile(t, file, out)
	for i, r := range want {
		want[i] = strings.Replace(r, " 2026010100 ", fmt.Sprintf(" %d ", serial), 1)
	}
	if v := judge.NamedCheck(t, randomOrigin, file, "-k", "ignore"); v.OK {
		sameLines(t, "record", spelled(t, judge.NamedCompile(t, randomOrigin, file)), spelled(t, append(want, added...)))
	} else {
		t.Errorf("BIND refuses the output:\n%s", v.Output)
	}
	if o.For == 0 {
		f := follower{t: t, zone: read, whole: out, rest: out, texts: texts, explicit: explicit, serial: fmt.Sprint(serial)}
		f.segment(read.segs[0])
		if len(f.rest) > 0 {
			t.Errorf("%d bytes more than the source accounts for: %q", len(f.rest), f.rest)
		}
	}
	if int64(len(out)) != text.Len() {
		t.Errorf("Len is %d, the text has %d bytes", text.Len(), len(out))
	}
	if t.Failed() {
		t.Logf("rewritten with %q:\n%s", texts, out)
	}
}

func TestRewriteAsBIND(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir := t.TempDir()
	eachSeed(t, rounds(200), func(t *testing.T, seed uint64) {
		t.Helper()
		what := mix{records: 5 + int(seed%40), aliases: true, includes: seed%2 == 0, generates: seed%3 == 0, outside: seed%5 == 0}
		z := makeZone(seed, what)
		checkRewrite(t, &z, dir, rand.New(rand.NewPCG(seed, 2)), Options{})
	})
}

// TestRewriteForOthers rewrites for NSD and Knot, and has them read what BIND
// reads in the source.
func TestRewriteForOthers(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir := t.TempDir()
	eachSeed(t, rounds(80), func(t *testing.T, seed uint64) {
		t.Helper()
		what := mix{records: 5 + int(seed%30), aliases: true, includes: seed%2 == 0, generates: seed%3 == 0}
		z := makeZone(seed, what)
		checkRewrite(t, &z, dir, rand.New(rand.NewPCG(seed, 4)), Options{For: BIND | NSD | Knot})
		defer z.showFailed(t)
		file := filepath.Join(dir, "out")
		if v := judge.NSDCheck(t, randomOrigin, file); !v.OK {
			t.Errorf("NSD refuses the output:\n%s", v.Output)
		}
		if v := judge.KnotCheck(t, randomOrigin, file); !v.OK {
			t.Errorf("Knot refuses the output:\n%s", v.Output)
		}
		if !t.Failed() {
			sameLines(t, "record as NSD reads it", ownersAndTTLs(t, judge.NSDPrint(t, randomOrigin, file)), ownersAndTTLs(t, judge.NamedCompile(t, randomOrigin, file)))
		}
	})
}

// ownersAndTTLs cuts records to what does not depend on the printer: owner
// name, TTL and type.
func ownersAndTTLs(t *testing.T, records []string) []string {
	t.Helper()
	var lines []string
	for _, r := range spelled(t, records) {
		lines = append(lines, strings.Join(strings.Fields(r)[:4], " "))
	}
	slices.Sort(lines)
	return lines
}
