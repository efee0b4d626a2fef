package primary

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// fake is a secondary in a test: it takes NOTIFY, and says which serial it has.
type fake struct {
	address netip.AddrPort

	mu       sync.Mutex
	serial   map[string]uint32
	notified []*dns.Msg // verified
	networks []string
	silent   bool
	deafUDP  bool
	rcode    int // of the answer to NOTIFY
	noSOA    bool
	cutUDP   bool
	follows  bool          // NOTIFY makes it have the serial
	heard    chan struct{} // takes a token for each request
}

func newFake(t *testing.T) *fake {
	t.Helper()
	f := &fake{serial: map[string]uint32{}, follows: true}
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	f.address = netip.MustParseAddrPort(tcp.Addr().String())
	k := testKey(t)
	for _, server := range []*dns.Server{{Listener: tcp}, {PacketConn: udp}} {
		server.Handler, server.TsigProvider = dns.HandlerFunc(f.serve), keyring{k.Name: &k}
		server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
		var ready, done sync.WaitGroup
		ready.Add(1)
		server.NotifyStartedFunc = ready.Done
		done.Go(func() { _ = server.ActivateAndServe() })
		ready.Wait()
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_ = server.ShutdownContext(ctx)
			done.Wait()
		})
	}
	return f
}

func (f *fake) change(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

func (f *fake) serve(w dns.ResponseWriter, m *dns.Msg) {
	f.mu.Lock()
	defer f.mu.Unlock()
	defer func() {
		select {
		case f.heard <- struct{}{}:
		default:
		}
	}()
	udp := w.RemoteAddr().Network() == "udp"
	if f.silent || f.deafUDP && udp {
		return
	}
	answer := new(dns.Msg).SetReply(m)
	name := m.Question[0].Name
	if m.Opcode == dns.OpcodeNotify {
		if w.TsigStatus() == nil && m.IsTsig() != nil {
			f.notified = append(f.notified, m)
			f.networks = append(f.networks, w.RemoteAddr().Network())
		}
		answer.Rcode = f.rcode
		if soa, ok := m.Answer[0].(*dns.SOA); ok && f.follows && f.rcode == 0 {
			f.serial[name] = soa.Serial
		}
		answer.SetTsig(keyName.String(), dns.HmacSHA256, fudge, time.Now().Unix())
		_ = w.WriteMsg(answer)
		return
	}
	answer.Authoritative = true
	switch {
	case f.cutUDP && udp:
		answer.Truncated = true
	case !f.noSOA:
		answer.Answer = []dns.RR{&dns.SOA{
			Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeSOA, Class: dns.ClassINET, Ttl: 60}, Ns: ".", Mbox: ".", Serial: f.serial[name],
		}}
	}
	_ = w.WriteMsg(answer)
}

func followed(t *testing.T, limits Limits, fakes ...*fake) (*running, Setup) {
	t.Helper()
	st := setup(t, example)
	for _, f := range fakes {
		st.Zones[0].Secondaries = append(st.Zones[0].Secondaries, Secondary{Address: f.address, Key: keyName})
	}
	s := start(t, Options{Limits: limits}, st)
	for _, f := range fakes {
		f.change(func() { f.heard = s.seen.heard })
	}
	return s, st
}

func (w *witness) hasFollow(kind FollowKind, to netip.AddrPort, serial zone.Serial) func() bool {
	return func() bool {
		for _, f := range w.follows {
			if f.Kind == kind && f.Secondary == to && f.Serial == serial {
				return true
			}
		}
		return false
	}
}

func TestNotify(t *testing.T) {
	f := newFake(t)
	s, _ := followed(t, Limits{}, f)
	s.publish(t, zoneOf(t, example, soaLine(5)))
	s.seen.wait(t, "it follows", s.seen.hasFollow(FollowReached, f.address, 5))
	f.change(func() {
		m := f.notified[0]
		soa, ok := m.Answer[0].(*dns.SOA)
		if len(f.notified) != 1 || !ok || soa.Serial != 5 || !m.Authoritative || m.Question[0].Qtype != dns.TypeSOA || f.networks[0] != "udp" {
			t.Errorf("notified: %v", f.notified)
		}
	})
	st := s.Status()[0].Secondaries[0]
	if !st.Known || !st.Reached || st.Serial != 5 || !st.Behind.IsZero() || st.Notified.IsZero() || st.Asked.IsZero() || st.Err != nil {
		t.Errorf("status: %+v", st)
	}
	// By hand, although nothing has changed.
	s.Notify(example, zone.MustParseName("nowhere.test"))
	s.seen.wait(t, "it was told again", func() bool {
		n := 0
		f.change(func() { n = len(f.notified) })
		return n == 2 && len(s.seen.follows) == 2
	})
}

// TestNotifyOverTCP: what gets no answer over UDP goes over TCP.
func TestNotifyOverTCP(t *testing.T) {
	f := newFake(t)
	f.deafUDP = true
	s, _ := followed(t, Limits{}, f)
	s.publish(t, zoneOf(t, example, soaLine(5)))
	s.seen.wait(t, "it follows", s.seen.hasFollow(FollowReached, f.address, 5))
	f.change(func() {
		if len(f.networks) != 1 || f.networks[0] != "tcp" {
			t.Errorf("over %v", f.networks)
		}
	})
}

// TestDownHoldsUpNobody: a secondary that does not answer is tried again, and is no concern of
// others.
func TestDownHoldsUpNobody(t *testing.T) {
	up, down := newFake(t), newFake(t)
	down.silent = true
	s, _ := followed(t, Limits{Lag: 500 * time.Millisecond}, down, up)
	begun := time.Now()
	s.publish(t, zoneOf(t, example, soaLine(1)))
	s.seen.wait(t, "the other follows", s.seen.hasFollow(FollowReached, up.address, 1))
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("after %v", took)
	}
	s.seen.wait(t, "it fails", s.seen.hasFollow(FollowFailed, down.address, 1))
	s.seen.wait(t, "it lags", s.seen.hasFollow(FollowLagging, down.address, 1))
	st := s.Status()[0].Secondaries
	if st[0].Address != down.address {
		st[0], st[1] = st[1], st[0]
	}
	if st[0].Known || st[0].Reached || st[0].Behind.IsZero() || st[0].Err == nil || !strings.Contains(st[0].Err.Error(), "no answer") {
		t.Errorf("status: %+v", st[0])
	}
	down.change(func() { down.silent = false })
	s.seen.wait(t, "it follows", s.seen.hasFollow(FollowReached, down.address, 1))
	if st := s.Status()[0].Secondaries; !st[0].Reached || !st[1].Reached || st[0].Err != nil || st[1].Err != nil {
		t.Errorf("status: %+v", st)
	}
}

// TestFollowersAreAsked: acknowledging is not following. One that has lost the zone is told again,
// and one that is ahead of us is an error.
func TestFollowersAreAsked(t *testing.T) {
	f := newFake(t)
	f.change(func() { f.follows = false })
	s, _ := followed(t, Limits{Poll: 50 * time.Millisecond}, f)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	s.seen.wait(t, "NOTIFY is sent again", func() bool {
		n := 0
		f.change(func() { n = len(f.notified) })
		return n == 2
	})
	f.change(func() { f.serial["example.com."], f.follows = 1, true })
	s.seen.wait(t, "it follows", s.seen.hasFollow(FollowReached, f.address, 1))
	told := 0
	f.change(func() { told = len(f.notified); f.serial["example.com."] = 0 })
	s.seen.wait(t, "it follows again", func() bool {
		n := 0
		f.change(func() { n = len(f.notified) })
		return n > told
	})
	f.change(func() { f.serial["example.com."], f.follows = 9, false })
	ahead := func() bool {
		for _, told := range s.seen.follows {
			if told.Kind == FollowFailed && errors.Is(told.Err, errAhead) {
				return true
			}
		}
		return false
	}
	s.seen.wait(t, "it is ahead", ahead)
}

// TestFollowerErrors shows what is told of answers that are of no use.
func TestFollowerErrors(t *testing.T) {
	for want, break1 := range map[string]func(*fake){
		"it answers REFUSED":    func(f *fake) { f.rcode = dns.RcodeRefused },
		"its answer has no SOA": func(f *fake) { f.noSOA = true },
	} {
		f := newFake(t)
		f.change(func() { break1(f) })
		s, _ := followed(t, Limits{}, f)
		s.publish(t, zoneOf(t, example, soaLine(1)))
		s.seen.wait(t, want, func() bool {
			for _, told := range s.seen.follows {
				if told.Kind == FollowFailed && told.Err.Error() == want {
					return true
				}
			}
			return false
		})
	}
	f := newFake(t)
	f.change(func() { f.cutUDP = true })
	s, _ := followed(t, Limits{}, f)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	s.seen.wait(t, "an answer that is cut short comes over TCP", s.seen.hasFollow(FollowReached, f.address, 1))
}

// TestConfigureFollowers: secondaries come and go while the server runs.
func TestConfigureFollowers(t *testing.T) {
	a, b := newFake(t), newFake(t)
	s, st := followed(t, Limits{Poll: 20 * time.Millisecond}, a)
	s.publish(t, zoneOf(t, example, soaLine(1)))
	s.seen.wait(t, "the first follows", s.seen.hasFollow(FollowReached, a.address, 1))
	st.Zones[0].Secondaries = []Secondary{{Address: b.address, Key: keyName}, {Address: a.address, Key: keyName, Silent: true}}
	more := zone.MustParseName("more.test")
	st.Zones = append(st.Zones, ZoneSetup{Name: more, Secondaries: st.Zones[0].Secondaries})
	if err := s.Configure(st); err != nil {
		t.Fatal(err)
	}
	s.seen.wait(t, "the second follows", s.seen.hasFollow(FollowReached, b.address, 1))
	s.publish(t, zoneOf(t, example, soaLine(2)))
	s.publish(t, zoneOf(t, more, soaLine(2)))
	s.seen.wait(t, "it goes on", s.seen.hasFollow(FollowReached, b.address, 2))
	a.change(func() {
		if a.serial["example.com."] != 1 {
			t.Error("who is silent was told")
		}
	})
	st.Zones = st.Zones[1:]
	if err := s.Configure(st); err != nil {
		t.Fatal(err)
	}
	if list := s.Status(); len(list) != 1 || list[0].Name != more || len(list[0].Secondaries) != 1 || s.Generation(example) != nil {
		t.Errorf("status: %+v", list)
	}
	if err := s.Publish(zoneOf(t, example, soaLine(3))); err == nil {
		t.Error("a zone that is not set up was published")
	}
}
