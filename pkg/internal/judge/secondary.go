package judge

import (
	"context"
	"fmt"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// StartSecondary starts named, nsd or knotd as secondary of a zone, which it transfers
// from the primary at host:port on the loopback interface.
func StartSecondary(tb testing.TB, name, zone, primary string) *Server {
	tb.Helper()
	host, at, err := net.SplitHostPort(primary)
	if err != nil {
		tb.Fatal(err)
	}
	zone = strings.TrimSuffix(zone, ".")
	more := map[string]string{
		"named": fmt.Sprintf("zone \"%s\" { type secondary; file \"%[1]s.secondary\"; primaries port %s { %s; }; };\n", zone, at, host),
		"nsd":   fmt.Sprintf("zone:\n\tname: \"%s\"\n\tallow-notify: %s NOKEY\n\trequest-xfr: AXFR %[2]s@%s NOKEY\n", zone, host, at),
		"knotd": fmt.Sprintf("  - domain: \"%s\"\n    file: \"%[1]s.secondary\"\n    zonefile-load: none\n    master: primary\n    acl: [transfer, notified]\n", zone),
	}[name]
	base := map[string]config{"named": namedConfig, "nsd": nsdConfig, "knotd": knotConfig}[name]
	if base == nil {
		tb.Fatalf("%s is not started as a secondary", name)
	}
	return start(tb, name, map[string]string{zone: ""}, func(dir string, port int, _ map[string]string) ([]string, error) {
		args, err := base(dir, port, nil)
		if err != nil {
			return nil, err
		}
		file := args[len(args)-1]
		if name == "knotd" {
			remote := fmt.Sprintf("remote:\n  - id: primary\n    address: %s@%s\n", host, at)
			if err := amend(file, "acl:\n", remote+"acl:\n  - id: notified\n    address: 127.0.0.1\n    action: notify\n"); err != nil {
				return nil, err
			}
		}
		return args, appendConfig(file, more)
	})
}

// appendConfig adds to a configuration file that was written before.
func appendConfig(file, text string) error {
	before, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(before, text...), 0o600)
}

// notifyPeriod is how often a secondary is told of a change: it may be busy with
// what it was told before.
const notifyPeriod = 200 * time.Millisecond

// WaitSerial sends NOTIFY until the secondary serves a serial.
func (s *Server) WaitSerial(tb testing.TB, zone string, serial uint32) {
	tb.Helper()
	var told time.Time
	err := s.poll(tb.Context(), dns.Fqdn(zone), func(answer *dns.Msg) bool {
		for _, record := range answer.Answer {
			if soa, ok := record.(*dns.SOA); ok && soa.Serial == serial {
				return true
			}
		}
		if time.Since(told) > notifyPeriod {
			told = time.Now()
			s.Notify(tb.Context(), zone)
		}
		return false
	})
	if err != nil {
		tb.Fatalf("%s does not serve serial %d: %v\n%s", s.Name, serial, err, s.Log())
	}
}

// Notify tells a secondary that its zone has changed (RFC 1996). Nothing is lost
// where that does not arrive.
func (s *Server) Notify(ctx context.Context, zone string) {
	client := dns.Client{Timeout: askLimit}
	_, _, _ = client.ExchangeContext(ctx, new(dns.Msg).SetNotify(dns.Fqdn(zone)), s.Addr)
}
