package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
)

// Unbound is a recursive resolver that speaks over TLS and HTTPS too.
type Unbound struct {
	*Server
	TLS   string // 127.0.0.1:port
	HTTPS string // 127.0.0.1:port; the path is /dns-query
}

// StartUnbound starts unbound, which asks the server at forward (an address with a port) for
// everything, and returns when it answers. The certificate and its key are in PEM.
func StartUnbound(tb testing.TB, forward string, certificate, key []byte) *Unbound {
	tb.Helper()
	u := new(Unbound)
	u.Server = start(tb, "unbound", nil, func(dir string, port int, _ map[string]string) ([]string, error) {
		overTLS, overHTTPS := freePort(tb), freePort(tb)
		u.TLS, u.HTTPS = fmt.Sprintf("127.0.0.1:%d", overTLS), fmt.Sprintf("127.0.0.1:%d", overHTTPS)
		for name, text := range map[string][]byte{"cert.pem": certificate, "key.pem": key} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
				return nil, err
			}
		}
		return unboundConfig(dir, forward, port, overTLS, overHTTPS)
	})
	return u
}

func unboundConfig(dir, forward string, port, overTLS, overHTTPS int) ([]string, error) {
	file, err := writeConfig(dir, "unbound.conf", fmt.Sprintf(`server:
	interface: 127.0.0.1@%d
	interface: 127.0.0.1@%d
	interface: 127.0.0.1@%d
	tls-port: %[2]d
	https-port: %[3]d
	tls-service-pem: "%[4]s/cert.pem"
	tls-service-key: "%[4]s/key.pem"
	num-threads: 1
	module-config: "iterator"
	do-not-query-localhost: no
	do-daemonize: no
	use-syslog: no
	use-systemd: no
	username: ""
	chroot: ""
	directory: "%[4]s"
	pidfile: "%[4]s/unbound.pid"
remote-control:
	control-enable: no
forward-zone:
	name: "."
	forward-addr: %[5]s
`, port, overTLS, overHTTPS, dir, forward))
	return []string{"-d", "-c", file}, err
}
