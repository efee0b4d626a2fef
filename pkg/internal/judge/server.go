package judge

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/miekg/dns"
)

const (
	startLimit = 20 * time.Second // to answer anything, and to load a zone
	stopLimit  = 5 * time.Second  // between SIGTERM and SIGKILL
	pollPeriod = 20 * time.Millisecond
	askLimit   = time.Second // for one answer
	attempts   = 3           // ports tried: another program may take a free one first
)

// Server is a name server that runs until the test ends.
type Server struct {
	Addr string // host:port of loopback, UDP and TCP
	Name string // the program: named, nsd, knotd or pdns_server

	// Control is the tool that steers the server, with the arguments that make
	// it reach this one; nil where the server was started without.
	Control []string

	log    *Buffer
	exited chan struct{} // closed when the process has gone
	signal func(os.Signal) error
	begin  func() // starts the process anew
	end    func() // ends it
}

// StartNamed starts BIND's named as primary of the zones, which map zone name
// to file, and returns when it answers. A zone that it refuses to load is no
// failure here: it answers SERVFAIL, and [Server.WaitReady] would fail.
func StartNamed(tb testing.TB, zones map[string]string) *Server {
	tb.Helper()
	return start(tb, "named", zones, namedConfig)
}

// StartNSD starts nsd, as [StartNamed] does named.
func StartNSD(tb testing.TB, zones map[string]string) *Server {
	tb.Helper()
	return start(tb, "nsd", zones, nsdConfig)
}

// StartKnot starts knotd, as [StartNamed] does named.
func StartKnot(tb testing.TB, zones map[string]string) *Server {
	tb.Helper()
	return start(tb, "knotd", zones, knotConfig)
}

// StartPowerDNS starts pdns_server with its BIND backend, as [StartNamed] does
// named. It expands ALIAS records with what the resolver at host:port answers.
func StartPowerDNS(tb testing.TB, zones map[string]string, resolver string) *Server {
	tb.Helper()
	return start(tb, "pdns_server", zones, func(dir string, port int, zones map[string]string) ([]string, error) {
		return powerDNSConfig(dir, port, zones, resolver)
	})
}

// Log gives what the server has printed up to now.
func (s *Server) Log() string { return s.log.String() }

// Query asks for one RRset, over TCP so that no answer is cut short. No answer
// fails the test; an answer with an error code does not.
func (s *Server) Query(tb testing.TB, name string, qtype uint16) *dns.Msg {
	tb.Helper()
	answer, err := s.ask("tcp", name, qtype)
	for n := 0; n < cutLimit && (errors.Is(err, syscall.ECONNRESET) || errors.Is(err, io.EOF)); n++ {
		answer, err = s.ask("tcp", name, qtype)
	}
	if err != nil {
		tb.Fatalf("%s: ask for %s %s: %v\n%s", s.Name, name, dns.TypeToString[qtype], err, s.Log())
	}
	return answer
}

// cutLimit is how often a question is asked again whose connection was cut: NSD does that to
// those that wait while it puts other processes in the place of its old ones.
const cutLimit = 20

// Transfer gives all records of a zone, in the form of [NamedCompile], of the serial that the server
// answers with: for a moment an old process of NSD transfers what it had before, or nothing.
func (s *Server) Transfer(tb testing.TB, zone string) []string {
	tb.Helper()
	var failed error
	for range cutLimit {
		records, got, err := s.transfer(dns.Fqdn(zone))
		if err == nil {
			answer, askErr := s.ask("udp", zone, dns.TypeSOA)
			if askErr == nil {
				if serial, ok := serialOf(answer); ok && serial == got {
					return records
				}
			}
			err = errors.Join(askErr, fmt.Errorf("serial %d is transferred, and another one served", got))
		}
		failed = err
		<-time.After(pollPeriod)
	}
	tb.Fatalf("%s: transfer %s: %v\n%s", s.Name, zone, failed, s.Log())
	return nil
}

func (s *Server) transfer(zone string) (records []string, serial uint32, err error) {
	envelopes, err := new(dns.Transfer).In(new(dns.Msg).SetAxfr(zone), s.Addr)
	if err != nil {
		return nil, 0, err
	}
	var text strings.Builder
	for envelope := range envelopes {
		if err = errors.Join(err, envelope.Error); err != nil {
			continue
		}
		for _, record := range envelope.RR {
			if soa, ok := record.(*dns.SOA); ok {
				serial = soa.Serial
			}
			fmt.Fprintln(&text, record)
		}
	}
	if err != nil {
		return nil, 0, err
	}
	// The SOA stands at both ends of a transfer.
	return slices.Compact(Records(text.String())), serial, nil
}

// WaitReady returns the serial of a zone as soon as the server has loaded it.
func (s *Server) WaitReady(tb testing.TB, zone string) uint32 {
	tb.Helper()
	var serial uint32
	err := s.poll(tb.Context(), dns.Fqdn(zone), func(answer *dns.Msg) bool {
		if answer.Rcode != dns.RcodeSuccess || !answer.Authoritative {
			return false
		}
		var ok bool
		serial, ok = serialOf(answer)
		return ok
	})
	if err != nil {
		tb.Fatalf("%s does not serve %s: %v\n%s", s.Name, zone, err, s.Log())
	}
	return serial
}

// serialOf is that of the SOA in an answer; false where there is none.
func serialOf(answer *dns.Msg) (serial uint32, ok bool) {
	for _, record := range answer.Answer {
		if soa, ok := record.(*dns.SOA); ok {
			return soa.Serial, true
		}
	}
	return 0, false
}

// poll asks for an SOA until the answer will do.
func (s *Server) poll(ctx context.Context, zone string, done func(*dns.Msg) bool) error {
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	ticker := time.NewTicker(pollPeriod)
	defer ticker.Stop()
	for {
		if answer, err := s.ask("udp", zone, dns.TypeSOA); err == nil && done(answer) {
			return nil
		}
		select {
		case <-s.exited:
			return errors.New("it has ended")
		case <-ctx.Done():
			return fmt.Errorf("not within %s", startLimit)
		case <-ticker.C:
		}
	}
}

func (s *Server) ask(network, name string, qtype uint16) (*dns.Msg, error) {
	client := dns.Client{Net: network, Timeout: askLimit}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(name), qtype)
	question.SetEdns0(1232, false)
	answer, _, err := client.Exchange(question, s.Addr)
	return answer, err
}

// A config writes what a server needs into dir and gives its arguments.
type config func(dir string, port int, zones map[string]string) ([]string, error)

// localhost is where servers listen, unless they have another address of their own.
const localhost = "127.0.0.1"

// start runs a server on a port that was free a moment ago, and on another one
// if it turns out not to be.
func start(tb testing.TB, name string, zones map[string]string, write config) *Server {
	tb.Helper()
	return startAt(tb, localhost, name, zones, write)
}

func startAt(tb testing.TB, host, name string, zones map[string]string, write config) *Server {
	tb.Helper()
	path := unconfined(tb, findTool(tb, name))
	full := make(map[string]string, len(zones))
	for zone, file := range zones {
		abs, err := filepath.Abs(file)
		if err != nil {
			tb.Fatal(err)
		}
		full[strings.TrimSuffix(zone, ".")] = abs
	}
	var failed error
	for range attempts {
		// A folder of its own with a short name: the path of a Unix socket has
		// at most 107 characters.
		dir, err := os.MkdirTemp("", "judge") //nolint:usetesting // A name from the test would be too long.
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() { _ = os.RemoveAll(dir) })
		port := freePort(tb)
		args, err := write(dir, port, full)
		if err != nil {
			tb.Fatal(err)
		}
		server := launch(tb, name, path, dir, args, fmt.Sprintf("%s:%d", host, port))
		zone := "."
		for zone = range full {
			break
		}
		failed = server.poll(tb.Context(), zone, func(*dns.Msg) bool { return true })
		if failed == nil {
			return server
		}
		failed = fmt.Errorf("%w\n%s", failed, server.Log())
	}
	tb.Fatalf("%s does not start: %v", name, failed)
	return nil
}

// launch starts the process and sees to its end.
func launch(tb testing.TB, name, path, dir string, args []string, addr string) *Server {
	tb.Helper()
	server := &Server{Addr: addr, Name: name, log: new(Buffer)}
	server.begin = func() {
		tb.Helper()
		cmd := exec.CommandContext(context.WithoutCancel(tb.Context()), path, args...)
		cmd.Dir = dir
		cmd.Stdout, cmd.Stderr = server.log, server.log
		// Children that outlive the server hold its output open.
		cmd.WaitDelay = stopLimit
		endWithParent(cmd)
		if err := cmd.Start(); err != nil {
			tb.Fatalf("start %s: %v", name, err)
		}
		server.signal = cmd.Process.Signal
		exited := make(chan struct{})
		go func() {
			defer close(exited)
			if err := cmd.Wait(); err != nil {
				_, _ = fmt.Fprintf(server.log, "%s: %v\n", name, err)
			}
		}()
		server.exited = exited
		server.end = func() {
			_ = cmd.Process.Signal(syscall.SIGTERM)
			select {
			case <-exited:
				return
			case <-time.After(stopLimit):
			}
			_ = cmd.Process.Kill()
			<-exited
		}
	}
	server.begin()
	tb.Cleanup(func() { server.end() })
	return server
}

// Restart ends the server and starts it again, on its port and with what it has in its files. It
// answers when this returns, and may not have its zones yet.
func (s *Server) Restart(tb testing.TB) {
	tb.Helper()
	s.Down(tb, func() {})
}

// Down is Restart with something that is done while the server is down.
func (s *Server) Down(tb testing.TB, do func()) {
	tb.Helper()
	s.end()
	do()
	s.begin()
	if err := s.poll(tb.Context(), ".", func(*dns.Msg) bool { return true }); err != nil {
		tb.Fatalf("%s does not start again: %v\n%s", s.Name, err, s.Log())
	}
}

// freePort finds a port that is free for UDP and TCP.
func freePort(tb testing.TB) int {
	tb.Helper()
	var failed error
	for range attempts {
		tcp, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			tb.Fatal(err)
		}
		port := tcp.Addr().(*net.TCPAddr).Port //nolint:errcheck // A TCP listener has a TCP address.
		udp, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		failed = errors.Join(err, tcp.Close())
		if err == nil {
			failed = errors.Join(failed, udp.Close())
		}
		if failed == nil {
			return port
		}
	}
	tb.Fatal(failed)
	return 0
}

// unconfined gives a copy of the program where AppArmor is on: its profile for
// named goes by the path and would forbid the test's folder.
func unconfined(tb testing.TB, path string) string {
	tb.Helper()
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil || !strings.HasPrefix(string(enabled), "Y") {
		return path
	}
	return copyProgram(tb, path)
}

func copyProgram(tb testing.TB, path string) string {
	tb.Helper()
	from, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = from.Close() }()
	twin := filepath.Join(tb.TempDir(), filepath.Base(path))
	to, err := os.OpenFile(twin, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		tb.Fatal(err)
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		tb.Fatal(err)
	}
	return twin
}

// Buffer collects what a program prints while the test reads it.
type Buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

// Write takes in what is printed.
func (b *Buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// String gives all of it up to now.
func (b *Buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
