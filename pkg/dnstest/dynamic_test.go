package dnstest

import (
	"slices"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// TestDynamic makes updates as RFC 2136 §3.2 and §3.4 have them.
func TestDynamic(t *testing.T) {
	t.Parallel()
	const text = "example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 10 1 1 1 1\nexample.com. 300 IN NS ns.example.com.\nwww.example.com. 300 IN A 192.0.2.1\n"
	d := StartDynamic(t, text)
	rrs := func(lines ...string) []dns.RR {
		var list []dns.RR
		for _, line := range lines {
			rr, err := dns.NewRR(line)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, rr)
		}
		return list
	}
	update := func(want int, build func(m *dns.Msg)) {
		t.Helper()
		m := new(dns.Msg).SetUpdate("example.com.")
		build(m)
		m.SetTsig(DynamicKey, dns.HmacSHA256, 300, time.Now().Unix())
		client := dns.Client{Net: "tcp", TsigSecret: map[string]string{DynamicKey: DynamicSecret}, Timeout: 10 * time.Second}
		r, _, err := client.Exchange(m, d.Addr())
		if err != nil || r.Rcode != want {
			t.Fatalf("%v, %v, want %s", r, err, dns.RcodeToString[want])
		}
	}
	www := "www.example.com. 300 IN A 192.0.2.1"
	for _, c := range []struct {
		want  int
		build func(m *dns.Msg)
	}{
		{dns.RcodeSuccess, func(m *dns.Msg) { m.Used(rrs(www)) }},
		{dns.RcodeNXRrset, func(m *dns.Msg) { m.Used(rrs("www.example.com. 300 IN A 192.0.2.9")) }},
		{dns.RcodeNXRrset, func(m *dns.Msg) { m.Used(rrs(www, "www.example.com. 300 IN A 192.0.2.9")) }},
		{dns.RcodeSuccess, func(m *dns.Msg) { m.RRsetUsed(rrs(www)) }},
		{dns.RcodeNXRrset, func(m *dns.Msg) { m.RRsetUsed(rrs("www.example.com. 300 IN TXT x")) }},
		{dns.RcodeYXRrset, func(m *dns.Msg) { m.RRsetNotUsed(rrs(www)) }},
		{dns.RcodeNameError, func(m *dns.Msg) { m.NameUsed(rrs("a.example.com. 300 IN A 192.0.2.9")) }},
		{dns.RcodeYXDomain, func(m *dns.Msg) { m.NameNotUsed(rrs(www)) }},
		// A CNAME gets no company, and the last NS of the apex stays.
		{dns.RcodeSuccess, func(m *dns.Msg) { m.Insert(rrs("www.example.com. 300 IN CNAME a.example.com.")) }},
		{dns.RcodeSuccess, func(m *dns.Msg) { m.RemoveRRset(rrs("example.com. 300 IN NS ns.example.com.")) }},
		{dns.RcodeSuccess, func(m *dns.Msg) { m.Remove(rrs("example.com. 300 IN NS ns.example.com.")) }},
		{dns.RcodeSuccess, func(m *dns.Msg) {
			m.RemoveRRset(rrs(www))
			m.Insert(rrs("www.example.com. 60 IN CNAME a.example.com."))
		}},
	} {
		update(c.want, c.build)
	}
	if got, want := d.Records(), []string{"example.com. 300 IN NS ns.example.com.", "www.example.com. 60 IN CNAME a.example.com."}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestParseDynamicFault(t *testing.T) {
	t.Parallel()
	for _, f := range dynamicFaults {
		if got, err := ParseDynamicFault(string(f)); err != nil || got != f {
			t.Errorf("%q: %q, %v", f, got, err)
		}
	}
	if _, err := ParseDynamicFault("nonsense"); err == nil {
		t.Error("nonsense is a fault")
	}
	if err := new(Dynamic).Set("example.com. 300 IN A 192.0.2.1\n"); err == nil {
		t.Error("a zone without an SOA is taken")
	}
}
