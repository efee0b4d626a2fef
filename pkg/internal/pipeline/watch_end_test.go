package pipeline

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// dam stands between a primary and a secondary, and passes on what goes through, but stops a
// transfer behind its first message while it is closed.
type dam struct {
	addr string

	mu      sync.Mutex
	to      string
	closed  chan struct{} // until the dam is opened; nil: it is open
	stopped chan struct{} // has an entry where a transfer is stopped
}

func startDam(t *testing.T) *dam {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d := &dam{addr: tcp.Addr().String(), stopped: make(chan struct{}, 1)}
	var wg sync.WaitGroup
	t.Cleanup(func() { tcp.Close(); udp.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := tcp.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { d.connection(in) })
		}
	})
	wg.Go(func() {
		buf := make([]byte, 65535)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			to, _ := d.state()
			if answer := (&loss{to: to}).ask(buf[:n]); answer != nil {
				_, _ = udp.WriteTo(answer, from)
			}
		}
	})
	return d
}

func (d *dam) state() (to string, closed <-chan struct{}) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.to, d.closed
}

// open has it pass on to a primary; what is stopped ends.
func (d *dam) open(to string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.to = to
	if d.closed != nil {
		close(d.closed)
		d.closed = nil
	}
}

// shut has it stop what comes.
func (d *dam) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = make(chan struct{})
}

// connection passes on what one connection carries, until either side ends it.
func (d *dam) connection(in net.Conn) {
	defer in.Close()
	to, _ := d.state()
	out, err := net.Dial("tcp", to)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	buf := make([]byte, 2+65535)
	for {
		if _, err := io.ReadFull(out, buf[:2]); err != nil {
			return
		}
		m := buf[:2+int(binary.BigEndian.Uint16(buf))]
		if _, err := io.ReadFull(out, m[2:]); err != nil {
			return
		}
		if _, err := in.Write(m); err != nil {
			return
		}
		if _, closed := d.state(); closed != nil && len(m) > 10000 { // no answer to a question is that long
			d.stopped <- struct{}{}
			<-closed
			return
		}
	}
}

// A daemon that is to end while a secondary takes a transfer does so within 5 seconds. The
// secondary goes on with the zone that it had, and has the other one from the daemon that comes.
func TestWatchEndsWithinTransfer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"named", "nsd", "knotd"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			resolver, dir := dnstest.Start(t, "cdn.example.net. 60 IN A 192.0.2.1\n"), t.TempDir()
			source := func(serial int, rest string) {
				put(t, dir, "example.com.zone", fmt.Sprintf("$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster %d 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n%s", serial, rest))
			}
			source(7, "")
			if out, err := program(t, dir, "tsig", "generate", "xfr").CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			secret, err := os.ReadFile(filepath.Join(dir, "xfr.key"))
			if err != nil {
				t.Fatal(err)
			}
			configure := func(secondary string) {
				put(t, dir, "aliasflat.yaml", fmt.Sprintf("listen: {dns: \"127.0.0.1:0\"}\nstate: state\nkeys: [{name: xfr, secret-file: xfr.key}]\n"+
					"secondaries: [{address: %q, key: xfr}]\nzones: [{source: example.com.zone}]\nresolvers: [%q]\n", secondary, resolver.URL()))
			}
			at := regexp.MustCompile(`DNS at (127\.0\.0\.1:[0-9]+)`)
			start := func() (*running, string) {
				d := startWatch(t, dir)
				until(t, "the port", func() bool { return at.MatchString(d.log.String()) })
				return d, at.FindStringSubmatch(d.log.String())[1]
			}
			configure("127.0.0.9:53")
			d, to := start()
			between := startDam(t)
			between.open(to)
			server := (&judge.Secondary{Program: name, Zones: []string{"example.com"}, Primary: between.addr, Key: "xfr", Secret: strings.TrimSpace(string(secret))}).Start(t)
			configure(server.Addr)
			if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
				t.Fatal(err)
			}
			until(t, "serial 7", func() bool { return soaOf(t, server, "example.com.") == 7 })

			between.shut()
			source(8, "$GENERATE 1-65000 host$ TXT \"a text that is long enough to fill what systems keep of a connection, number $\"\n")
			select {
			case <-between.stopped:
			case <-time.After(time.Minute):
				t.Fatal("nothing is transferred")
			}
			asked := time.Now()
			if err := d.stop(t); err != nil {
				t.Errorf("%v\n%s", err, d.log)
			}
			if took := time.Since(asked); took > 5*time.Second {
				t.Errorf("it takes %v to end", took)
			}
			if !strings.Contains(d.log.String(), "cut short: ") {
				t.Errorf("a transfer that is cut short is not told:\n%s", d.log)
			}
			if got := soaOf(t, server, "example.com."); got != 7 {
				t.Errorf("%s serves serial %d", name, got)
			}
			d, to = start()
			between.open(to)
			until(t, "serial 8", func() bool { return soaOf(t, server, "example.com.") == 8 })
			if err := d.stop(t); err != nil {
				t.Errorf("%v\n%s", err, d.log)
			}
		})
	}
}

// A secondary that serves nothing for a minute is told of once, and by status as long as it does.
func TestWatchTellsOfLag(t *testing.T) {
	if testing.Short() {
		t.Skip("it takes a minute")
	}
	t.Parallel()
	dir := t.TempDir()
	put(t, dir, "example.com.zone", tlsZone)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0") // it takes all, and answers nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	put(t, dir, "aliasflat.yaml", fmt.Sprintf("listen: {dns: \"127.0.0.1:0\"}\nstate: state\nsecondaries: [{address: %q, key: none}]\nzones: [{source: example.com.zone}]\nresolvers: [\"demo:\"]\n", silent.LocalAddr()))
	d := startWatch(t, dir)
	untilWithin(t, 2*time.Minute, "it lags", func() bool { return strings.Contains(d.log.String(), "msg=lags") })
	out, err := program(t, dir, "events").CombinedOutput()
	lags := regexp.MustCompile(`(?m)^\S+ lags .*example\.com.* secondary ` + silent.LocalAddr().String() + ` has not served it for 1m[0-9]+s$`)
	if err != nil || len(lags.FindAll(out, -1)) != 1 {
		t.Errorf("events: %v\n%s", err, out)
	}
	out, err = program(t, dir, "status").CombinedOutput()
	if err != nil || !strings.Contains(string(out), "warning: secondary "+silent.LocalAddr().String()+" has not served what is published of example.com for 1m") {
		t.Errorf("status: %v: %s", err, out)
	}
	if err := d.stop(t); err != nil {
		t.Errorf("%v\n%s", err, d.log)
	}
}
