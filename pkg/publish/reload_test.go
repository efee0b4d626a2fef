package publish

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// setUp is one way to run a name server, a column of docs/failures.md.
type setUp struct {
	title        string
	zone         string
	driver       Driver
	selfNumbered bool
	signs        bool // the serial that it answers is its own
	ixfr         bool // it can make one of two files
	options      string
}

var namedSetUps = []setUp{
	{title: "BIND", zone: "plain.test", driver: DriverBIND},
	{title: "BIND, `ixfr-from-differences`", zone: "ixfr.test", driver: DriverBIND, ixfr: true, options: "ixfr-from-differences yes; max-ixfr-ratio unlimited;"},
	{title: "BIND, `inline-signing`", zone: "inline.test", driver: DriverBIND, signs: true, ixfr: true, options: "dnssec-policy test; inline-signing yes; max-ixfr-ratio unlimited;"},
}

var nsdSetUps = []setUp{
	{title: "NSD, `create-ixfr`", zone: "nsd.test", driver: DriverNSD, ixfr: true, options: "\tstore-ixfr: yes\n\tcreate-ixfr: yes\n"},
}

var knotSetUps = []setUp{
	{title: "Knot", zone: "plain.test", driver: DriverKnot},
	{title: "Knot, `difference`", zone: "serial.test", driver: DriverKnot, ixfr: true, options: "    zonefile-load: difference\n    journal-content: all\n"},
	{title: "Knot, `difference-no-serial`", zone: "difference.test", driver: DriverKnot, selfNumbered: true, ixfr: true, options: "    zonefile-load: difference-no-serial\n    journal-content: all\n"},
}

// bench is a zone of a running server, and the file that it serves.
type bench struct {
	setUp
	server *judge.Server
	file   string
	serial zone.Serial // of the file
	last   byte        // of the address of www
}

const slowTool = 400 * time.Millisecond // the timeout where it has to run out

// zoneText is a zone with an address, and a line that no server reads where one
// is wanted.
func zoneText(origin string, serial zone.Serial, last byte, more string) string {
	return fmt.Sprintf("$ORIGIN %s.\n$TTL 300\n@ SOA ns hostmaster %d 7200 900 1209600 300\n NS ns\nns A 192.0.2.53\nwww A 192.0.2.%d\nlast ALIAS example.net.\n", origin, serial, last) + more
}

// made gives the text of a file, with the line in place of its ALIAS.
func made(t *testing.T, origin, text, line string) *zonefile.Text {
	t.Helper()
	z := zonefile.Read(origin, []byte(text), zonefile.Options{Origin: zone.MustParseName(origin + ".")})
	if z.Found.HasErrors() {
		t.Fatal(z.Found.Err())
	}
	rewritten, _ := z.Rewrite(zonefile.Rewrite{Aliases: [][]byte{[]byte(line)}})
	return rewritten
}

// steered starts a server with the zones of the set-ups, all at serial 10.
func steered(t *testing.T, list []setUp, start func(testing.TB, map[string]judge.Steered) *judge.Server) []*bench {
	t.Helper()
	dir := t.TempDir()
	zones := map[string]judge.Steered{}
	var benches []*bench
	for _, s := range list {
		b := &bench{setUp: s, file: filepath.Join(dir, s.zone+".db"), serial: 10, last: 1}
		if err := os.WriteFile(b.file, made(t, b.zone, zoneText(b.zone, 10, 1, ""), "").Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		zones[s.zone] = judge.Steered{File: b.file, Options: s.options}
		benches = append(benches, b)
	}
	server := start(t, zones)
	for _, b := range benches {
		b.server = server
		server.WaitReady(t, b.zone)
	}
	return benches
}

// delivery is one of the next serial, with another address.
func (b *bench) delivery() *Delivery {
	b.last++
	old := b.serial
	return &Delivery{
		Zone: zone.MustParseName(b.zone + "."), File: b.file, Old: &old, New: b.serial + 1, Moved: true, SelfNumbered: b.selfNumbered,
		Reload:    Reload{Driver: b.driver, Server: b.server.Addr, Command: b.server.Control, Timeout: 20 * time.Second},
		Generated: []Addresses{{Owner: zone.MustParseName("www." + b.zone + "."), Type: dns.TypeA, Addresses: []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, b.last})}}},
	}
}

// deliver delivers what d says, with the line in place of an ALIAS.
func (b *bench) deliver(t *testing.T, d *Delivery, line string) (Delivered, error) {
	t.Helper()
	return Deliver(t.Context(), d, made(t, b.zone, zoneText(b.zone, d.New, b.last, ""), line), nothing)
}

func nothing(*os.File) error { return nil }

// www is the last octet that the server answers for.
func (b *bench) www(t *testing.T) string {
	t.Helper()
	answer := b.server.Query(t, "www."+b.zone, dns.TypeA)
	if len(answer.Answer) == 0 {
		return dns.RcodeToString[answer.Rcode]
	}
	return strings.TrimPrefix(dns.Field(answer.Answer[0], 1), "192.0.2.")
}

// serves fails where the server has another address, or another serial than the
// file.
func (b *bench) serves(t *testing.T, last byte) {
	t.Helper()
	if got := b.www(t); got != fmt.Sprint(last) {
		t.Errorf("the server has 192.0.2.%s, want %d", got, last)
	}
	if serial := b.server.WaitReady(t, b.zone); !b.selfNumbered && !b.signs && zone.Serial(serial) != b.serial {
		t.Errorf("the server has serial %d, want %d", serial, b.serial)
	}
}

// codes are those of the problems, for tables.
func codes(list diag.List) []string {
	var words []string
	for _, d := range list {
		words = append(words, string(d.Code))
	}
	return words
}

// kind is what came of a delivery, in a word that docs/failures.md explains.
func kind(done Delivered, err error) string {
	var refused *diag.Diagnostic
	switch {
	case errors.As(err, &refused):
		return "refused: `" + string(refused.Code) + "`"
	case err != nil:
		return err.Error()
	case done.Forward != nil:
		return "forward: `" + strings.Join(codes(done.Problems), ", ") + "`"
	case done.RolledBack:
		return "rolled back: `" + strings.Join(codes(done.Problems), ", ") + "`"
	case len(done.Problems) > 0:
		return "stays: `" + strings.Join(codes(done.Problems), ", ") + "`"
	default:
		return "served"
	}
}

// situation is a row of docs/failures.md: it happens to a bench, and gives what
// came of it. It leaves the bench in order.
type situation struct {
	title string
	run   func(t *testing.T, b *bench) string
}

var situations = []situation{
	{"the records change", changes},
	{"a secondary asks for the change", difference},
	{"the server cannot load the file", broken},
	{"the server has that serial already", equalSerial},
	{"the server has a later serial", lowerSerial},
	{"the control tool is slower than the timeout", slow},
	{"the control tool fails", toolFails},
	{"the server is not running", stopped},
	{"the server reads another file", otherFile},
}

func changes(t *testing.T, b *bench) string {
	t.Helper()
	d := b.delivery()
	done, err := b.deliver(t, d, "")
	if err != nil || done.Outcome != Confirmed || done.RolledBack || !done.Changed || done.Owed.Any() {
		t.Fatalf("%+v, %v", done, err)
	}
	b.serial = d.New
	b.serves(t, b.last)
	return kind(done, err)
}

// difference asks for an IXFR over a change.
func difference(t *testing.T, b *bench) string {
	t.Helper()
	from := b.server.WaitReady(t, b.zone)
	changes(t, b)
	question := new(dns.Msg).SetIxfr(b.zone+".", from, "ns."+b.zone+".", "hostmaster."+b.zone+".")
	envelopes, err := new(dns.Transfer).In(question, b.server.Addr)
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
	if len(records) < 4 {
		t.Fatalf("the transfer has %d records", len(records))
	}
	second, isSOA := records[1].(*dns.SOA)
	ixfr := isSOA && second.Serial == from
	if ixfr != b.ixfr {
		t.Errorf("IXFR: %v, want %v: %v", ixfr, b.ixfr, records)
	}
	if ixfr {
		return "IXFR"
	}
	return "AXFR"
}

func broken(t *testing.T, b *bench) string {
	t.Helper()
	before, info := content(t, b.file), modified(t, b.file)
	done, err := b.deliver(t, b.delivery(), "broken ALIAS target\n")
	b.last--
	if err != nil || done.Outcome != LoadFailed || !done.RolledBack || done.Changed || done.Owed.Any() {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	if content(t, b.file) != before {
		t.Error("the file is not the previous one")
	}
	if !modified(t, b.file).After(info) {
		t.Error("the previous file came back with its old time")
	}
	b.serves(t, b.last)
	return kind(done, err)
}

func equalSerial(t *testing.T, b *bench) string {
	t.Helper()
	return notLater(t, b, b.serial)
}

func lowerSerial(t *testing.T, b *bench) string {
	t.Helper()
	return notLater(t, b, b.serial-1)
}

// notLater publishes a change under a serial that is no later one.
func notLater(t *testing.T, b *bench, serial zone.Serial) string {
	t.Helper()
	before, info := content(t, b.file), modified(t, b.file)
	d := b.delivery()
	d.New = serial
	done, err := b.deliver(t, d, "")
	if b.selfNumbered {
		if err != nil || done.Outcome != Confirmed {
			t.Fatalf("%+v, %v", done, err)
		}
		b.serial = serial
		b.serves(t, b.last)
		return kind(done, err)
	}
	b.last--
	var refused *diag.Diagnostic
	if !errors.As(err, &refused) || refused.Code != diag.CodeReloadSerial || !strings.Contains(refused.Hint, "--serial-from dns://"+b.server.Addr) {
		t.Fatalf("%+v, %v", done, err)
	}
	if content(t, b.file) != before || !modified(t, b.file).Equal(info) {
		t.Error("the file was touched")
	}
	b.serves(t, b.last)
	return kind(done, err)
}

func slow(t *testing.T, b *bench) string {
	t.Helper()
	return unconfirmed(t, b, func(d *Delivery) {
		const script = `case " $* " in *" reload "* | *" zone-reload "*) sleep 30 ;; esac; exec "$@"`
		d.Reload.Command = append([]string{"sh", "-c", script, "sh"}, b.server.Control...)
	})
}

func toolFails(t *testing.T, b *bench) string {
	t.Helper()
	return unconfirmed(t, b, func(d *Delivery) { d.Reload.Command = []string{"sh", "-c", "echo no such socket; exit 1"} })
}

func stopped(t *testing.T, b *bench) string {
	t.Helper()
	return unconfirmed(t, b, func(d *Delivery) {
		d.Reload.Command = []string{"false"}
		d.Reload.Server = nobody(t)
	})
}

func otherFile(t *testing.T, b *bench) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "other.db")
	if err := os.WriteFile(file, []byte(content(t, b.file)), 0o644); err != nil {
		t.Fatal(err)
	}
	d := b.delivery()
	d.File = file
	if b.driver != DriverBIND { // which tells at once
		d.Reload.Timeout = slowTool
	}
	done, err := b.deliver(t, d, "")
	b.last--
	if err != nil || done.Outcome != Unconfirmed || done.RolledBack {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	if said := done.Problems[0].Message; b.driver == DriverBIND && !strings.Contains(said, "reads another one than "+file) {
		t.Error(said)
	}
	b.serves(t, b.last)
	return kind(done, err)
}

// unconfirmed publishes a change that the server is not seen to serve, and then
// runs what is owed.
func unconfirmed(t *testing.T, b *bench, spoil func(*Delivery)) string {
	t.Helper()
	d := b.delivery()
	d.Reload.Timeout = slowTool
	spoil(d)
	done, err := b.deliver(t, d, "")
	if err != nil || done.Outcome != Unconfirmed || done.RolledBack || !done.Owed.Reload {
		t.Fatalf("%+v, %v; %v", done, err, done.Problems.Err())
	}
	if got := b.www(t); got != fmt.Sprint(b.last-1) {
		t.Errorf("the server has 192.0.2.%s, want %d", got, b.last-1)
	}
	b.last--
	again := b.delivery()
	again.Old, again.Moved, again.Owed = &again.New, false, done.Owed
	b.serial = d.New
	owed, err := b.deliver(t, again, "")
	if err != nil || owed.Outcome != Confirmed || owed.Changed || owed.Owed.Any() {
		t.Fatalf("what is owed: %+v, %v; %v", owed, err, owed.Problems.Err())
	}
	b.serves(t, b.last)
	return kind(done, nil)
}

func modified(t *testing.T, path string) time.Time {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.ModTime()
}
