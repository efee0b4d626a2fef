package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Steered is a zone of a server that can be told to load it anew.
type Steered struct {
	File    string
	Options string // more lines for the zone in the server's configuration
}

// The TSIG key that named and knotd know when they are steered, of hmac-sha256.
const (
	SteerKey    = "test."
	SteerSecret = "dGhpcyBpcyBubyBzZWNyZXQgYXQgYWxs"
)

// StartSteeredNamed starts named as [StartNamed] does, with a control channel.
// There is a dnssec-policy of the name "test", and the key "test".
func StartSteeredNamed(tb testing.TB, zones map[string]Steered) *Server {
	tb.Helper()
	var control []string
	server := start(tb, "named", files(zones), func(dir string, port int, paths map[string]string) ([]string, error) {
		args, err := namedConfig(dir, port, nil)
		if err != nil {
			return nil, err
		}
		const key = "key \"test\" { algorithm hmac-sha256; secret \"" + SteerSecret + "\"; };\n"
		keyFile, err := writeConfig(dir, "rndc.key", key)
		if err != nil {
			return nil, err
		}
		at := freePort(tb)
		steer := fmt.Sprintf("controls { inet 127.0.0.1 port %d allow { 127.0.0.1; } keys { \"test\"; }; };\n", at)
		var text strings.Builder
		text.WriteString(key + steer + `dnssec-policy "test" { keys { csk lifetime unlimited algorithm ecdsap256sha256; }; };` + "\n")
		for zone, path := range paths {
			fmt.Fprintf(&text, "zone \"%s\" { type primary; file \"%s\"; %s };\n", zone, path, zones[zone].Options)
		}
		control = []string{findTool(tb, "rndc"), "-s", "127.0.0.1", "-p", fmt.Sprint(at), "-k", keyFile}
		return args, amend(filepath.Join(dir, "named.conf"), "controls { };\n", text.String())
	})
	server.Control = control
	return server
}

// StartSteeredNSD starts nsd as [StartNSD] does, with nsd-control over a Unix
// socket.
func StartSteeredNSD(tb testing.TB, zones map[string]Steered) *Server {
	tb.Helper()
	var control []string
	server := start(tb, "nsd", files(zones), func(dir string, port int, paths map[string]string) ([]string, error) {
		args, err := nsdConfig(dir, port, nil)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		fmt.Fprintf(&text, "\tcontrol-enable: yes\n\tcontrol-interface: \"%s\"\n", filepath.Join(dir, "nsd.sock"))
		for zone, path := range paths {
			fmt.Fprintf(&text, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n\tprovide-xfr: 127.0.0.1 NOKEY\n%s", zone, path, zones[zone].Options)
		}
		file := filepath.Join(dir, "nsd.conf")
		control = []string{findTool(tb, "nsd-control"), "-c", file}
		return args, amend(file, "\tcontrol-enable: no\n", text.String())
	})
	server.Control = control
	return server
}

// StartSteeredKnot starts knotd as [StartKnot] does; it always has a control
// socket. There is the key "test", and an acl "test" that lets it transfer and
// update a zone; "test-transfer" and "test-update" let it do one of these.
func StartSteeredKnot(tb testing.TB, zones map[string]Steered) *Server {
	tb.Helper()
	var control []string
	server := start(tb, "knotd", files(zones), func(dir string, port int, paths map[string]string) ([]string, error) {
		args, err := knotConfig(dir, port, nil)
		if err != nil {
			return nil, err
		}
		var text strings.Builder
		text.WriteString("zone:\n")
		for zone, path := range paths {
			fmt.Fprintf(&text, "  - domain: \"%s\"\n    file: \"%s\"\n%s", zone, path, zones[zone].Options)
		}
		control = []string{findTool(tb, "knotc"), "-s", filepath.Join(dir, "knot.sock")}
		file := filepath.Join(dir, "knot.conf")
		const key = "key:\n  - id: test\n    algorithm: hmac-sha256\n    secret: " + SteerSecret + "\n" +
			"acl:\n  - id: test\n    key: test\n    action: [transfer, update]\n" +
			"  - id: test-transfer\n    key: test\n    action: transfer\n  - id: test-update\n    key: test\n    action: update\n"
		if err := amend(file, "acl:\n", key); err != nil {
			return nil, err
		}
		return args, amend(file, "zone:\n", text.String())
	})
	server.Control = control
	return server
}

func files(zones map[string]Steered) map[string]string {
	paths := make(map[string]string, len(zones))
	for zone, s := range zones {
		paths[zone] = s.File
	}
	return paths
}

// amend replaces a part of a configuration that was written, which must be in it.
func amend(file, part, by string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), part) {
		return fmt.Errorf("%s has no %q", file, part)
	}
	return os.WriteFile(file, []byte(strings.Replace(string(text), part, by, 1)), 0o600)
}
