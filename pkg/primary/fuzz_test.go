package primary

import (
	"bytes"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// gathered is what a handler has written.
type gathered struct {
	client   net.Addr
	status   error
	signed   bool // rightly
	messages [][]byte
	closed   bool
}

func (g *gathered) LocalAddr() net.Addr                   { return g.client }
func (g *gathered) RemoteAddr() net.Addr                  { return g.client }
func (g *gathered) WriteMsg(*dns.Msg) error               { return errors.New("nothing is written so") }
func (g *gathered) Close() error                          { g.closed = true; return nil }
func (g *gathered) TsigStatus() error                     { return g.status }
func (g *gathered) TsigTimersOnly(bool)                   {}
func (g *gathered) Hijack()                               {}
func (g *gathered) ConnectionState() *tls.ConnectionState { return nil }

func (g *gathered) Write(b []byte) (int, error) {
	g.messages = append(g.messages, bytes.Clone(b))
	return len(b), nil
}

// take has a server take a request as its sockets do.
func (s *Server) take(client net.Addr, wire []byte) *gathered {
	g := &gathered{client: client}
	wire = bytes.Clone(wire)
	if refusal := s.gate.refusal(wire, addrPort(client), client.Network()); refusal != nil {
		if len(refusal) > 0 {
			g.messages = append(g.messages, refusal)
		}
		return g
	}
	m := new(dns.Msg)
	if m.Unpack(wire) != nil {
		return g
	}
	if m.IsTsig() != nil {
		g.status = dns.TsigVerifyWithProvider(wire, currentRing{s}, "", false)
		g.signed = g.status == nil
	}
	s.handle(g, m)
	return g
}

// FuzzRequest: whatever is asked, nothing of a zone comes out that is not allowed, what comes out
// can be read, and at most one thing is told of it.
func FuzzRequest(f *testing.F) {
	told := 0
	observer := Observer{Refused: func(Refusal) { told++ }, Problem: func(err error) { f.Error(err) }}
	server := func(a Access) *Server {
		s, err := New(Options{Observer: observer}, Setup{Keys: []Key{testKey(f)}, Zones: []ZoneSetup{{Name: example, Access: []Access{a}}}})
		if err != nil {
			f.Fatal(err)
		}
		if err := s.Publish(zoneOf(f, example, lookupZone+"a TXT canary\n")); err != nil {
			f.Fatal(err)
		}
		return s
	}
	known := netip.MustParsePrefix("192.0.2.0/24")
	closed, open := server(Access{From: known, Key: keyName}), server(Access{From: known, Unsigned: true})
	udp := &net.UDPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 53}
	tcp := &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 53}
	stranger := &net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 53}
	for _, m := range []*dns.Msg{
		axfr(example), ixfr(example, 1), ixfr(example, 0), sign(axfr(example)), new(dns.Msg).SetNotify("example.com."),
		new(dns.Msg).SetQuestion("x.y.wild.example.com.", dns.TypeANY), new(dns.Msg).SetQuestion("leaf.tree.example.com.", dns.TypeA),
		new(dns.Msg).SetQuestion("loop1.example.com.", dns.TypeA), new(dns.Msg).SetQuestion("x.sub.example.com.", dns.TypeA),
		new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA).SetEdns0(1232, true),
	} {
		wire, err := m.Pack()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(wire)
	}
	f.Add(signedWire(f, axfr(example)))
	f.Fuzz(func(t *testing.T, wire []byte) {
		for _, client := range []net.Addr{udp, tcp, stranger} {
			for _, s := range []*Server{closed, open} {
				told = 0
				g := s.take(client, wire)
				if told > 1 {
					t.Errorf("%d things are told", told)
				}
				for _, b := range g.messages {
					checkAnswer(t, b, wire)
					if (s == closed || client == stranger) && !g.signed && bytes.Contains(b, []byte("canary")) {
						t.Errorf("answered %q", b)
					}
				}
			}
		}
	})
}

// FuzzUpdate: whatever an UPDATE has, signed or not, nobody panics, no answer is longer than the
// request and a signature, and what is handed on is of the zone and can be applied.
func FuzzUpdate(f *testing.F) {
	z := newUpdatedZone(f)
	s, err := New(Options{Updater: z}, updatable(f))
	if err != nil {
		f.Fatal(err)
	}
	a := wireRecord{"www.example.com.", dns.TypeA, dns.ClassINET, 60, "\xc0\x00\x02\x07"}
	for _, typ := range []uint16{dns.TypeA, dns.TypeANY, dns.TypeMX, dns.TypeHTTPS, dns.TypeNAPTR, TypeALIAS, 65000} {
		for _, class := range []uint16{dns.ClassINET, dns.ClassANY, dns.ClassNONE} {
			of := wireRecord{"www.example.com.", typ, class, 0, "\x00\x01\x03cdn\x00"}
			empty := wireRecord{"example.com.", typ, class, 0, ""}
			f.Add(updateWire(dns.TypeSOA, dns.ClassINET, []wireRecord{of}, []wireRecord{of, a}))
			f.Add(updateWire(dns.TypeSOA, dns.ClassINET, []wireRecord{empty}, []wireRecord{empty, a}))
		}
	}
	udp := &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 53}
	key := testKey(f)
	signature := len(key.Name.Wire()) + recordFixed + len(key.algorithm.wire) + 16 + key.algorithm.hash().Size() + 6
	f.Fuzz(func(t *testing.T, wire []byte) {
		requests := [][]byte{wire}
		if len(wire) >= headerLen && len(wire) < udpSize {
			requests = append(requests, signWire(key, wire, time.Now()))
		}
		for _, request := range requests {
			before := z.count()
			g := s.take(udp, request)
			if z.count() > before && !g.signed {
				t.Error("it is not signed")
			}
			for _, b := range g.messages {
				checkAnswer(t, b, request)
				if len(b) > len(request)+signature {
					t.Errorf("answered %d octets to %d", len(b), len(request))
				}
			}
		}
		for _, u := range z.take() {
			for i := range u.Changes {
				if c := &u.Changes[i]; !c.Owner.IsIn(example) || isMetaType(c.Type) && c.Kind != UpdateDeleteRRsets {
					t.Errorf("handed on: %+v", c)
				}
			}
		}
	})
}

func signedWire(f *testing.F, m *dns.Msg) []byte {
	f.Helper()
	k := testKey(f)
	m.SetTsig(k.Name.String(), k.algorithm.text+".", fudge, time.Now().Unix())
	wire, _, err := dns.TsigGenerateWithProvider(m, keyring{k.Name: &k}, "", false)
	if err != nil {
		f.Fatal(err)
	}
	return wire
}

func checkAnswer(t *testing.T, answer, request []byte) {
	t.Helper()
	m := new(dns.Msg)
	if err := m.Unpack(answer); err != nil && (len(answer) < headerLen || answer[3]&15 != dns.RcodeRefused) {
		t.Errorf("%v in %x", err, answer)
	}
	if !bytes.Equal(answer[:2], request[:2]) || answer[2]&0x80 == 0 {
		t.Errorf("answered %x", answer)
	}
}

// FuzzStep: what is kept is read back as it was, or refused.
func FuzzStep(f *testing.F) {
	old, latest := zoneOf(f, example, soaLine(1)+"a A 192.0.2.1\nb MX 5 a\n"), zoneOf(f, example, soaLine(2)+"a A 192.0.2.2\n")
	f.Add(difference(old, latest).encode())
	f.Fuzz(func(t *testing.T, b []byte) {
		if s, err := decodeStep(example, b); err == nil && !bytes.Equal(s.encode(), b) {
			t.Errorf("read as %x", s.encode())
		}
	})
}
