package publish

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// updatable is one way to run a server that takes updates.
type updatable struct {
	zone    string
	signs   bool
	options string
}

var updatableNamed = []updatable{
	{zone: "plain.test", options: "max-ixfr-ratio unlimited; allow-update { key test; }; allow-transfer { key test; };"},
	{zone: "policy.test", options: "max-ixfr-ratio unlimited; update-policy { grant test. zonesub ANY; }; allow-transfer { key test; };"},
	{zone: "signed.test", signs: true, options: "max-ixfr-ratio unlimited; dnssec-policy test; inline-signing no; allow-update { key test; }; allow-transfer { key test; };"},
	{zone: "inline.test", signs: true, options: "max-ixfr-ratio unlimited; dnssec-policy test; inline-signing yes; allow-update { key test; }; allow-transfer { key test; };"},
}

var updatableKnot = []updatable{
	{zone: "plain.test", options: "    acl: test\n    journal-content: all\n    zonefile-load: difference\n"},
	{zone: "signed.test", signs: true, options: "    acl: test\n    journal-content: all\n    zonefile-load: difference\n    dnssec-signing: on\n"},
}

// These let the key do one thing of two.
var (
	halfNamed = []updatable{
		{zone: "no-transfer.test", options: "allow-update { key test; }; allow-transfer { none; };"},
		{zone: "no-update.test", options: "allow-transfer { key test; };"},
		{zone: "no-grant.test", options: "update-policy { grant other. zonesub ANY; }; allow-transfer { key test; };"},
	}
	halfKnot = []updatable{
		{zone: "no-transfer.test", options: "    acl: test-update\n"},
		{zone: "no-update.test", options: "    acl: test-transfer\n"},
	}
)

// pushBench is a zone of a running server that takes updates, and the output that it is sent.
type pushBench struct {
	updatable
	server *judge.Server
	pusher *Pusher
	file   string
	serial zone.Serial // of the output
}

// testKey makes a key as it is handed to a Pusher.
func testKey(tb testing.TB, name, secret string) Key {
	tb.Helper()
	k, err := primary.NewKey(zone.MustParseName(name), "hmac-sha256", secret)
	if err != nil {
		tb.Fatal(err)
	}
	return Key{Name: k.Name, Algorithm: k.Algorithm(), Signer: k.Provider()}
}

// again is another process that sends the same output.
func (b *pushBench) again(t *testing.T) {
	t.Helper()
	b.pusher = &Pusher{Server: b.server.Addr, Key: testKey(t, judge.SteerKey, judge.SteerSecret), Timeout: 20 * time.Second}
}

// push publishes a zone of these lines, beside an SOA and an NS.
func (b *pushBench) push(t *testing.T, lines ...string) Delivered {
	t.Helper()
	b.serial++
	text := fmt.Sprintf("$ORIGIN %s.\n$TTL 300\n@ SOA ns hostmaster %d 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n%s\n", b.zone, b.serial, strings.Join(lines, "\n"))
	done, err := Deliver(t.Context(), &Delivery{
		Zone: zone.MustParseName(b.zone + "."), File: b.file, New: b.serial, Moved: true, Push: b.pusher,
	}, made(t, b.zone, text, ""), nothing)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// pushed is push that goes well, and changes so many RRsets.
func (b *pushBench) pushed(t *testing.T, count int, lines ...string) Delivered {
	t.Helper()
	before := b.server.WaitReady(t, b.zone)
	done := b.push(t, lines...)
	if done.Outcome != Confirmed || done.Owed.Any() || done.Problems.HasErrors() {
		t.Fatalf("%v: %+v\n%s", done.Outcome, done.Problems.Err(), b.server.Log())
	}
	if done.Pushed.RRsets != count {
		t.Errorf("%d RRsets were sent, want %d: %+v", done.Pushed.RRsets, count, done.Pushed)
	}
	if after := zone.Serial(b.server.WaitReady(t, b.zone)); count > 0 && !after.After(zone.Serial(before)) {
		t.Errorf("serial %d -> %d", before, after)
	}
	return done
}

// data is what the server has, apart from what makes and signs its zone.
func (b *pushBench) data(t *testing.T) []string {
	t.Helper()
	text, err := transferSigned(t.Context(), b.server.Addr, zone.MustParseName(b.zone+"."), b.pusher.Key)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	parser := dns.NewZoneParser(strings.NewReader(string(text)), ".", "")
	for rr, ok := parser.Next(); ok; rr, ok = parser.Next() {
		if !belongsToServer(rr.Header().Rrtype) {
			lines = append(lines, strings.Join(strings.Fields(strings.ReplaceAll(rr.String(), "."+b.zone+".", "")), " "))
		}
	}
	if err := parser.Err(); err != nil {
		t.Fatal(err)
	}
	slices.Sort(lines)
	return lines
}

// has fails where the server has other data than these, beside its NS.
func (b *pushBench) has(t *testing.T, want ...string) {
	t.Helper()
	want = append(slices.Clone(want), b.zone+". 300 IN NS ns", "ns 300 IN A 192.0.2.53")
	slices.Sort(want)
	if got := b.data(t); !slices.Equal(got, want) {
		t.Errorf("the server has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// update is what somebody else does.
func (b *pushBench) update(t *testing.T, change func(m *dns.Msg)) {
	t.Helper()
	m := new(dns.Msg).SetUpdate(b.zone + ".")
	change(m)
	s := b.pusher.session()
	defer s.close()
	if _, err := s.exchange(t.Context(), m, 20*time.Second); err != nil {
		t.Fatal(err)
	}
}

// TestPushServers sends zones to servers that are dynamic, and some of which sign.
func TestPushServers(t *testing.T) {
	t.Parallel()
	for _, program := range []struct {
		name  string
		list  []updatable
		half  []updatable
		start func(testing.TB, map[string]judge.Steered) *judge.Server
	}{
		{"named", updatableNamed, halfNamed, judge.StartSteeredNamed},
		{"knotd", updatableKnot, halfKnot, judge.StartSteeredKnot},
	} {
		t.Run(program.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			zones := map[string]judge.Steered{}
			var benches []*pushBench
			for _, u := range slices.Concat(program.list, program.half) {
				file := filepath.Join(dir, u.zone+".db")
				text := made(t, u.zone, zoneText(u.zone, 10, 1, "_acme-challenge TXT token\n"), "").Bytes()
				if err := os.WriteFile(file, text, 0o644); err != nil {
					t.Fatal(err)
				}
				zones[u.zone] = judge.Steered{File: file, Options: u.options}
				benches = append(benches, &pushBench{updatable: u, file: filepath.Join(dir, u.zone+".out"), serial: 100})
			}
			server := program.start(t, zones)
			for _, b := range benches {
				t.Run(b.zone, func(t *testing.T) {
					b.server = server
					server.WaitReady(t, b.zone)
					b.again(t)
					if strings.HasPrefix(b.zone, "no-") {
						pushHalf(t, b)
						return
					}
					b.waitSigned(t)
					pushKeys(t, b)
					pushStory(t, b)
					if b.zone == "plain.test" {
						pushMany(t, b)
					}
				})
			}
		})
	}
}

// waitSigned waits until a server that signs has done so.
func (b *pushBench) waitSigned(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); b.signs; time.Sleep(20 * time.Millisecond) {
		if len(b.server.Query(t, b.zone, dns.TypeDNSKEY).Answer) > 0 && len(b.server.Query(t, b.zone, dns.TypeNSEC).Answer) > 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("the zone is not signed\n%s", b.server.Log())
		}
	}
}

// changed gives what an IXFR from a serial on has, apart from what makes and signs the zone: lines
// that begin with - or +.
func (b *pushBench) changed(t *testing.T, from uint32) []string {
	t.Helper()
	m := new(dns.Msg).SetIxfr(b.zone+".", from, "ns."+b.zone+".", "hostmaster."+b.zone+".")
	b.pusher.Key.sign(m)
	envelopes, err := (&dns.Transfer{TsigProvider: b.pusher.Key.Signer}).In(m, b.server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	var records []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			t.Fatal(e.Error)
		}
		records = append(records, e.RR...)
	}
	if second, ok := records[1].(*dns.SOA); !ok || second.Serial != from {
		t.Fatalf("no IXFR from %d: %v", from, records)
	}
	var lines []string
	sign := "+" // of what stands behind the SOA at the beginning
	for _, rr := range records[1:] {
		switch {
		case rr.Header().Rrtype == dns.TypeSOA && sign == "+":
			sign = "-"
		case rr.Header().Rrtype == dns.TypeSOA:
			sign = "+"
		case !belongsToServer(rr.Header().Rrtype):
			lines = append(lines, sign+strings.ReplaceAll(strings.Join(strings.Fields(rr.String()), " "), "."+b.zone+".", ""))
		}
	}
	return lines
}

// signed fails where the server signs, and the signature of an RRset is not valid.
func (b *pushBench) signed(t *testing.T, owner string, typ uint16) {
	t.Helper()
	if !b.signs {
		return
	}
	ask := func(name string, typ uint16) []dns.RR {
		m := new(dns.Msg).SetQuestion(dns.Fqdn(name), typ)
		m.SetEdns0(4096, true)
		r, _, err := (&dns.Client{Net: "tcp", Timeout: 5 * time.Second}).Exchange(m, b.server.Addr)
		if err != nil {
			t.Fatal(err)
		}
		return r.Answer
	}
	var set []dns.RR
	var signatures []*dns.RRSIG
	for _, rr := range ask(owner+"."+b.zone, typ) {
		if sig, ok := rr.(*dns.RRSIG); ok {
			signatures = append(signatures, sig)
			continue
		}
		set = append(set, rr)
	}
	for _, sig := range signatures {
		for _, rr := range ask(b.zone, dns.TypeDNSKEY) {
			if key, ok := rr.(*dns.DNSKEY); ok && key.KeyTag() == sig.KeyTag && sig.ValidityPeriod(time.Now()) && sig.Verify(key, set) == nil {
				return
			}
		}
	}
	t.Errorf("no signature of %s %s is valid: %v, %v", owner, dns.Type(typ), set, signatures)
}

// acme is what an ACME client has at the server.
const acme = `_acme-challenge 300 IN TXT "token"`

// pushStory is what happens to a zone that is sent to a server, from the first time on.
func pushStory(t *testing.T, b *pushBench) {
	t.Helper()
	// The first time what is there and not published is left alone, and told once.
	done := b.pushed(t, 4, "www A 192.0.2.2", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	if got := codes(done.Problems); !slices.Equal(got, []string{string(diag.CodePushOthers)}) || !strings.Contains(done.Problems[0].Message, "_acme-challenge."+b.zone+". TXT") {
		t.Errorf("%v", done.Problems)
	}
	first := []string{acme, "www 300 IN A 192.0.2.2", b.zone + ". 300 IN A 192.0.2.10", "alias 300 IN CNAME www", `old 300 IN TXT "x;y"`}
	b.has(t, first...)
	// With nothing changed nothing is sent, by this process and by the next one.
	b.pushed(t, 0, "www A 192.0.2.2", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	b.again(t)
	if done := b.pushed(t, 0, "www A 192.0.2.2", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`); len(done.Problems) > 0 {
		t.Errorf("it is told again: %v", done.Problems)
	}
	// One address changes, and nothing else.
	before := b.server.WaitReady(t, b.zone)
	b.pushed(t, 1, "www A 192.0.2.3", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	if got := b.changed(t, before); !slices.Equal(got, []string{"-www 300 IN A 192.0.2.2", "+www 300 IN A 192.0.2.3"}) {
		t.Errorf("one address: %q", got)
	}
	b.signed(t, "www", dns.TypeA)
	pushMeanwhile(t, b)
	pushTransitions(t, b)
	pushRestart(t, b)
}

// pushMeanwhile is what somebody else changes in between.
func pushMeanwhile(t *testing.T, b *pushBench) {
	t.Helper()
	theirs := func(owner string) func(*dns.Msg) {
		return func(m *dns.Msg) {
			m.RemoveRRset(record(t, owner+"."+b.zone+". 300 IN A 203.0.113.9"))
			m.Insert(record(t, owner+"."+b.zone+". 300 IN A 203.0.113.9"))
		}
	}
	// What is about to be changed: the prerequisite is not met, and the zone is compared anew.
	b.update(t, theirs("www"))
	b.pushed(t, 1, "www A 192.0.2.4", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	// Something else: what is published anew goes out at once, and the next time all is compared.
	b.update(t, theirs("ns"))
	b.update(t, func(m *dns.Msg) { m.Insert(record(t, "dhcp."+b.zone+". 300 IN A 203.0.113.1")) })
	b.pushed(t, 1, "www A 192.0.2.5", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	done := b.pushed(t, 1, "www A 192.0.2.5", "@ A 192.0.2.10", "alias CNAME www", `old TXT "x;y"`)
	if len(done.Problems) != 1 || strings.Contains(done.Problems[0].Message, "acme") || !strings.Contains(done.Problems[0].Message, "dhcp."+b.zone+". A") {
		t.Errorf("what somebody has added: %v", done.Problems)
	}
	b.has(t, acme, "www 300 IN A 192.0.2.5", b.zone+". 300 IN A 192.0.2.10", "alias 300 IN CNAME www", `old 300 IN TXT "x;y"`, "dhcp 300 IN A 203.0.113.1")
	b.update(t, func(m *dns.Msg) { m.RemoveName(record(t, "dhcp."+b.zone+". 300 IN A 203.0.113.1")) })
}

// pushTransitions is what has to be done in the right order.
func pushTransitions(t *testing.T, b *pushBench) {
	t.Helper()
	// A CNAME goes and comes, and so do records of a zone cut, a wildcard and below a DNAME.
	b.pushed(t, 12, "www CNAME alias", "alias A 192.0.2.6", "@ 600 A 192.0.2.10", "sub NS ns.sub", "ns.sub A 192.0.2.7", `* TXT "any"`, "d DNAME example.com.",
		"x TYPE65280 \\# 3 010203", "x HTTPS 1 . alpn=h2")
	after := []string{
		acme, "www 300 IN CNAME alias", "alias 300 IN A 192.0.2.6", b.zone + ". 600 IN A 192.0.2.10", "sub 300 IN NS ns.sub", "ns.sub 300 IN A 192.0.2.7",
		`* 300 IN TXT "any"`, "d 300 IN DNAME example.com.", "x 300 CLASS1 TYPE65280 \\# 3 010203", `x 300 IN HTTPS 1 . alpn="h2"`,
	}
	b.has(t, after...)
	b.signed(t, "www", dns.TypeCNAME)
	// A CNAME of ours where somebody else has something: the name stays as it is.
	b.update(t, func(m *dns.Msg) { m.Insert(record(t, "alias."+b.zone+". 300 IN TXT theirs")) })
	lines := []string{"www CNAME alias", "alias CNAME ns", "@ 600 A 192.0.2.10"}
	done := b.push(t, lines...)
	if done.Outcome != LoadFailed || !done.Owed.Reload || !slices.Contains(codes(done.Problems), string(diag.CodePushConflict)) || !strings.Contains(done.Problems.Err().Error(), "alias."+b.zone+". TXT") {
		t.Errorf("a CNAME with company: %v, %v", done.Outcome, done.Problems)
	}
	b.has(t, acme, "www 300 IN CNAME alias", "alias 300 IN A 192.0.2.6", `alias 300 IN TXT "theirs"`, b.zone+". 600 IN A 192.0.2.10")
	b.update(t, func(m *dns.Msg) { m.RemoveRRset(record(t, "alias."+b.zone+". 300 IN TXT theirs")) })
	b.pushed(t, 2, lines...)
	b.has(t, acme, "www 300 IN CNAME alias", "alias 300 IN CNAME ns", b.zone+". 600 IN A 192.0.2.10")
	// The NS RRset of the apex is never empty; its TTL changes too.
	b.pushed(t, 2, append(lines, "@ 600 NS other", "other A 192.0.2.54")...)
}

// pushRestart is what happens when the server ends.
func pushRestart(t *testing.T, b *pushBench) {
	t.Helper()
	lines := []string{"www A 192.0.2.30", "@ A 192.0.2.10"}
	b.pushed(t, 6, lines...)
	var down Delivered
	b.pusher.Timeout = 5 * time.Second
	b.server.Down(t, func() { down = b.push(t, "www A 192.0.2.31", "@ A 192.0.2.10") })
	if down.Outcome != LoadFailed || !slices.Equal(codes(down.Problems), []string{string(diag.CodePushFailed)}) || !down.Owed.Reload {
		t.Errorf("%v, %v", down.Outcome, down.Problems)
	}
	b.pusher.Timeout = 20 * time.Second
	b.server.WaitReady(t, b.zone)
	b.waitSigned(t)
	if done := b.push(t, "www A 192.0.2.31", "@ A 192.0.2.10"); done.Outcome != Confirmed {
		t.Fatalf("%v, %v", done.Outcome, done.Problems)
	}
	b.has(t, acme, "www 300 IN A 192.0.2.31", b.zone+". 300 IN A 192.0.2.10")
}

// pushMany fills a zone with what takes several messages, and takes it back.
func pushMany(t *testing.T, b *pushBench) {
	t.Helper()
	lines := []string{"www A 192.0.2.31", "@ A 192.0.2.10"}
	all := lines
	want := []string{acme, "www 300 IN A 192.0.2.31", b.zone + ". 300 IN A 192.0.2.10"}
	for i := range 2000 {
		all = append(all, fmt.Sprintf("host%d A 192.0.2.7", i), fmt.Sprintf("host%d TXT %s", i, strings.Repeat("x", 60)))
		want = append(want, fmt.Sprintf("host%d 300 IN A 192.0.2.7", i), fmt.Sprintf("host%d 300 IN TXT %q", i, strings.Repeat("x", 60)))
	}
	b.pushed(t, 4000, all...)
	b.has(t, want...)
	b.pushed(t, 4000, lines...)
	b.has(t, want[:3]...)
}

// examined is what Examine finds, one finding a line.
func (b *pushBench) examined(t *testing.T) string {
	t.Helper()
	var lines []string
	for _, f := range b.pusher.Examine(t.Context(), zone.MustParseName(b.zone+".")) {
		lines = append(lines, f.Level.String()+" "+f.Message)
	}
	return strings.Join(lines, "\n")
}

// pushKeys signs with keys that the server does not know, and then looks at it with the right one.
func pushKeys(t *testing.T, b *pushBench) {
	t.Helper()
	right := b.pusher.Key
	for _, c := range []struct{ name, secret, want string }{
		{"other.", judge.SteerSecret, "it does not know the key (BADKEY)"},
		{judge.SteerKey, "b3RoZXIgc2VjcmV0IG9mIHRoZSBzYW1lIGxlbmd0aC4=", "its key has another secret (BADSIG)"},
	} {
		b.pusher.Key = testKey(t, c.name, c.secret)
		done := b.push(t)
		if done.Outcome != LoadFailed || len(done.Problems) != 1 || !strings.Contains(done.Problems[0].Message, c.want) {
			t.Errorf("%s: %v, %v", c.want, done.Outcome, done.Problems)
		}
		if got := b.examined(t); got != "error "+c.want {
			t.Error(got)
		}
	}
	b.pusher.Key = right
	before := b.server.WaitReady(t, b.zone)
	if got := b.examined(t); got != fmt.Sprintf("ok it takes the key and serves serial %d\nok it takes updates with the key", before) {
		t.Error(got)
	}
	if after := b.server.WaitReady(t, b.zone); after != before {
		t.Errorf("looking at it took serial %d to %d", before, after)
	}
}

// pushHalf is what becomes of a zone that the key may not transfer, or may not change.
func pushHalf(t *testing.T, b *pushBench) {
	t.Helper()
	want, hint := "it does not allow that ", "let the key change the zone"
	if b.zone == "no-transfer.test" {
		want, hint = "transfer its zone: it does not allow that ", "let the key transfer the zone"
	}
	done := b.push(t, "www A 192.0.2.2")
	if done.Outcome != LoadFailed || len(done.Problems) != 1 || !strings.Contains(done.Problems[0].Message, want) || !strings.Contains(done.Problems[0].Hint, hint) {
		t.Errorf("%v, %v", done.Outcome, done.Problems)
	}
	if got := b.server.Query(t, "www."+b.zone, dns.TypeA).Answer; len(got) != 1 || !strings.HasSuffix(got[0].String(), "192.0.2.1") {
		t.Errorf("the server has %v", got)
	}
	if got := b.examined(t); !strings.Contains(got, "error ") || !strings.Contains(got, want) {
		t.Errorf("doctor finds %s", got)
	}
}
