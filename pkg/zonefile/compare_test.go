package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

var compareOptions = Options{Origin: mustName("example.com.")}

func mustName(text string) zone.Name {
	n, err := zone.ParseName(text, zone.Root)
	if err != nil {
		panic(err)
	}
	return n
}

// rewriteWith gives the rewrite of a source with lines for each ALIAS entry.
func rewriteWith(t *testing.T, source string, serial zone.Serial, lines func(i int, owner string) string) *Text {
	t.Helper()
	z := Read("in.zone", []byte(source), compareOptions)
	if z.Name.IsZero() {
		t.Fatal(z.Found)
	}
	var aliases [][]byte
	for i, a := range z.Aliases() {
		aliases = append(aliases, []byte(strings.ReplaceAll(lines(i, a.OwnerText()), "\n", z.EOL())))
	}
	text, _ := z.Rewrite(Rewrite{Aliases: aliases, Serial: &serial})
	return text
}

const compareHead = "@ 3600 IN SOA ns hostmaster 7 7200 900 1209600 300\n@ 3600 NS ns\nns 3600 A 192.0.2.1\n"

func TestSameRecords(t *testing.T) {
	const one = "; ALIAS a.example.net.\nwww.example.com. 60 IN A 192.0.2.7\n"
	const two = one + "www.example.com. 60 IN A 192.0.2.8\n"
	const source = "$TTL 300\n" + compareHead + "www 60 ALIAS a.example.net.\n; mail\nmail A 192.0.2.2\n"
	const noTTL = compareHead + "www 60 ALIAS a.example.net.\nmail MX 10 ns\n"
	for _, tc := range []struct {
		name, source, before, now string
		edit                      [2]string // what of the old text is replaced, and by what
		same, known               bool
	}{
		{name: "nothing differs", source: source, before: two, now: two, same: true, known: true},
		{name: "more addresses", source: source, before: one, now: two, known: true},
		{name: "fewer addresses", source: source, before: two, now: one, known: true},
		{name: "another type", source: source, before: one, now: one + "www.example.com. 60 IN AAAA 2001:db8::1\n", known: true},
		{name: "another TTL", source: source, before: strings.ReplaceAll(one, " 60 ", " 61 "), now: one, known: true},
		{name: "another comment", source: source, before: "; ALIAS b.example.net.\n" + one, now: one, same: true, known: true},
		{name: "no records any more", source: source, before: one, now: ""},
		{name: "no records before", source: source, before: "", now: one},
		{name: "no records, comments alone", source: source, before: "; none\n", now: "; none\n", same: true, known: true},
		{name: "edited source", source: source, before: one, now: two, edit: [2]string{"mail A", "post A"}},
		{name: "text behind", source: source, before: one, now: two, edit: [2]string{"192.0.2.2\n", "192.0.2.2\n\n"}},
		{name: "text missing", source: source, before: one, now: two, edit: [2]string{"192.0.2.2\n", ""}},
		{name: "no serial", source: source, before: one, now: one, edit: [2]string{" 7 ", " x "}},
		{name: "serial too large", source: source, before: one, now: one, edit: [2]string{" 7 ", " 4294967296 "}},
		{name: "long serial", source: source, before: one, now: one, edit: [2]string{" 7 ", " 4294967295 "}, same: true, known: true},
		{name: "record in another form", source: source, before: one, now: two, edit: [2]string{"60 IN A", "60 A"}},
		{name: "record twice", source: source, before: one + one, now: two},
		{name: "not in order", source: source, before: "www.example.com. 60 IN A 192.0.2.9\n" + one[len("; ALIAS a.example.net.\n"):], now: two},
		{name: "two TTLs", source: source, before: one + "www.example.com. 61 IN A 192.0.2.8\n", now: two},
		{name: "address as nobody writes it", source: source, before: "www.example.com. 60 IN AAAA 2001:0db8::1\n", now: one},
		{name: "wrong type", source: source, before: "www.example.com. 60 IN A 2001:db8::1\n", now: one},
		{name: "TTL inherited behind", source: noTTL, before: strings.ReplaceAll(one, " 60 ", " 61 "), now: one, edit: [2]string{"mail 60 ", "mail "}, known: true},
		{name: "other addresses at the owner", source: source + "www 60 A 192.0.2.8\n", before: one, now: two},
		{name: "equal beside other addresses", source: source + "www 60 A 192.0.2.8\n", before: one, now: one, same: true, known: true},
		{name: "two entries of one owner", source: source + "www 60 ALIAS b.example.net.\n", before: one, now: two},
		{name: "CR LF", source: strings.ReplaceAll(source, "\n", "\r\n"), before: one, now: two, known: true},
		{name: "no line end", source: strings.TrimSuffix(noTTL, "\nmail MX 10 ns\n"), before: one, now: two, known: true},
		{name: "long comment", source: source, before: ";" + strings.Repeat("x", longLine) + "\n" + one, now: one},
		{name: "very many comments", source: source, before: strings.Repeat(";"+strings.Repeat("x", 1000)+"\n", longBlock/1000) + one, now: one},
	} {
		t.Run(tc.name, func(t *testing.T) {
			before := rewriteWith(t, tc.source, 7, func(int, string) string { return tc.before }).Bytes()
			if tc.edit[0] != "" {
				before = bytes.Replace(before, []byte(tc.edit[0]), []byte(tc.edit[1]), 1)
			}
			draft := rewriteWith(t, tc.source, 8, func(int, string) string { return tc.now })
			same, known, err := draft.SameRecords(iotest.HalfReader(bytes.NewReader(before)))
			if same != tc.same && known || known != tc.known || err != nil {
				t.Errorf("same %v, known %v, %v; want %v, %v; compared with\n%s", same, known, err, tc.same, tc.known, before)
			}
		})
	}
}

func TestSameRecordsUnreadable(t *testing.T) {
	draft := rewriteWith(t, compareHead+"www 60 ALIAS a.example.net.\n", 8, func(int, string) string { return "www.example.com. 60 IN A 192.0.2.7\n" })
	broken := errors.New("broken")
	if _, known, err := draft.SameRecords(iotest.ErrReader(broken)); known || !errors.Is(err, broken) {
		t.Errorf("known %v, %v", known, err)
	}
	whole := draft.Bytes()
	for n := range len(whole) + 1 {
		r := io.MultiReader(bytes.NewReader(whole[:n]), iotest.ErrReader(broken))
		if _, known, err := draft.SameRecords(r); known || !errors.Is(err, broken) {
			t.Errorf("broken after %d of %d bytes: known %v, %v", n, len(whole), known, err)
		}
	}
	once := iotest.TimeoutReader(iotest.HalfReader(bytes.NewReader(whole)))
	if _, known, err := draft.SameRecords(once); known || !errors.Is(err, iotest.ErrTimeout) {
		t.Errorf("broken once: known %v, %v", known, err)
	}
	z := Read("in.zone", []byte(compareHead), compareOptions)
	for _, text := range []*Text{z.Canonical(nil, nil).Text(nil), {}} {
		if _, known, err := text.SameRecords(bytes.NewReader(text.Bytes())); known || err != nil {
			t.Errorf("a text without a serial part: known %v, %v", known, err)
		}
		if text.SetSerial(9) {
			t.Error("a serial was set that is not there")
		}
	}
}

func TestSetSerial(t *testing.T) {
	lines := func(int, string) string { return "www.example.com. 60 IN A 192.0.2.7\n" }
	const source = compareHead + "www 60 ALIAS a.example.net.\n"
	text := rewriteWith(t, source, 7, lines)
	want := rewriteWith(t, source, 4294967295, lines).Bytes()
	if !text.SetSerial(4294967295) || !bytes.Equal(text.Bytes(), want) || text.Len() != int64(len(want)) {
		t.Errorf("%d bytes:\n%s\nwant %d:\n%s", text.Len(), text.Bytes(), len(want), want)
	}
}

// TestSameRecordsRandom holds verdicts against those of reading both texts,
// over sources and old texts that are edited in small ways.
func TestSameRecordsRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(7, 11))
	verdicts := map[bool]int{}
	for range 6000 {
		source := randomCompared(rng)
		before := rewriteWith(t, source, 7, randomBlocks(rng)).Bytes()
		draft := rewriteWith(t, source, 8, randomBlocks(rng))
		for range rng.IntN(3) {
			before = editLine(rng, before)
		}
		same, known, err := draft.SameRecords(bytes.NewReader(before))
		if err != nil {
			t.Fatal(err)
		}
		if !known {
			continue
		}
		verdicts[same]++
		if want := contentOf(before) == contentOf(draft.Bytes()); same != want {
			t.Fatalf("same records: %v, want %v\nold:\n%s\nnew:\n%s", same, want, before, draft.Bytes())
		}
	}
	if verdicts[true] < 100 || verdicts[false] < 100 {
		t.Errorf("few verdicts: %v", verdicts)
	}
}

// TestFollows tells of a rewrite what is in it from the one before, and never what is not.
func TestFollows(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 17))
	follows, others := 0, 0
	for range 2000 {
		z := Read("in.zone", []byte(randomCompared(rng)), compareOptions)
		var blocks [2][][]byte
		var texts [2]*Text
		var contents [2]Content
		for k := range texts {
			lines, serial := randomBlocks(rng), zone.Serial(7+k)
			for i, a := range z.Aliases() {
				blocks[k] = append(blocks[k], []byte(lines(i, a.OwnerText())))
			}
			texts[k], _ = z.Rewrite(Rewrite{Aliases: blocks[k], Serial: &serial})
			contents[k] = Read("out.zone", texts[k].Bytes(), compareOptions).Content(nil, nil)
		}
		was, is := contents[0], contents[1]
		// What it would be if nothing but the blocks were others.
		guess := was
		for k, sign := range []uint64{^uint64(0), 1} {
			for _, b := range blocks[k] {
				c := Read("block.zone", append([]byte("$ORIGIN example.com.\n$TTL 5\n"), b...), compareOptions)
				guess.Raw += sign * c.Sum
				guess.Lines += int(sign) * c.Count
			}
		}
		if texts[1].Follows(texts[0], was, guess, 8) && (guess.Raw != is.Raw || guess.Lines != is.Lines) {
			t.Fatalf("it follows with another content\nbefore:\n%s\nnow:\n%s", texts[0].Bytes(), texts[1].Bytes())
		}
		for _, wrong := range []Content{{Raw: is.Raw, Lines: is.Lines + 1}, {Raw: is.Raw + 1, Lines: is.Lines}} {
			if texts[1].Follows(texts[0], was, wrong, 8) {
				t.Fatalf("it follows with records that it has not:\n%s", texts[1].Bytes())
			}
		}
		switch {
		case texts[1].Follows(texts[0], was, is, 7), texts[1].Follows(nil, was, is, 8):
			t.Fatal("it follows with another serial, or nothing")
		case texts[1].Follows(texts[0], was, is, 8):
			follows++
		default:
			others++
		}
	}
	if follows < 100 || others < 100 {
		t.Errorf("%d follow, %d do not", follows, others)
	}
}

// TestFollowsPlain has the usual change of a large zone be one that follows.
func TestFollowsPlain(t *testing.T) {
	z := Read("in.zone", []byte("$TTL 300\n"+compareHead+"@ ALIAS a.example.net.\nwww 60 ALIAS b.example.net.\nmail MX 10 ns\n"), compareOptions)
	rewrite := func(serial zone.Serial, apex, www string) (*Text, Content) {
		text, _ := z.Rewrite(Rewrite{Aliases: [][]byte{[]byte("; ALIAS a.example.net.\n" + apex), []byte("; ALIAS b.example.net.\n" + www)}, Serial: &serial})
		return text, Read("out.zone", text.Bytes(), compareOptions).Content(nil, nil)
	}
	const apex, www = "@ 60 IN A 192.0.2.7\n", "www 60 IN A 192.0.2.8\nwww 60 IN AAAA 2001:db8::8\n"
	before, was := rewrite(7, apex, www)
	now, is := rewrite(8, "@ 61 IN A 192.0.2.9\n@ 61 IN AAAA 2001:db8::9\n", www)
	if !now.Follows(before, was, is, 8) {
		t.Error("a changed ALIAS")
	}
	for name, lines := range map[string]string{
		"the records of another type": "@ 60 IN TXT 192.0.2.9\n", "another owner": "ns 60 IN A 192.0.2.9\n", "no records": "",
		"a record behind": "@ 60 IN A 192.0.2.9\nns A 192.0.2.9\n", "an ALIAS": "@ 60 ALIAS a.example.net.\n",
	} {
		if now, is := rewrite(8, lines, www); now.Follows(before, was, is, 8) {
			t.Errorf("%s: it follows", name)
		}
	}
	other := Read("in.zone", []byte("$TTL 300\n"+compareHead+"@ ALIAS a.example.net.\nwww 60 ALIAS b.example.net.\nmail MX 10 ns\n"), compareOptions)
	serial := zone.Serial(8)
	text, _ := other.Rewrite(Rewrite{Aliases: [][]byte{[]byte("; ALIAS a.example.net.\n" + apex), []byte("; ALIAS b.example.net.\n" + www)}, Serial: &serial})
	if text.Follows(before, was, was, 8) {
		t.Error("a rewrite of another zone follows")
	}
}

func contentOf(text []byte) [2]uint64 {
	c := Read("out.zone", text, compareOptions).Content(nil, nil)
	return [2]uint64{c.Sum, uint64(c.Count)}
}

// randomCompared makes a source of few owners, so that ALIAS entries meet
// records that inherit from them, and addresses of their own owner.
func randomCompared(rng *rand.Rand) string {
	var b strings.Builder
	if rng.IntN(2) == 0 {
		b.WriteString("$TTL 300\n")
	}
	b.WriteString(compareHead)
	for range 1 + rng.IntN(6) {
		owner := []string{"a", "b", "c", "", "a.example.com."}[rng.IntN(5)]
		ttl := []string{"", "60 ", "300 "}[rng.IntN(3)]
		b.WriteString(owner + " " + ttl)
		b.WriteString([]string{
			"ALIAS t.example.net. ; why", "ALIAS t.example.net.", "A 192.0.2.1", "IN A 192.0.2.2", "AAAA 2001:db8::1", "TXT x", "TXT ( x\n ; inside\n y )", "MX 10 ns",
		}[rng.IntN(8)] + "\n")
		if rng.IntN(3) == 0 {
			b.WriteString([]string{"; comment\n", "\n", "a.example.com. 60 IN A 192.0.2.1\n", "b.example.com. 60 IN AAAA 2001:db8::1\n"}[rng.IntN(4)])
		}
	}
	return b.String()
}

// randomBlocks gives what stands for ALIAS entries: few choices, so that two
// are often equal.
func randomBlocks(rng *rand.Rand) func(int, string) string {
	ttl := []int{60, 60, 300}[rng.IntN(3)]
	choice := rng.IntN(6)
	return func(i int, owner string) string {
		if i > 0 && rng.IntN(4) == 0 {
			choice = rng.IntN(6)
		}
		lines := "; ALIAS t.example.net.\n"
		for bit, record := range []string{"A 192.0.2.1", "A 192.0.2.2", "AAAA 2001:db8::1"} {
			if []int{1, 1, 3, 5, 4, 0}[choice]>>bit&1 != 0 {
				lines += fmt.Sprintf("%s %d IN %s\n", owner, ttl, record)
			}
		}
		return lines
	}
}

// editLine does to one line of a text what an administrator may do.
func editLine(rng *rand.Rand, text []byte) []byte {
	lines := strings.SplitAfter(string(text), "\n")
	i := rng.IntN(len(lines))
	switch rng.IntN(6) {
	case 0:
		lines[i] = ""
	case 1:
		lines[i] += lines[i]
	case 2:
		j := rng.IntN(len(lines))
		lines[i], lines[j] = lines[j], lines[i]
	case 3:
		lines[i] = strings.Replace(lines[i], " 60 ", " 300 ", 1)
	case 4:
		lines[i] = "; edited\n" + lines[i]
	case 5:
		lines[i] += "a.example.com. 60 IN A 192.0.2.2\n"
	}
	return []byte(strings.Join(lines, ""))
}

func TestFindSerial(t *testing.T) {
	const soa = "@ 3600 IN SOA ns hostmaster ( ; made by hand\n\t7 7200 900 1209600 300 )\n"
	for _, tc := range []struct {
		name, head string
		want       zone.Serial
		found      bool
	}{
		{"at once", soa, 7, true},
		{"what is behind does not matter", soa + "www ( A", 7, true},
		{"behind comments and control entries", "; example.com\n$TTL 300\n\n" + soa, 7, true},
		{"behind a record", "ns 60 A 192.0.2.1\n" + soa, 7, true},
		{"cut off", soa[:len(soa)-1], 0, false},
		{"cut off in parentheses", soa[:50], 0, false},
		{"an error before it", "ns 60 A 192.0.2.256\n" + soa, 0, false},
		{"an error of form before it", "ns 60 TXT \"\n" + soa, 0, false},
		{"nothing", "", 0, false},
		{"no SOA", "ns 60 A 192.0.2.1\n", 0, false},
		{"SOA of another zone", "example.net. 60 SOA ns hostmaster 7 7200 900 1209600 300\n", 0, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got, found := FindSerial("out.zone", []byte(tc.head), compareOptions); got != tc.want || found != tc.found {
				t.Errorf("%d, %v; want %d, %v", got, found, tc.want, tc.found)
			}
		})
	}
}
