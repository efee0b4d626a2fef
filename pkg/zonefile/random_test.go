package zonefile

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// randomOrigin is the name of every random zone.
const randomOrigin = "example.org"

// keyword stands in a random zone where the type of an ALIAS entry goes, so
// that a name server can be given the same zone with a type it knows.
const keyword = "<type>"

// mix says what a random zone may contain.
type mix struct {
	records   int  // entries of the zone file, about
	aliases   bool // ALIAS entries
	includes  bool // $INCLUDE
	generates bool // $GENERATE
	portable  bool // only what BIND and NSD read alike
	mixedTTLs bool // RRsets with different TTLs, several records of a type
	outside   bool // out-of-zone records
}

// randomZone is a valid zone and the files it includes.
type randomZone struct {
	text  []byte
	files map[string][]byte
}

// maker writes one random zone.
type maker struct {
	mix
	rng     *rand.Rand
	out     *bytes.Buffer
	files   map[string][]byte
	eol     string
	n       int          // numbers names and addresses
	closed  bool         // the current owner name takes no more records
	control bool         // the last entry is a control entry with arguments, which needs a line end
	owned   int          // tells owner names apart
	aliased map[int]bool // owner names with an ALIAS entry
	depth   int
}

// makeZone makes the random zone of a seed.
func makeZone(seed uint64, what mix) randomZone {
	m := &maker{mix: what, rng: rand.New(rand.NewPCG(seed, 1)), files: map[string][]byte{}, out: &bytes.Buffer{}, aliased: map[int]bool{}}
	m.eol = pick(m.rng, "\n", "\n", "\n", "\r\n")
	if m.portable || m.chance(50) {
		m.words("$TTL", m.ttl())
	}
	if m.chance(30) {
		m.words("$ORIGIN", randomOrigin+".")
	}
	soa := []string{pick(m.rng, "@", randomOrigin+"."), "SOA", "ns", "hostmaster." + randomOrigin + ".", "2026010100", "3600", "900", "604800", "55"}
	if m.chance(30) {
		soa = append(soa[:1], append([]string{m.ttl()}, soa[1:]...)...)
	}
	m.record(soa)
	m.record([]string{"", "NS", "ns"})
	m.body(m.records)
	m.record([]string{"ns." + randomOrigin + ".", "A", "192.0.2.1"})
	m.body(m.rng.IntN(3))
	return randomZone{m.finish(m.out.Bytes()), m.files}
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

func (m *maker) chance(percent int) bool { return m.rng.IntN(100) < percent }

// finish takes the last line end away now and then.
func (m *maker) finish(text []byte) []byte {
	if m.chance(25) && !m.control {
		text = bytes.TrimRight(text, "\r\n")
	}
	return bytes.Clone(text)
}

func (m *maker) next() int { m.n++; return m.n }

func (m *maker) body(entries int) {
	for range entries {
		switch k := m.rng.IntN(100); {
		case k < 6:
			m.out.WriteString(pick(m.rng, "", "  ", "; a comment (with \"signs", " ; $TTL 5") + m.eol)
		case k < 12:
			m.origin()
		case k < 15 && (m.chance(50) || m.portable):
			m.words("$TTL", m.ttl())
		case k < 19 && m.includes && m.depth < 3:
			m.include()
		case k < 23 && m.generates:
			m.generate()
		case k < 27 && m.outside:
			m.closed = true
			m.record([]string{"www.example.net.", "A", m.address()})
		case k < 50 && m.aliases:
			m.alias()
		default:
			m.ordinary()
		}
	}
}

func (m *maker) origin() {
	n := m.next()
	name := pick(m.rng, randomOrigin+".", fmt.Sprintf("sub%d.%s.", n, randomOrigin), fmt.Sprintf("Deep.sub%d.%s.", n, randomOrigin))
	if !m.portable && m.chance(30) && m.depth < 2 {
		name = fmt.Sprintf("o%d", n%10)
	}
	if m.rng.IntN(8) == 0 {
		name = randomOrigin + "."
	}
	m.words("$ORIGIN", name)
}

// owner gives an owner field. A blank one says the current name takes another
// record.
func (m *maker) owner() string {
	if !m.closed && m.chance(35) {
		return ""
	}
	m.closed, m.owned = false, m.next()
	n := m.next()
	names := []string{fmt.Sprintf("h%d", n), fmt.Sprintf("H%d.%s.", n, randomOrigin), fmt.Sprintf("h%d.below", n), fmt.Sprintf(`h\%03d%d`, 'a'+n%26, n)}
	if !m.portable {
		names = append(names, fmt.Sprintf(`"q%d"`, n))
	}
	if m.mixedTTLs && m.chance(40) {
		return pick(m.rng, "again", "@", "again."+randomOrigin+".")
	}
	return pick(m.rng, names...)
}

func (m *maker) target() string {
	return pick(m.rng, "cdn.example.net.", "t1", "T2.below", "@", `a\.b.example.com.`, `x\046y`, `\097b`)
}

func (m *maker) alias() {
	m.closed = m.closed || m.aliased[m.owned]
	m.record(m.withTTL(m.owner(), keyword, m.target()))
	m.aliased[m.owned] = true
}

// withTTL puts TTL and class before a type or leaves them out.
func (m *maker) withTTL(owner string, rest ...string) []string {
	fields := []string{owner}
	switch m.rng.IntN(6) {
	case 0, 1:
		fields = append(fields, m.ttl())
	case 2:
		fields = append(fields, "IN")
	case 3:
		fields = append(fields, m.ttl(), "in")
	case 4:
		if m.chance(50) {
			fields = append(fields, "IN", m.ttl())
		}
	}
	return append(fields, rest...)
}

func (m *maker) ttl() string {
	return pick(m.rng, "60", "300", "1h", "90m", "0", "1D", "86399", "5M")
}

func (m *maker) address() string {
	n := m.next()
	return fmt.Sprintf("198.51.100.%d", n%256)
}

// ordinary writes a record other than ALIAS.
func (m *maker) ordinary() {
	if m.chance(8) {
		n := m.next()
		m.record(m.withTTL(fmt.Sprintf("c%d", n), "CNAME", m.target()))
		m.closed = true
		return
	}
	owner := m.owner()
	n := m.next()
	if owner != "" && m.chance(60) || m.mixedTTLs {
		m.record(m.withTTL(owner, m.common(n)...))
		return
	}
	// A type of its own each time, so that no RRset has two TTLs.
	m.record(m.withTTL(owner, fmt.Sprintf("TYPE%d", 20000+n), `\#`, "3", pick(m.rng, "0a0b0c", "0A0B 0c")))
}

// common gives type and RDATA of a common type.
func (m *maker) common(n int) []string {
	switch m.rng.IntN(12) {
	case 0:
		return []string{"A", m.address()}
	case 1:
		return []string{"MX", "10", m.target()}
	case 2:
		return []string{"TXT", `"semi; colon (and"`, fmt.Sprintf(`"\"%d\\"`, n)}
	case 3:
		if m.portable {
			return []string{"TXT", "plain", `"$GENERATE"`}
		}
		return []string{"TXT", "$ORIGIN", "$INCLUDE", fmt.Sprintf(`"$GENERATE 1-9 %d"`, n), `\059`}
	case 4:
		return []string{"SRV", "0", "5", fmt.Sprint(n), m.target()}
	case 5:
		return []string{"CAA", "0", "issue", `"ca.example.net"`}
	case 6:
		return []string{"PTR", m.target()}
	case 7:
		return []string{"SSHFP", "1", "1", fmt.Sprintf("%040x", n)}
	case 8:
		return []string{"TLSA", "3", "1", "1", fmt.Sprintf("%064x", n)}
	case 9:
		return []string{"NAPTR", "100", fmt.Sprint(n), `"S"`, `"SIP+D2U"`, `""`, "_sip._udp"}
	case 10:
		return []string{"HTTPS", fmt.Sprint(n), ".", "alpn=h2,h3", `port=443`}
	default:
		if m.portable || m.aliases {
			return []string{"A", m.address()}
		}
		if m.eol == "\n" {
			return []string{"TXT", "\"runs on\\\n$TTL 7\\\nwww A 192.0.2.9\"", fmt.Sprint(n)}
		}
		return []string{"AAAA", fmt.Sprintf("2001:db8::%x", n)}
	}
}

func (m *maker) include() {
	name := fmt.Sprintf("inc%d", m.next())
	fields := []string{"$INCLUDE", name}
	if !m.portable && m.chance(40) {
		fields = append(fields, pick(m.rng, randomOrigin+".", fmt.Sprintf("inner%d.%s.", m.n, randomOrigin), "rel"))
	}
	m.words(fields...)
	out, eol, closed, owned := m.out, m.eol, m.closed, m.owned
	m.out, m.depth = &bytes.Buffer{}, m.depth+1
	m.eol = pick(m.rng, eol, "\n")
	m.body(m.rng.IntN(6))
	m.files[name] = m.finish(m.out.Bytes())
	m.out, m.depth, m.eol = out, m.depth-1, eol
	// A blank owner field after it repeats the name before it.
	m.closed, m.owned, m.control = closed, owned, true
}

func (m *maker) generate() {
	n := m.next()
	fields := []string{"$GENERATE", pick(m.rng, "1-2", "0-4/2", "7-7"), fmt.Sprintf("g%d-$", n)}
	if m.chance(50) {
		fields = append(fields, m.ttl())
	}
	switch {
	case m.aliases && m.chance(50):
		fields = append(fields, keyword, pick(m.rng, "t$", "t${1,3}.example.net.", "cdn.example.net."))
	case m.chance(50):
		fields = append(fields, "A", "192.0.2.$")
	default:
		fields = append(fields, "MX", `"10 m$"`)
	}
	m.words(fields...)
}

// words writes a control entry.
func (m *maker) words(fields ...string) {
	m.out.WriteString(strings.Join(fields, pick(m.rng, " ", "\t")))
	if m.chance(15) {
		m.out.WriteString(" ; why (not")
	}
	m.out.WriteString(m.eol)
	m.control = true
}

// record writes an entry; an empty first field is a blank owner.
func (m *maker) record(fields []string) {
	m.control = false
	open, end := -1, -1
	if m.chance(25) {
		first := 1
		if m.portable && fields[0] == "" {
			first = 2
		}
		open = first + m.rng.IntN(len(fields)-first)
		end = open + m.rng.IntN(len(fields)-open)
	}
	for i, f := range fields {
		if i > 0 {
			m.out.WriteString(pick(m.rng, " ", "\t", "  ", " \t "))
		}
		if i == open {
			m.out.WriteString(pick(m.rng, "(", "( ", "("+m.eol, "( ; opened) here"+m.eol+" "))
		}
		m.out.WriteString(f)
		if i >= open && i < end {
			m.out.WriteString(pick(m.rng, " ", m.eol, m.eol+m.eol+"\t", " ; note \" of"+m.eol, " "+m.eol+"; whole line"+m.eol))
		}
		if i == end {
			m.out.WriteString(pick(m.rng, ")", " )", m.eol+")", " ; last"+m.eol+"  ) "))
		}
	}
	m.out.WriteString(pick(m.rng, "", "", " ", "\t; a trailing comment") + m.eol)
}

// with gives the text with a type in place of the keyword.
func with(text []byte, typ string) []byte {
	return bytes.ReplaceAll(text, []byte(keyword), []byte(typ))
}

// read reads a random zone whose ALIAS entries have a keyword.
func (z *randomZone) read(word string, o Options) *Zone {
	files := fstest.MapFS{}
	for name, text := range z.files {
		files[name] = &fstest.MapFile{Data: with(text, word)}
	}
	files["zone"] = &fstest.MapFile{Data: with(z.text, word)}
	o.Origin, o.Includes, o.IncludeRoot, o.Path = zone.MustParseName(randomOrigin+"."), files, "/zones", "zone"
	o.CheckNames = diag.Warning
	return Read("zone", files["zone"].Data, o)
}

// write puts a random zone whose ALIAS entries have a type into a folder and
// gives the path of the zone file.
func (z *randomZone) write(t *testing.T, dir, typ string) string {
	t.Helper()
	for name, text := range z.files {
		writeFile(t, filepath.Join(dir, name), with(text, typ))
	}
	file := filepath.Join(dir, "zone")
	writeFile(t, file, with(z.text, typ))
	return file
}

// showFailed shows the zone with its files when the test has failed.
func (z *randomZone) showFailed(t *testing.T) {
	t.Helper()
	if !t.Failed() {
		return
	}
	t.Logf("zone:\n%q\n%s", z.text, z.text)
	for name, text := range z.files {
		t.Logf("%s:\n%s", name, text)
	}
}

// rounds is how many random zones a test tries: half as many as it says, or ten times as many in a
// deep run.
func rounds(n int) int {
	if judge.Deep() {
		return 10 * n
	}
	return n / 2
}

// eachSeed runs a test for a number of seeds until one has failed.
func eachSeed(t *testing.T, n int, f func(t *testing.T, seed uint64)) {
	t.Helper()
	seed := uint64(0)
	defer func() {
		if t.Failed() {
			t.Logf("failed with seed %d", seed)
		}
	}()
	for ; seed < uint64(n) && !t.Failed(); seed++ {
		f(t, seed)
	}
}
