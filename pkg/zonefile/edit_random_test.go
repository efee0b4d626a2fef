package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// model is the records of a zone as BIND prints them: TTL and RDATA by owner name and type.
type model map[string]*modelRRset

type modelRRset struct {
	ttl   string
	rdata []string
}

func modelOf(t *testing.T, records []string) model {
	t.Helper()
	m := model{}
	for _, r := range records {
		f := strings.SplitN(r, " ", 5)
		n, err := zone.ParseName(f[0], zone.Name{})
		if err != nil {
			t.Fatal(err)
		}
		key := n.String() + " " + f[3]
		if m[key] == nil {
			m[key] = &modelRRset{ttl: f[1]}
		}
		m[key].rdata = append(m[key].rdata, f[4])
	}
	return m
}

func (m model) lines() []string {
	var lines []string
	for key, s := range m {
		for _, d := range s.rdata {
			lines = append(lines, key+" "+s.ttl+" "+d)
		}
	}
	slices.Sort(lines)
	return lines
}

// apply makes a change in the model. The TTL of an RRset that was not there and was given none
// is not the model's to know.
func (m model) apply(c *RRsetChange, fresh string) {
	typ := TypeName(c.Type)
	if c.Type == TypeALIAS {
		typ = "MR"
	}
	key := c.Owner.String() + " " + typ
	s := m[key]
	if s == nil {
		s = &modelRRset{ttl: fresh}
	}
	switch c.Kind {
	case AddRecords:
		s.rdata = append(s.rdata, c.RDATA...)
	case ReplaceRRset:
		s.rdata = slices.Clone(c.RDATA)
	case DeleteRecords:
		s.rdata = slices.DeleteFunc(s.rdata, func(d string) bool { return slices.Contains(c.RDATA, d) })
	case DeleteRRset:
		s.rdata = nil
	}
	slices.Sort(s.rdata)
	s.rdata = slices.Compact(s.rdata)
	if c.TTL != nil {
		s.ttl = fmt.Sprint(*c.TTL)
	}
	m[key] = s // one without records has its TTL again if some come back
}

// randomRDATA gives RDATA that BIND prints as it is written.
func randomRDATA(rng *rand.Rand, typ uint16) string {
	n := rng.IntN(200)
	switch typ {
	case typeA:
		return fmt.Sprintf("192.0.2.%d", n)
	case typeAAAA:
		return fmt.Sprintf("2001:db8::%x", n+1)
	case typeTXT:
		return fmt.Sprintf(`"t%d; (not a comment)"`, n)
	case typeMX:
		return fmt.Sprintf("10 m%d.example.net.", n)
	default:
		return fmt.Sprintf("target%d.example.net.", n)
	}
}

// randomChange asks for a change of a zone with some records, mostly of one that is there.
func randomChange(t *testing.T, rng *rand.Rand, records []string) RRsetChange {
	t.Helper()
	apex := zone.MustParseName(randomOrigin + ".")
	c := RRsetChange{Owner: apex, Kind: ChangeKind(1 + rng.IntN(4)), Type: pick(rng, uint16(typeA), typeAAAA, typeTXT, typeMX, typeALIAS)}
	f := strings.SplitN(pick(rng, records...), " ", 5)
	there := false
	switch rng.IntN(6) {
	case 0:
		c.Owner = zone.MustParseName(fmt.Sprintf("new%d.%s.", rng.IntN(5), randomOrigin))
	case 1:
	case 2:
		c.Owner, _ = zone.ParseName(f[0], zone.Name{})
	default:
		typ, ok := ParseType(f[3])
		if !ok || typ == typeSOA {
			break
		}
		if c.Owner, c.Type, there = zone.MustParseName(f[0]), typ, true; f[3] == "MR" {
			c.Type = typeALIAS
		}
	}
	if strings.HasPrefix(c.Owner.String(), "ns.") {
		c.Owner = apex // its addresses are the zone's, and BIND knows of none that an ALIAS has
		there = false
	}
	if rng.IntN(4) == 0 && c.Kind != DeleteRRset && c.Kind != DeleteRecords {
		c.TTL = new(pick(rng, uint32(60), 300, 5400, 7))
	}
	if c.Kind == DeleteRRset {
		return c
	}
	known := slices.Contains([]uint16{typeA, typeAAAA, typeTXT, typeMX, typeALIAS}, c.Type)
	for range 1 + rng.IntN(3) {
		if known {
			c.RDATA = append(c.RDATA, randomRDATA(rng, c.Type))
		}
	}
	if there && (!known || rng.IntN(2) == 0) {
		c.RDATA = append(c.RDATA, f[4])
	}
	return c
}

// asMR gives a text whose ALIAS records have a type that BIND knows.
func asMR(text []byte) []byte { return bytes.ReplaceAll(text, []byte("ALIAS"), []byte("MR")) }

// TestEditAsBIND makes random edits of random zones, and has BIND read the result: the records
// that a model has after the same changes.
func TestEditAsBIND(t *testing.T) {
	if testing.Short() {
		t.Skip("other programs judge, which the race detector does not see")
	}
	t.Parallel()
	dir, done := t.TempDir(), 0
	refused := map[string]int{}
	eachSeed(t, rounds(240), func(t *testing.T, seed uint64) {
		t.Helper()
		z := makeZone(seed, mix{
			records: 3 + int(seed%25), aliases: seed%3 != 0, includes: seed%4 == 0, generates: seed%5 == 0,
			mixedTTLs: seed%3 == 0, outside: seed%7 == 0,
		})
		defer z.showFailed(t)
		records := judge.NamedCompile(t, randomOrigin, z.write(t, dir, "MR"))
		rng := rand.New(rand.NewPCG(seed, 5))
		var changes []RRsetChange
		for range 1 + rng.IntN(3) {
			changes = append(changes, randomChange(t, rng, records))
		}
		read := mustRead(t, &z, Options{})
		edited, found := read.Edit(changes)
		if edited == nil {
			for _, d := range found {
				if d.Severity == diag.Error {
					refused[string(d.Code)]++
				}
				if d.Code == diag.CodeEditCheck {
					t.Errorf("%+v: %s", changes, d.Message)
				}
			}
			return
		}
		for i := range changes {
			if read.Has(changes[i].Owner, typeCNAME) && changes[i].Type == typeALIAS {
				return // pkg/alias refuses both at one name
			}
		}
		done++
		want := modelOf(t, records)
		for i := range changes {
			fresh := ""
			for j := range edited.Difference {
				if s := edited.Difference[j].New; s != nil && s.Owner == changes[i].Owner && s.Type == changes[i].Type {
					fresh = fmt.Sprint(s.TTL)
				}
			}
			want.apply(&changes[i], fresh)
		}
		file := filepath.Join(dir, "edited")
		writeFile(t, file, asMR(edited.Text.Bytes()))
		sameLines(t, "record", modelOf(t, judge.NamedCompile(t, randomOrigin, file)).lines(), want.lines())
		if t.Failed() {
			t.Logf("changes: %+v\nedited:\n%s", changes, edited.Text.Bytes())
		}
	})
	t.Logf("%d edits, refused: %v", done, refused)
	if done < 60 {
		t.Errorf("only %d edits were made; refused: %v", done, refused)
	}
}

// TestEditInverse takes random edits back, which gives the original bytes: new records go again,
// and others replace what has replaced them.
func TestEditInverse(t *testing.T) {
	t.Parallel()
	added, replaced := 0, 0
	eachSeed(t, rounds(400), func(t *testing.T, seed uint64) {
		t.Helper()
		z := makeZone(seed, mix{records: 3 + int(seed%25), aliases: seed%2 == 0, includes: seed%4 == 0, generates: seed%5 == 0})
		defer z.showFailed(t)
		read := mustRead(t, &z, Options{})
		rng := rand.New(rand.NewPCG(seed, 6))
		records := read.SourceRecords(zone.Name{}, 0)
		rec := pick(rng, records...)
		if c, ok := additionTo(rng, &rec); ok && checkInverse(t, &z, read, c, RRsetChange{Kind: DeleteRecords, Owner: c.Owner, Type: c.Type, RDATA: c.RDATA}) {
			added++
		}
		if there, back, ok := replacementOf(rng, read, &rec); ok && checkInverse(t, &z, read, there, back) {
			replaced++
		}
	})
	if added < 100 || replaced < 20 {
		t.Errorf("%d additions and %d replacements were taken back", added, replaced)
	}
}

// additionTo asks for a new record beside another.
func additionTo(rng *rand.Rand, rec *SourceRecord) (RRsetChange, bool) {
	c := RRsetChange{Kind: AddRecords, Owner: rec.Owner, Type: pick(rng, uint16(typeA), typeAAAA, typeTXT, typeMX)}
	if rng.IntN(3) == 0 {
		c.Owner = zone.MustParseName(fmt.Sprintf("new%d.%s", rng.IntN(5), rec.Owner))
		c.TTL = new(uint32(rng.IntN(3) * 300))
	}
	for range 1 + rng.IntN(3) {
		c.RDATA = append(c.RDATA, "9"+randomRDATA(rng, c.Type))
	}
	switch c.Type {
	case typeA, typeAAAA:
		for i, d := range c.RDATA {
			c.RDATA[i] = d[1:]
		}
	case typeTXT, typeMX:
	}
	return c, true
}

// replacementOf asks for other RDATA, and for that of a record again, as it is written there.
// Text over several lines does not come back.
func replacementOf(rng *rand.Rand, z *Zone, rec *SourceRecord) (there, back RRsetChange, ok bool) {
	p := rec.Place
	var e Entry
	scanEntry(p.seg.text, int(p.start), &e)
	i, ok := typeToken(p.seg.text, &e, rec.Type)
	if !ok || rec.Included || !isPlain(p.seg.text, &e) || len(z.SourceRecords(rec.Owner, rec.Type)) != 1 {
		return there, back, false
	}
	if !slices.Contains([]uint16{typeA, typeAAAA, typeTXT, typeMX, typeALIAS}, rec.Type) {
		return there, back, false
	}
	origin := p.seg.originAt(e.Start)
	if !bytes.Equal(origin, z.apex) {
		return there, back, false // what is relative there is not so below the zone name
	}
	there = RRsetChange{Kind: ReplaceRRset, Owner: rec.Owner, Type: rec.Type, RDATA: []string{randomRDATA(rng, rec.Type)}}
	back = there
	for _, tok := range e.Tokens[i+2:] {
		if tok.Start-e.Tokens[i+1].End != 1 || p.seg.text[tok.Start-1] != ' ' {
			return there, back, false // white space in RDATA is not kept
		}
		i++
	}
	i, _ = typeToken(p.seg.text, &e, rec.Type)
	back.RDATA = []string{string(p.seg.text[e.Tokens[i+1].Start:e.lastEnd()])}
	return there, back, true
}

// checkInverse makes two changes, one after the other, and wants the text that there was. False
// where the first is refused, or has lines say what they inherited.
func checkInverse(t *testing.T, z *randomZone, read *Zone, there, back RRsetChange) bool {
	t.Helper()
	edited, found := read.Edit([]RRsetChange{there})
	if edited == nil || len(edited.Explicit) > 0 || !edited.Changed() {
		if found.HasErrors() && found[0].Code == diag.CodeEditCheck {
			t.Errorf("%+v: %s", there, found[0].Message)
		}
		return false
	}
	once := *z
	once.text = edited.Text.Bytes()
	again, found := once.reread(t).Edit([]RRsetChange{back})
	if again == nil {
		t.Errorf("%+v\nback: %+v\n%s\n%s", there, back, listing(found), once.text)
		return false
	}
	if got, want := again.Text.Bytes(), with(z.text, "ALIAS"); !bytes.Equal(got, want) {
		t.Errorf("%+v\nback: %+v\nonce:\n%s\ngot:\n%s\nwant:\n%s", there, back, once.text, got, want)
	}
	return true
}

// reread reads a zone whose text was edited.
func (z *randomZone) reread(t *testing.T) *Zone {
	t.Helper()
	files := fstest.MapFS{}
	for name, text := range z.files {
		files[name] = &fstest.MapFile{Data: with(text, "ALIAS")}
	}
	o := Options{Origin: zone.MustParseName(randomOrigin + "."), Includes: files, IncludeRoot: "/zones", Path: "zone", CheckNames: diag.Warning}
	return Read("zone", z.text, o)
}
