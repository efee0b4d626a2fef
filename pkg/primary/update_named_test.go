package primary

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// someRDATA is what records of a random UPDATE say.
var someRDATA = map[uint16][]string{
	dns.TypeA:     {"\xc0\x00\x02\x01", "\xc0\x00\x02\x02", "\xc0\x00\x02\x03"},
	dns.TypeTXT:   {"\x01a", "\x01b", "\x01A"},
	dns.TypeMX:    {"\x00\x0a\x01a\x04test\x00", "\x00\x0a\x01A\x04test\x00", "\x00\x0b\x01a\x04test\x00"},
	dns.TypeCNAME: {"\x01a\x04test\x00", "\x01A\x04TEST\x00", "\x01b\x04test\x00"},
	dns.TypeDNAME: {"\x01a\x04test\x00", "\x01A\x04TEST\x00", "\x01b\x04test\x00"},
	dns.TypeNS:    {"\x01a\x04test\x00", "\x01b\x04test\x00", "\x01c\x04test\x00"},
	dns.TypeKEY:   {"\x02\x00\x03\x08\x01", "\x02\x00\x03\x08\x02", "\x02\x00\x03\x08\x03"},
	dns.TypeSOA:   {"\x01a\x04test\x00\x01a\x04test\x00" + strings.Repeat("\x00", 20), "", ""},
	65000:         {"", "a", "A"},
}

// someUpdate makes conditions and changes of a few names, so that they meet.
func someUpdate(rnd *rand.Rand) (prerequisites, changes []wireRecord) {
	types := []uint16{dns.TypeA, dns.TypeA, dns.TypeTXT, dns.TypeMX, dns.TypeCNAME, dns.TypeDNAME, dns.TypeNS, dns.TypeKEY, dns.TypeSOA, 65000}
	record := func(class uint16) wireRecord {
		r := wireRecord{owner: []string{"", "a.", "b.", "c.b."}[rnd.IntN(4)] + "example.com.", typ: types[rnd.IntN(len(types))], class: class}
		n := 3
		if r.typ == dns.TypeSOA {
			n = 1
		}
		r.rdata = someRDATA[r.typ][rnd.IntN(n)]
		return r
	}
	whole := func(class uint16) wireRecord {
		r := record(class)
		r.rdata = ""
		if rnd.IntN(3) == 0 {
			r.typ = dns.TypeANY
		}
		return r
	}
	for rnd.IntN(3) == 0 {
		switch rnd.IntN(4) {
		case 0:
			prerequisites = append(prerequisites, record(dns.ClassINET))
		case 1:
			prerequisites = append(prerequisites, whole(dns.ClassANY))
		default:
			prerequisites = append(prerequisites, whole(dns.ClassNONE))
		}
	}
	for range 1 + rnd.IntN(4) {
		switch rnd.IntN(6) {
		case 0:
			changes = append(changes, whole(dns.ClassANY))
		case 1:
			changes = append(changes, record(dns.ClassNONE))
		default:
			r := record(dns.ClassINET)
			r.ttl = []uint32{60, 300, 900}[rnd.IntN(3)]
			changes = append(changes, r)
		}
	}
	return prerequisites, changes
}

// TestUpdateAsNamed has named and a zone in memory take the same updates one after the other: the
// same codes, and the same records. ALIAS, of which named knows nothing, is left out.
func TestUpdateAsNamed(t *testing.T) {
	file := filepath.Join(t.TempDir(), "example.com.zone")
	text := "$TTL 300\n" + strings.Replace(updateZone, `@ 300 TYPE65401 \# 17 0363646e076578616d706c65036e657400`+"\n", "", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	named := judge.StartSteeredNamed(t, map[string]judge.Steered{"example.com": {File: file, Options: "allow-update { key test; };"}})
	key, err := NewKey(zone.MustParseName(judge.SteerKey), "hmac-sha256", judge.SteerSecret)
	if err != nil {
		t.Fatal(err)
	}
	z := newUpdatedZone(t)
	z.records[example] = slices.DeleteFunc(z.records[example], func(r UpdateRecord) bool { return r.Type == TypeALIAS })
	rounds := 200
	if judge.Deep() {
		rounds = 5000
	}
	rnd := rand.New(rand.NewPCG(2136, 1))
	codes := map[int]int{}
	for i := range rounds {
		prerequisites, changes := someUpdate(rnd)
		wire := updateWire(dns.TypeSOA, dns.ClassINET, prerequisites, changes)
		wire[0], wire[1] = byte(i>>8), byte(i)
		rcode, problem := passWire(t, z, wire)
		codes[rcode]++
		if theirs := updateAt(t, named.Addr, signWire(key, wire, time.Now())); theirs != rcode {
			t.Fatalf("round %d: %s, %q, and named says %s to\n%+v\n%+v", i, dns.RcodeToString[rcode], problem, dns.RcodeToString[theirs], prerequisites, changes)
		}
		if rcode != dns.RcodeSuccess {
			continue
		}
		if ours, theirs := z.presented(t), namedLines(t, named.Addr); !slices.Equal(ours, theirs) {
			t.Fatalf("round %d:\n%s\nand named has\n%s\nafter\n%+v", i, strings.Join(ours, "\n"), strings.Join(theirs, "\n"), changes)
		}
	}
	t.Logf("%d updates: %v", rounds, codes)
	if codes[dns.RcodeSuccess] < rounds/3 || len(codes) < 5 {
		t.Errorf("codes %v", codes)
	}
}

// updateAt sends an UPDATE and gives the code of the answer.
func updateAt(t *testing.T, address string, wire []byte) int {
	t.Helper()
	c, err := net.Dial("udp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Write(wire); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65535)
	if _, err := c.Read(buf); err != nil {
		t.Fatal(err)
	}
	return int(buf[3] & 15)
}

// presented gives all records of the zone but its SOA, as [namedLines] does.
func (z *updatedZone) presented(t *testing.T) []string {
	t.Helper()
	var list []string
	for owner, records := range z.all() {
		for _, r := range records {
			if r.Type != dns.TypeSOA {
				list = append(list, fmt.Sprintf("%s %d %d %x", owner, r.TTL, r.Type, foldRDATA(nil, r.Type, []byte(r.RDATA))))
			}
		}
	}
	slices.Sort(list)
	return list
}

func namedLines(t *testing.T, address string) []string {
	t.Helper()
	transfer := dns.Transfer{ReadTimeout: 10 * time.Second}
	envelopes, err := transfer.In(axfr(example), address)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		for _, rr := range e.RR {
			h := rr.Header()
			if h.Rrtype == dns.TypeSOA {
				continue
			}
			rdata, ok := updateRDATA(rr)
			if !ok {
				t.Fatalf("RDATA of %v", rr)
			}
			list = append(list, fmt.Sprintf("%s %d %d %x", zone.MustParseName(h.Name), h.Ttl, h.Rrtype, foldRDATA(nil, h.Rrtype, []byte(rdata))))
		}
	}
	slices.Sort(list)
	return list
}
