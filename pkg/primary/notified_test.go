package primary

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TestNotified takes NOTIFY for zones of others from their primaries, with the key where there is
// one, and from nobody else.
func TestNotified(t *testing.T) {
	signed, plain, far := zone.MustParseName("signed.test"), zone.MustParseName("plain.test"), zone.MustParseName("far.test")
	st := setup(t, example)
	local := netip.MustParseAddr("127.0.0.1")
	st.Sources = []Source{
		{Name: signed, From: local, Key: keyName},
		{Name: signed, From: netip.MustParseAddr("192.0.2.1"), Key: keyName},
		{Name: plain, From: local, Unsigned: true},
		{Name: far, From: netip.MustParseAddr("192.0.2.1"), Unsigned: true},
	}
	var mu sync.Mutex
	var told []zone.Name
	o := Options{}
	o.Observer.Notified = func(name zone.Name, client netip.AddrPort) {
		mu.Lock()
		defer mu.Unlock()
		if client.Addr() != local {
			t.Errorf("from %s", client)
		}
		told = append(told, name)
	}
	s := start(t, o, st)
	notify := func(name zone.Name) *dns.Msg { return new(dns.Msg).SetNotify(name.String()) }
	with := func(m *dns.Msg, change func(*dns.Msg)) *dns.Msg { change(m); return m }
	for _, c := range []struct {
		what   string
		m      *dns.Msg
		rcode  int
		reason string // empty: it is taken
	}{
		{"signed", sign(notify(signed)), dns.RcodeSuccess, ""},
		{"plain", notify(plain), dns.RcodeSuccess, ""},
		{"plain, signed all the same", sign(notify(plain)), dns.RcodeSuccess, ""},
		{"not signed", notify(signed), dns.RcodeRefused, "it is not signed"},
		{"from elsewhere", notify(far), dns.RcodeRefused, "its address is not that of the primary of the zone"},
		{"zone that is served", sign(notify(example)), dns.RcodeNotAuth, "the zone is not pulled from anywhere"},
		{"unknown zone", sign(notify(zone.MustParseName("other.test"))), dns.RcodeNotAuth, "the zone is not pulled from anywhere"},
		{"name in a zone", sign(notify(zone.MustParseName("a.signed.test"))), dns.RcodeNotAuth, "the zone is not pulled from anywhere"},
		{"another type", sign(with(notify(signed), func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA })), dns.RcodeRefused, "it tells of another type than SOA"},
		{"another class", sign(with(notify(signed), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })), dns.RcodeRefused, "its class is not IN"},
		{"no question", sign(with(notify(signed), func(m *dns.Msg) { m.Question = nil })), dns.RcodeFormatError, "it has not one question"},
		{"a query for it", sign(new(dns.Msg).SetQuestion("signed.test.", dns.TypeSOA)), dns.RcodeRefused, "the zone is not served here"},
		{"UPDATE", sign(new(dns.Msg).SetUpdate("signed.test.")), dns.RcodeNotImplemented, "opcode UPDATE is not served"},
	} {
		for _, network := range []string{"udp", "tcp"} {
			t.Run(c.what+" over "+network, func(t *testing.T) {
				mu.Lock()
				told = nil
				mu.Unlock()
				k := testKey(t)
				client := dns.Client{Net: network, Timeout: 5 * time.Second, TsigProvider: keyring{keyName: &k}}
				answer, _, err := client.Exchange(c.m.Copy(), s.addr)
				if answer == nil {
					t.Fatal(err)
				}
				if c.reason != "" {
					checkRefused(t, s, answer, c.rcode, 0, c.reason)
				} else if answer.Rcode != dns.RcodeSuccess || answer.Opcode != dns.OpcodeNotify || !answer.Authoritative || (c.m.IsTsig() == nil) != (answer.IsTsig() == nil) {
					t.Errorf("answered:\n%v", answer)
				}
				mu.Lock()
				defer mu.Unlock()
				if (len(told) == 1) != (c.reason == "") {
					t.Errorf("told of %v", told)
				}
			})
		}
	}
}

// A source of the setup that could never be notified of is refused.
func TestSourceMistakes(t *testing.T) {
	for what, s := range map[string]Source{
		"no address":   {Name: example, Unsigned: true},
		"no key":       {Name: example, From: netip.MustParseAddr("192.0.2.1")},
		"key and none": {Name: example, From: netip.MustParseAddr("192.0.2.1"), Key: keyName, Unsigned: true},
		"unknown key":  {Name: example, From: netip.MustParseAddr("192.0.2.1"), Key: zone.MustParseName("nobody.test")},
	} {
		st := setup(t, example)
		st.Sources = []Source{s}
		if _, err := newRules(&st); err == nil {
			t.Errorf("%s is taken", what)
		}
	}
}
