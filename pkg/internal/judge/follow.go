package judge

import (
	"cmp"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// Secondary is a secondary that transfers by TSIG.
type Secondary struct {
	Program string // named, nsd or knotd
	Host    string // its address on the loopback interface; empty: 127.0.0.1
	Zones   []string
	Primary string // host:port on the loopback interface
	Key     string // the name of the key
	Secret  string // of it, hmac-sha256, in base64
	// Catalog is a catalog zone that named and knotd take zones from; empty: Zones are all.
	Catalog string
	// Config is the configuration of the zones, with all that they take, in place of what the
	// fields above say; empty: it is made of them.
	Config string
	// Options is what named's options have beside those by which it is judged.
	Options string
	// TLS is a folder with ca.pem, which vouches for primary.test, and client.pem and client.key,
	// which named shows, when it transfers over TLS; empty: over TCP.
	TLS string
}

// emptyZones is a line of named's options.
const emptyZones = "\tempty-zones-enable no;\n"

// Start starts the secondary. It answers when this returns, and may not have its zones yet.
func (s *Secondary) Start(tb testing.TB) *Server {
	tb.Helper()
	host, port, err := net.SplitHostPort(s.Primary)
	if err != nil {
		tb.Fatal(err)
	}
	write := map[string]func(dir string, host, port string, args []string) error{
		"named": s.named, "nsd": s.nsd, "knotd": s.knot,
	}[s.Program]
	base := map[string]config{"named": namedConfig, "nsd": nsdConfig, "knotd": knotConfig}[s.Program]
	if write == nil {
		tb.Fatalf("%s is not started as a secondary", s.Program)
	}
	own := cmp.Or(s.Host, localhost)
	return startAt(tb, own, s.Program, nil, func(dir string, at int, _ map[string]string) ([]string, error) {
		args, err := base(dir, at, nil)
		if err != nil {
			return nil, err
		}
		if own != localhost {
			if err := amend(args[len(args)-1], localhost, own); err != nil { // where it listens, which comes first
				return nil, err
			}
		}
		if s.Options != "" {
			if err := amend(filepath.Join(dir, "named.conf"), emptyZones, emptyZones+s.Options); err != nil {
				return nil, err
			}
		}
		if s.Config != "" {
			return args, appendConfig(args[len(args)-1], s.Config)
		}
		return args, write(dir, host, port, args)
	})
}

func (s *Secondary) named(dir, host, port string, args []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "key \"%s\" { algorithm hmac-sha256; secret \"%s\"; };\n", s.Key, s.Secret)
	primaries := fmt.Sprintf("primaries port %s { %s key \"%s\"; };", port, host, s.Key)
	if s.TLS != "" {
		fmt.Fprintf(&text, "tls primary { ca-file \"%s/ca.pem\"; cert-file \"%[1]s/client.pem\"; key-file \"%[1]s/client.key\"; remote-hostname \"primary.test\"; };\n", s.TLS)
		primaries = fmt.Sprintf("primaries { %s port %s key \"%s\" tls primary; };", host, port, s.Key)
	}
	zones := s.Zones
	if s.Catalog != "" {
		zones = append([]string{s.Catalog}, zones...)
		catalog := fmt.Sprintf("catalog-zones { zone \"%s\" default-primaries port %s { %s key \"%s\"; } in-memory no min-update-interval 0; };\n",
			s.Catalog, port, host, s.Key)
		if err := amend(filepath.Join(dir, "named.conf"), emptyZones, emptyZones+"\t"+catalog); err != nil {
			return err
		}
	}
	for _, zone := range zones {
		zone = strings.TrimSuffix(zone, ".")
		fmt.Fprintf(&text, "zone \"%s\" { type secondary; file \"%[1]s.secondary\"; %s };\n", zone, primaries)
	}
	return appendConfig(args[len(args)-1], text.String())
}

func (s *Secondary) nsd(_, host, port string, args []string) error {
	var text strings.Builder
	fmt.Fprintf(&text, "key:\n\tname: \"%s\"\n\talgorithm: hmac-sha256\n\tsecret: \"%s\"\n", s.Key, s.Secret)
	for _, zone := range s.Zones {
		fmt.Fprintf(&text, "zone:\n\tname: \"%s\"\n\tzonefile: \"%[1]s.secondary\"\n\tallow-notify: %s %s\n\trequest-xfr: %[2]s@%[4]s %[3]s\n\tprovide-xfr: 127.0.0.1 NOKEY\n",
			strings.TrimSuffix(zone, "."), host, s.Key, port)
	}
	return appendConfig(args[len(args)-1], text.String())
}

func (s *Secondary) knot(_, host, port string, args []string) error {
	file := args[len(args)-1]
	head := fmt.Sprintf(`key:
  - id: "%[1]s"
    algorithm: hmac-sha256
    secret: "%[2]s"
remote:
  - id: primary
    address: %[3]s@%[4]s
    key: "%[1]s"
acl:
  - id: notified
    address: 127.0.0.0/8
    key: "%[1]s"
    action: notify
`, s.Key, s.Secret, host, port)
	if err := amend(file, "acl:\n", head); err != nil {
		return err
	}
	var text strings.Builder
	const rules = "    zonefile-load: none\n    zonefile-sync: 0\n    journal-content: changes\n    master: primary\n    acl: [transfer, notified]\n"
	if s.Catalog != "" {
		if err := amend(file, "zone:\n", "  - id: member\n    storage: \""+filepath.Dir(file)+"\"\n"+rules+"zone:\n"); err != nil {
			return err
		}
		fmt.Fprintf(&text, "  - domain: \"%s\"\n    file: \"%[1]s.secondary\"\n%s    catalog-role: interpret\n    catalog-template: member\n", strings.TrimSuffix(s.Catalog, "."), rules)
	}
	for _, zone := range s.Zones {
		fmt.Fprintf(&text, "  - domain: \"%s\"\n    file: \"%[1]s.secondary\"\n%s", strings.TrimSuffix(zone, "."), rules)
	}
	return appendConfig(file, text.String())
}

// WaitServes waits until the server serves a serial, of which somebody else tells it.
func (s *Server) WaitServes(tb testing.TB, zone string, serial uint32) {
	tb.Helper()
	err := s.poll(tb.Context(), dns.Fqdn(zone), func(answer *dns.Msg) bool {
		for _, record := range answer.Answer {
			if soa, ok := record.(*dns.SOA); ok && soa.Serial == serial {
				return true
			}
		}
		return false
	})
	if err != nil {
		tb.Fatalf("%s does not serve serial %d of %s: %v\n%s", s.Name, serial, zone, err, s.Log())
	}
}

// WaitGone waits until the server does not serve a zone any more.
func (s *Server) WaitGone(tb testing.TB, zone string) {
	tb.Helper()
	err := s.poll(tb.Context(), dns.Fqdn(zone), func(answer *dns.Msg) bool { return !answer.Authoritative })
	if err != nil {
		tb.Fatalf("%s serves %s: %v\n%s", s.Name, zone, err, s.Log())
	}
}
