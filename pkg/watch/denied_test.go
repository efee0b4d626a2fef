package watch

import (
	"context"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// asked is a primary that runs, and what it has told since it was asked last.
type asked struct {
	*Primary

	mu   sync.Mutex
	told []Event
}

const deniedSecret = "dGhpcyBpcyBubyBzZWNyZXQgYXQgYWxs"

// startAsked serves example.com to 127.0.0.1, with a key.
func startAsked(t *testing.T) *asked {
	t.Helper()
	key, err := primary.NewKey(zone.MustParseName("xfr.test"), "hmac-sha256", deniedSecret)
	if err != nil {
		t.Fatal(err)
	}
	a := &asked{}
	a.Primary, err = NewPrimary(primary.Options{Listen: []string{"127.0.0.1:0"}}, primary.Setup{
		Keys:  []primary.Key{key},
		Zones: []primary.ZoneSetup{{Name: servedName, Access: []primary.Access{{From: netip.MustParsePrefix("127.0.0.1/32"), Key: key.Name}}}},
	}, func(e Event) {
		a.mu.Lock()
		defer a.mu.Unlock()
		a.told = append(a.told, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := a.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	text := "@ 300 SOA ns.example.net. h.example.net. 7 300 60 86400 60\n@ 300 NS ns.example.net.\n"
	if err := a.Publish(zonefile.Summarize("zone", []byte(text), zonefile.Options{Origin: servedName})); err != nil {
		t.Fatal(err)
	}
	return a
}

// events gives what was told since the last call.
func (a *asked) events() []Event {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.told
	a.told = nil
	return list
}

// Each request that cannot be is answered with its code and told in one line, and that is all.
func TestDeniedInOneLine(t *testing.T) {
	a := startAsked(t)
	at := a.Addrs()[0]
	query := func(name string, typ uint16, changes ...func(*dns.Msg)) *dns.Msg {
		m := new(dns.Msg).SetQuestion(name, typ)
		for _, change := range changes {
			change(m)
		}
		return m
	}
	soaOf := func(serial uint32) func(*dns.Msg) {
		return func(m *dns.Msg) {
			m.Ns = new(dns.Msg).SetIxfr("example.com.", serial, "ns.example.net.", "h.example.net.").Ns
		}
	}
	for _, c := range []struct {
		what   string
		m      *dns.Msg
		key    string
		ago    time.Duration
		last   func(*dns.Msg) // behind the signature
		rcode  int
		answer int // records
		line   string
	}{
		{what: "unknown zone", m: query("example.invalid.", dns.TypeAXFR), rcode: dns.RcodeRefused, line: "for example.invalid. AXFR with key xfr.test.: the zone is not served here"},
		{what: "wrong class", m: query("example.com.", dns.TypeSOA, func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), rcode: dns.RcodeRefused, line: "its class is not IN"},
		{what: "two questions", m: query("example.com.", dns.TypeSOA, func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), rcode: dns.RcodeFormatError, line: "it has not one question"},
		{what: "IXFR from the future", m: query("example.com.", dns.TypeIXFR, soaOf(8)), rcode: dns.RcodeSuccess, answer: 1, line: "NOERROR to 127.0.0.1"},
		{what: "clock skew", m: query("example.com.", dns.TypeAXFR), ago: time.Hour, rcode: dns.RcodeNotAuth, line: "BADTIME to 127.0.0.1"},
		{what: "unknown key in odd case", m: query("example.com.", dns.TypeAXFR), key: "XfR2.tEsT.", rcode: dns.RcodeNotAuth, line: "with key XfR2.tEsT.: its key is not known"},
		{what: "key in odd case", m: query("example.com.", dns.TypeSOA), key: "xFr.TeSt.", rcode: dns.RcodeSuccess, answer: 1},
		{what: "UPDATE", m: new(dns.Msg).SetUpdate("example.com."), rcode: dns.RcodeNotImplemented, line: "over tcp for an UPDATE of example.com. with key xfr.test.: opcode UPDATE is not served"},
		{what: "TSIG not last", m: query("example.com.", dns.TypeAXFR), last: func(m *dns.Msg) { m.SetEdns0(1232, false) }, rcode: dns.RcodeFormatError, line: "its TSIG record is not the last record"},
	} {
		if c.key == "" {
			c.key = "xfr.test."
		}
		c.m.SetTsig(c.key, dns.HmacSHA256, 300, time.Now().Add(-c.ago).Unix())
		wire, _, err := dns.TsigGenerate(c.m, deniedSecret, "", false)
		if err != nil {
			t.Fatal(err)
		}
		if c.last != nil {
			m := new(dns.Msg)
			if err := m.Unpack(wire); err != nil {
				t.Fatal(err)
			}
			c.last(m)
			if wire, err = m.Pack(); err != nil {
				t.Fatal(err)
			}
		}
		conn, err := dns.DialTimeout("tcp", at, 5*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(wire); err != nil {
			t.Fatal(err)
		}
		answer, err := conn.ReadMsg()
		conn.Close()
		if answer == nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		if answer.Rcode != c.rcode || len(answer.Answer) != c.answer || len(answer.Ns) > 0 {
			t.Errorf("%s: answered\n%v", c.what, answer)
		}
		if c.ago > 0 {
			// The answer has the time of the client, and ours beside it (RFC 8945 §5.2.3).
			if ts := answer.IsTsig(); ts == nil || ts.Error != dns.RcodeBadTime || len(ts.OtherData) != 12 || ts.MACSize == 0 {
				t.Errorf("%s: %v", c.what, ts)
			}
		}
		want := 1
		if c.line == "" {
			want = 0
		}
		list := a.events()
		if len(list) != want || want > 0 && (list[0].Kind != KindDenied || !strings.Contains(list[0].Message, c.line) || strings.Contains(list[0].Message, "\n")) {
			t.Errorf("%s: told %+v, want %q", c.what, list, c.line)
		}
	}
}

// The first refusals of a minute are told, the others by their number.
func TestDeniedOften(t *testing.T) {
	a := startAsked(t)
	client := dns.Client{Timeout: 5 * time.Second}
	for range mostTold + 5 {
		if _, _, err := client.Exchange(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA), a.Addrs()[0]); err != nil {
			t.Fatal(err)
		}
	}
	if list := a.events(); len(list) != mostTold {
		t.Errorf("%d lines", len(list))
	}
	if n := a.Refusals()["REFUSED"]; n != mostTold+5 {
		t.Errorf("%d are counted", n)
	}
}
