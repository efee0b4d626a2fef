package config

import (
	"path/filepath"
	"runtime"
	"testing"
)

// HTTP is an address, or a Unix socket by its path.
func TestListenOverASocket(t *testing.T) {
	tests := []struct{ http, address, socket string }{
		{"127.0.0.1:8053", "127.0.0.1:8053", ""},
		{"unix:http.sock", "", "http.sock"},
		{"unix:run/http.sock", "", filepath.Join("run", "http.sock")},
		{"", "", ""},
	}
	if runtime.GOOS != "windows" {
		tests = append(tests, struct{ http, address, socket string }{"/run/aliasflat/http.sock", "", "/run/aliasflat/http.sock"},
			struct{ http, address, socket string }{"unix:/run/aliasflat/http.sock", "", "/run/aliasflat/http.sock"})
	}
	for _, test := range tests {
		setUp(t, "listen: {http: \""+test.http+"\"}\n")
		c, list, err := Load("")
		if err != nil || len(list) > 0 {
			t.Fatalf("%q: %v, %v", test.http, list, err)
		}
		if c.Listen.HTTP != test.address || c.Listen.Socket != test.socket {
			t.Errorf("%q is the address %q and the socket %q", test.http, c.Listen.HTTP, c.Listen.Socket)
		}
	}
}
