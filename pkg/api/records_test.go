package api

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// recordsText is a source with an ALIAS at the apex.
const recordsText = `$TTL 3600 ; an hour
@	IN SOA ns1.example.com. hostmaster.example.com. 7 3600 900 604800 300
	IN NS ns1
	IN NS ns2
@	IN ALIAS cdn.example.net. ; the site
ns1	IN A 192.0.2.1
ns2	IN A 192.0.2.2
`

// editable makes a store of one zone in a file.
func editable(t *testing.T, text string) (*Records, *[]Audit, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "example.com.zone")
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	var audits []Audit
	z := EditableZone{Name: zone.MustParseName("example.com."), Path: path, Load: func() ([]compile.Source, func(), diag.List) {
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, func() {}, diag.List{{Severity: diag.Error, Code: diag.CodeUnreadable, Message: err.Error()}}
		}
		return []compile.Source{{Name: path, Text: text, Origin: zone.MustParseName("example.com.")}}, func() {}, nil
	}}
	return &Records{
		Zones: func() []EditableZone { return []EditableZone{z} },
		Audit: func(a Audit) { audits = append(audits, a) },
	}, &audits, path
}

var everything = Caller{Grant: Grant{Scopes: []Scope{ScopeRecords}}, Who: "test", Via: "test"}

// set asks for one RRset to become the given RDATA.
func set(owner string, typ string, rdata ...string) func(*Reading) ([]zonefile.RRsetChange, error) {
	return func(*Reading) ([]zonefile.RRsetChange, error) {
		code, _ := zonefile.ParseType(typ)
		return []zonefile.RRsetChange{{Kind: zonefile.ReplaceRRset, Owner: zone.MustParseName(owner), Type: code, RDATA: rdata}}, nil
	}
}

func reasonOf(err error) Reason {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		return refused.Reason
	}
	return 0
}

func TestRecordsEdit(t *testing.T) {
	r, audits, path := editable(t, recordsText)
	z, err := r.Find(&everything, "example.com")
	if err != nil {
		t.Fatal(err)
	}
	before, err := r.Read(&everything, z)
	if err != nil || len(before.Records) != 6 || before.Serial != 7 {
		t.Fatalf("%d records, serial %d, %v", len(before.Records), before.Serial, err)
	}
	tried, err := r.Edit(t.Context(), &everything, &Edit{Zone: z, Changes: set("example.com.", "ALIAS", "web.example.org."), DryRun: true})
	if err != nil || tried.Written || len(tried.Difference) != 1 || len(*audits) != 0 {
		t.Fatalf("a dry run: %+v, %v, %d audits", tried, err, len(*audits))
	}
	if text, _ := os.ReadFile(path); string(text) != recordsText {
		t.Fatal("a dry run has written")
	}
	made, err := r.Edit(t.Context(), &everything, &Edit{Zone: z, Changes: set("example.com.", "ALIAS", "web.example.org."), IfMatch: []string{before.ETag}})
	if err != nil || !made.Written {
		t.Fatalf("%+v, %v", made, err)
	}
	want := strings.Replace(recordsText, "cdn.example.net.", "web.example.org.", 1)
	text, _ := os.ReadFile(path)
	if string(text) != want || string(made.New) != want || made.After.ETag == before.ETag {
		t.Errorf("the file has\n%s", text)
	}
	after, err := r.Read(&everything, z)
	same := func(a, b zonefile.SourceRecord) bool {
		return a.Owner == b.Owner && a.Type == b.Type && a.Data == b.Data && a.TTL == b.TTL
	}
	if err != nil || after.ETag != made.After.ETag || !slices.EqualFunc(after.Records, made.After.Records, same) {
		t.Errorf("read again: ETag %s, %d records, %v", after.ETag, len(after.Records), err)
	}
	if len(*audits) != 1 || (*audits)[0].ETag != after.ETag || len((*audits)[0].Difference) != 1 || (*audits)[0].Caller.Who != "test" {
		t.Errorf("audits %+v", *audits)
	}
}

func TestRecordsRefuse(t *testing.T) {
	grant := func(g Grant) *Caller { return &Caller{Grant: g} }
	alias := set("example.com.", "ALIAS", "web.example.org.")
	for _, c := range []struct {
		name   string
		caller *Caller
		edit   Edit
		want   Reason
	}{
		{"no scope", grant(Grant{Scopes: []Scope{ScopeRead}}), Edit{Changes: alias}, ReasonForbidden},
		{"another zone", grant(Grant{Scopes: Scopes, Zones: []string{"example.net"}}), Edit{Changes: alias}, ReasonForbidden},
		{"another name", grant(Grant{Scopes: Scopes, Names: []string{"*.example.com"}}), Edit{Changes: alias}, ReasonForbidden},
		{"another type", grant(Grant{Scopes: Scopes, Types: []string{"TXT"}}), Edit{Changes: alias}, ReasonForbidden},
		{"another target", grant(Grant{Scopes: Scopes, Targets: []string{"provider.example."}}), Edit{Changes: alias}, ReasonForbidden},
		{"another source", &everything, Edit{Changes: alias, IfMatch: []string{"0123"}}, ReasonChanged},
		{"bad RDATA", &everything, Edit{Changes: set("www.example.com.", "A", "192.0.2")}, ReasonInvalid},
		{"two lines", &everything, Edit{Changes: set("www.example.com.", "TXT", "a\n$INCLUDE /etc/passwd")}, ReasonInvalid},
		{"bad zone", &everything, Edit{Changes: set("example.com.", "A", "192.0.2.9")}, ReasonInvalid},
		{"own error", &everything, Edit{Changes: func(*Reading) ([]zonefile.RRsetChange, error) { return nil, Refusef(ReasonNoRecord, "no") }}, ReasonNoRecord},
	} {
		r, audits, path := editable(t, recordsText)
		c.edit.Zone = r.Zones()[0]
		out, err := r.Edit(t.Context(), c.caller, &c.edit)
		if out != nil || reasonOf(err) != c.want {
			t.Errorf("%s: %+v, %v", c.name, out, err)
		}
		if text, _ := os.ReadFile(path); string(text) != recordsText {
			t.Errorf("%s: the file has\n%s", c.name, text)
		}
		if len(*audits) != 1 || !errors.Is((*audits)[0].Err, err) {
			t.Errorf("%s: audits %+v", c.name, *audits)
		}
	}
	r, _, _ := editable(t, "@ IN SOA wrong\n")
	if _, err := r.Read(&everything, r.Zones()[0]); reasonOf(err) != ReasonSource {
		t.Errorf("a source with errors: %v", err)
	}
	r, _, path := editable(t, recordsText)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(&everything, r.Zones()[0]); reasonOf(err) != ReasonWorld {
		t.Errorf("no source: %v", err)
	}
	for _, c := range []*Caller{{}, grant(Grant{Scopes: Scopes, Zones: []string{"example.net"}})} {
		if _, err := r.Find(c, "example.com."); reasonOf(err) != ReasonUnknown || len(r.List(c)) != 0 {
			t.Errorf("a zone that is not to be seen: %v", err)
		}
	}
}

func TestGrantPatterns(t *testing.T) {
	for _, c := range []struct {
		pattern, name string
		want          bool
	}{
		{"example.com", "example.com.", true},
		{"Example.COM.", "example.com.", true},
		{"example.com", "www.example.com.", false},
		{"*", "example.com.", true},
		{"*.example.com", "a.b.example.com.", true},
		{"*.example.com", "example.com.", false},
		{"*.example.com", "badexample.com.", false},
		{"_acme-challenge.*", "_acme-challenge.www.example.com.", true},
		{"_acme-challenge.*", "x._acme-challenge.example.com.", false},
		{"a*b*c", "abc.", true},
		{"a*b*bc", "abc.", false},
		{"a*a", "a.", false},
		{"", "example.com.", false},
	} {
		if got := matchesName([]string{c.pattern}, zone.MustParseName(c.name)); got != c.want {
			t.Errorf("%q fits %s: %t", c.pattern, c.name, got)
		}
	}
	g := Grant{Targets: []string{"provider.example"}}
	for name, want := range map[string]bool{"cdn.provider.example.": true, "provider.example.": true, "notprovider.example.": false, "provider.example.net.": false} {
		if got := g.AllowsTarget(zone.MustParseName(name)); got != want {
			t.Errorf("target %s: %t", name, got)
		}
	}
}

func TestTokens(t *testing.T) {
	path := filepath.Join(t.TempDir(), TokensName)
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	tokens := OpenTokens(path)
	if _, err := tokens.Verify("af_none", now); !errors.Is(err, ErrNoToken) {
		t.Errorf("without a file: %v", err)
	}
	made, secret, err := tokens.Create(t.Context(), Grant{Scopes: Scopes}, "a note", now, now.Add(time.Hour))
	if err != nil || !strings.HasPrefix(secret, TokenPrefix) || len(secret) < 50 {
		t.Fatalf("%+v, %q, %v", made, secret, err)
	}
	other := OpenTokens(path)
	if got, err := other.Verify(secret, now); err != nil || got.ID != made.ID {
		t.Errorf("another process: %+v, %v", got, err)
	}
	if _, err := other.Verify(secret, now.Add(time.Hour)); !errors.Is(err, ErrNoToken) {
		t.Errorf("expired: %v", err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), secret) || !strings.Contains(string(text), made.ID) {
		t.Errorf("the file has %s, %v", text, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := other.Revoke(t.Context(), made.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(secret, now); !errors.Is(err, ErrNoToken) {
		t.Errorf("revoked: %v", err)
	}
	if err := tokens.Revoke(t.Context(), made.ID); !errors.Is(err, ErrNoToken) {
		t.Errorf("revoked twice: %v", err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tokens.Verify(secret, now); err == nil || errors.Is(err, ErrNoToken) {
		t.Errorf("a damaged file: %v", err)
	}
}

func TestTokensForgetTheExpired(t *testing.T) {
	tokens := OpenTokens(filepath.Join(t.TempDir(), TokensName))
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	create := func(now, expires time.Time) string {
		t.Helper()
		made, _, err := tokens.Create(t.Context(), Grant{Scopes: Scopes}, "", now, expires)
		if err != nil {
			t.Fatal(err)
		}
		return made.ID
	}
	short, always := create(now, now.Add(time.Hour)), create(now, time.Time{})
	ids := func() (ids []string) {
		list, err := tokens.List()
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range list {
			ids = append(ids, k.ID)
		}
		return ids
	}
	third := create(now.Add(expiredKept), time.Time{})
	if got, want := ids(), []string{short, always, third}; !slices.Equal(got, want) {
		t.Errorf("an hour too early there are %v, want %v", got, want)
	}
	fourth := create(now.Add(time.Hour+expiredKept), time.Time{})
	if got, want := ids(), []string{always, third, fourth}; !slices.Equal(got, want) {
		t.Errorf("later there are %v, want %v", got, want)
	}
}
