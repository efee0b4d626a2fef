package pull

import (
	"encoding/binary"
	"errors"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const testSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

var testZone = zone.MustParseName("example.com.")

// fake is a primary of one zone that does as a test tells it. What is sent over TCP is written by
// the test, octet by octet if need be.
type fake struct {
	t       *testing.T
	addr    netip.AddrPort
	key     *primary.Key
	serial  atomic.Uint32
	queries atomic.Int64

	mu       sync.Mutex
	soa      func(q *dns.Msg, network string) *dns.Msg // nil: as it should be
	transfer func(c *wire)                             // answers AXFR and IXFR
}

// wire is a connection over which a transfer is asked for.
type wire struct {
	net.Conn
	f     *fake
	q     *dns.Msg
	mac   string
	timed bool // a message was signed before
}

func startFake(t *testing.T, key *primary.Key) *fake {
	t.Helper()
	f := &fake{t: t, key: key}
	f.serial.Store(1)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f.addr = netip.MustParseAddrPort(tcp.Addr().String())
	var wg sync.WaitGroup
	wg.Go(func() { f.serveUDP(udp) })
	wg.Go(func() {
		for {
			c, err := tcp.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { f.serveTCP(c) })
		}
	})
	t.Cleanup(func() {
		tcp.Close()
		udp.Close()
		wg.Wait()
	})
	return f
}

func (f *fake) answers(soa func(q *dns.Msg, network string) *dns.Msg, transfer func(c *wire)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.soa, f.transfer = soa, transfer
}

func (f *fake) serveUDP(c net.PacketConn) {
	buf := make([]byte, dns.MaxMsgSize)
	for {
		n, from, err := c.ReadFrom(buf)
		if err != nil {
			return
		}
		if out := f.answer(buf[:n], "udp"); out != nil {
			_, _ = c.WriteTo(out, from)
		}
	}
}

// answer is the answer to a question for the SOA.
func (f *fake) answer(b []byte, network string) []byte {
	f.queries.Add(1)
	q := new(dns.Msg)
	if q.Unpack(b) != nil {
		return nil
	}
	f.mu.Lock()
	answer := f.soa
	f.mu.Unlock()
	m := f.soaAnswer(q)
	if answer != nil {
		m = answer(q, network)
	}
	if m == nil {
		return nil
	}
	if q.IsTsig() != nil && m.IsTsig() == nil && f.key != nil {
		m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
	}
	out, _ := f.signed(m, q.IsTsig(), false)
	return out
}

func (f *fake) soaAnswer(q *dns.Msg) *dns.Msg {
	m := new(dns.Msg).SetReply(q)
	m.Authoritative, m.Answer = true, []dns.RR{soaOf(f.serial.Load())}
	return m
}

// signed packs a message, signed where it has a TSIG record.
func (f *fake) signed(m *dns.Msg, request *dns.TSIG, timers bool) ([]byte, string) {
	if m.IsTsig() == nil {
		out, err := m.Pack()
		if err != nil {
			f.t.Error(err)
		}
		return out, ""
	}
	mac := ""
	if request != nil {
		mac = request.MAC
	}
	out, mac, err := dns.TsigGenerateWithProvider(m, f.key.Provider(), mac, timers)
	if err != nil {
		f.t.Error(err)
	}
	return out, mac
}

func (f *fake) serveTCP(c net.Conn) {
	defer c.Close()
	for {
		var length [2]byte
		if _, err := io.ReadFull(c, length[:]); err != nil {
			return
		}
		b := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(c, b); err != nil {
			return
		}
		q := new(dns.Msg)
		if err := q.Unpack(b); err != nil {
			return
		}
		if q.Question[0].Qtype == dns.TypeSOA {
			if out := f.answer(b, "tcp"); out != nil {
				_, _ = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(out))), out...))
			}
			continue
		}
		f.queries.Add(1)
		f.mu.Lock()
		transfer := f.transfer
		f.mu.Unlock()
		w := &wire{Conn: c, f: f, q: q}
		if t := q.IsTsig(); t != nil {
			w.mac = t.MAC
		}
		transfer(w)
		return
	}
}

// raw sends octets as one message.
func (w *wire) raw(b []byte) bool {
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(b))), b...))
	return err == nil
}

// message makes a message of the answer.
func (w *wire) message(records ...dns.RR) *dns.Msg {
	m := new(dns.Msg).SetReply(w.q)
	m.Authoritative, m.Compress, m.Answer = true, true, records
	return m
}

// send sends records as one message, signed where the request was.
func (w *wire) send(records ...dns.RR) bool {
	m := w.message(records...)
	if w.q.IsTsig() != nil {
		m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
	}
	return w.sign(m)
}

func (w *wire) sign(m *dns.Msg) bool {
	out, mac := w.f.signed(m, &dns.TSIG{MAC: w.mac}, w.timed)
	if mac != "" {
		w.mac, w.timed = mac, true
	}
	return w.raw(out)
}

func soaOf(serial uint32) *dns.SOA {
	return &dns.SOA{
		Hdr: dns.RR_Header{Name: "example.com.", Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 300},
		Ns:  "ns.invalid.", Mbox: "host.invalid.", Serial: serial, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 300,
	}
}

func rr(t *testing.T, text string) dns.RR {
	t.Helper()
	r, err := dns.NewRR(text)
	if err != nil || r == nil {
		t.Fatalf("%s: %v", text, err)
	}
	return r
}

func rrs(t *testing.T, texts ...string) []dns.RR {
	t.Helper()
	var list []dns.RR
	for _, text := range texts {
		list = append(list, rr(t, text))
	}
	return list
}

func testKey(t *testing.T, name string) *primary.Key {
	t.Helper()
	k, err := primary.NewKey(zone.MustParseName(name), "hmac-sha256", testSecret)
	if err != nil {
		t.Fatal(err)
	}
	return &k
}

// source is the source that a fake is the primary of, kept in a folder of the test.
func (f *fake) source(key *primary.Key) Source {
	return Source{Zone: testZone, Primary: f.addr, Key: key, File: filepath.Join(f.t.TempDir(), "pulled", "example.com.zone")}
}

// zoneOf sends the zone of a serial, whole.
func zoneOf(t *testing.T, serial uint32, texts ...string) func(*wire) {
	t.Helper()
	list := rrs(t, texts...)
	return func(w *wire) {
		w.send(append(append([]dns.RR{soaOf(serial)}, list...), soaOf(serial))...)
	}
}

var limitsOfTest = Limits{Message: 300 * time.Millisecond, Long: 5 * time.Second, Records: 1000, Bytes: 1 << 18}

// mustPull pulls a zone that has to come.
func mustPull(t *testing.T, s *Source, l Limits) (*Result, string) {
	t.Helper()
	r, err := s.Once(t.Context(), l, true)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(s.File)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(text)
}

// mustFail pulls a zone that must not, and holds the error against a code and a text. The copy has
// to be as it was.
func mustFail(t *testing.T, s *Source, l Limits, code diag.Code, want string) {
	t.Helper()
	before, _ := os.ReadFile(s.File)
	_, err := s.Once(t.Context(), l, true)
	var told *Error
	if !errors.As(err, &told) || told.Code != code || !strings.Contains(told.Error(), want) {
		t.Errorf("%v, want %s: %s", err, code, want)
	}
	if after, _ := os.ReadFile(s.File); string(after) != string(before) {
		t.Errorf("the copy has changed to\n%s", after)
	}
	entries, _ := os.ReadDir(filepath.Dir(s.File))
	for _, e := range entries {
		if e.Name() != filepath.Base(s.File) {
			t.Errorf("%s was left", e.Name())
		}
	}
}
