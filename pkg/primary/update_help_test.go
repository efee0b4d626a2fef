package primary

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// updatedZone is a zone in memory that takes UPDATE.
type updatedZone struct {
	mu      sync.Mutex
	begin   map[zone.Name][]UpdateRecord
	records map[zone.Name][]UpdateRecord
	seen    []*Update
}

// updateZone is what an updated zone begins with.
const updateZone = `@ 300 SOA ns.example.net. hostmaster.example.net. 7 300 60 86400 60
@ 300 NS ns1.example.net.
@ 300 NS ns2.example.net.
@ 300 TXT "apex"
@ 300 TYPE65401 \# 17 0363646e076578616d706c65036e657400
www 300 A 192.0.2.1
www 300 A 192.0.2.2
www 300 TXT "www"
alias 300 CNAME Target.example.net.
mail 300 MX 10 Mail.example.net.
ent.under 300 A 192.0.2.9
`

func newUpdatedZone(tb testing.TB) *updatedZone {
	tb.Helper()
	z := &updatedZone{records: map[zone.Name][]UpdateRecord{}}
	for _, rr := range parse(tb, example, updateZone) {
		rr.Header().Rdlength = 1 // it has RDATA
		rdata, ok := updateRDATA(rr)
		if !ok {
			tb.Fatalf("RDATA of %v", rr)
		}
		owner := zone.MustParseName(rr.Header().Name)
		z.records[owner] = append(z.records[owner], UpdateRecord{Type: rr.Header().Rrtype, TTL: rr.Header().Ttl, RDATA: rdata, Known: true})
	}
	z.begin = maps.Clone(z.records)
	return z
}

// Update makes the changes, as [RRsetReplacement] says.
func (z *updatedZone) Update(_ context.Context, u *Update) (int, string) {
	z.mu.Lock()
	defer z.mu.Unlock()
	z.seen = append(z.seen, u)
	changes, rcode, problem := u.Apply(func(owner zone.Name) []UpdateRecord { return z.records[owner] })
	for _, c := range changes {
		list := slices.DeleteFunc(slices.Clone(z.records[c.Owner]), func(r UpdateRecord) bool { return slices.Contains(c.Gone, r) })
		list = append(list, c.Come...)
		for i := range list {
			if list[i].Type == c.Type && c.TTL != nil {
				list[i].TTL = *c.TTL
			}
		}
		z.records[c.Owner] = list
	}
	return rcode, problem
}

// lines gives what an owner name has, as sorted text.
func (z *updatedZone) lines(tb testing.TB, owner string) []string {
	tb.Helper()
	z.mu.Lock()
	defer z.mu.Unlock()
	var list []string
	for _, r := range z.records[zone.MustParseName(owner)] {
		h := dns.RR_Header{Name: owner, Rrtype: r.Type, Class: dns.ClassINET, Ttl: r.TTL, Rdlength: uint16(len(r.RDATA))}
		rr, _, err := dns.UnpackRRWithHeader(h, []byte(r.RDATA), 0)
		if err != nil {
			tb.Fatal(err)
		}
		text := dns.Type(r.Type).String() + " " + strings.TrimPrefix(rr.String(), rr.Header().String())
		if r.Type == TypeALIAS {
			text = "ALIAS " + ownerText([]byte(r.RDATA))
		}
		list = append(list, fmt.Sprintf("%d %s", r.TTL, text))
	}
	slices.Sort(list)
	return list
}

// all gives the records of every name, to be compared.
func (z *updatedZone) all() map[zone.Name][]UpdateRecord {
	z.mu.Lock()
	defer z.mu.Unlock()
	return maps.Clone(z.records)
}

func (z *updatedZone) count() int {
	z.mu.Lock()
	defer z.mu.Unlock()
	return len(z.seen)
}

// take gives what was handed on, and begins anew.
func (z *updatedZone) take() []*Update {
	z.mu.Lock()
	defer z.mu.Unlock()
	seen := z.seen
	z.seen, z.records = nil, maps.Clone(z.begin)
	return seen
}

// updatable is a setup of a zone that takes UPDATE of the machine itself, and is served too.
func updatable(tb testing.TB) Setup {
	tb.Helper()
	st := setup(tb, example, zone.MustParseName("example.org"))
	st.Updates = []Updates{{Zone: example, From: loop, Key: keyName}}
	return st
}

// oneRecord reads a record.
func oneRecord(tb testing.TB, text string) dns.RR {
	tb.Helper()
	rr, err := dns.NewRR(text)
	if err != nil || rr == nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return rr
}
