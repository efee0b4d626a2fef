package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const primaryZone = `example.com. 300 IN SOA ns.example.net. h.example.net. 2026112201 2 3 4 5
example.com. 300 IN NS ns.example.net.
www.example.com. 60 IN A 192.0.2.1
www.example.com. 60 IN AAAA 2001:db8::1
Mixed.example.com. 60 IN MX 10 Mail.example.NET.
`

var exampleCom = zone.MustParseName("example.com.")

func TestParseServer(t *testing.T) {
	for _, c := range []struct{ text, scheme, addr, zone string }{
		{"dns://192.0.2.1", SchemeDNS, "192.0.2.1:53", ""},
		{"dns://192.0.2.1:5353", SchemeDNS, "192.0.2.1:5353", ""},
		{"dns://[2001:db8::1]", SchemeDNS, "[2001:db8::1]:53", ""},
		{"dns://[2001:db8::1]:5353", SchemeDNS, "[2001:db8::1]:5353", ""},
		{"dns://ns1.example.net", SchemeDNS, "ns1.example.net:53", ""},
		{"axfr://192.0.2.1", SchemeAXFR, "192.0.2.1:53", ""},
		{"axfr://192.0.2.1/", SchemeAXFR, "192.0.2.1:53", ""},
		{"axfr://192.0.2.1:53/Example.COM", SchemeAXFR, "192.0.2.1:53", "example.com."},
	} {
		got, err := ParseServer(c.text, c.scheme)
		if err != nil || got.Addr != c.addr || got.Zone.String() != c.zone {
			t.Errorf("%s: %+v, %v", c.text, got, err)
		}
	}
	for _, c := range []struct{ text, scheme string }{
		{"", SchemeDNS},
		{"192.0.2.1", SchemeDNS},
		{"dns://", SchemeDNS},
		{"axfr://192.0.2.1", SchemeDNS},
		{"dns://192.0.2.1/example.com", SchemeDNS},
		{"dns://192.0.2.1:0", SchemeDNS},
		{"dns://192.0.2.1:65536", SchemeDNS},
		{"dns://192.0.2.1:dns", SchemeDNS},
		{"dns://2001:db8::1", SchemeDNS},
		{"dns://[ns1.example.net]", SchemeDNS},
		{"dns://:53", SchemeDNS},
		{"axfr:///example.com", SchemeAXFR},
		{"axfr://192.0.2.1/a..b", SchemeAXFR},
		{"axfr://192.0.2.1/example.com?key=xfr", SchemeAXFR},
	} {
		if got, err := ParseServer(c.text, c.scheme); err == nil {
			t.Errorf("%q: %+v", c.text, got)
		}
	}
}

func TestServedSerial(t *testing.T) {
	p := dnstest.StartPrimary(t, primaryZone)
	for _, fault := range []dnstest.PrimaryFault{dnstest.PrimaryRight, dnstest.PrimaryTruncated, dnstest.PrimaryTCPOnly} {
		p.Fault(fault)
		if fault == dnstest.PrimaryTCPOnly && testing.Short() {
			continue // it waits for the tries over UDP
		}
		serial, err := ServedSerial(t.Context(), p.Addr(), exampleCom)
		if err != nil || serial != 2026112201 {
			t.Errorf("fault %q: %d, %v", fault, serial, err)
		}
	}
	for _, c := range []struct {
		fault dnstest.PrimaryFault
		want  string
	}{
		{dnstest.PrimaryRefused, "REFUSED"},
		{dnstest.PrimaryNoAA, "not authoritative"},
		{dnstest.PrimaryNoSOA, "no SOA"},
		{dnstest.PrimaryOther, "no SOA"},
	} {
		p.Fault(c.fault)
		serial, err := ServedSerial(t.Context(), p.Addr(), exampleCom)
		if !errors.Is(err, ErrNotServed) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("fault %q: %d, %v", c.fault, serial, err)
		}
	}
	p.Fault(dnstest.PrimaryRight)
	if serial, err := ServedSerial(t.Context(), p.Addr(), zone.MustParseName("example.org.")); !errors.Is(err, ErrNotServed) {
		t.Errorf("another zone: %d, %v", serial, err)
	}
}

// TestServedSerialGivesUp asks where nobody answers, and with a context that
// has ended.
func TestServedSerialGivesUp(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := l.Addr().String()
	l.Close()
	if serial, err := ServedSerial(t.Context(), closed, exampleCom); err == nil || errors.Is(err, ErrNotServed) {
		t.Errorf("a closed port: %d, %v", serial, err)
	}
	p := dnstest.StartPrimary(t, primaryZone)
	p.Fault(dnstest.PrimarySilent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if serial, err := ServedSerial(ctx, p.Addr(), exampleCom); err == nil {
		t.Errorf("an ended context: %d", serial)
	}
}

func TestTransfer(t *testing.T) {
	text := primaryZone
	for i := range 500 {
		text += fmt.Sprintf("h%d.example.com. 60 IN TXT \"%d\"\n", i, i)
	}
	p := dnstest.StartPrimary(t, text)
	got, err := Transfer(t.Context(), p.Addr(), exampleCom, TransferLimits{})
	if err != nil {
		t.Fatal(err)
	}
	want := zonefile.Read("want", []byte(text), zonefile.Options{Origin: exampleCom})
	z := zonefile.Read("got", got, zonefile.Options{Origin: exampleCom})
	if err := errors.Join(want.Found.Err(), z.Found.Err()); err != nil {
		t.Fatal(err)
	}
	if d := zonefile.Diff(want, z); len(d) > 0 || z.Count != 505 {
		t.Errorf("%d records, %d changes", z.Count, len(d))
	}
	if serial, _ := z.Serial(); serial != 2026112201 {
		t.Errorf("serial %d", serial)
	}
}

// TestTransferOfSigned leaves out what a signer added.
func TestTransferOfSigned(t *testing.T) {
	signed := primaryZone + `example.com. 300 IN DNSKEY 257 3 13 mdsswUyr3DPW132mOi8V9xESWE8jTo0dxCjjnopKl+GqJxpVXckHAeF+KkxLbxILfDLUT0rAK9iUzy1L53eKGQ==
example.com. 0 IN NSEC3PARAM 1 0 0 -
www.example.com. 60 IN NSEC example.com. A AAAA RRSIG NSEC
www.example.com. 60 IN RRSIG A 13 3 60 20261231000000 20261101000000 12345 example.com. AAAA
`
	p := dnstest.StartPrimary(t, signed)
	want := zonefile.Read("want", []byte(primaryZone), zonefile.Options{Origin: exampleCom})
	got, err := Transfer(t.Context(), p.Addr(), exampleCom, TransferLimits{})
	if err != nil {
		t.Fatal(err)
	}
	if d := zonefile.Diff(want, zonefile.Read("got", got, zonefile.Options{Origin: exampleCom})); len(d) > 0 {
		t.Errorf("%d changes:\n%s", len(d), got)
	}
	// Without signatures a key is the author's.
	lines := strings.Split(signed, "\n")
	if err := p.Set(strings.Join(lines[:6], "\n") + "\n"); err != nil {
		t.Fatal(err)
	}
	got, err = Transfer(t.Context(), p.Addr(), exampleCom, TransferLimits{})
	if err != nil || !strings.Contains(string(got), "TYPE48") {
		t.Errorf("the key is lost: %v\n%s", err, got)
	}
}

func TestTransferRefuses(t *testing.T) {
	p := dnstest.StartPrimary(t, primaryZone)
	for _, c := range []struct {
		fault  dnstest.PrimaryFault
		limits TransferLimits
		want   string
	}{
		{fault: dnstest.PrimaryTwo, want: "begins with serial 2026112201 and ends with 2026112202"},
		{fault: dnstest.PrimaryOutside, want: "outside.test. is not in the zone"},
		{fault: dnstest.PrimaryEmpty, want: "SOA"},
		{fault: dnstest.PrimaryRefused, want: "rcode"},
		{limits: TransferLimits{Records: 4}, want: "more than 4 records"},
		{limits: TransferLimits{Bytes: 200}, want: "more than 200 bytes"},
	} {
		p.Fault(c.fault)
		text, err := Transfer(t.Context(), p.Addr(), exampleCom, c.limits)
		if !errors.Is(err, ErrBadTransfer) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v\n%s", c, err, text)
		}
	}
	p.Fault(dnstest.PrimaryCut)
	if text, err := Transfer(t.Context(), p.Addr(), exampleCom, TransferLimits{}); err == nil {
		t.Errorf("a transfer that was cut short:\n%s", text)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	p.Fault(dnstest.PrimaryRight)
	if _, err := Transfer(ctx, p.Addr(), exampleCom, TransferLimits{}); !errors.Is(err, context.Canceled) {
		t.Errorf("an ended context: %v", err)
	}
}
