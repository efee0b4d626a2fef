package pull

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestAskSOA(t *testing.T) {
	change := func(f *fake, do func(m *dns.Msg)) func(q *dns.Msg, _ string) *dns.Msg {
		return func(q *dns.Msg, _ string) *dns.Msg {
			m := f.soaAnswer(q)
			do(m)
			return m
		}
	}
	f := startFake(t, testKey(t, "xfr."))
	tests := []struct {
		name   string
		signed bool
		soa    func(q *dns.Msg, network string) *dns.Msg
		code   diag.Code // empty: it goes well
		want   string
	}{
		{"plain", false, nil, "", ""},
		{"signed", true, nil, "", ""},
		{"refused", false, change(f, func(m *dns.Msg) { m.Rcode = dns.RcodeRefused }), diag.CodePullRefused, "it answers REFUSED"},
		{"no authority", false, change(f, func(m *dns.Msg) { m.Authoritative = false }), diag.CodePullRefused, "it is no authority for the zone"},
		{"no SOA", false, change(f, func(m *dns.Msg) { m.Answer = nil }), diag.CodePullRefused, "its answer has no SOA of the zone"},
		{"SOA of another zone", false, change(f, func(m *dns.Msg) { m.Answer[0].Header().Name = "example.net." }), diag.CodePullRefused, "its answer has no SOA of the zone"},
		{"another question", false, change(f, func(m *dns.Msg) { m.Question[0].Name = "example.net." }), diag.CodePullBroken, "a message is the answer to another question"},
		{"BADTIME", true, change(f, func(m *dns.Msg) {
			m.Rcode = dns.RcodeNotAuth
			m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
			m.IsTsig().Error = dns.RcodeBadTime
		}), diag.CodePullSignature, "it answers NOTAUTH (BADTIME)"},
		{"cut over UDP", false, func(q *dns.Msg, network string) *dns.Msg {
			m := f.soaAnswer(q)
			if m.Truncated = network == "udp"; m.Truncated {
				m.Answer = nil
			}
			return m
		}, "", ""},
		{"cut over TCP too", false, change(f, func(m *dns.Msg) { m.Truncated = true }), diag.CodePullUnreachable, "its answer is cut short"},
		{"TCP alone", false, func(q *dns.Msg, network string) *dns.Msg {
			if network == "udp" {
				return nil
			}
			return f.soaAnswer(q)
		}, "", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f.answers(test.soa, nil)
			s := f.source(nil)
			if test.signed {
				s.Key = testKey(t, "xfr.")
			}
			serial, err := s.Serial(t.Context())
			var told *Error
			switch {
			case test.code == "" && (err != nil || serial != 1):
				t.Errorf("%d, %v", serial, err)
			case test.code != "" && (!errors.As(err, &told) || told.Code != test.code || !strings.Contains(err.Error(), test.want)):
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
}

// A forged answer over UDP that comes first does not count.
func TestAskForged(t *testing.T) {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	key := testKey(t, "xfr.")
	f := &fake{t: t, key: key}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		buf := make([]byte, 4096)
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		q := new(dns.Msg)
		if q.Unpack(buf[:n]) != nil {
			return
		}
		forged := new(dns.Msg).SetReply(q)
		forged.Authoritative, forged.Answer = true, []dns.RR{soaOf(99)}
		b, _ := forged.Pack()
		_, _ = c.WriteTo(b, from)
		b[0] ^= 1 // and one with another ID
		_, _ = c.WriteTo(b, from)
		f.serial.Store(7)
		m := f.soaAnswer(q)
		m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
		b, _ = f.signed(m, q.IsTsig(), false)
		_, _ = c.WriteTo(b, from)
	}()
	t.Cleanup(func() {
		c.Close()
		<-ended
	})
	s := Source{Zone: testZone, Primary: netip.MustParseAddrPort(c.LocalAddr().String()), Key: key}
	if serial, err := s.Serial(t.Context()); err != nil || serial != 7 {
		t.Errorf("%d, %v", serial, err)
	}
}

func TestUnreachable(t *testing.T) {
	f := startFake(t, nil)
	s := f.source(nil)
	f.answers(func(*dns.Msg, string) *dns.Msg { return nil }, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Once(ctx, limitsOfTest, true); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.Primary = netip.MustParseAddrPort(tcp.Addr().String())
	tcp.Close()
	mustFail(t, &s, limitsOfTest, diag.CodePullUnreachable, "connection refused")
}

// What cannot be kept is told: a file stands in the place of the folder.
func TestUnkept(t *testing.T) {
	f := startFake(t, nil)
	s := f.source(nil)
	f.answers(nil, zoneOf(t, 1, records1...))
	blocked := filepath.Dir(s.File)
	if err := os.WriteFile(blocked, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := s.Once(t.Context(), limitsOfTest, true)
	var told *Error
	if !errors.As(err, &told) || told.Code != diag.CodeUnreadable {
		t.Errorf("%v", err)
	}
	if set := NewSet([]Source{s}, limitsOfTest, Observer{}); set.Status(0).Problem == nil || set.Status(0).Problem.Code != diag.CodeUnreadable {
		t.Errorf("%+v", set.Status(0))
	}
	s.File = t.TempDir() // and a folder in the place of the file
	if _, err = s.Once(t.Context(), limitsOfTest, true); !errors.As(err, &told) || told.Code != diag.CodeUnwritable {
		t.Errorf("%v", err)
	}
}

// Problems are warnings as long as there is a copy, and have the code of their cause.
func TestProblem(t *testing.T) {
	s := Source{Zone: testZone, Primary: netip.MustParseAddrPort("192.0.2.1:53")}
	cause := failure(diag.CodePullBroken, errors.New("it is broken"))
	for _, c := range []struct {
		got      *diag.Diagnostic
		severity diag.Severity
		code     diag.Code
		message  string
	}{
		{Problem(&s, cause, false), diag.Warning, diag.CodePullBroken, "example.com cannot be pulled from 192.0.2.1:53: it is broken"},
		{Problem(&s, context.DeadlineExceeded, false), diag.Warning, diag.CodePullUnreachable, "example.com cannot be pulled from 192.0.2.1:53: context deadline exceeded"},
		{Problem(&s, cause, true), diag.Error, diag.CodePullExpired, "what is kept of example.com is older than its EXPIRE: 192.0.2.1:53: it is broken"},
		{Pending(&s, nil), diag.Error, diag.CodePullPending, "nothing of example.com was transferred from 192.0.2.1:53 yet"},
		{Pending(&s, Problem(&s, cause, false)), diag.Error, diag.CodePullBroken, "example.com cannot be pulled from 192.0.2.1:53: it is broken; nothing is kept of it"},
	} {
		if c.got.Severity != c.severity || c.got.Code != c.code || c.got.Message != c.message || c.got.Hint == "" || c.got.Span.File != "axfr://192.0.2.1/example.com" {
			t.Errorf("%+v", c.got)
		}
	}
}

func TestNames(t *testing.T) {
	key := zone.MustParseName("Xfr.")
	for _, test := range []struct{ address, zone, url, file string }{
		{"192.0.2.1:53", "example.com.", "axfr://192.0.2.1/example.com", "example.com@192.0.2.1,xfr.zone"},
		{"192.0.2.1:5353", "Example.com.", "axfr://192.0.2.1:5353/example.com", "example.com@192.0.2.1#5353,xfr.zone"},
		{"[2001:db8::1]:53", "0/25.2.0.192.in-addr.arpa.", "axfr://[2001:db8::1]/0/25.2.0.192.in-addr.arpa", "0%2F25.2.0.192.in-addr.arpa@2001%3Adb8%3A%3A1,xfr.zone"},
		{"192.0.2.1:53", ".", "axfr://192.0.2.1/.", ".@192.0.2.1,xfr.zone"},
	} {
		at, name := netip.MustParseAddrPort(test.address), zone.MustParseName(test.zone)
		if got := URL(at, name); got != test.url {
			t.Errorf("%s, want %s", got, test.url)
		}
		if got := FileIn("dir", at, name, key); got != filepath.Join("dir", test.file) {
			t.Errorf("%s, want %s", got, test.file)
		}
	}
	label := strings.Repeat("\\001", 60)
	long := zone.MustParseName(label + "." + label + "." + label + ".")
	a := FileIn("dir", netip.MustParseAddrPort("192.0.2.1:53"), long, zone.Name{})
	b := FileIn("dir", netip.MustParseAddrPort("192.0.2.2:53"), long, zone.Name{})
	if len(filepath.Base(a)) > 255 || a == b {
		t.Errorf("%s\n%s", a, b)
	}
}
