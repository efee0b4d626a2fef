package pull

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// FuzzTransfer takes in any message as the first of a transfer. What is made of one that is whole is
// a zone file of as many entries as there are records, which reads back as the same text.
func FuzzTransfer(f *testing.F) {
	for _, records := range [][]dns.RR{
		{soaOf(1), soaOf(1)},
		{soaOf(1), &dns.MX{Hdr: dns.RR_Header{Name: "a.example.com.", Rrtype: dns.TypeMX, Class: dns.ClassINET, Ttl: 60}, Preference: 1, Mx: "a.example.com."}, soaOf(1)},
		{soaOf(1), &dns.RFC3597{Hdr: dns.RR_Header{Name: "example.com.", Rrtype: typeALIAS, Class: dns.ClassINET, Ttl: 60}, Rdata: "0363646e076578616d706c65036e657400"}, soaOf(1)},
		{soaOf(2), soaOf(1), soaOf(2), &dns.TXT{Hdr: dns.RR_Header{Name: "*.example.com.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{"a", ""}}, soaOf(2)},
	} {
		m := new(dns.Msg).SetReply(new(dns.Msg).SetAxfr("example.com."))
		m.Id, m.Compress, m.Answer = 0, true, records
		b, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, false)
		m.Question[0].Qtype = dns.TypeIXFR
		if b, err = m.Pack(); err != nil {
			f.Fatal(err)
		}
		f.Add(b, true)
	}
	f.Fuzz(func(t *testing.T, wire []byte, incremental bool) {
		l := Limits{}.filled()
		taken := &taking{source: &Source{Zone: testZone}, limits: &l, reader: recordReader{zone: testZone}}
		if incremental {
			taken.base = &base{serial: 1, records: map[recordKey]record{}}
			taken.began, taken.step = 1, 1
		}
		before := bytes.Clone(wire)
		err := taken.message(wire)
		if !bytes.Equal(before, wire) {
			t.Fatal("the message was written to")
		}
		if err != nil || taken.state != stateEnded {
			return
		}
		got := records{soa: taken.first, list: taken.list}
		if taken.incremental {
			got.list = taken.base.all()
		}
		text := got.text()
		if n := bytes.Count(text, []byte("\n")); n > len(got.list)+1 || n == 0 {
			t.Fatalf("%d lines of %d records:\n%s", n, len(got.list), text)
		}
		z := zonefile.Read("", text, zonefile.Options{Origin: testZone})
		if z.Found.HasErrors() {
			return // the zone may be one that nobody would serve
		}
		if again := readBase(testZone, text); again != nil {
			soa := got.soa
			if second := (&records{soa: soa, list: again.all()}).text(); !bytes.Equal(second, text) {
				t.Fatalf("read again it is\n%s\nand not\n%s", second, text)
			}
		}
	})
}
