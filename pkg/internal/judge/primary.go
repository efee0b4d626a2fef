package judge

import (
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Primary is a primary that lets others transfer its zone by TSIG, and tells one of them of changes.
type Primary struct {
	Program string // named, nsd, knotd or pdns_server
	Zone    string
	File    string // of the zone
	Key     string // the name of the key
	Secret  string // of it, hmac-sha256, in base64
	Notify  string // host:port on the loopback interface that is told

	dir string
}

// Start starts the primary, with the zone loaded.
func (p *Primary) Start(tb testing.TB) *Server {
	tb.Helper()
	write := map[string]config{"named": p.named, "nsd": p.nsd, "knotd": p.knot, "pdns_server": p.powerDNS}[p.Program]
	if write == nil {
		tb.Fatalf("%s is not started as a primary", p.Program)
	}
	s := start(tb, p.Program, map[string]string{p.Zone: p.File}, func(dir string, port int, zones map[string]string) ([]string, error) {
		p.dir, p.File = dir, zones[strings.TrimSuffix(p.Zone, ".")]
		return write(dir, port, zones)
	})
	s.WaitReady(tb, p.Zone)
	return s
}

// Reload has the primary read its file again, and tell of it.
func (p *Primary) Reload(tb testing.TB, s *Server) {
	tb.Helper()
	if p.Program != "pdns_server" {
		if err := s.signal(syscall.SIGHUP); err != nil {
			tb.Fatal(err)
		}
		return
	}
	zone := strings.TrimSuffix(p.Zone, ".")
	for _, args := range [][]string{{"bind-reload-now", zone}, {"notify", zone}} {
		out, err := exec.CommandContext(tb.Context(), findTool(tb, "pdns_control"), append([]string{"--config-dir=" + p.dir}, args...)...).CombinedOutput()
		if err != nil {
			tb.Fatalf("pdns_control %s: %v: %s", args[0], err, out)
		}
	}
}

func (p *Primary) named(dir string, port int, _ map[string]string) ([]string, error) {
	args, err := namedConfig(dir, port, nil)
	if err != nil {
		return nil, err
	}
	host, at, err := net.SplitHostPort(p.Notify)
	if err != nil {
		return nil, err
	}
	return args, appendConfig(args[len(args)-1], fmt.Sprintf(`key "%s" { algorithm hmac-sha256; secret "%s"; };
zone "%s" {
	type primary;
	file "%s";
	notify explicit;
	notify-delay 0;
	also-notify port %s { %s key "%[1]s"; };
	allow-transfer { key "%[1]s"; };
	ixfr-from-differences yes;
};
`, p.Key, p.Secret, strings.TrimSuffix(p.Zone, "."), p.File, at, host))
}

func (p *Primary) nsd(dir string, port int, _ map[string]string) ([]string, error) {
	args, err := nsdConfig(dir, port, nil)
	if err != nil {
		return nil, err
	}
	return args, appendConfig(args[len(args)-1], fmt.Sprintf("key:\n\tname: \"%s\"\n\talgorithm: hmac-sha256\n\tsecret: \"%s\"\nzone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n\tprovide-xfr: 127.0.0.1 %[1]s\n\tnotify: %[5]s %[1]s\n",
		p.Key, p.Secret, strings.TrimSuffix(p.Zone, "."), p.File, strings.Replace(p.Notify, ":", "@", 1)))
}

func (p *Primary) knot(dir string, port int, _ map[string]string) ([]string, error) {
	args, err := knotConfig(dir, port, nil)
	if err != nil {
		return nil, err
	}
	file := args[len(args)-1]
	head := fmt.Sprintf(`key:
  - id: "%[1]s"
    algorithm: hmac-sha256
    secret: "%[2]s"
remote:
  - id: told
    address: %[3]s
    key: "%[1]s"
acl:
  - id: signed
    address: 127.0.0.0/8
    key: "%[1]s"
    action: transfer
`, p.Key, p.Secret, strings.Replace(p.Notify, ":", "@", 1))
	if err := amend(file, "acl:\n", head); err != nil {
		return nil, err
	}
	return args, appendConfig(file, fmt.Sprintf("  - domain: \"%s\"\n    file: \"%s\"\n    zonefile-load: difference\n    journal-content: changes\n    notify: told\n    acl: signed\n", strings.TrimSuffix(p.Zone, "."), p.File))
}

// powerDNS has ALIAS transferred as it is, which is its default.
func (p *Primary) powerDNS(dir string, port int, zones map[string]string) ([]string, error) {
	args, err := powerDNSConfig(dir, port, zones, "127.0.0.1:9")
	if err != nil {
		return nil, err
	}
	conf := filepath.Join(dir, "pdns.conf")
	if err := amend(conf, "outgoing-axfr-expand-alias=yes\n", "outgoing-axfr-expand-alias=no\n"); err != nil {
		return nil, err
	}
	if err := amend(conf, "allow-axfr-ips=127.0.0.1\n", "allow-axfr-ips=\nprimary=yes\nonly-notify=\nalso-notify="+p.Notify+"\nbind-dnssec-db="+filepath.Join(dir, "bind.db")+"\n"); err != nil {
		return nil, err
	}
	zone := strings.TrimSuffix(p.Zone, ".")
	for _, words := range [][]string{
		{"create-bind-db", filepath.Join(dir, "bind.db")},
		{"import-tsig-key", p.Key, "hmac-sha256", p.Secret},
		{"activate-tsig-key", zone, p.Key, "primary"},
	} {
		out, err := exec.Command("pdnsutil", append([]string{"--config-dir=" + dir}, words...)...).CombinedOutput() //nolint:noctx // It ends at once.
		if err != nil {
			return nil, fmt.Errorf("pdnsutil %s: %w: %s", words[0], err, out)
		}
	}
	return args, nil
}
