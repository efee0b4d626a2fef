package resolve

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// orderNames is where the records of FuzzAnswerOrder stand and point to: few, so that chains,
// loops and contradictions come up by themselves.
var orderNames = []zone.Name{
	zone.MustParseName("target.example.net."),
	zone.MustParseName("example.net."),
	zone.MustParseName("net."),
	zone.MustParseName("a.test."),
	zone.MustParseName("b.a.test."),
	zone.MustParseName("target.a.test."),
	zone.MustParseName("test."),
	zone.MustParseName("target.test."),
}

var orderTypes = []uint16{dns.TypeA, dns.TypeCNAME, dns.TypeDNAME, dns.TypeAAAA, dns.TypeRRSIG, dns.TypeTXT, dns.TypeA, dns.TypeCNAME}

var orderTTLs = []uint32{0, 30, 60, 300, MaxTTL, MaxTTL + 1, 1<<31 - 1, 1 << 31}

// unrelatedNames are those that no chain of orderNames comes to.
var unrelatedNames = []zone.Name{
	zone.MustParseName("unrelated.invalid."),
	zone.MustParseName("other.example.net."),
	zone.MustParseName("sub.target.example.net."),
}

// wireRecord is a record as octets, its names not compressed.
func wireRecord(owner zone.Name, typ uint16, ttl uint32, rdata []byte) []byte {
	b := append([]byte(nil), owner.Wire()...)
	b = binary.BigEndian.AppendUint16(b, typ)
	b = binary.BigEndian.AppendUint16(b, dns.ClassINET)
	b = binary.BigEndian.AppendUint32(b, ttl)
	b = binary.BigEndian.AppendUint16(b, uint16(len(rdata)))
	return append(b, rdata...)
}

// orderRecord makes a record of three octets, with an owner from some names.
func orderRecord(owners []zone.Name, b []byte) []byte {
	owner, typ := owners[int(b[0])%len(owners)], orderTypes[b[0]>>5]
	target, ttl := orderNames[b[1]&7], orderTTLs[b[1]>>3&7]
	var rdata []byte
	switch typ {
	case dns.TypeA:
		rdata = []byte{192, 0, 2, b[2] & 7}
	case dns.TypeAAAA:
		rdata = append(make([]byte, 15), b[2]&7)
	case dns.TypeCNAME, dns.TypeDNAME:
		rdata = []byte(target.Wire())
	case dns.TypeRRSIG:
		rdata = binary.BigEndian.AppendUint16(rdata, orderTypes[b[2]&3])
		rdata = append(rdata, 13, 2)
		rdata = binary.BigEndian.AppendUint32(rdata, orderTTLs[b[2]>>3&7])
		rdata = append(rdata, make([]byte, 10)...)
		rdata = append(rdata, target.Wire()...)
	default:
		rdata = []byte{1, 'x'}
	}
	return wireRecord(owner, typ, ttl, rdata)
}

// orderMessage is a reply with records in its three sections.
func orderMessage(rcode int, sections ...[][]byte) []byte {
	p := []byte{0, 0, 0x81, 0x80 | byte(rcode), 0, 1, 0, 0, 0, 0, 0, 0}
	for i, s := range sections {
		binary.BigEndian.PutUint16(p[6+2*i:], uint16(len(s)))
	}
	p = append(p, orderNames[0].Wire()...)
	p = append(p, 0, byte(dns.TypeA), 0, dns.ClassINET)
	for _, s := range sections {
		p = append(p, slices.Concat(s...)...)
	}
	return p
}

// orderOutcome is all that a walk over one reply comes to.
type orderOutcome struct {
	Answer Answer
	Done   bool
	Last   zone.Name
	Links  []Link
}

func outcomeOf(t *testing.T, packet []byte) orderOutcome {
	t.Helper()
	m, err := parseMessage(packet, orderNames[0])
	if err != nil {
		t.Fatal(err)
	}
	c := newChain(orderNames[0], dns.TypeA)
	a, done := c.walk(m)
	return orderOutcome{a, done, c.last, c.links}
}

func sameName(a, b zone.Name) bool  { return a == b }
func sameAddr(a, b netip.Addr) bool { return a == b }
func samePrefix(a, b Pref64) bool   { return a == b }

// FuzzAnswerOrder holds that the order of the records of an answer says nothing, and that
// records which no link of the chain leads to change nothing, wherever they stand.
func FuzzAnswerOrder(f *testing.F) {
	kind := func(typ, owner int) byte { return byte(typ<<5 | owner) }
	const a, cname, dname, sig = 0, 1, 2, 4
	seeds := [][]byte{
		{0, 1, kind(a, 0), 1 << 3, 1, kind(a, 0), 2 << 3, 2},
		{0, 1, kind(cname, 0), 1<<3 | 3, 0, kind(cname, 3), 2<<3 | 4, 0, kind(a, 4), 3 << 3, 1},
		{1, 2, kind(dname, 1), 1<<3 | 3, 0, kind(cname, 0), 5, 0, kind(a, 5), 3 << 3, 1},
		{0, 3, kind(dname, 2), 1<<3 | 3, 0, kind(dname, 2), 1<<3 | 6, 0, kind(dname, 1), 2<<3 | 6, 0, kind(a, 7), 3 << 3, 1},
		{0, 4, kind(cname, 0), 1<<3 | 3, 0, kind(cname, 3), 1 << 3, 0},
		{0, 5, kind(cname, 0), 1<<3 | 3, 0, kind(cname, 0), 1<<3 | 4, 0, kind(a, 0), 0, 1},
		{0, 6, kind(a, 0), 3 << 3, 1, kind(sig, 0), 0, 0, kind(sig, 0), 0, 3 << 3},
		{3, 7, kind(cname, 0), 1<<3 | 3, 0},
	}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, seed := range seeds {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) < 5 || len(data) > 2+3*24 {
			return
		}
		rcode := int(data[0] & 3)
		random := rand.New(rand.NewPCG(uint64(data[1]), uint64(len(data))))
		var records [][]byte
		for chunk := range slices.Chunk(data[2:], 3) {
			if len(chunk) == 3 {
				records = append(records, orderRecord(orderNames, chunk))
			}
		}
		want := outcomeOf(t, orderMessage(rcode, records))
		if want.Done {
			checkPromises(t, want.Answer)
		}
		same := func(what string, packet []byte) {
			t.Helper()
			if diff := cmp.Diff(want, outcomeOf(t, packet), cmp.Comparer(sameName), cmp.Comparer(sameAddr), cmp.Comparer(samePrefix)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", what, diff)
			}
		}
		slices.Reverse(records)
		same("in the opposite order", orderMessage(rcode, records))
		for range 4 {
			random.Shuffle(len(records), func(i, j int) { records[i], records[j] = records[j], records[i] })
			same("in another order", orderMessage(rcode, records))
		}

		unrelated := func(owners []zone.Name) []byte {
			return orderRecord(owners, []byte{byte(random.Uint32()), byte(random.Uint32()), byte(random.Uint32())})
		}
		more := slices.Clone(records)
		for range 3 {
			more = slices.Insert(more, random.IntN(len(more)+1), unrelated(unrelatedNames))
		}
		// Whatever is in the other sections but SOA and NS counts for nothing, even with the right names.
		elsewhere := [][]byte{unrelated(orderNames), unrelated(orderNames)}
		same("with unrelated records", orderMessage(rcode, more, elsewhere, elsewhere))
	})
}
