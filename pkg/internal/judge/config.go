package judge

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The servers run as whoever runs the test, without control sockets where that
// can be had, and write nothing outside their folder.

func namedConfig(dir string, port int, zones map[string]string) ([]string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, `options {
	directory "%s";
	listen-on port %d { 127.0.0.1; };
	listen-on-v6 { none; };
	pid-file none;
	lock-file none;
	session-keyfile none;
	recursion no;
	notify no;
	dnssec-validation no;
	empty-zones-enable no;
	allow-query { any; };
	allow-transfer { any; };
};
controls { };
`, dir, port)
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&text, "zone \"%s\" { type primary; file \"%s\"; };\n", zone, zones[zone])
	}
	file, err := writeConfig(dir, "named.conf", text.String())
	return []string{"-g", "-n", "1", "-c", file}, err
}

func nsdConfig(dir string, port int, zones map[string]string) ([]string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, `server:
	ip-address: 127.0.0.1@%d
	server-count: 1
	username: ""
	chroot: ""
	zonesdir: "%s"
	database: ""
	zonelistfile: "%[2]s/zone.list"
	xfrdfile: "%[2]s/xfrd.state"
	xfrdir: "%[2]s"
	pidfile: "%[2]s/nsd.pid"
remote-control:
	control-enable: no
`, port, dir)
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&text, "zone:\n\tname: \"%s\"\n\tzonefile: \"%s\"\n\tprovide-xfr: 127.0.0.1 NOKEY\n", zone, zones[zone])
	}
	file, err := writeConfig(dir, "nsd.conf", text.String())
	return []string{"-d", "-c", file}, err
}

func knotConfig(dir string, port int, zones map[string]string) ([]string, error) {
	var text strings.Builder
	fmt.Fprintf(&text, `server:
  listen: 127.0.0.1@%d
  rundir: "%s"
  pidfile: "%[2]s/knot.pid"
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
log:
  - target: stderr
    any: info
control:
  listen: "%[2]s/knot.sock"
database:
  storage: "%[2]s"
acl:
  - id: transfer
    address: 127.0.0.1
    action: transfer
template:
  - id: default
    storage: "%[2]s"
    zonefile-sync: -1
    zonefile-load: whole
    journal-content: none
    acl: transfer
zone:
`, port, dir)
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&text, "  - domain: \"%s\"\n    file: \"%s\"\n", zone, zones[zone])
	}
	file, err := writeConfig(dir, "knot.conf", text.String())
	return []string{"-c", file}, err
}

func powerDNSConfig(dir string, port int, zones map[string]string, resolver string) ([]string, error) {
	var list strings.Builder
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		fmt.Fprintf(&list, "zone \"%s\" { type master; file \"%s\"; };\n", zone, zones[zone])
	}
	bind, err := writeConfig(dir, "zones.conf", list.String())
	if err != nil {
		return nil, err
	}
	// An empty security-poll-suffix: it asks nobody for news of itself.
	_, err = writeConfig(dir, "pdns.conf", fmt.Sprintf(`launch=bind
bind-config=%s
local-address=127.0.0.1
local-port=%d
socket-dir=%s
daemon=no
guardian=no
disable-syslog=yes
security-poll-suffix=
expand-alias=yes
outgoing-axfr-expand-alias=yes
resolver=%s
allow-axfr-ips=127.0.0.1
receiver-threads=1
`, bind, port, dir, resolver))
	return []string{"--config-dir=" + dir}, err
}

func writeConfig(dir, name, text string) (string, error) {
	file := filepath.Join(dir, name)
	return file, os.WriteFile(file, []byte(text), 0o600)
}
