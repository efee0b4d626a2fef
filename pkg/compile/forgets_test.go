package compile

import (
	"bytes"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
)

func TestForgets(t *testing.T) {
	var records []dns.RR
	for _, text := range []string{"cdn.example.net. 60 IN A 192.0.2.1", "cdn.example.net. 60 IN AAAA 2001:db8::1"} {
		record, err := dns.NewRR(text)
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, record)
	}
	world, err := resolve.NewMemory(records)
	if err != nil {
		t.Fatal(err)
	}
	const head = "$TTL 300\n@ SOA ns hostmaster 7 7200 900 1209600 300\n@ NS ns\nns A 192.0.2.53\n"
	sources := []Source{
		{Name: "com", Text: []byte("$ORIGIN example.com.\n" + head + "@ ALIAS example.org.\n")},
		{Name: "org", Text: []byte("$ORIGIN example.org.\n" + head + "@ ALIAS cdn.example.net.\n")},
	}
	want := Run(t.Context(), sources, Options{Lookup: world})
	for _, options := range []Options{{Lookup: world, Forgets: true}, {Lookup: world, Forgets: true, Answers: true}} {
		for i, r := range Run(t.Context(), sources, options) {
			if !r.OK() || !want[i].OK() {
				t.Fatal(diagText([]Result{r, want[i]}))
			}
			if !bytes.Equal(r.Text.Bytes(), want[i].Text.Bytes()) {
				t.Errorf("%s: what remembers nothing gives\n%s", sources[i].Name, r.Text.Bytes())
			}
			if r.Remember != nil || want[i].Remember == nil {
				t.Errorf("%s: remembers", sources[i].Name)
			}
			if got := r.Answers != nil; got != options.Answers {
				t.Errorf("%s: has answers: %t", sources[i].Name, got)
			}
		}
	}
}
