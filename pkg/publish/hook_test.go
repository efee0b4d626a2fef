package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// anywhere is what happens whatever the server, the second table of
// docs/failures.md.
var anywhere = []struct {
	title string
	run   func(t *testing.T) string
}{
	{"the zone is dynamic and BIND does not sign it inline", dynamicZone},
	{"a large zone takes its time to load", largeZone},
	{"the server's serial is 2^31 away", incomparable},
	{"the server serves the new zone and then SERVFAIL", withdrawn},
	{"NSD serves the new zone, and then fails to load a file that somebody else has put there", withdrawnByNSD},
	{"the server serves the new zone after all, when the previous file is back", servedLate},
	{"it serves the new zone and then SERVFAIL, and goes on to do so", withdrawnForGood},
	{"it serves the first file ever and then SERVFAIL", withdrawnFirst},
	{"it numbers the zone itself, serves the new one and then SERVFAIL", withdrawnSelfNumbered},
	{"it answered SERVFAIL before too", servfailBefore},
	{"the first file ever does not load", firstFile},
	{"the records stay, comments and layout change", layoutOnly},
	{"an earlier run was killed before its reload", killedBefore},
	{"a hook ends with another status than 0", hook("exit 3")},
	{"a hook cannot be started", hookMissing},
	{"a hook hangs and ignores SIGTERM", hookHangs},
	{"a hook prints without end", hook("echo this first; yes")},
	{"a hook leaves a child behind", hookChild},
	{"a hook reads no standard input", hook("exec <&-; true")},
}

// scripted is a name server that gives one answer after the other, and goes on
// with the last. An answer is a serial, or SERVFAIL where it is 0.
func scripted(t *testing.T, serials ...uint32) string {
	t.Helper()
	var asked atomic.Int32
	return answering(t, func(m *dns.Msg, _ bool) {
		serial := serials[min(int(asked.Add(1)), len(serials))-1]
		if serial == 0 {
			m.Rcode = dns.RcodeServerFailure
			return
		}
		m.Answer = record(t, fmt.Sprintf("%s 300 IN SOA ns.example.com. hostmaster.example.com. %d 1 1 1 1", m.Question[0].Name, serial))
	})
}

func record(t *testing.T, text string) []dns.RR {
	t.Helper()
	rr, err := dns.NewRR(text)
	if err != nil {
		t.Error(err)
	}
	return []dns.RR{rr}
}

// answering is a name server for UDP and TCP that answers as fill does.
func answering(t *testing.T, fill func(m *dns.Msg, tcp bool)) string {
	t.Helper()
	var failed error
	for range 3 { // another program may take the port of TCP
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		c, err := net.ListenPacket("udp", l.Addr().String())
		if err != nil {
			failed = errors.Join(err, l.Close())
			continue
		}
		serve(t, &dns.Server{PacketConn: c}, fill, false, c)
		serve(t, &dns.Server{Listener: l}, fill, true, l)
		return c.LocalAddr().String()
	}
	t.Fatal(failed)
	return ""
}

func serve(t *testing.T, server *dns.Server, fill func(*dns.Msg, bool), tcp bool, socket io.Closer) {
	t.Helper()
	server.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		fill(m, tcp)
		_ = w.WriteMsg(m) // who asked may be gone
	})
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = server.ActivateAndServe() // the socket is closed under it
	}()
	t.Cleanup(func() {
		_ = socket.Close()
		<-done
	})
}

// plain is a delivery of example.com, whose file has serial 10, by a program
// that does nothing.
func plain(t *testing.T, server string) *Delivery {
	t.Helper()
	file := filepath.Join(t.TempDir(), "example.com.db")
	if err := os.WriteFile(file, made(t, "example.com", zoneText("example.com", 10, 1, ""), "").Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	old := zone.Serial(10)
	return &Delivery{
		Zone: zone.MustParseName("example.com."), File: file, Old: &old, New: 11, Moved: true, Changed: []string{"www.example.com. A"},
		Reload: Reload{Driver: DriverExec, Command: []string{"true"}, Server: server, Timeout: 20 * time.Second},
		grace:  100 * time.Millisecond,
	}
}

func deliver(t *testing.T, d *Delivery) (Delivered, error) {
	t.Helper()
	return Deliver(t.Context(), d, made(t, "example.com", zoneText("example.com", d.New, 2, ""), ""), nothing)
}

func servfailBefore(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 0))
	d.Reload.Timeout = slowTool
	done, err := deliver(t, d)
	if err != nil || done.Outcome != Unconfirmed || done.RolledBack {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	return kind(done, err)
}

func firstFile(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 10, 0))
	d.Old = nil
	if err := os.Remove(d.File); err != nil {
		t.Fatal(err)
	}
	done, err := deliver(t, d)
	if err != nil || done.Outcome != LoadFailed || done.RolledBack || !strings.Contains(done.Problems[0].Message, "no earlier file") {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	return kind(done, err)
}

func incomparable(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 11+1<<31))
	before := content(t, d.File)
	done, err := deliver(t, d)
	if refused, ok := errors.AsType[*diag.Diagnostic](err); !ok || refused.Code != diag.CodeReloadSerial || content(t, d.File) != before {
		t.Fatalf("%+v, %v", done, err)
	}
	return kind(done, err)
}

func layoutOnly(t *testing.T) string {
	t.Helper()
	d := plain(t, nobody(t))
	d.Moved, d.New, d.Changed = false, 10, nil
	d.Reload.Command, d.Hooks = []string{"false"}, [][]string{{"false"}}
	done, err := deliver(t, d)
	if err != nil || !done.Changed || done.Outcome != NotReloaded || done.Owed.Any() {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	return "exit 0; written, and nothing is reloaded or run"
}

// killedBefore finds a server that has an earlier zone than the file, where
// nobody says that anything is owed.
func killedBefore(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 9, 9, 10))
	d.Moved, d.New, d.Changed = false, 10, nil
	ran := filepath.Join(t.TempDir(), "ran")
	d.Reload.Command, d.Hooks = []string{"sh", "-c", "echo $ALIASFLAT_REASON >> " + ran}, [][]string{{"sh", "-c", "echo hook >> " + ran}}
	done, err := Deliver(t.Context(), d, made(t, "example.com", zoneText("example.com", 10, 1, ""), ""), nothing)
	if err != nil || done.Changed || done.Outcome != Confirmed || content(t, ran) != "owed\nhook\n" {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	return kind(done, err)
}

func dynamicZone(t *testing.T) string {
	t.Helper()
	b := steered(t, []setUp{{title: "dynamic", zone: "dynamic.test", driver: DriverBIND, options: "allow-update { 127.0.0.1; };"}}, judge.StartSteeredNamed)[0]
	before := content(t, b.file)
	done, err := b.deliver(t, b.delivery(), "")
	refused, ok := errors.AsType[*diag.Diagnostic](err)
	if !ok || refused.Code != diag.CodeReloadDynamic || !strings.Contains(refused.Hint, "update://") || content(t, b.file) != before {
		t.Fatalf("%+v, %v", done, err)
	}
	return kind(done, err)
}

// largeZone takes its time, which named is asked to tell apart from a load that
// failed.
func largeZone(t *testing.T) string {
	t.Helper()
	if testing.Short() {
		t.Skip("a zone of 600,000 records")
	}
	b := steered(t, namedSetUps[:1], judge.StartSteeredNamed)[0]
	var more strings.Builder
	for i := range 600000 {
		fmt.Fprintf(&more, "h%d A 192.0.2.%d\n", i, i%256)
	}
	d := b.delivery()
	d.Reload.Timeout = 2 * time.Minute
	calls := filepath.Join(t.TempDir(), "calls")
	d.Reload.Command = append([]string{"sh", "-c", `echo " $* " >> "$0"; exec "$@"`, calls}, b.server.Control...)
	done, err := Deliver(t.Context(), d, made(t, b.zone, zoneText(b.zone, d.New, b.last, more.String()), ""), nothing)
	if err != nil || done.Outcome != Confirmed || done.RolledBack {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	if n := strings.Count(content(t, calls), " reload "); n < 2 {
		t.Errorf("rndc reload ran %d times: nobody asked whether the load is over", n)
	}
	return kind(done, nil)
}

// withHook delivers what a hook is run for, between two that do what they
// should: one that fails keeps no other from running.
func withHook(t *testing.T, args ...string) Delivered {
	t.Helper()
	d := plain(t, "")
	d.HookTimeout = 2 * time.Second
	ran := filepath.Join(t.TempDir(), "ran")
	note := []string{"sh", "-c", "echo $ALIASFLAT_NEW_SERIAL >> " + ran}
	d.Hooks = [][]string{note, args, note}
	done, err := deliver(t, d)
	if err != nil || done.Outcome != Confirmed || done.RolledBack || !strings.Contains(content(t, d.File), " 11 ") {
		t.Fatalf("%+v, %v", done, err)
	}
	if got := content(t, ran); got != "11\n11\n" {
		t.Errorf("the other hooks ran as %q", got)
	}
	if failed := len(done.Problems) > 0; failed != slices.Equal(done.Owed.Hooks, []int{1}) || done.Owed.Reload {
		t.Errorf("%v is owed; %v", done.Owed, done.Problems.Err())
	}
	for _, p := range done.Problems {
		if len(p.Message) > maxOutput+1000 {
			t.Errorf("a message of %d bytes", len(p.Message))
		}
	}
	// What is owed is run alone.
	again := *d
	again.Moved, again.Owed = false, Owed{Hooks: []int{2}}
	if owed, err := deliver(t, &again); err != nil || owed.Owed.Any() || content(t, ran) != "11\n11\n11\n" {
		t.Errorf("what is owed: %+v, %v, ran %q", owed, err, content(t, ran))
	}
	return done
}

func hook(script string) func(*testing.T) string {
	return func(t *testing.T) string {
		t.Helper()
		return kind(withHook(t, "sh", "-c", script), nil)
	}
}

func hookMissing(t *testing.T) string {
	t.Helper()
	return kind(withHook(t, filepath.Join(t.TempDir(), "nothing")), nil)
}

func hookHangs(t *testing.T) string {
	t.Helper()
	began := time.Now()
	pid := filepath.Join(t.TempDir(), "pid")
	done := withHook(t, "sh", "-c", "trap '' TERM; echo $$ > "+pid+"; while :; do sleep 1; done")
	if took := time.Since(began); took > 20*time.Second {
		t.Errorf("it took %v", took)
	}
	ended(t, pid)
	return kind(done, nil)
}

func hookChild(t *testing.T) string {
	t.Helper()
	pid := filepath.Join(t.TempDir(), "pid")
	done := withHook(t, "sh", "-c", "(trap '' TERM HUP; sleep 600) & echo $! > "+pid)
	ended(t, pid)
	return kind(done, nil)
}

// ended fails where the process runs on. One that nobody waits for stays in the
// table as a zombie.
func ended(t *testing.T, file string) {
	t.Helper()
	pid, err := strconv.Atoi(strings.TrimSpace(content(t, file)))
	if err != nil {
		t.Fatal(err)
	}
	state := ""
	for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return
		}
		_, after, _ := strings.Cut(string(text), ") ")
		if state = after[:1]; state == "Z" {
			return
		}
	}
	t.Errorf("process %d is in state %s", pid, state)
}

// TestHookInput is what a hook is given.
func TestHookInput(t *testing.T) {
	t.Setenv("ALIASFLAT_STATE", "of aliasflat alone")
	t.Setenv("SECRET", "of others")
	dir := t.TempDir()
	d := plain(t, "")
	d.Hooks = [][]string{{"sh", "-c", `env > "$1/env"; cat > "$1/stdin"; echo "$2" > "$1/argument"`, "hook", dir, "$(id); `id` *"}}
	for i := range 1000 {
		d.Changed = append(d.Changed, fmt.Sprintf("h%d.example.com. A", i))
	}
	if done, err := deliver(t, d); err != nil || len(done.Problems) > 0 {
		t.Fatal(err, done.Problems.Err())
	}
	var got []string
	for line := range strings.Lines(content(t, filepath.Join(dir, "env"))) {
		if strings.HasPrefix(line, "ALIASFLAT_") || strings.HasPrefix(line, "SECRET") {
			got = append(got, strings.TrimSpace(line))
		}
	}
	slices.Sort(got)
	want := []string{
		"ALIASFLAT_CHANGED=1001", "ALIASFLAT_FILE=" + d.File, "ALIASFLAT_NEW_SERIAL=11",
		"ALIASFLAT_OLD_SERIAL=10", "ALIASFLAT_REASON=records", "ALIASFLAT_ZONE=example.com",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := content(t, filepath.Join(dir, "argument")); got != "$(id); `id` *\n" {
		t.Errorf("the argument arrived as %q", got)
	}
	var in hookInput
	if err := json.Unmarshal([]byte(content(t, filepath.Join(dir, "stdin"))), &in); err != nil {
		t.Fatal(err)
	}
	if in.Schema != hookSchema || in.Zone != "example.com" || *in.OldSerial != 10 || in.NewSerial != 11 || in.Changed.Count != 1001 || len(in.Changed.RRsets) != maxNamed {
		t.Errorf("%+v", in)
	}
}

func TestReason(t *testing.T) {
	old := zone.Serial(10)
	for want, d := range map[string]Delivery{
		"records": {Moved: true, Old: &old, Changed: []string{"www.example.com. A"}},
		"serial":  {Moved: true, Old: &old},
		"owed":    {Old: &old, Owed: Owed{Reload: true}},
	} {
		if got := d.reason(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestExec takes the word of the program where no server is named.
func TestExec(t *testing.T) {
	t.Parallel()
	d := plain(t, "")
	d.Reload.Command = []string{"sh", "-c", "echo it is broken; exit 1"}
	done, err := deliver(t, d)
	if err != nil || done.Outcome != Unconfirmed || !strings.Contains(done.Problems[0].Message, "it is broken") {
		t.Errorf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	// A server that is slow is not judged by the program.
	d = plain(t, scripted(t, 10))
	d.Reload.Timeout = slowTool
	if done, err = deliver(t, d); err != nil || done.Outcome != Unconfirmed || done.RolledBack {
		t.Errorf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	// A later serial than ours is as good, and the server's own.
	d = plain(t, scripted(t, 10, 12))
	if done, err = deliver(t, d); err != nil || done.Outcome != Confirmed {
		t.Errorf("%+v, %v; %v", done, err, done.Problems.Err())
	}
}

func TestParseStatus(t *testing.T) {
	for text, want := range map[string]status{
		"name: example.com\ntype: primary\nserial: 4294967295\ndynamic: yes\nfrozen: no\n":              {dynamic: true, serial: 1<<32 - 1, known: true},
		"serial: 7\nsigned serial: 9\ninline signing: yes\nkey maintenance: automatic\ndynamic: no\r\n": {inline: true, serial: 7, known: true},
		"serial: x\nreconfigurable via modzone: no":                                                     {},
		"": {},
	} {
		if got := parseStatus(text); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

// TestKnotFailed tells what knotd says of a zone from what keeps knotc from
// asking it.
func TestKnotProgress(t *testing.T) {
	k := &knot{&reloading{Delivery: &Delivery{Zone: zone.MustParseName("example.com.")}}}
	failed := errors.New("exit status 1")
	for said, want := range map[string]bool{
		"error: [example.com] (failed)":                                    true,
		"error: [example.com.] (value is out of range)":                    true,
		"error: [example.com] (not exists)":                                true,
		"error: [example.com] (no such zone found)":                        false,
		"error: [example.org] (failed)":                                    false,
		"error: failed to connect to socket '/run/knot.sock' (not exists)": false,
		"error: failed to control (connection timeout)":                    false,
		"": false,
	} {
		if got := k.progress(t.Context(), said, failed); (got == loadFailed) != want {
			t.Errorf("%q: %d", said, got)
		}
	}
	if k.progress(t.Context(), "error: [example.com] (failed)", nil) != unknown {
		t.Error("a knotc that ended with 0 counts as failed")
	}
}

func TestAskSOA(t *testing.T) {
	t.Parallel()
	const soa = "example.com. 300 IN SOA ns.example.com. hostmaster.example.com. 7 1 1 1 1"
	for want, fill := range map[string]func(m *dns.Msg, tcp bool){
		"serves serial 7":                       func(m *dns.Msg, _ bool) { m.Answer = record(t, soa) },
		"answers SERVFAIL":                      func(m *dns.Msg, _ bool) { m.Rcode = dns.RcodeServerFailure },
		"gave no serial: REFUSED":               func(m *dns.Msg, _ bool) { m.Rcode = dns.RcodeRefused },
		"gave no serial: its answer has no SOA": func(*dns.Msg, bool) {},
		"gave no serial: it is no authority for the zone": func(m *dns.Msg, _ bool) {
			m.Authoritative, m.Answer = false, record(t, soa)
		},
	} {
		if got := askSOA(t.Context(), answering(t, fill), zone.MustParseName("example.com.")).String(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	cut := answering(t, func(m *dns.Msg, tcp bool) {
		if m.Truncated = !tcp; tcp {
			m.Answer = record(t, soa)
		}
	})
	if w := askSOA(t.Context(), cut, zone.MustParseName("example.com.")); !w.serves || w.serial != 7 {
		t.Errorf("a cut answer: %v", w)
	}
	if w := askSOA(t.Context(), nobody(t), zone.MustParseName("example.com.")); w.serves || w.servfail || w.err == nil {
		t.Errorf("nobody answers: %v", w)
	}
	if got := (word{}).String(); got != "gave no answer in time" {
		t.Error(got)
	}
}

// TestAskAddresses compares sets, whatever their order.
func TestAskAddresses(t *testing.T) {
	t.Parallel()
	server := answering(t, func(m *dns.Msg, _ bool) {
		m.Answer = append(record(t, "www.example.com. 60 IN A 192.0.2.2"), record(t, "www.example.com. 60 IN A 192.0.2.1")...)
	})
	set := func(addresses ...string) []Addresses {
		a := Addresses{Owner: zone.MustParseName("www.example.com."), Type: dns.TypeA}
		for _, text := range addresses {
			a.Addresses = append(a.Addresses, netip.MustParseAddr(text))
		}
		return []Addresses{a}
	}
	if err := askAddresses(t.Context(), server, set("192.0.2.1", "192.0.2.2")); err != nil {
		t.Error(err)
	}
	for _, other := range [][]Addresses{set("192.0.2.1"), set("192.0.2.1", "192.0.2.3"), set("192.0.2.1", "192.0.2.2", "192.0.2.3")} {
		if askAddresses(t.Context(), server, other) == nil {
			t.Errorf("%v was found", other)
		}
	}
	if askAddresses(t.Context(), nobody(t), set("192.0.2.1")) == nil {
		t.Error("nobody has the addresses")
	}
}

// TestRollBackFails tells that the previous file could not be put back.
func TestRollBackFails(t *testing.T) {
	t.Parallel()
	d := plain(t, scripted(t, 10, 0))
	d.Reload.Command = []string{"sh", "-c", `rm "$ALIASFLAT_FILE" && mkdir "$ALIASFLAT_FILE"`}
	done, err := deliver(t, d)
	if err != nil || done.Outcome != LoadFailed || done.RolledBack || !done.Owed.Reload ||
		!strings.Contains(done.Problems[0].Message, "put the previous ") {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
}

// TestRollBackUnseen puts the previous file back for a server that goes on to
// fail: what is owed is its reload.
func TestRollBackUnseen(t *testing.T) {
	t.Parallel()
	d := plain(t, scripted(t, 10, 0))
	d.Reload.Timeout = slowTool
	before := content(t, d.File)
	done, err := deliver(t, d)
	if err != nil || !done.RolledBack || !done.Owed.Reload || content(t, d.File) != before ||
		!strings.Contains(done.Problems[0].Message, "the previous file is back, and the server answers SERVFAIL") {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
}

// TestDeliverRefused writes nothing and tells no server when the judge of the
// file says no.
func TestDeliverRefused(t *testing.T) {
	t.Parallel()
	d := plain(t, scripted(t, 10))
	before := content(t, d.File)
	ran := filepath.Join(t.TempDir(), "ran")
	d.Reload.Command, d.Hooks = []string{"touch", ran}, [][]string{{"touch", ran}}
	refused := errors.New("no")
	done, err := Deliver(t.Context(), d, made(t, "example.com", zoneText("example.com", 11, 2, ""), ""), func(*os.File) error { return refused })
	if !errors.Is(err, refused) || done.Changed || content(t, d.File) != before {
		t.Errorf("%+v, %v", done, err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("something was run")
	}
	only(t, filepath.Dir(d.File), "example.com.db")
}

// TestInterrupted ends with the run: the file stays, and its reload is owed.
func TestInterrupted(t *testing.T) {
	t.Parallel()
	d := plain(t, scripted(t, 10))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done, err := Deliver(ctx, d, made(t, "example.com", zoneText("example.com", 11, 2, ""), ""), func(*os.File) error {
		cancel()
		return nil
	})
	if err != nil || done.Outcome != Unconfirmed || done.RolledBack || !done.Owed.Reload || !strings.Contains(content(t, d.File), " 11 ") {
		t.Errorf("%+v, %v; %v", done, err, done.Problems.Err())
	}
}

// TestToolWords are the arguments of control tools where nothing is configured,
// and in corners.
func TestToolWords(t *testing.T) {
	for want, d := range map[string]Delivery{
		"rndc reload example.com":                        {Reload: Reload{Driver: DriverBIND}},
		"rndc reload example.com IN inside":              {Reload: Reload{Driver: DriverBIND, View: "inside"}},
		"rndc -p 953 reload .":                           {Reload: Reload{Driver: DriverBIND, Command: []string{"rndc", "-p", "953"}}, Zone: zone.Root},
		"nsd-control reload example.com":                 {Reload: Reload{Driver: DriverNSD}},
		"knotc -b -- zone-reload example.com":            {Reload: Reload{Driver: DriverKnot}},
		"knotc -s sock -b -- zone-reload -x.example.com": {Reload: Reload{Driver: DriverKnot, Command: []string{"knotc", "-s", "sock"}}, Zone: zone.MustParseName("-x.example.com.")},
		"deploy --now":                                   {Reload: Reload{Driver: DriverExec, Command: []string{"deploy", "--now"}}},
	} {
		if d.Zone.IsZero() {
			d.Zone = zone.MustParseName("example.com.")
		}
		if got := strings.Join(newReloading(&d).driver.tool().args, " "); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
