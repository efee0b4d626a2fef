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
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// dynamicText is what a server has before anything is sent to it.
const dynamicText = `example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 10 7200 900 1209600 300
example.com. 300 IN NS ns.example.com.
ns.example.com. 300 IN A 192.0.2.53
www.example.com. 300 IN A 192.0.2.1
`

// sending is a zone that is sent to a server of package dnstest.
type sending struct {
	server *dnstest.Dynamic
	pusher *Pusher
	file   string
	serial zone.Serial
	owed   Owed
}

func newSending(t *testing.T) *sending {
	t.Helper()
	s := &sending{server: dnstest.StartDynamic(t, dynamicText), file: filepath.Join(t.TempDir(), "example.com.db"), serial: 100}
	s.pusher = &Pusher{Server: s.server.Addr(), Key: testKey(t, dnstest.DynamicKey, dnstest.DynamicSecret), Timeout: 20 * time.Second}
	return s
}

// push publishes a zone of some lines, beside an SOA and an NS.
func (s *sending) push(t *testing.T, lines ...string) Delivered {
	t.Helper()
	s.serial++
	text := fmt.Sprintf("$ORIGIN example.com.\n$TTL 300\n@ SOA ns hostmaster %d 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n%s\n", s.serial, strings.Join(lines, "\n"))
	done, err := Deliver(t.Context(), &Delivery{
		Zone: zone.MustParseName("example.com."), File: s.file, New: s.serial, Moved: true, Push: s.pusher, Owed: s.owed,
	}, made(t, "example.com", text, ""), nothing)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

// pushed is push that goes well.
func (s *sending) pushed(t *testing.T, lines ...string) Delivered {
	t.Helper()
	done := s.push(t, lines...)
	if done.Outcome != Confirmed || done.Owed.Any() || done.Problems.HasErrors() {
		t.Fatalf("%v: %v", done.Outcome, done.Problems.Err())
	}
	return done
}

// failedPushes are the ways in which a server may not take what it is sent.
var failedPushes = []struct {
	fault   dnstest.DynamicFault
	outcome Outcome
	code    diag.Code
	message string
	hint    string
	takes   bool // the server has it all the same
}{
	{dnstest.DynamicRefused, LoadFailed, diag.CodePushFailed, "it does not allow that (REFUSED)", "allow-update { key xfr; };", false},
	{dnstest.DynamicServFail, LoadFailed, diag.CodePushFailed, "it could not do it (SERVFAIL)", "the log of the name server", false},
	{dnstest.DynamicNotZone, LoadFailed, diag.CodePushFailed, "(NOTZONE)", "the log of the name server", false},
	{dnstest.DynamicNotAuth, LoadFailed, diag.CodePushFailed, "no primary of the zone, or knows nothing of the key (NOTAUTH)", "name the primary of the zone", false},
	{dnstest.DynamicNotImp, LoadFailed, diag.CodePushFailed, "it takes no updates (NOTIMP)", "allow-update", false},
	{dnstest.DynamicFormErr, LoadFailed, diag.CodePushFailed, "(FORMERR)", "the log of the name server", false},
	{dnstest.DynamicBadSig, LoadFailed, diag.CodePushFailed, "its key has another secret (BADSIG)", "same name, algorithm and secret: xfr, hmac-sha256", false},
	{dnstest.DynamicBadTime, LoadFailed, diag.CodePushFailed, "its clock shows 20", "set the clock", false},
	{dnstest.DynamicBadTrunc, LoadFailed, diag.CodePushFailed, "it does not take the signature (BADTRUNC)", "", false},
	{dnstest.DynamicUnsigned, Unconfirmed, diag.CodePushUnconfirmed, "its answer is not signed", "answers without TSIG", true},
	{dnstest.DynamicForged, Unconfirmed, diag.CodePushUnconfirmed, "its answer is signed wrongly", "", true},
	{dnstest.DynamicSilent, Unconfirmed, diag.CodePushUnconfirmed, "no answer", "", true},
	{dnstest.DynamicIgnores, Unconfirmed, diag.CodePushUnconfirmed, "it still serves serial 10", "max-zone-ttl", false},
	{dnstest.DynamicLowTTL, Unconfirmed, diag.CodePushUnconfirmed, "its www.example.com. A has TTL 60, not 300", "max-zone-ttl", true},
	{dnstest.DynamicRace, LoadFailed, diag.CodePushConflict, "somebody else changes the same RRsets", "let one program alone", false},
	{dnstest.DynamicNoTransfer, LoadFailed, diag.CodePushFailed, "transfer its zone: it does not allow that (REFUSED)", "allow-transfer { key xfr; };", false},
	{dnstest.DynamicCut, LoadFailed, diag.CodePushFailed, "transfer its zone: ", "", false},
	{dnstest.DynamicNoAA, LoadFailed, diag.CodePushFailed, "its answer is not authoritative", "name a server that is primary", false},
}

// TestPushFails lets everything go wrong, and right again.
func TestPushFails(t *testing.T) {
	t.Parallel()
	for _, c := range failedPushes {
		t.Run(string(c.fault), func(t *testing.T) {
			t.Parallel()
			s := newSending(t)
			s.server.Fault(c.fault)
			s.pusher.Timeout = 3 * time.Second
			done := s.push(t, "www A 192.0.2.2")
			if done.Outcome != c.outcome || !done.Owed.Reload || !done.Changed || done.RolledBack || len(done.Problems) != 1 {
				t.Fatalf("%+v, %v", done, done.Problems)
			}
			d := done.Problems[0]
			if d.Code != c.code || !strings.Contains(d.Message, c.message) || !strings.Contains(d.Hint, c.hint) || !strings.HasSuffix(d.Hint, "the next run tries again") {
				t.Errorf("%s: %s\nhint: %s", d.Code, d.Message, d.Hint)
			}
			has := slices.ContainsFunc(s.server.Records(), func(line string) bool { return strings.HasSuffix(line, " A 192.0.2.2") })
			if has != c.takes {
				t.Errorf("the server has %q", s.server.Records())
			}
			s.server.Fault(dnstest.DynamicRight)
			s.owed = done.Owed
			s.pusher.Timeout = 20 * time.Second
			s.pushed(t, "www A 192.0.2.2")
			if got := s.server.Records(); !slices.Contains(got, "www.example.com. 300 IN A 192.0.2.2") || len(got) != 3 {
				t.Errorf("behind that: %q", got)
			}
		})
	}
}

// TestPushBadTime tells both times.
func TestPushBadTime(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.server.Fault(dnstest.DynamicBadTime)
	said := s.push(t).Problems[0].Message
	_, rest, _ := strings.Cut(said, "its clock shows ")
	theirs, rest, _ := strings.Cut(rest, ", and ours ")
	ours, _, _ := strings.Cut(rest, " ")
	a, errA := time.Parse(time.RFC3339, theirs)
	b, errB := time.Parse(time.RFC3339, ours)
	if errA != nil || errB != nil || b.Sub(a) != time.Hour {
		t.Error(said)
	}
}

// TestPushKeys signs with what the server does not know.
func TestPushKeys(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, secret, message, hint string }{
		{"other.", dnstest.DynamicSecret, "it does not know the key (BADKEY)", "same name, algorithm and secret: other, hmac-sha256"},
		{dnstest.DynamicKey, "b3RoZXIgc2VjcmV0IG9mIHRoZSBzYW1lIGxlbmd0aC4=", "its key has another secret (BADSIG)", "same name, algorithm and secret: xfr"},
	} {
		s := newSending(t)
		s.pusher.Key = testKey(t, c.name, c.secret)
		done := s.push(t, "www A 192.0.2.2")
		if done.Outcome != LoadFailed || !strings.Contains(done.Problems[0].Message, c.message) || !strings.Contains(done.Problems[0].Hint, c.hint) {
			t.Errorf("%v: %v", done.Outcome, done.Problems)
		}
	}
}

// TestPushNobody sends to where nobody listens, and to where nobody answers.
func TestPushNobody(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.pusher.Server = nobody(t)
	if done := s.push(t); done.Outcome != LoadFailed || done.Problems[0].Code != diag.CodePushFailed || !strings.Contains(done.Problems[0].Message, "connection refused") {
		t.Errorf("%v: %v", done.Outcome, done.Problems)
	}
}

// TestPushSteady sends what changes and transfers nothing, once the zone was compared.
func TestPushSteady(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.pushed(t, "www A 192.0.2.2", "mail A 192.0.2.3")
	if n := s.server.Transfers(); n != 1 {
		t.Errorf("%d transfers at first", n)
	}
	s.pushed(t, "www A 192.0.2.2", "mail A 192.0.2.3", "; a comment")
	s.pushed(t, "www A 192.0.2.4", "mail A 192.0.2.3")
	s.pushed(t, "www A 192.0.2.4")
	updates := s.server.Updates()
	want := []string{
		"www.example.com. 0 CLASS255 A\nmail.example.com. 300 IN A 192.0.2.3\nwww.example.com. 300 IN A 192.0.2.2",
		"www.example.com. 0 CLASS255 A\nwww.example.com. 300 IN A 192.0.2.4",
		"mail.example.com. 0 CLASS255 A",
	}
	for i := range updates {
		updates[i] = strings.ReplaceAll(updates[i], " \n", "\n")
		updates[i] = strings.TrimSpace(updates[i])
	}
	if !slices.Equal(updates, want) {
		t.Errorf("%q, want %q", updates, want)
	}
	if n := s.server.Transfers(); n != 1 {
		t.Errorf("%d transfers", n)
	}
	// A reload that is owed has all of it compared.
	s.owed.Reload = true
	s.pushed(t, "www A 192.0.2.4")
	if n := s.server.Transfers(); n != 2 {
		t.Errorf("%d transfers behind what is owed", n)
	}
}

// TestPushOwns deletes what was given to the server and nothing else, whatever the process that
// gave it came to.
func TestPushOwns(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	if err := s.server.Add("_acme-challenge.example.com. 60 IN TXT token"); err != nil {
		t.Fatal(err)
	}
	// The server has what is sent, and nobody knows.
	s.server.Fault(dnstest.DynamicSilent)
	s.pusher.Timeout = 3 * time.Second
	s.push(t, "www A 192.0.2.2", "mail A 192.0.2.3", "x TYPE65280 \\# 1 00")
	s.server.Fault(dnstest.DynamicRight)
	s.pusher = &Pusher{Server: s.pusher.Server, Key: s.pusher.Key, Timeout: 20 * time.Second}
	done := s.pushed(t, "www A 192.0.2.2")
	if len(done.Problems) != 1 || !strings.Contains(done.Problems[0].Message, "has _acme-challenge.example.com. TXT that was never published") {
		t.Errorf("%v", done.Problems)
	}
	want := []string{
		`_acme-challenge.example.com. 60 IN TXT "token"`, "example.com. 300 IN NS ns.example.com.",
		"ns.example.com. 300 IN A 192.0.2.53", "www.example.com. 300 IN A 192.0.2.2",
	}
	if got := s.server.Records(); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	note := content(t, s.file+NoteSuffix)
	for _, line := range []string{"server " + s.pusher.Server, "given www.example.com. A", "other _acme-challenge.example.com. TXT"} {
		if !strings.Contains(note, line+"\n") {
			t.Errorf("%q is not in\n%s", line, note)
		}
	}
	if strings.Contains(note, "mail") {
		t.Errorf("the note has what was taken back:\n%s", note)
	}
	// Of another server nothing is known, and lines that nobody understands give nothing away.
	for _, text := range []string{strings.ReplaceAll(note, "server ", "server 192.0.2.9:"), "\x00\ngiven www", "server " + s.pusher.Server + "\ngiven . NOTYPE\n"} {
		if err := os.WriteFile(s.file+NoteSuffix, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		s.pusher = &Pusher{Server: s.pusher.Server, Key: s.pusher.Key, Timeout: 20 * time.Second}
		s.pushed(t)
		if !slices.Contains(s.server.Records(), "www.example.com. 300 IN A 192.0.2.2") {
			t.Errorf("with the note %q what is not known to be ours is deleted", text)
		}
	}
}

// TestPushNoteUnusable sends nothing where it cannot be noted what.
func TestPushNoteUnusable(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	if err := os.Mkdir(s.file+NoteSuffix, 0o755); err != nil {
		t.Fatal(err)
	}
	done := s.push(t, "www A 192.0.2.2")
	if done.Outcome != LoadFailed || len(s.server.Updates()) != 0 || !done.Owed.Reload {
		t.Errorf("%v: %v, %q", done.Outcome, done.Problems, s.server.Updates())
	}
}

// TestPushMessages keeps to the size of a message, and never cuts an RRset.
func TestPushMessages(t *testing.T) {
	t.Parallel()
	apex := zone.MustParseName("example.com.")
	var changes []zone.Change
	for i := range 2500 {
		set := &zone.RRset{Owner: zone.MustParseName(fmt.Sprintf("host%d.example.com.", i)), Type: dns.TypeTXT, TTL: 300}
		for n := range 1 + i%7 {
			set.RDATA = append(set.RDATA, zone.RDATA{Wire: "\x64" + strings.Repeat(string(rune('a'+n)), 100)})
		}
		changes = append(changes, zone.Change{New: set})
	}
	steps, err := messages(changes, apex)
	if err != nil || len(steps) < 10 {
		t.Fatalf("%d messages, %v", len(steps), err)
	}
	sets := 0
	for _, step := range steps {
		m := step.message(apex)
		m.SetTsig("a-key-with-a-long-name.example.com.", dns.HmacSHA512, 300, 1)
		wire, err := m.Pack()
		if err != nil || len(wire) > dns.MaxMsgSize-64 {
			t.Errorf("%d octets, %v", len(wire), err)
		}
		sets += len(step.sets)
	}
	if sets != len(changes) {
		t.Errorf("%d RRsets of %d", sets, len(changes))
	}
}

// TestPushTooLarge refuses an RRset that no message takes together with what it was before.
func TestPushTooLarge(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	var first, second []string
	for i := range 90 {
		first = append(first, fmt.Sprintf("big TXT %d %q %[2]q", i, strings.Repeat("x", 200)))
		second = append(second, fmt.Sprintf("big TXT %d %q %[2]q", i, strings.Repeat("y", 200)))
	}
	s.pushed(t, first...)
	done := s.push(t, second...)
	if done.Outcome != LoadFailed || !strings.Contains(done.Problems[0].Message, "big.example.com. TXT is too large for one message") || !strings.Contains(done.Problems[0].Hint, "make big.example.com. TXT smaller") {
		t.Errorf("%v: %v", done.Outcome, done.Problems)
	}
	if n := len(s.server.Updates()); n != 1 {
		t.Errorf("%d updates", n)
	}
}

// TestPushUnpackable sends records of types whose wire form is not known here, which does not go.
func TestPushUnpackable(t *testing.T) {
	t.Parallel()
	set := &zone.RRset{Owner: zone.MustParseName("x.example.com."), Type: 260, RDATA: []zone.RDATA{{Text: "10 0 2 example.com."}}}
	if _, err := messages([]zone.Change{{New: set}}, zone.MustParseName("example.com.")); err == nil || !strings.Contains(err.Error(), "x.example.com. AMTRELAY: its RDATA has no wire form") {
		t.Error(err)
	}
}

// TestPushCNAME leaves a name alone where a CNAME and something of somebody else's meet.
func TestPushCNAME(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	s.pushed(t, "www A 192.0.2.2", "mail A 192.0.2.3")
	// Nothing is changed where a CNAME would have company that came meanwhile.
	if err := s.server.Add("www.example.com. 60 IN TXT theirs"); err != nil {
		t.Fatal(err)
	}
	done := s.push(t, "www CNAME mail", "mail A 192.0.2.4")
	if done.Outcome != LoadFailed || !slices.Contains(codes(done.Problems), string(diag.CodePushConflict)) || !done.Owed.Reload {
		t.Fatalf("%v: %v", done.Outcome, done.Problems)
	}
	if got := s.server.Records(); !slices.Contains(got, "www.example.com. 300 IN A 192.0.2.2") || !slices.Contains(got, "mail.example.com. 300 IN A 192.0.2.4") {
		t.Errorf("%q", got)
	}
	// A CNAME of somebody else's where the source has something.
	s.server.Remove("www.example.com.")
	if err := s.server.Add("www.example.com. 60 IN CNAME elsewhere.example.net."); err != nil {
		t.Fatal(err)
	}
	done = s.push(t, "www A 192.0.2.2", "mail A 192.0.2.4")
	if done.Outcome != LoadFailed || !strings.Contains(done.Problems.Err().Error(), "www.example.com. CNAME of somebody else's") {
		t.Errorf("%v: %v", done.Outcome, done.Problems)
	}
	// What was a conflict and is none any more.
	s.server.Remove("www.example.com.")
	s.pushed(t, "www A 192.0.2.2", "mail A 192.0.2.4")
	if got := s.server.Records(); !slices.Contains(got, "www.example.com. 300 IN A 192.0.2.2") {
		t.Errorf("%q", got)
	}
}

// TestPushMoved sees that somebody else has changed the zone.
func TestPushMoved(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	name := zone.MustParseName("example.com.")
	moved := func(want bool, why string) {
		t.Helper()
		if got := s.pusher.Moved(t.Context(), name); got != want {
			t.Errorf("%s: %v", why, got)
		}
	}
	moved(false, "nothing was sent yet")
	s.pushed(t, "www A 192.0.2.2")
	moved(false, "nobody has changed anything")
	s.server.Remove("www.example.com.")
	moved(true, "somebody has")
	s.pushed(t, "www A 192.0.2.2", "; the same records")
	if !slices.Contains(s.server.Records(), "www.example.com. 300 IN A 192.0.2.2") {
		t.Errorf("%q", s.server.Records())
	}
	moved(false, "it was put right")
	s.server.Remove("www.example.com.")
	s.server.Fault(dnstest.DynamicBadSig)
	moved(false, "the server does not say")
	s.server.Fault(dnstest.DynamicRight)
	moved(false, "it is left in peace for a while")
}

// TestPushHooks runs hooks behind a push that is seen, and only then.
func TestPushHooks(t *testing.T) {
	t.Parallel()
	s := newSending(t)
	mark := filepath.Join(t.TempDir(), "ran")
	d := &Delivery{Zone: zone.MustParseName("example.com."), File: s.file, New: 101, Moved: true, Push: s.pusher, Hooks: [][]string{{"touch", mark}}}
	s.server.Fault(dnstest.DynamicRefused)
	done, err := Deliver(t.Context(), d, made(t, "example.com", zoneText("example.com", 101, 2, ""), ""), nothing)
	if _, missing := os.Stat(mark); err != nil || done.Outcome != LoadFailed || missing == nil {
		t.Fatalf("%+v, %v", done, err)
	}
	s.server.Fault(dnstest.DynamicRight)
	d.Owed, d.Moved = done.Owed, false
	done, err = Deliver(t.Context(), d, made(t, "example.com", zoneText("example.com", 101, 2, ""), ""), nothing)
	if _, missing := os.Stat(mark); err != nil || done.Outcome != Confirmed || missing != nil {
		t.Errorf("%+v, %v, %v", done, err, missing)
	}
}

// TestPushExamine looks at servers and changes nothing.
func TestPushExamine(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fault dnstest.DynamicFault
		want  string // the findings, one a line
	}{
		{dnstest.DynamicRight, "ok it takes the key and serves serial 10\nok it takes updates with the key\n"},
		{dnstest.DynamicRefused, "ok it takes the key and serves serial 10\nerror update: it does not allow that (REFUSED)\n"},
		{dnstest.DynamicNoTransfer, "ok it takes the key and serves serial 10\nerror transfer its zone: it does not allow that (REFUSED)\nok it takes updates with the key\n"},
		{dnstest.DynamicBlind, "ok it takes the key and serves serial 10\nerror it makes changes whose prerequisites are not met\n"},
		{dnstest.DynamicBadSig, "error its key has another secret (BADSIG)\n"},
	} {
		s := newSending(t)
		s.server.Fault(c.fault)
		before := s.server.Records()
		var got strings.Builder
		for _, f := range s.pusher.Examine(t.Context(), zone.MustParseName("example.com.")) {
			fmt.Fprintf(&got, "%v %s\n", f.Level, f.Message)
			if (f.Hint == "") != (f.Level == Green) || f.Subject != "publish example.com at "+s.server.Addr() {
				t.Errorf("%+v", f)
			}
		}
		if got.String() != c.want {
			t.Errorf("%s: %swant %s", c.fault, got.String(), c.want)
		}
		if after := s.server.Records(); !slices.Equal(before, after) {
			t.Errorf("%s: %q became %q", c.fault, before, after)
		}
	}
}

// TestParseUpdate reads what the configuration says.
func TestParseUpdate(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"update://192.0.2.1?key=xfr":              "192.0.2.1:53 xfr.",
		"update://192.0.2.1:5353?key=XFR.example": "192.0.2.1:5353 xfr.example.",
		"update://[2001:db8::1]?key=xfr":          "[2001:db8::1]:53 xfr.",
		"update://[2001:db8::1]:54?key=xfr":       "[2001:db8::1]:54 xfr.",
		"update://ns.example.com?key=xfr":         "ns.example.com:53 xfr.",
		"update://192.0.2.1":                      "updates are signed with a key",
		"update://192.0.2.1?key=":                 "updates are signed with a key",
		"update://192.0.2.1?name=xfr":             "updates are signed with a key",
		"update://192.0.2.1?key=a&key=b":          "updates are signed with a key",
		"update://?key=xfr":                       "is not update://",
		"update://192.0.2.1/zone?key=xfr":         "is not update://",
		"dns://192.0.2.1?key=xfr":                 "is not update://",
		"update://192.0.2.1:0?key=xfr":            "is no port",
		"update://2001:db8::1?key=xfr":            "stands in brackets",
		"update://192.0.2.1?key=a..b":             "empty label",
		"":                                        "is not update://",
	} {
		server, key, err := ParseUpdate(text)
		got := server.Addr + " " + key.String()
		if err != nil {
			got = err.Error()
		}
		if got != want && (err == nil || !strings.Contains(got, want)) {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}
