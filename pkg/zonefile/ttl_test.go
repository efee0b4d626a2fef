package zonefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var ttlCases = []struct {
	text   string
	ttl    uint32
	status ttlStatus
}{
	{"0", 0, ttlOK},
	{"300", 300, ttlOK},
	{"1h30m", 5400, ttlOK},
	{"30m1h", 5400, ttlOK},
	{"1h1h", 7200, ttlOK},
	{"1W2D3H4M5S", 788645, ttlOK},
	{"1s", 1, ttlOK},
	{"0s30", 30, ttlOK},
	{"2147483647", MaxTTL, ttlOK},
	{strings.Repeat("0", 62) + "1", 1, ttlOK},
	{strings.Repeat("0", 63) + "1", 0, notTTL},
	{"2147483648", 0, ttlTooBig},
	{"4294967295", 0, ttlTooBig},
	{"4294967296", 0, ttlTooBig},
	{"99999999999999999999999999", 0, ttlTooBig},
	{"7102w", 0, ttlTooBig},
	{"4294967296s", 0, ttlTooBig},
	{"", 0, notTTL},
	{"h", 0, notTTL},
	{"1h30", 0, notTTL},
	{"30s0", 0, notTTL},
	{"1y", 0, notTTL},
	{"1hh", 0, notTTL},
	{"-1", 0, notTTL},
	{"1 h", 0, notTTL},
	{"IN", 0, notTTL},
	{"0x10", 0, notTTL},
}

func TestParseTTL(t *testing.T) {
	for _, c := range ttlCases {
		if ttl, status := parseTTL([]byte(c.text)); ttl != c.ttl || status != c.status {
			t.Errorf("%q: %d %d, want %d %d", c.text, ttl, status, c.ttl, c.status)
		}
	}
}

// TestTTLsOfBIND compares the values with those that named-compilezone loads.
// A TTL from 2³¹ on is an error for us alone: BIND makes it 0 or does not take
// it for a TTL.
func TestTTLsOfBIND(t *testing.T) {
	dir := t.TempDir()
	file, loaded := filepath.Join(dir, "zone"), filepath.Join(dir, "loaded")
	for _, c := range ttlCases {
		if c.text == "" || c.text == "IN" || c.status == ttlTooBig {
			continue
		}
		if err := os.WriteFile(file, []byte(zoneHead+"x "+c.text+" TXT a\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, ok := runTool(t, "named-compilezone", "-i", "none", "-s", "full", "-o", loaded, "example.com", file)
		if ok != (c.status == ttlOK) {
			t.Errorf("%q: BIND takes it %v", c.text, ok)
		}
		if !ok {
			continue
		}
		text, err := os.ReadFile(loaded)
		if err != nil {
			t.Fatal(err)
		}
		last := strings.Fields(string(text[strings.Index(string(text), "x.example.com."):]))
		if want := string(appendDecimal(nil, uint64(c.ttl))); last[1] != want {
			t.Errorf("%q: BIND reads %s, we read %s", c.text, last[1], want)
		}
	}
}
