package zone

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

func TestParseName(t *testing.T) {
	long := strings.Repeat("a", 63)
	for _, c := range []struct {
		text   string
		origin string
		want   string // as String gives it
		err    error
	}{
		{text: "www", origin: "example.com.", want: "www.example.com."},
		{text: "WWW.Example.COM.", want: "www.example.com."},
		{text: "@", origin: "example.com.", want: "example.com."},
		{text: ".", want: "."},
		{text: "*", origin: "example.com.", want: "*.example.com."},
		{text: `a\.b.c.`, want: `a\.b.c.`},
		{text: `\065.`, want: "a."},
		{text: `a\032b.`, want: `a\032b.`},
		{text: `\@.`, want: `\@.`},
		{text: `\$x.`, want: `\$x.`},
		{text: `\000.`, want: `\000.`},
		{text: long + ".", want: long + "."},
		{text: "", err: ErrEmptyName},
		{text: "a..b.", err: ErrEmptyLabel},
		{text: ".a", err: ErrEmptyLabel},
		{text: long + "a.", err: ErrLabelTooLong},
		{text: long + "a", origin: ".", err: ErrLabelTooLong},
		{text: strings.Repeat(long+".", 4), err: ErrNameTooLong},
		{text: strings.Repeat(long+".", 3) + strings.Repeat("a", 61) + ".", want: strings.Repeat(long+".", 3) + strings.Repeat("a", 61) + "."},
		{text: strings.Repeat(long+".", 3) + strings.Repeat("a", 62) + ".", err: ErrNameTooLong},
		{text: `a\256.`, err: ErrBadEscape},
		{text: `a\25.`, err: ErrBadEscape},
		{text: `a\`, err: ErrBadEscape},
		{text: `\[x1.`, err: ErrBadEscape},
		{text: "www", err: ErrRelativeName},
		{text: "@", err: ErrRelativeName},
	} {
		var origin Name
		if c.origin != "" {
			origin = MustParseName(c.origin)
		}
		n, err := ParseName(c.text, origin)
		if !errors.Is(err, c.err) || n.String() != c.want {
			t.Errorf("ParseName(%q, %q) = %q, %v; want %q, %v", c.text, c.origin, n, err, c.want, c.err)
		}
	}
}

func TestNameRelations(t *testing.T) {
	name := func(s string) Name { return MustParseName(s) }
	for _, c := range []struct {
		name, zone string
		in, below  bool
	}{
		{"example.com.", "example.com.", true, false},
		{"www.example.com.", "example.com.", true, true},
		{"www.example.com.", ".", true, true},
		{"badexample.com.", "example.com.", false, false},
		{`a\.example.com.`, "example.com.", false, false},
		{"com.", "example.com.", false, false},
	} {
		if got := name(c.name).IsIn(name(c.zone)); got != c.in {
			t.Errorf("%s in %s: %v", c.name, c.zone, got)
		}
		if got := name(c.name).IsBelow(name(c.zone)); got != c.below {
			t.Errorf("%s below %s: %v", c.name, c.zone, got)
		}
	}
	if n := name("a.b.c.").Parent().Parent().Parent(); !n.IsRoot() || !n.Parent().IsZero() {
		t.Errorf("parents of a.b.c. end at %q", n)
	}
	if n := name("a.b.c."); n.Labels() != 3 || Root.Labels() != 0 {
		t.Errorf("labels: %d and %d", n.Labels(), Root.Labels())
	}
	if w := name("example.com.").Wildcard(); !w.IsWildcard() || w.String() != "*.example.com." {
		t.Errorf("wildcard is %s", w)
	}
	if n, ok := name("x.y.old.test.").Replace(name("old.test."), name("new.test.")); !ok || n.String() != "x.y.new.test." {
		t.Errorf("replaced: %s, %v", n, ok)
	}
	long := name(strings.Repeat("a", 60) + "." + strings.Repeat("b", 60) + "." + strings.Repeat("c", 60) + "." + strings.Repeat("d", 60) + ".")
	if _, ok := long.Replace(Root, name("twelve.octets.")); ok {
		t.Error("a name of more than 255 octets was made")
	}
	if _, err := NameFromWire([]byte("\x03www")); err == nil {
		t.Error("a name cut short was taken")
	}
	if n, err := NameFromWire([]byte("\x03WWW\x00rest")); err != nil || n.String() != "www." {
		t.Errorf("from wire: %s, %v", n, err)
	}
}

// TestNameCompare sorts the names of RFC 4034 §6.1.
func TestNameCompare(t *testing.T) {
	sorted := []string{
		"example.", "a.example.", "yljkjljk.a.example.", "Z.a.example.", "zABC.a.EXAMPLE.", "z.example.",
		`\001.z.example.`, "*.z.example.", `\200.z.example.`,
	}
	for i, a := range sorted {
		for j, b := range sorted {
			got := MustParseName(a).Compare(MustParseName(b))
			if (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("%s compared with %s: %d", a, b, got)
			}
		}
	}
}

// FuzzName reads any text as a name: what is taken prints as a name that is
// the same, and miekg/dns agrees on its wire form.
func FuzzName(f *testing.F) {
	seeds := []string{"www", "@", ".", `a\.b`, `\065\000\255.`, "a..b", `\[a`, strings.Repeat("a.", 127), `"x"`, "é.", `a\ b.`}
	if len(seeds) == 0 {
		f.Fatal("no seeds")
	}
	for _, s := range seeds {
		f.Add(s)
	}
	origin := MustParseName("example.com.")
	f.Fuzz(func(t *testing.T, text string) {
		n, err := ParseName(text, origin)
		if err != nil {
			return
		}
		again, err := ParseName(n.String(), Name{})
		if err != nil || again != n {
			t.Fatalf("%q is %s, which reads as %s, %v", text, n, again, err)
		}
		wire := make([]byte, 256)
		end, err := dns.PackDomainName(n.String(), wire, 0, nil, false)
		if err != nil || string(wire[:end]) != n.Wire() {
			t.Fatalf("%q is %x, miekg/dns has %x, %v", text, n.Wire(), wire[:end], err)
		}
		if !slices.Equal([]byte(n.Wire()), []byte(again.Wire())) || n.Compare(again) != 0 {
			t.Fatalf("%q is not itself", text)
		}
	})
}
