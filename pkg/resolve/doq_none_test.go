//go:build nodoq

package resolve

import (
	"strings"
	"testing"
)

// encryptedServers starts a relay for each transport that this build has.
func encryptedServers() map[Scheme]func(*testing.T, *relay) {
	return map[Scheme]func(*testing.T, *relay){SchemeTLS: startTLSRelay, SchemeHTTPS: startHTTPSRelay}
}

func TestNoDoQ(t *testing.T) {
	const want = `resolver "quic://192.0.2.53": this build has no DNS over QUIC; use tls:// or https://`
	if _, err := New([]string{"quic://192.0.2.53"}, Options{}); err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := ParseURL("gopher://192.0.2.53"); err == nil || strings.Contains(err.Error(), "quic") {
		t.Errorf("got %v", err)
	}
}
