package judge

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// powerDNSSchema is where Debian's package of the backend has its tables.
const powerDNSSchema = "/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql"

// StartPowerDNSAPI starts pdns_server with its SQLite backend, as [StartNamed] does named, and its
// HTTP API, which answers at the URL to those who have the key.
func StartPowerDNSAPI(tb testing.TB, zones map[string]string, key string) (server *Server, url string) {
	tb.Helper()
	util, sqlite := findTool(tb, "pdnsutil"), findTool(tb, "sqlite3")
	server = start(tb, "pdns_server", zones, func(dir string, port int, zones map[string]string) ([]string, error) {
		api := freePort(tb)
		url = fmt.Sprintf("http://127.0.0.1:%d", api)
		return powerDNSAPIConfig(tb.Context(), dir, port, zones, fmt.Sprintf("api-key=%s\nwebserver-port=%d\n", key, api), util, sqlite)
	})
	var err error
	for deadline := time.Now().Add(startLimit); time.Now().Before(deadline); <-time.After(pollPeriod) {
		if err = listens(tb.Context(), url); err == nil {
			return server, url
		}
	}
	tb.Fatalf("pdns_server: its API does not answer: %v\n%s", err, server.Log())
	return nil, ""
}

// listens tells why nobody can be connected to at a URL.
func listens(ctx context.Context, url string) error {
	c, err := (&net.Dialer{Timeout: askLimit}).DialContext(ctx, "tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		return err
	}
	return c.Close()
}

func powerDNSAPIConfig(ctx context.Context, dir string, port int, zones map[string]string, more, util, sqlite string) ([]string, error) {
	database := filepath.Join(dir, "pdns.sqlite3")
	_, err := writeConfig(dir, "pdns.conf", fmt.Sprintf(`launch=gsqlite3
gsqlite3-database=%s
local-address=127.0.0.1
local-port=%d
socket-dir=%s
daemon=no
guardian=no
disable-syslog=yes
security-poll-suffix=
zone-cache-refresh-interval=0
receiver-threads=1
webserver=yes
webserver-address=127.0.0.1
webserver-allow-from=127.0.0.1
api=yes
%s`, database, port, dir, more))
	if err != nil {
		return nil, err
	}
	schema, err := os.Open(powerDNSSchema)
	if err != nil {
		return nil, fmt.Errorf("the package pdns-backend-sqlite3 is not installed: run make deps: %w", err)
	}
	defer func() { _ = schema.Close() }()
	tables := exec.CommandContext(ctx, sqlite, database)
	tables.Stdin = schema
	commands := []*exec.Cmd{tables}
	for _, zone := range slices.Sorted(maps.Keys(zones)) {
		commands = append(commands, exec.CommandContext(ctx, util, "--config-dir="+dir, "load-zone", zone, zones[zone]))
	}
	for _, c := range commands {
		if out, err := c.CombinedOutput(); err != nil {
			return nil, errors.Join(err, fmt.Errorf("%s: %s", c, out))
		}
	}
	return []string{"--config-dir=" + dir}, nil
}
