package zonefile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestParseType(t *testing.T) {
	cases := []struct {
		text string
		typ  uint16
		ok   bool
	}{
		{"A", 1, true},
		{"a", 1, true},
		{"aaaa", 28, true},
		{"nSeC3pArAm", 51, true},
		{"OPENPGPKEY", 61, true},
		{"NSAP-PTR", 23, true},
		{"ALIAS", typeALIAS, true},
		{"aname", typeALIAS, true},
		{"TYPE65401", typeALIAS, true},
		{"TYPE1", 1, true},
		{"type0001", 1, true},
		{"TYPE0", 0, true},
		{"TYPE65535", 65535, true},
		{"TYPE65536", 0, false},
		{"TYPE000001", 0, false},
		{"TYPE", 0, false},
		{"TYPE1A", 0, false},
		{"TYPE+1", 0, false},
		{"", 0, false},
		{"AA", 0, false},
		{"CLASS1", 0, false},
		{"ABCDEFGHIJKLMNOPQ", 0, false},
		{"A\x00", 0, false},
	}
	for _, c := range cases {
		if typ, ok := parseType([]byte(c.text)); typ != c.typ || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.text, typ, ok, c.typ, c.ok)
		}
	}
	for _, e := range typeEntries {
		if typ, ok := parseType([]byte(strings.ToLower(e.name))); !ok || typ != e.typ {
			t.Errorf("%s: %d %v", e.name, typ, ok)
		}
	}
}

func TestTypeName(t *testing.T) {
	for typ, want := range map[uint16]string{1: "A", 65: "HTTPS", typeALIAS: "ALIAS", 65280: "TYPE65280", 0: "TYPE0"} {
		if got := TypeName(typ); got != want {
			t.Errorf("%d: %s, want %s", typ, got, want)
		}
	}
}

// TestTypesOfBIND gives every mnemonic and some numbers to named-checkzone and
// compares whether it knows them, and which it calls meta types.
func TestTypesOfBIND(t *testing.T) {
	var b strings.Builder
	b.WriteString(zoneHead)
	words := []string{
		"TYPE0", "TYPE1", "TYPE0001", "TYPE000001", "TYPE41", "TYPE127", "TYPE128", "TYPE248", "TYPE255", "TYPE256",
		"TYPE65535", "TYPE65536", "NXNAME", "CLA", "IPN", "DELEG", "FOO",
	}
	for _, e := range typeEntries {
		if e.typ != typeALIAS {
			words = append(words, e.name)
		}
	}
	for _, w := range words {
		b.WriteString("x IN " + w + "\n")
	}
	lines := strings.Count(zoneHead, "\n")
	file := filepath.Join(t.TempDir(), "zone")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	out, _ := runTool(t, "named-checkzone", "-i", "none", "-k", "ignore", "example.com", file)
	for i, w := range words {
		typ, ok := parseType([]byte(w))
		// ANY is read as a class there, and TYPE0 as no type at all.
		if w == "ANY" || w == "TYPE0" {
			continue
		}
		if unknown := strings.Contains(out, "unknown RR type '"+w+"'"); unknown == ok {
			t.Errorf("line %d, %s: we know it %v, BIND does not know it %v", lines+1+i, w, ok, unknown)
		}
		if meta := strings.Contains(out, "type '"+TypeName(typ)+"': invalid use of a meta type"); ok && meta != isMetaType(typ) {
			t.Errorf("line %d, %s: meta type %v, for BIND %v", lines+1+i, w, isMetaType(typ), meta)
		}
	}
}

func TestParseClass(t *testing.T) {
	cases := []struct {
		text  string
		class uint16
		ok    bool
	}{
		{"IN", 1, true},
		{"in", 1, true},
		{"CH", 3, true},
		{"chaos", 3, true},
		{"HS", 4, true},
		{"HESIOD", 4, true},
		{"NONE", 254, true},
		{"ANY", 255, true},
		{"CLASS1", 1, true},
		{"class01", 1, true},
		{"CLASS65535", 65535, true},
		{"CLASS99999", 0, false},
		{"CLASS", 0, false},
		{"A", 0, false},
		{"", 0, false},
		{"RESERVED0", 0, false},
	}
	for _, c := range cases {
		if class, ok := parseClass([]byte(c.text)); class != c.class || ok != c.ok {
			t.Errorf("%q: %d %v, want %d %v", c.text, class, ok, c.class, c.ok)
		}
	}
}

func BenchmarkParseType(b *testing.B) {
	b.ReportAllocs()
	tok := []byte("CNAME")
	for b.Loop() {
		if _, ok := parseType(tok); !ok {
			b.Fatal("CNAME is not known")
		}
	}
}
