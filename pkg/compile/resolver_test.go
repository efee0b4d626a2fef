package compile

import (
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// openResolvers opens resolvers; "file:" names are files of the map.
func openResolvers(t *testing.T, files map[string]string, urls ...string) *Resolvers {
	t.Helper()
	r, problems, err := OpenResolvers(urls, ResolverOptions{Options: resolve.Options{Probe: true, KeepAttempts: true}}, func(name string) ([]byte, error) { return []byte(files[name]), nil })
	if err != nil || len(problems) > 0 {
		t.Fatalf("%v %v", problems, err)
	}
	t.Cleanup(r.Close)
	return r
}

// startServer starts a name server with a fault for all names, or none.
func startServer(t *testing.T, world, fault string) *dnstest.Server {
	t.Helper()
	s := dnstest.Start(t, world)
	if fault != "" {
		f, err := dnstest.ParseFault(fault)
		if err != nil {
			t.Fatal(err)
		}
		s.Fault("", 0, f)
	}
	return s
}

const targetWorld = "cdn.example.net. 60 IN A 192.0.2.1\n"

// Of several that do not know, the one that tells most is believed.
func TestResolversLookup(t *testing.T) {
	tests := []struct {
		fault string // of the server before the file
		file  string
		want  resolve.Outcome
		by    string // "server" or "file"
	}{
		{"", targetWorld, resolve.Addresses, "server"},
		{"servfail", targetWorld, resolve.Addresses, "file"},
		{"ede=3", targetWorld, resolve.Addresses, "file"},
		{"ede=3", "cdn.example.net. 60 IN CNAME cdn.example.net.\n", resolve.Addresses, "server"},
		{"servfail", "cdn.example.net. 60 IN CNAME cdn.example.net.\n", resolve.Failure, "server"},
	}
	for _, tt := range tests {
		server := startServer(t, targetWorld, tt.fault)
		r := openResolvers(t, map[string]string{"w.zone": tt.file}, server.URL(), "file:w.zone")
		a := r.Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
		by := "server"
		if a.Resolver == "file:w.zone" {
			by = "file"
		}
		if a.Outcome != tt.want || by != tt.by || len(a.Attempts) == 0 {
			t.Errorf("%s: %s by %s after %d attempts, want %s by %s", tt.fault, a.Outcome, by, len(a.Attempts), tt.want, tt.by)
		}
	}
}

func TestResolversProblems(t *testing.T) {
	const inventing = targetWorld + "*.invalid. 60 IN A 192.0.2.66\n"
	good, bad := startServer(t, targetWorld, ""), startServer(t, inventing, "")
	files := map[string]string{"w.zone": inventing}
	tests := []struct {
		name string
		urls []string
		want diag.Severity // 0 for none
	}{
		{"good", []string{good.URL()}, 0},
		{"another is left", []string{bad.URL(), good.URL()}, diag.Warning},
		{"a file is left", []string{bad.URL(), "file:w.zone"}, diag.Warning},
		{"none is left", []string{bad.URL()}, diag.Error},
		{"a file alone", []string{"file:w.zone"}, 0},
	}
	for _, tt := range tests {
		r := openResolvers(t, files, tt.urls...)
		if problems := r.Problems(); len(problems) > 0 {
			t.Errorf("%s: %v before any question", tt.name, problems)
		}
		a := r.Lookup(t.Context(), zone.MustParseName("cdn.example.net."), dns.TypeA)
		if (a.Outcome == resolve.Addresses) != (tt.want != diag.Error) {
			t.Errorf("%s: %s", tt.name, a.Outcome)
		}
		problems := r.Problems()
		if (len(problems) == 1) != (tt.want != 0) || len(problems) > 1 {
			t.Errorf("%s: %v", tt.name, problems)
			continue
		}
		for _, d := range problems {
			if d.Severity != tt.want || d.Code != diag.CodeResolverInvents || !strings.Contains(d.Message, bad.URL()) || (d.Hint != "") != (tt.want == diag.Error) {
				t.Errorf("%s: %s: %s (%s)", tt.name, d.Severity, d.Message, d.Hint)
			}
		}
	}
}

// A server is asked again by another; a world in memory knows all there is.
func TestResolversConfirm(t *testing.T) {
	target := zone.MustParseName("gone.example.net.")
	empty, other := startServer(t, targetWorld, ""), startServer(t, "gone.example.net. 60 IN A 192.0.2.2\n", "")
	files := map[string]string{"w.zone": targetWorld}
	for _, tt := range []struct {
		urls      []string
		confirmed bool
		detail    string
	}{
		{[]string{empty.URL()}, false, ""},
		{[]string{empty.URL(), "demo:", startServer(t, targetWorld, "").URL()}, true, ""},
		{[]string{empty.URL(), other.URL()}, false, "says NXDOMAIN, but " + other.URL() + " says addresses (192.0.2.2)"},
		{[]string{"file:w.zone"}, true, ""},
		{[]string{"file:w.zone", other.URL()}, true, ""},
	} {
		r := openResolvers(t, files, tt.urls...)
		a := r.Confirm(t.Context(), r.Lookup(t.Context(), target, dns.TypeA))
		if a.Outcome != resolve.NXDomain || a.Confirmed != tt.confirmed || !strings.Contains(a.Detail, tt.detail) || (a.Detail == "") != (tt.detail == "") {
			t.Errorf("%v: %s, confirmed %v, %q", tt.urls, a.Outcome, a.Confirmed, a.Detail)
		}
	}
}
