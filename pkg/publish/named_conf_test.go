package publish

import (
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const namedConf = `options {
	ixfr-from-differences primary;
	listen-on port 53 {
		127.0.0.1/32;
		!192.0.2.0/24;
	};
};
view "in" {
	zone "A.example" {
		type primary;
		file "a{b}\"c;.db";
		ixfr-from-differences no;
	};
	zone "b.example" IN {
		type primary;
	};
	ixfr-from-differences no;
};
view "out" {
	zone "b.example" {
		type primary;
	};
	zone "." {
		type primary;
	};
};
zone "c.example" {
	ixfr-from-differences secondary;
};
zone "d.example" {
	type primary;
};
`

func TestMakesDifferences(t *testing.T) {
	t.Parallel()
	conf, err := parseNamedConf(namedConf)
	if err != nil {
		t.Fatal(err)
	}
	if file := conf[1].block[0].block[1].words[1]; file != `a{b}"c;.db` {
		t.Errorf("file %s", file)
	}
	tests := []struct {
		zone, view string
		on, found  bool
	}{
		{zone: "a.example.", found: true},
		{zone: "b.example.", found: true},
		{zone: "b.example.", view: "in", found: true},
		{zone: "b.example.", view: "out", on: true, found: true},
		{zone: ".", on: true, found: true},
		{zone: "c.example.", found: true},
		{zone: "d.example.", on: true, found: true},
		{zone: "e.example."},
		{zone: "a.example.", view: "out"},
	}
	for _, tt := range tests {
		on, found := makesDifferences(conf, zone.MustParseName(tt.zone), tt.view)
		if on != tt.on || found != tt.found {
			t.Errorf("%s in %q: %v, found %v", tt.zone, tt.view, on, found)
		}
	}
	if on, found := makesDifferences(nil, zone.Root, ""); on || found {
		t.Error("nothing has a zone")
	}
}

// A configuration that is not whole says nothing.
func TestParseNamedConfBroken(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"options {", "options", "};", `zone "a`, `zone "a\`, "a; }", strings.Repeat("{", 1000),
		"options { };\n... (1234 bytes more)",
	} {
		if conf, err := parseNamedConf(text); err == nil {
			t.Errorf("%q is %v", text, conf)
		}
	}
}

func FuzzParseNamedConf(f *testing.F) {
	f.Add(namedConf)
	f.Fuzz(func(t *testing.T, text string) {
		conf, err := parseNamedConf(text)
		if err == nil {
			makesDifferences(conf, zone.Root, "")
		}
	})
}
