package primary

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// canary is in every zone that must not be seen.
const canary = "canary.invalid"

func guarded(t *testing.T) *running {
	t.Helper()
	other, unloaded := zone.MustParseName("example.net"), zone.MustParseName("example.org")
	st := setup(t, example, other, unloaded)
	long, err := NewKey(zone.MustParseName("long.test"), "HMAC-SHA512.", secret)
	if err != nil {
		t.Fatal(err)
	}
	st.Keys = append(st.Keys, long)
	st.Zones[1].Access = []Access{{From: netip.MustParsePrefix("192.0.2.0/24"), Key: keyName}}
	st.Zones[0].Access = append(st.Zones[0].Access, Access{From: loop, Key: long.Name, Lookup: true})
	s := start(t, Options{}, st)
	s.publish(t, zoneOf(t, example, soaLine(7)+"a TXT \""+canary+"\"\n"))
	s.publish(t, zoneOf(t, other, soaLine(7)+"a TXT \""+canary+"\"\n"))
	return s
}

// TestRefusals goes through what nobody may ask, or not so: the right code, one line, and
// nothing of a zone.
func TestRefusals(t *testing.T) {
	s := guarded(t)
	query := func(name string, typ uint16) *dns.Msg { return new(dns.Msg).SetQuestion(name, typ) }
	with := func(m *dns.Msg, change func(*dns.Msg)) *dns.Msg { change(m); return m }
	tsig := func(m *dns.Msg, name, algorithmName string, at time.Time) *dns.Msg {
		return m.SetTsig(name, algorithmName, fudge, at.Unix())
	}
	now := time.Now()
	for _, c := range []struct {
		what    string
		m       *dns.Msg
		network string
		rcode   int
		code    uint16
		reason  string
	}{
		{"unsigned transfer", axfr(example), "tcp", dns.RcodeRefused, 0, "it is not signed"},
		{"unsigned lookup", query("a.example.com.", dns.TypeTXT), "udp", dns.RcodeRefused, 0, "it is not signed"},
		{"unsigned SOA", query("example.com.", dns.TypeSOA), "udp", dns.RcodeRefused, 0, "it is not signed"},
		{"zone of other addresses", sign(axfr(zone.MustParseName("example.net"))), "tcp", dns.RcodeRefused, 0, "its address may not use its key here"},
		{"zone that is not served", sign(axfr(zone.MustParseName("example.invalid"))), "tcp", dns.RcodeRefused, 0, "the zone is not served here"},
		{"transfer of a name in a zone", sign(axfr(zone.MustParseName("a.example.com"))), "tcp", dns.RcodeRefused, 0, "the zone is not served here"},
		{"name in no zone", sign(query("www.example.invalid.", dns.TypeA)), "udp", dns.RcodeRefused, 0, "the zone is not served here"},
		{"zone that is not loaded", sign(axfr(zone.MustParseName("example.org"))), "tcp", dns.RcodeServerFailure, 0, "the zone is not loaded"},
		{"wrong class", sign(with(query("example.com.", dns.TypeSOA), func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS })), "udp", dns.RcodeRefused, 0, "its class is not IN"},
		{"two questions", sign(with(query("example.com.", dns.TypeSOA), func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) })), "udp", dns.RcodeFormatError, 0, "it has not one question"},
		{"no question", sign(with(query("example.com.", dns.TypeSOA), func(m *dns.Msg) { m.Question = nil })), "udp", dns.RcodeFormatError, 0, "it has not one question"},
		{"AXFR over UDP", sign(axfr(example)), "udp", dns.RcodeFormatError, 0, "AXFR goes over TCP"},
		{"IXFR without SOA", sign(query("example.com.", dns.TypeIXFR)), "tcp", dns.RcodeFormatError, 0, "its IXFR has no SOA of the zone"},
		{"IXFR with a foreign SOA", sign(with(ixfr(example, 1), func(m *dns.Msg) { m.Ns[0].Header().Name = "example.net." })), "tcp", dns.RcodeFormatError, 0, "its IXFR has no SOA of the zone"},
		{"UPDATE", sign(new(dns.Msg).SetUpdate("example.com.")), "udp", dns.RcodeNotImplemented, 0, "opcode UPDATE is not served"},
		{"NOTIFY", sign(new(dns.Msg).SetNotify("example.com.")), "udp", dns.RcodeNotImplemented, 0, "opcode NOTIFY is not served"},
		{"later EDNS", sign(with(query("example.com.", dns.TypeSOA), func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetVersion(3) })), "udp", dns.RcodeBadVers, 0, "its version of EDNS is not known"},
		{"two OPT", sign(with(query("example.com.", dns.TypeSOA), func(m *dns.Msg) { m.SetEdns0(1232, false); m.SetEdns0(1232, false) })), "udp", dns.RcodeFormatError, 0, "it has two OPT records"},
		{"lookup key transfers", tsig(axfr(example), "long.test.", dns.HmacSHA512, now), "tcp", dns.RcodeRefused, 0, "it may look up, and not transfer"},
		{"clock behind", tsig(axfr(example), "xfr.test.", dns.HmacSHA256, now.Add(-time.Hour)), "tcp", dns.RcodeNotAuth, dns.RcodeBadTime, "its clock differs from ours"},
		{"clock ahead", tsig(axfr(example), "xfr.test.", dns.HmacSHA256, now.Add(time.Hour)), "tcp", dns.RcodeNotAuth, dns.RcodeBadTime, "its clock differs from ours"},
	} {
		t.Run(c.what, func(t *testing.T) {
			k := testKey(t)
			k512 := k
			k512.algorithm = algorithms[2]
			client := dns.Client{Net: c.network, Timeout: 5 * time.Second, TsigProvider: keyring{keyName: &k, zone.MustParseName("long.test"): &k512}}
			answer, _, err := client.Exchange(c.m, s.addr)
			if answer == nil {
				t.Fatal(err)
			}
			checkRefused(t, s, answer, c.rcode, c.code, c.reason)
		})
	}
}

func checkRefused(t *testing.T, s *running, answer *dns.Msg, rcode int, code uint16, reason string) {
	t.Helper()
	if answer.Rcode != rcode || len(answer.Answer)+len(answer.Ns) > 0 || strings.Contains(answer.String(), canary) {
		t.Errorf("answered:\n%v", answer)
	}
	if ts := answer.IsTsig(); ts != nil && ts.Error != code {
		t.Errorf("the TSIG record says %d, want %d", ts.Error, code)
	}
	list := s.seen.takeRefusals()
	if len(list) != 1 || list[0].Rcode != rcode || list[0].Error != code || list[0].Reason != reason {
		t.Errorf("told: %+v, want %d, %d, %q", list, rcode, code, reason)
	}
}

// signedRaw packs a query signed with a key that may be wrong.
func signedRaw(t *testing.T, k Key, m *dns.Msg, at time.Time) []byte {
	t.Helper()
	m.SetTsig(k.Name.String(), k.algorithm.text+".", fudge, at.Unix())
	wire, _, err := dns.TsigGenerateWithProvider(m, keyring{k.Name: &k}, "", false)
	if err != nil {
		t.Fatal(err)
	}
	return wire
}

// TestBadSignatures goes through what RFC 8945 §5.2 says of signatures.
func TestBadSignatures(t *testing.T) {
	s := guarded(t)
	soa := func() *dns.Msg { return new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA) }
	right := testKey(t)
	unknown, otherAlgorithm, otherSecret := right, right, right
	unknown.Name = zone.MustParseName("nobody.test")
	otherAlgorithm.algorithm = algorithms[1]
	otherSecret.secret = []byte("another secret of enough octets")
	cut := func(n int) []byte {
		wire := signedRaw(t, right, soa(), time.Now())
		m := new(dns.Msg)
		if err := m.Unpack(wire); err != nil {
			t.Fatal(err)
		}
		ts := m.IsTsig()
		ts.MAC, ts.MACSize = ts.MAC[:2*n], uint16(n)
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	twice := func() []byte {
		m := new(dns.Msg)
		if err := m.Unpack(signedRaw(t, right, soa(), time.Now())); err != nil {
			t.Fatal(err)
		}
		m.Extra = append(m.Extra, m.Extra[0])
		wire, _ := m.Pack()
		return wire
	}
	notLast := func() []byte {
		m := new(dns.Msg)
		if err := m.Unpack(signedRaw(t, right, soa(), time.Now())); err != nil {
			t.Fatal(err)
		}
		m.SetEdns0(1232, false)
		wire, _ := m.Pack()
		return wire
	}
	for _, c := range []struct {
		what   string
		wire   []byte
		rcode  int
		code   uint16
		signed bool
		reason string
	}{
		{"unknown key", signedRaw(t, unknown, soa(), time.Now()), dns.RcodeNotAuth, dns.RcodeBadKey, false, "its key is not known"},
		{"other algorithm", signedRaw(t, otherAlgorithm, soa(), time.Now()), dns.RcodeNotAuth, dns.RcodeBadKey, false, "its key is not known"},
		{"other secret", signedRaw(t, otherSecret, soa(), time.Now()), dns.RcodeNotAuth, dns.RcodeBadSig, false, "its signature is wrong"},
		{"other secret and time", signedRaw(t, otherSecret, soa(), time.Now().Add(time.Hour)), dns.RcodeNotAuth, dns.RcodeBadSig, false, "its signature is wrong"},
		{"time", signedRaw(t, right, soa(), time.Now().Add(time.Hour)), dns.RcodeNotAuth, dns.RcodeBadTime, true, "its clock differs from ours"},
		{"truncated", cut(16), dns.RcodeNotAuth, dns.RcodeBadTrunc, true, "its signature is truncated"},
		{"too short", cut(15), dns.RcodeFormatError, 0, false, "its TSIG record cannot be used"},
		{"empty", cut(0), dns.RcodeFormatError, 0, false, "its TSIG record cannot be used"},
		{"twice", twice(), dns.RcodeFormatError, 0, false, "its TSIG record is not the last record"},
		{"not last", notLast(), dns.RcodeFormatError, 0, false, "its TSIG record is not the last record"},
	} {
		t.Run(c.what, func(t *testing.T) {
			before := uint64(time.Now().Unix())
			answer := new(dns.Msg)
			if err := answer.Unpack(s.raw(t, c.wire)); err != nil {
				t.Fatal(err)
			}
			checkRefused(t, s, answer, c.rcode, c.code, c.reason)
			ts := answer.IsTsig()
			if (ts != nil) != (c.code != 0) || ts != nil && (ts.Error != c.code || (ts.MACSize > 0) != c.signed) {
				t.Errorf("signed: %v", ts)
			}
			if c.code != dns.RcodeBadTime {
				return
			}
			// The answer has the time of the client, and ours beside it.
			other, err := hex.DecodeString(ts.OtherData)
			if err != nil || len(other) != 6 {
				t.Fatalf("other data %q", ts.OtherData)
			}
			ours := uint64(binary.BigEndian.Uint16(other))<<32 | uint64(binary.BigEndian.Uint32(other[2:]))
			if ours < before || ours > before+60 || ts.TimeSigned < ours+3000 {
				t.Errorf("our time %d at %d, its time %d", ours, before, ts.TimeSigned)
			}
		})
	}
}

// TestNoRepetition: a message of many questions that cannot be read is not answered with them, which
// are longer than it is.
func TestNoRepetition(t *testing.T) {
	s := guarded(t)
	const questions = 100
	wire := []byte{0, 7, 0, 0, 0, questions, 0, 1, 0, 0, 0, 0}
	wire = append(wire, zone.MustParseName(strings.Repeat("long.", 40)).Wire()...)
	wire = append(wire, 0, 1, 0, 1)
	for range questions - 1 {
		wire = append(wire, 0xc0, headerLen, 0, 1, 0, 1)
	}
	wire = append(wire, 0xff) // of a record that is none
	c, err := net.Dial("udp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(wire); err != nil {
		t.Fatal(err)
	}
	s.seen.wait(t, "it is told", func() bool {
		return len(s.seen.refusals) == 1 && s.seen.refusals[0].Rcode == -1 && s.seen.refusals[0].Client.IsValid()
	})
	if _, err := c.Write(signedRaw(t, testKey(t), new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA), time.Now())); err != nil {
		t.Fatal(err)
	}
	if err := c.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil || n > 1000 || buf[3]&15 != dns.RcodeSuccess {
		t.Errorf("the first answer has %d octets, %v", n, err)
	}
}

// TestKeyNamesAndQuestionsInOddCase: names are compared without regard to case, and the question
// comes back as it was asked.
func TestOddCase(t *testing.T) {
	s := guarded(t)
	m := new(dns.Msg).SetAxfr("eXaMpLe.CoM.")
	m.SetTsig("XFR.Test.", "HMAC-sha256.", fudge, time.Now().Unix())
	transfer := dns.Transfer{TsigProvider: ring(t)}
	envelopes, err := transfer.In(m, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		n += len(e.RR)
	}
	if n != 4 {
		t.Errorf("%d records", n)
	}
	answer := s.ask(t, "tcp", sign(new(dns.Msg).SetQuestion("eXaMpLe.CoM.", dns.TypeSOA)))
	if answer.Question[0].Name != "eXaMpLe.CoM." || len(answer.Answer) != 1 {
		t.Errorf("answered:\n%v", answer)
	}
}

// TestStrangers are turned away before anything of theirs is parsed.
func TestStrangers(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access = []Access{{From: netip.MustParsePrefix("192.0.2.0/24"), Key: keyName}}
	s := start(t, Options{}, st)
	s.publish(t, zoneOf(t, example, soaLine(7)+"a TXT \""+canary+"\"\n"))
	for _, network := range []string{"udp", "tcp"} {
		answer := s.ask(t, network, sign(axfr(example)))
		checkRefused(t, s, answer, dns.RcodeRefused, 0, "its address is not known")
		if answer.Question[0].Name != "example.com." {
			t.Errorf("%s: %v", network, answer)
		}
	}
	// What no name is in is answered without a question.
	answer := s.raw(t, []byte("\x12\x34\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\xff\xff"))
	if want := "\x12\x34\x80\x05\x00\x00\x00\x00\x00\x00\x00\x00"; string(answer) != want {
		t.Errorf("answered %x", answer)
	}
}

// hostility is a kind of request that must not bring anything of a zone.
type hostility struct {
	what string
	from string // the address of the client; empty: one that may transfer
	make func(rnd *rand.Rand) []byte
}

func hostilities(t *testing.T) []hostility {
	t.Helper()
	right := testKey(t)
	wrong, unknown := right, right
	wrong.secret, unknown.Name = []byte("another secret of enough octets"), zone.MustParseName("nobody.test")
	pack := func(m *dns.Msg) []byte {
		wire, err := m.Pack()
		if err != nil {
			t.Fatal(err)
		}
		return wire
	}
	requests := []func() *dns.Msg{
		func() *dns.Msg { return axfr(example) },
		func() *dns.Msg { return ixfr(example, 6) },
		func() *dns.Msg { return new(dns.Msg).SetQuestion("a.example.com.", dns.TypeTXT) },
	}
	some := func(rnd *rand.Rand) *dns.Msg { return requests[rnd.IntN(len(requests))]() }
	good := signedRaw(t, right, axfr(example), time.Now())
	return []hostility{
		{"malformed", "", func(rnd *rand.Rand) []byte {
			m := some(rnd)
			covered := len(pack(m)) // by the MAC, but for the ID, which the TSIG record has once more
			wire := signedRaw(t, right, m, time.Now())
			if rnd.IntN(2) == 0 {
				return wire[:rnd.IntN(len(wire))]
			}
			before := bytes.Clone(wire)
			for bytes.Equal(wire, before) {
				for range 1 + rnd.IntN(10) {
					wire[2+rnd.IntN(covered-2)] ^= byte(1 + rnd.IntN(255))
				}
			}
			return wire
		}},
		{"noise", "", func(rnd *rand.Rand) []byte {
			wire := make([]byte, rnd.IntN(600))
			for i := range wire {
				wire[i] = byte(rnd.IntN(256))
			}
			return wire
		}},
		{"unsigned", "", func(rnd *rand.Rand) []byte { return pack(some(rnd)) }},
		{"signed with another secret", "", func(rnd *rand.Rand) []byte { return signedRaw(t, wrong, some(rnd), time.Now()) }},
		{"signed with an unknown key", "", func(rnd *rand.Rand) []byte { return signedRaw(t, unknown, some(rnd), time.Now()) }},
		{"signed for another question", "", func(rnd *rand.Rand) []byte {
			other := new(dns.Msg)
			if err := other.Unpack(signedRaw(t, right, new(dns.Msg).SetQuestion("b.example.com.", dns.TypeA), time.Now())); err != nil {
				t.Fatal(err)
			}
			m := some(rnd)
			m.Id, m.Extra = other.Id, other.Extra
			return pack(m)
		}},
		{"replayed too late", "", func(rnd *rand.Rand) []byte {
			return signedRaw(t, right, some(rnd), time.Now().Add(-fudge*time.Second-time.Duration(2+rnd.IntN(1e6))*time.Second))
		}},
		{"replayed by a stranger", "127.0.0.9", func(*rand.Rand) []byte { return good }},
		{"an answer of ours", "", func(rnd *rand.Rand) []byte {
			m := some(rnd)
			m.Response = true
			return signedRaw(t, right, m, time.Now())
		}},
	}
}

// TestHostile sends what is malformed, unsigned, badly signed and replayed, over UDP, and over TCP
// several in one connection and out of order: no octet of a zone comes out, and the server goes on.
func TestHostile(t *testing.T) {
	st := setup(t, example)
	st.Zones[0].Access[0].From = netip.MustParsePrefix("127.0.0.1/32")
	s := start(t, Options{Limits: Limits{Answers: 1 << 20, Refusals: 1 << 20}}, st)
	for serial := 6; serial <= 7; serial++ {
		// Requests, which may come back, have the other host.
		soa := strings.ReplaceAll(soaLine(serial), "hostmaster.example.com", canary)
		s.publish(t, zoneOf(t, example, soa+fmt.Sprintf("a TXT \"%s %d\"\n", canary, serial)))
	}
	rnd := rand.New(rand.NewPCG(6, 6))
	rounds := 1500
	if judge.Deep() {
		rounds = 10_000
	}
	const together = 5 // requests of one connection
	kinds := hostilities(t)
	octets, answers := 0, 0
	for i := 0; i < rounds; {
		kind := kinds[rnd.IntN(len(kinds))]
		network, n := "udp", 1
		if rnd.IntN(2) == 0 {
			network, n = "tcp", together
		}
		var requests [][]byte
		for range n {
			requests = append(requests, kind.make(rnd))
		}
		i += n
		got := s.hostile(t, network, kind.from, requests)
		if strings.Contains(string(got), "canary") {
			t.Fatalf("%s over %s: answered %q", kind.what, network, got)
		}
		octets += len(got)
		if len(got) > 0 {
			answers++
		}
	}
	t.Logf("%d requests: %d octets of answers", rounds, octets)
	if answers < rounds/20 {
		t.Errorf("%d answers: it does not listen", answers)
	}
	if rrs := s.pull(t, axfr(example)); len(rrs) != 4 {
		t.Errorf("%d records", len(rrs))
	}
}

// hostile sends requests, and gives all that comes.
func (s *running) hostile(t *testing.T, network, from string, requests [][]byte) []byte {
	t.Helper()
	var d net.Dialer
	if from != "" && network == "tcp" {
		d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(from)}
	} else if from != "" {
		d.LocalAddr = &net.UDPAddr{IP: net.ParseIP(from)}
	}
	c, err := d.DialContext(t.Context(), network, s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	wait := 2 * time.Millisecond
	tcp, ok := c.(*net.TCPConn)
	if ok {
		wait = 10 * time.Second
	}
	if err := c.SetDeadline(time.Now().Add(wait)); err != nil {
		t.Fatal(err)
	}
	for _, wire := range requests {
		if ok {
			wire = append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
		}
		if _, err := c.Write(wire); err != nil {
			break // it is turned away already
		}
	}
	if ok {
		_ = tcp.CloseWrite() // it may be turned away already
	}
	all, buf := []byte(nil), make([]byte, 65535)
	for {
		n, err := c.Read(buf)
		all = append(all, buf[:n]...)
		if err != nil || !ok {
			return all
		}
	}
}

// TestKeys shows what makes a key, and that no secret is printed.
func TestKeys(t *testing.T) {
	for want, c := range map[string][3]string{
		"is none of hmac-sha256":   {"a.test", "hmac-md5", secret},
		"is no base64":             {"a.test", "hmac-sha256", "sec!ret"},
		"at least 16 are needed":   {"a.test", "hmac-sha256", "c2hvcnQ="},
		`"hmac-sha1" is none of h`: {"a.test", "hmac-sha1", secret},
	} {
		_, err := NewKey(zone.MustParseName(c[0]), c[1], c[2])
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), c[2]) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if _, err := NewKey(zone.Name{}, "hmac-sha256", secret); err == nil {
		t.Error("a key without a name")
	}
	k := testKey(t)
	st := Setup{Keys: []Key{k}}
	text, err := k.MarshalText()
	if err != nil {
		t.Fatal(err)
	}
	for _, printed := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s %q %x", k, k, k, k, k, k), fmt.Sprintf("%+v %#v", st, st), string(text), k.String(), k.GoString()} {
		if strings.Contains(printed, "secret") || strings.Contains(printed, secret) || !strings.Contains(printed, "xfr.test.") {
			t.Errorf("printed: %s", printed)
		}
	}
}
