package publish

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// wentForward fails where the file of example.com has not the records of before
// under a serial, or something is left beside it.
func wentForward(t *testing.T, d *Delivery, done *Delivered, err error, serial zone.Serial) {
	t.Helper()
	if err != nil || done.Outcome != Withdrawn || done.RolledBack || !done.Changed || done.Forward == nil || done.Forward.Serial != serial {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	want := string(made(t, "example.com", zoneText("example.com", serial, 1, ""), "").Bytes())
	if got := content(t, d.File); got != want || string(done.Forward.Text.Bytes()) != want {
		t.Errorf("the file has\n%s", got)
	}
	if len(done.Problems) != 1 || done.Problems[0].Code != diag.CodeReloadWithdrawn || !strings.Contains(done.Problems[0].Message, fmt.Sprintf("in place under serial %d, and the server ", serial)) {
		t.Errorf("%v", done.Problems.Err())
	}
	only(t, filepath.Dir(d.File), "example.com.db")
}

func withdrawn(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 10, 11, 0, 0, 12))
	ran, hooked := filepath.Join(t.TempDir(), "ran"), filepath.Join(t.TempDir(), "hooked")
	d.Reload.Command = []string{"sh", "-c", "echo $ALIASFLAT_OLD_SERIAL-$ALIASFLAT_NEW_SERIAL $ALIASFLAT_REASON >> " + ran}
	d.Hooks = [][]string{{"touch", hooked}}
	var promised []zone.Serial
	d.Promise = func(f *Forward) error {
		if !strings.Contains(content(t, d.File), " 11 ") {
			t.Error("it was written before it was promised")
		}
		promised = append(promised, f.Serial)
		return nil
	}
	before := modified(t, d.File)
	done, err := deliver(t, d)
	wentForward(t, d, &done, err, 12)
	if done.Owed.Any() || len(promised) != 1 || promised[0] != 12 || !strings.Contains(done.Problems[0].Message, "the server serves serial 12") {
		t.Errorf("%+v, promised %v; %v", done, promised, done.Problems.Err())
	}
	if got := content(t, ran); got != "10-11 records\n11-12 records\n" {
		t.Errorf("the reloads were told %q", got)
	}
	if _, err := os.Stat(hooked); err == nil {
		t.Error("the hook of a zone that is withdrawn ran")
	}
	if !modified(t, d.File).After(before) {
		t.Error("the file has an older time")
	}
	return kind(done, err)
}

// withdrawnByNSD asks a real NSD, whose file is replaced by one that it cannot
// load in the moment in which it serves the new zone.
func withdrawnByNSD(t *testing.T) string {
	t.Helper()
	b := steered(t, nsdSetUps, judge.StartSteeredNSD)[0]
	var once sync.Once
	spoil := func() {
		other := b.file + ".other"
		if err := errors.Join(os.WriteFile(other, []byte("broken ALIAS target\n"), 0o644), os.Rename(other, b.file)); err != nil {
			t.Error(err)
		}
		p := program{args: append(append([]string{}, b.server.Control...), "reload", b.zone)}
		if said, err := p.run(t.Context()); err != nil {
			t.Error(said, err)
		}
		deadline := time.Now().Add(20 * time.Second)
		for !askSOA(t.Context(), b.server.Addr, zone.MustParseName(b.zone+".")).servfail {
			if time.Now().After(deadline) {
				t.Error("NSD has loaded the broken file")
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
	front := answering(t, func(m *dns.Msg, _ bool) {
		got, err := dns.Exchange(new(dns.Msg).SetQuestion(m.Question[0].Name, m.Question[0].Qtype), b.server.Addr)
		if err != nil {
			m.Rcode = dns.RcodeRefused
			return
		}
		m.Rcode, m.Authoritative, m.Answer = got.Rcode, got.Authoritative, got.Answer
		if len(m.Answer) > 0 && dns.Field(m.Answer[0], 3) == "11" {
			once.Do(spoil)
		}
	})
	d := b.delivery()
	d.Reload.Server = front
	done, err := b.deliver(t, d, "")
	if err != nil || done.Outcome != Withdrawn || done.Forward == nil || done.Forward.Serial != 12 || done.Owed.Any() {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	b.last, b.serial = 1, 12
	b.serves(t, 1)
	changes(t, b) // and it goes on from there
	return kind(done, err)
}

// servedLate is a server that says SERVFAIL while it loads the zone.
func servedLate(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 10, 0, 0, 10, 13, 13, 14))
	done, err := deliver(t, d)
	wentForward(t, d, &done, err, 14)
	if done.Owed.Any() || !strings.Contains(done.Problems[0].Message, "served serial 13, which is withdrawn: the previous file was put back, since it answers SERVFAIL") {
		t.Errorf("%+v; %v", done, done.Problems.Err())
	}
	return kind(done, err)
}

func withdrawnForGood(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 10, 11, 0))
	d.Reload.Timeout = slowTool
	done, err := deliver(t, d)
	wentForward(t, d, &done, err, 12)
	if !done.Owed.Reload || !strings.Contains(done.Problems[0].Message, "the server answers SERVFAIL") {
		t.Errorf("%+v; %v", done, done.Problems.Err())
	}
	return kind(done, err)
}

func withdrawnFirst(t *testing.T) string {
	t.Helper()
	d := plain(t, scripted(t, 10, 11, 0))
	d.Old = nil
	if err := os.Remove(d.File); err != nil {
		t.Fatal(err)
	}
	done, err := deliver(t, d)
	stays(t, d, &done, err, "there is no earlier file")
	return kind(done, err)
}

// stays fails where a zone that cannot be withdrawn is not as it was delivered.
func stays(t *testing.T, d *Delivery, done *Delivered, err error, why string) {
	t.Helper()
	if err != nil || done.Outcome != Withdrawn || done.Forward != nil || done.RolledBack || !done.Owed.Reload || len(done.Problems) != 1 ||
		done.Problems[0].Code != diag.CodeReloadWithdrawn || !strings.Contains(done.Problems[0].Message, why) || !strings.Contains(done.Problems[0].Hint, "later serial") {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	if !strings.Contains(content(t, d.File), " 11 ") {
		t.Error("the new file does not stand")
	}
	only(t, filepath.Dir(d.File), "example.com.db")
}

// withdrawnSelfNumbered puts the previous file back as it was: its serial is not
// that of the server.
func withdrawnSelfNumbered(t *testing.T) string {
	t.Helper()
	d := plain(t, "")
	asked := 0
	var mu sync.Mutex
	d.Reload.Server = answering(t, func(m *dns.Msg, _ bool) {
		mu.Lock()
		defer mu.Unlock()
		name := m.Question[0].Name
		if m.Question[0].Qtype == dns.TypeA {
			m.Answer = record(t, name+" 60 IN A 192.0.2.2")
			return
		}
		asked++
		if asked == 3 || asked == 4 {
			m.Rcode = dns.RcodeServerFailure
			return
		}
		m.Answer = record(t, fmt.Sprintf("%s 300 IN SOA ns.example.com. hostmaster.example.com. %d 1 1 1 1", name, 4000+asked))
	})
	d.SelfNumbered = true
	d.Generated = []Addresses{{Owner: zone.MustParseName("www.example.com."), Type: dns.TypeA, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.2")}}}
	before := content(t, d.File)
	done, err := deliver(t, d)
	if err != nil || !done.RolledBack || done.Forward != nil || done.Owed.Any() || content(t, d.File) != before {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	return kind(done, err)
}

// TestForwardFails lets the way forward fail at each step: what was delivered
// stays, and who runs it is told how to go on.
func TestForwardFails(t *testing.T) {
	t.Parallel()
	const head = "$ORIGIN example.com.\n$TTL 300\n@ NS ns\nns A 192.0.2.53\n"
	before := func(text string) func(*testing.T, *Delivery) {
		return func(t *testing.T, d *Delivery) {
			t.Helper()
			if err := os.WriteFile(d.File, []byte(head+text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	for _, c := range []struct {
		why   string
		spoil func(*testing.T, *Delivery)
	}{
		{"its serial cannot be edited", before("@ SOA \\# 22 0000 0000000a 00001c20 00000384 00127500 0000012c\n")},
		{"it has ALIAS records", before("@ SOA ns h 10 7200 900 1209600 300\nlast ALIAS example.net.\n")},
		{`type "BROKEN" is unknown`, before("@ SOA ns h 10 7200 900 1209600 300\nlast BROKEN\n")},
		{"cannot promise", func(_ *testing.T, d *Delivery) {
			d.Promise = func(*Forward) error { return errors.New("cannot promise") }
		}},
	} {
		d := plain(t, scripted(t, 10, 11, 0))
		c.spoil(t, d)
		done, err := deliver(t, d)
		stays(t, d, &done, err, c.why)
	}
	d := plain(t, scripted(t, 10, 11, 0))
	d.Promise = func(*Forward) error { return errors.Join(os.Remove(d.File), os.Mkdir(d.File, 0o755)) }
	done, err := deliver(t, d)
	if err != nil || done.Forward != nil || !strings.Contains(done.Problems[0].Message, "not a regular file") {
		t.Errorf("%+v, %v; %v", done, err, done.Problems.Err())
	}
}
