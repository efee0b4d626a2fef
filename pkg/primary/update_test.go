package primary

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// wireRecord is a record as somebody may send it.
type wireRecord struct {
	owner      string
	typ, class uint16
	ttl        uint32
	rdata      string
}

// updateWire packs an UPDATE that is not signed yet; counts and records need not fit.
func updateWire(zoneType, zoneClass uint16, prerequisites, changes []wireRecord) []byte {
	wire := []byte{0, 7, dns.OpcodeUpdate << 3, 0, 0, 1, 0, byte(len(prerequisites)), 0, byte(len(changes)), 0, 0}
	name := func(text string) { wire = append(wire, zone.MustParseName(text).Wire()...) }
	name("example.com.")
	wire = binary.BigEndian.AppendUint16(wire, zoneType)
	wire = binary.BigEndian.AppendUint16(wire, zoneClass)
	for _, r := range slices.Concat(prerequisites, changes) {
		name(r.owner)
		wire = binary.BigEndian.AppendUint16(wire, r.typ)
		wire = binary.BigEndian.AppendUint16(wire, r.class)
		wire = binary.BigEndian.AppendUint32(wire, r.ttl)
		wire = binary.BigEndian.AppendUint16(wire, uint16(len(r.rdata)))
		wire = append(wire, r.rdata...)
	}
	return wire
}

// signWire signs a message as a client does.
func signWire(k Key, wire []byte, at time.Time) []byte {
	s := newSigner(&k, binary.BigEndian.Uint16(wire), &dns.TSIG{})
	s.hash.Reset()
	s.hash.Write(wire)
	variables := append([]byte(k.Name.Wire()), 0, 255, 0, 0, 0, 0)
	variables = append(variables, k.algorithm.wire...)
	variables = appendTime(variables, seconds(at))
	variables = binary.BigEndian.AppendUint16(variables, fudge)
	s.hash.Write(append(variables, 0, 0, 0, 0))
	return appendTSIG(bytes.Clone(wire), k.Name.Wire(), k.algorithm.wire, s.hash.Sum(nil), tsigExtra{time: seconds(at)})
}

// TestUpdateForm goes through messages that are no UPDATE (RFC 2136 §3.1, §3.2 and §3.4.1): the
// right code, signed, and nothing is handed on.
func TestUpdateForm(t *testing.T) {
	const www, a = "www.example.com.", "\xc0\x00\x02\x07"
	z := newUpdatedZone(t)
	s := start(t, Options{Updater: z}, updatable(t))
	prerequisite := func(r wireRecord) []byte {
		return updateWire(dns.TypeSOA, dns.ClassINET, []wireRecord{r}, nil)
	}
	change := func(r wireRecord) []byte {
		return updateWire(dns.TypeSOA, dns.ClassINET, nil, []wireRecord{r})
	}
	const badPrerequisite, badChange = "a prerequisite of it is none", "a change of it is none"
	for _, c := range []struct {
		what   string
		wire   []byte
		rcode  int
		reason string
	}{
		{"zone of another type", updateWire(dns.TypeA, dns.ClassINET, nil, nil), dns.RcodeFormatError, "it names its zone by another type than SOA"},
		{"zone of another class", updateWire(dns.TypeSOA, dns.ClassCHAOS, nil, nil), dns.RcodeNotAuth, "the zone is not served here"},
		{"prerequisite with TTL", prerequisite(wireRecord{www, dns.TypeA, dns.ClassANY, 1, ""}), dns.RcodeFormatError, badPrerequisite},
		{"prerequisite with RDATA", prerequisite(wireRecord{www, dns.TypeA, dns.ClassANY, 0, a}), dns.RcodeFormatError, badPrerequisite},
		{"absence with RDATA", prerequisite(wireRecord{www, dns.TypeA, dns.ClassNONE, 0, a}), dns.RcodeFormatError, badPrerequisite},
		{"value without RDATA", prerequisite(wireRecord{www, dns.TypeA, dns.ClassINET, 0, ""}), dns.RcodeFormatError, badPrerequisite},
		{"value of type ANY", prerequisite(wireRecord{www, dns.TypeANY, dns.ClassINET, 0, ""}), dns.RcodeFormatError, badPrerequisite},
		{"value of type AXFR", prerequisite(wireRecord{www, dns.TypeAXFR, dns.ClassINET, 0, "x"}), dns.RcodeFormatError, badPrerequisite},
		{"prerequisite of another class", prerequisite(wireRecord{www, dns.TypeA, dns.ClassCHAOS, 0, a}), dns.RcodeFormatError, badPrerequisite},
		{"prerequisite on MAILB", prerequisite(wireRecord{www, dns.TypeMAILB, dns.ClassANY, 0, ""}), dns.RcodeFormatError, badPrerequisite},
		{"prerequisite outside", prerequisite(wireRecord{"www.example.net.", dns.TypeA, dns.ClassANY, 0, ""}), dns.RcodeNotZone, "a record of it is not in the zone"},
		{"change outside", change(wireRecord{"com.", dns.TypeA, dns.ClassINET, 60, a}), dns.RcodeNotZone, "a record of it is not in the zone"},
		{"change of another class", change(wireRecord{www, dns.TypeA, dns.ClassCHAOS, 60, a}), dns.RcodeFormatError, badChange},
		{"add of type ANY", change(wireRecord{www, dns.TypeANY, dns.ClassINET, 60, ""}), dns.RcodeFormatError, badChange},
		{"add of type IXFR", change(wireRecord{www, dns.TypeIXFR, dns.ClassINET, 60, "x"}), dns.RcodeFormatError, badChange},
		{"add of type 0", change(wireRecord{www, dns.TypeNone, dns.ClassINET, 60, "x"}), dns.RcodeFormatError, badChange},
		{"add of an unassigned meta type", change(wireRecord{www, 200, dns.ClassINET, 60, "x"}), dns.RcodeFormatError, badChange},
		{"add without RDATA", change(wireRecord{www, dns.TypeTXT, dns.ClassINET, 60, ""}), dns.RcodeFormatError, badChange},
		{"add of an ALIAS to no name", change(wireRecord{www, TypeALIAS, dns.ClassINET, 60, "\x03cdn"}), dns.RcodeFormatError, badChange},
		{"add of an ALIAS to more than a name", change(wireRecord{www, TypeALIAS, dns.ClassINET, 60, "\x03cdn\x00\x00"}), dns.RcodeFormatError, badChange},
		{"add of an ALIAS to nothing", change(wireRecord{www, TypeALIAS, dns.ClassINET, 60, ""}), dns.RcodeFormatError, badChange},
		{"delete of an RRset with TTL", change(wireRecord{www, dns.TypeA, dns.ClassANY, 60, ""}), dns.RcodeFormatError, badChange},
		{"delete of an RRset with RDATA", change(wireRecord{www, dns.TypeA, dns.ClassANY, 0, a}), dns.RcodeFormatError, badChange},
		{"delete of an RRset AXFR", change(wireRecord{www, dns.TypeAXFR, dns.ClassANY, 0, ""}), dns.RcodeFormatError, badChange},
		{"delete of a record with TTL", change(wireRecord{www, dns.TypeA, dns.ClassNONE, 60, a}), dns.RcodeFormatError, badChange},
		{"delete of a record ANY", change(wireRecord{www, dns.TypeANY, dns.ClassNONE, 0, ""}), dns.RcodeFormatError, badChange},
		{"delete of a record without RDATA", change(wireRecord{www, dns.TypeA, dns.ClassNONE, 0, ""}), dns.RcodeFormatError, badChange},
	} {
		t.Run(c.what, func(t *testing.T) {
			wire := signWire(testKey(t), c.wire, time.Now())
			reply := s.raw(t, wire)
			answer := new(dns.Msg)
			if err := answer.Unpack(reply); err != nil {
				t.Fatal(err)
			}
			checkRefused(t, s, answer, c.rcode, 0, c.reason)
			if answer.Opcode != dns.OpcodeUpdate || len(reply) > len(wire) || answer.IsTsig() == nil || z.count() > 0 {
				t.Errorf("answered %d octets to %d, %d handed on:\n%v", len(reply), len(wire), z.count(), answer)
			}
		})
	}
	// RDATA that does not fit its type is no message at all.
	reply := s.raw(t, signWire(testKey(t), change(wireRecord{www, dns.TypeA, dns.ClassINET, 60, "\xc0"}), time.Now()))
	if len(reply) < headerLen || reply[3]&15 != dns.RcodeFormatError || z.count() > 0 {
		t.Errorf("answered %x", reply)
	}
}

// TestUpdateRefusals goes through who may not update, or not so.
func TestUpdateRefusals(t *testing.T) {
	z := newUpdatedZone(t)
	st := updatable(t)
	other, err := NewKey(zone.MustParseName("other.test"), "hmac-sha256", secret)
	if err != nil {
		t.Fatal(err)
	}
	st.Keys = append(st.Keys, other)
	far := zone.MustParseName("example.net")
	st.Updates = append(st.Updates, Updates{Zone: far, From: netip.MustParsePrefix("192.0.2.0/24"), Key: keyName})
	s := start(t, Options{Updater: z}, st)
	add := func(name string) []byte {
		m := new(dns.Msg).SetUpdate(name)
		m.Insert([]dns.RR{oneRecord(t, "www."+name+" 60 A 192.0.2.7")})
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	wrong := testKey(t)
	wrong.secret = []byte("another secret of enough octets")
	unknown := testKey(t)
	unknown.Name = zone.MustParseName("nobody.test")
	now := time.Now()
	wide := new(dns.Msg)
	if err := wide.Unpack(add("example.com.")); err != nil {
		t.Fatal(err)
	}
	wide.SetTsig(keyName.String(), dns.HmacSHA256, 7200, now.Add(-time.Hour).Unix())
	wideWire, _, err := dns.TsigGenerateWithProvider(wide, ring(t), "", false)
	if err != nil {
		t.Fatal(err)
	}
	many := new(dns.Msg).SetUpdate("example.com.")
	for i := range mostUpdateRecords + 1 {
		many.Insert([]dns.RR{oneRecord(t, fmt.Sprintf("a%d.example.com. 60 A 192.0.2.7", i))})
	}
	for _, c := range []struct {
		what   string
		wire   []byte
		rcode  int
		code   uint16
		reason string
	}{
		{"unsigned", add("example.com."), dns.RcodeRefused, 0, "it is not signed"},
		{"wrong secret", signWire(wrong, add("example.com."), now), dns.RcodeNotAuth, dns.RcodeBadSig, "its signature is wrong"},
		{"unknown key", signWire(unknown, add("example.com."), now), dns.RcodeNotAuth, dns.RcodeBadKey, "its key is not known"},
		{"key of others", signWire(other, add("example.com."), now), dns.RcodeRefused, 0, "its address may not update with its key here"},
		{"time", signWire(testKey(t), add("example.com."), now.Add(time.Hour)), dns.RcodeNotAuth, dns.RcodeBadTime, "its clock differs from ours"},
		{"time in a wide window", wideWire, dns.RcodeNotAuth, dns.RcodeBadTime, "its clock differs from ours"},
		{"zone that is not served", signWire(testKey(t), add("example.invalid."), now), dns.RcodeNotAuth, 0, "the zone is not served here"},
		{"name in a zone", signWire(testKey(t), add("www.example.com."), now), dns.RcodeNotAuth, 0, "the zone is not served here"},
		{"zone that takes none", signWire(testKey(t), add("example.org."), now), dns.RcodeRefused, 0, "the zone takes no UPDATE"},
		{"zone of other addresses", signWire(testKey(t), add("example.net."), now), dns.RcodeRefused, 0, "its address may not update with its key here"},
	} {
		t.Run(c.what, func(t *testing.T) {
			answer := new(dns.Msg)
			if err := answer.Unpack(s.raw(t, c.wire)); err != nil {
				t.Fatal(err)
			}
			checkRefused(t, s, answer, c.rcode, c.code, c.reason)
		})
	}
	answer := s.ask(t, "tcp", sign(many))
	checkRefused(t, s, answer, dns.RcodeRefused, 0, "it has too many records")
	if z.count() > 0 {
		t.Errorf("%d were handed on", z.count())
	}
	// Without an updater, or a zone that takes any, there is no UPDATE.
	for what, o := range map[string]Options{"no updater": {}, "no zone": {Updater: z}} {
		st := updatable(t)
		if o.Updater != nil {
			st.Updates = nil
		}
		s := start(t, o, st)
		answer := s.ask(t, "tcp", sign(new(dns.Msg).SetUpdate("example.com.")))
		if answer.Rcode != dns.RcodeNotImplemented {
			t.Errorf("%s: answered %v", what, answer)
		}
	}
	for what, u := range map[string]Updates{"no zone": {From: loop, Key: keyName}, "no addresses": {Zone: example, Key: keyName}, "no key": {Zone: example, From: loop}, "unknown key": {Zone: example, From: loop, Key: example}} {
		st := updatable(t)
		st.Updates = []Updates{u}
		if _, err := newRules(&st); err == nil {
			t.Errorf("%s: it is a setup", what)
		}
	}
}

// TestUpdateNetworks has UPDATE taken over UDP, TCP and TLS, in a connection several times, and
// the same message once.
func TestUpdateNetworks(t *testing.T) {
	c := judge.NewCertificates(t)
	z := newUpdatedZone(t)
	s := start(t, Options{
		Updater: z, ListenTLS: []string{"127.0.0.1:0"}, TLS: &tls.Config{Certificates: []tls.Certificate{c.Issue(t, "primary")}},
	}, updatable(t))
	addrs := s.Addrs()
	config := &tls.Config{RootCAs: c.Pool, ServerName: "primary.test", NextProtos: []string{"dot"}}
	n := 0
	for network, address := range map[string]string{"udp": s.addr, "tcp": s.addr, "tcp-tls": addrs[len(addrs)-1].String()} {
		client := dns.Client{Net: network, TLSConfig: config, TsigProvider: ring(t), Timeout: 5 * time.Second}
		conn, err := client.Dial(address)
		if err != nil {
			t.Fatal(err)
		}
		for range 3 {
			n++
			m := sign(updating(func(m *dns.Msg) {
				m.Insert([]dns.RR{oneRecord(t, fmt.Sprintf("new.example.com. 60 A 192.0.2.%d", n))})
			}))
			answer, _, err := client.ExchangeWithConn(m, &dns.Conn{Conn: conn.Conn}) // a dns.Conn goes on with the MAC before
			if err != nil || answer.Rcode != dns.RcodeSuccess || answer.Opcode != dns.OpcodeUpdate || answer.IsTsig() == nil {
				t.Errorf("%s: %v, %v", network, answer, err)
			}
			if got := len(z.lines(t, "new.example.com.")); got != n {
				t.Errorf("%s: %d records, want %d", network, got, n)
			}
		}
		conn.Close()
	}
	seen := z.take()
	if len(seen) != n || seen[0].Zone != example || seen[0].Key != keyName || !seen[0].Peer.IsValid() {
		t.Errorf("%d were handed on: %+v", len(seen), seen)
	}
	if told := s.seen.takeRefusals(); len(told) > 0 {
		t.Errorf("told: %+v", told)
	}
	// What somebody sends again is not done again, and gets the same answer, whatever its ID.
	wire := signWire(testKey(t), updateWire(dns.TypeSOA, dns.ClassINET, []wireRecord{{"once.example.com.", dns.TypeANY, dns.ClassNONE, 0, ""}}, []wireRecord{{"once.example.com.", dns.TypeA, dns.ClassINET, 60, "\xc0\x00\x02\x07"}}), time.Now())
	for i := range 3 {
		wire[0] = byte(i)
		reply := s.raw(t, wire)
		if reply[3]&15 != dns.RcodeSuccess || reply[0] != byte(i) {
			t.Errorf("answered %x", reply)
		}
	}
	if again := z.count(); again != 1 {
		t.Errorf("%d were handed on, want 1", again)
	}
}

// slowUpdater makes no UPDATE before it is let, and none after its context has ended.
type slowUpdater struct {
	begun chan string
	let   chan struct{}
	ended chan error
}

func (u *slowUpdater) Update(ctx context.Context, update *Update) (int, string) {
	u.begun <- update.Changes[0].Owner.String()
	select {
	case <-u.let:
		return dns.RcodeSuccess, ""
	case <-ctx.Done():
		u.ended <- ctx.Err()
		return dns.RcodeServerFailure, ctx.Err().Error()
	}
}

func oneChange(name string) []byte {
	return updateWire(dns.TypeSOA, dns.ClassINET, nil, []wireRecord{{name, dns.TypeA, dns.ClassANY, 0, ""}})
}

// TestUpdateBounds: so many at once and no more, each for some time, and none that outlives the
// server.
func TestUpdateBounds(t *testing.T) {
	slow := &slowUpdater{begun: make(chan string, 10), let: make(chan struct{}), ended: make(chan error, 1)}
	s := start(t, Options{Updater: slow, Limits: Limits{Updates: 2, Update: time.Hour}}, updatable(t))
	at := time.Now()
	replies := make(chan []byte, 10)
	send := func(wire []byte) { go func() { replies <- s.raw(t, wire) }() }
	first := signWire(testKey(t), oneChange("a.example.com."), at)
	send(first)
	<-slow.begun
	send(signWire(testKey(t), oneChange("b.example.com."), at))
	<-slow.begun
	reply := s.raw(t, signWire(testKey(t), oneChange("c.example.com."), at))
	if reply[3]&15 != dns.RcodeServerFailure {
		t.Errorf("a third: answered %x", reply)
	}
	if told := s.seen.takeRefusals(); len(told) != 1 || told[0].Reason != "too many are under way" || !told[0].Update {
		t.Errorf("told: %+v", told)
	}
	send(first) // which waits for the answer of the same
	slow.let <- struct{}{}
	slow.let <- struct{}{}
	for range 3 {
		if reply := <-replies; reply[3]&15 != dns.RcodeSuccess {
			t.Errorf("answered %x", reply)
		}
	}
	if len(slow.begun) > 0 {
		t.Error("it was done twice")
	}
	c := dial(t, s.addr)
	wire := signWire(testKey(t), oneChange("d.example.com."), at)
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		t.Fatal(err)
	}
	<-slow.begun
	s.stop()
	if err := <-slow.ended; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if p := s.updates.do("late", &Update{}); p == nil || p.reason != "the server ends" {
		t.Errorf("after its end: %+v", p)
	}
}

func TestUpdateDeadline(t *testing.T) {
	slow := &slowUpdater{begun: make(chan string, 10), ended: make(chan error, 1)}
	st := updatable(t)
	st.Zones = nil // it need not be served to anybody
	s := start(t, Options{Updater: slow, Limits: Limits{Update: 50 * time.Millisecond}}, st)
	reply := s.raw(t, signWire(testKey(t), oneChange("a.example.com."), time.Now()))
	if told := s.seen.takeRefusals(); reply[3]&15 != dns.RcodeServerFailure || len(told) != 1 || told[0].Reason != "context deadline exceeded" {
		t.Errorf("answered %x, told %+v", reply, told)
	}
	// One that waits for the same has a deadline of its own.
	s.updates.made["same"] = &madeUpdate{done: make(chan struct{}), at: time.Now()}
	s.updates.order = append(s.updates.order, "same")
	if p := s.updates.do("same", &Update{}); p == nil || p.reason != "the same UPDATE takes too long" {
		t.Errorf("%+v", p)
	}
}

// TestUpdatesForgotten: outcomes are remembered for as long as their signature holds, and not too
// many of them.
func TestUpdatesForgotten(t *testing.T) {
	now := time.Now()
	z := newUpdatedZone(t)
	s := start(t, Options{Updater: z, Now: func() time.Time { return now }}, updatable(t))
	for i := range mostRemembered + 10 {
		if p := s.updates.do(fmt.Sprint(i), &Update{Zone: example}); p != nil {
			t.Fatal(p)
		}
	}
	if n := len(s.updates.made); n != mostRemembered || len(s.updates.order) != n || s.updates.made["9"] != nil || s.updates.made["10"] == nil {
		t.Errorf("%d are remembered", n)
	}
	now = now.Add(rememberUpdate + time.Second)
	if p := s.updates.do("late", &Update{Zone: example}); p != nil || len(s.updates.made) != 1 {
		t.Errorf("%v, %d are remembered", p, len(s.updates.made))
	}
}

// TestNsupdate has BIND's client do what people do with it.
func TestNsupdate(t *testing.T) {
	z := newUpdatedZone(t)
	s := start(t, Options{Updater: z}, updatable(t))
	s.publish(t, zoneOf(t, example, soaLine(7)))
	host, port, _ := strings.Cut(s.addr, ":")
	nsupdate := func(flags string, commands ...string) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		args := append(strings.Fields(flags), "-y", "hmac-sha256:"+strings.TrimSuffix(keyName.String(), ".")+":"+secret)
		c := exec.CommandContext(ctx, "nsupdate", args...)
		c.Stdin = strings.NewReader(strings.Join(slices.Concat([]string{"server " + host + " " + port}, commands, []string{"send", ""}), "\n"))
		out, err := c.CombinedOutput()
		if (err == nil) != (len(out) == 0) {
			t.Errorf("nsupdate: %v, %s", err, out)
		}
		return strings.TrimSpace(string(out))
	}
	has := func(owner string, want ...string) {
		t.Helper()
		if got := z.lines(t, owner); !slices.Equal(got, want) {
			t.Errorf("%s has %q, want %q", owner, got, want)
		}
	}
	for _, flags := range []string{"", "-v"} { // over UDP, and over TCP
		if out := nsupdate(flags, "zone example.com", "prereq nxdomain a.example.com", "update add a.example.com 60 A 192.0.2.7", `update add a.example.com 60 TXT "two; words"`); out != "" {
			t.Error(out)
		}
		has("a.example.com.", "60 A 192.0.2.7", `60 TXT "two; words"`)
		for prereq, want := range map[string]string{
			"nxdomain a.example.com":            "update failed: YXDOMAIN",
			"yxdomain b.example.com":            "update failed: NXDOMAIN",
			"nxrrset a.example.com A":           "update failed: YXRRSET",
			"yxrrset a.example.com AAAA":        "update failed: NXRRSET",
			"yxrrset a.example.com A 192.0.2.8": "update failed: NXRRSET",
		} {
			before := z.all()
			if out := nsupdate(flags, "zone example.com", "prereq "+prereq, "update delete a.example.com"); out != want {
				t.Errorf("%s: %s", prereq, out)
			}
			if !maps.EqualFunc(before, z.all(), slices.Equal[[]UpdateRecord]) {
				t.Errorf("%s: it was done", prereq)
			}
		}
		// Without a zone it asks for the SOA.
		if out := nsupdate(flags, "prereq yxrrset a.example.com A 192.0.2.7", "update delete a.example.com TXT", "update delete a.example.com A 192.0.2.7"); out != "" {
			t.Error(out)
		}
		has("a.example.com.")
		if out := nsupdate(flags, "zone example.com", "prereq nxrrset b.example.com TYPE65401", `update add b.example.com 60 TYPE65401 \# 17 0363646e076578616d706c65036e657400`); out != "" {
			t.Error(out)
		}
		has("b.example.com.", "60 ALIAS cdn.example.net.")
		if out := nsupdate(flags, "zone example.com", `prereq yxrrset b.example.com TYPE65401 \# 17 0363646e076578616d706c65036e657400`, "update delete b.example.com TYPE65401"); out != "" {
			t.Error(out)
		}
		has("b.example.com.")
	}
	if out := nsupdate("", "zone example.org", "update delete a.example.org"); out != "update failed: REFUSED" {
		t.Error(out)
	}
}
