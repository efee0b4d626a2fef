package api

import (
	"context"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// updated is a zone in a file that takes UPDATE with a key.
type updated struct {
	*Updater

	audits *[]Audit
	path   string
}

var updateKey = zone.MustParseName("ddns.test")

func updatable(t *testing.T, text string, g Grant) *updated {
	t.Helper()
	r, audits, path := editable(t, text)
	g.Scopes = []Scope{ScopeRecords}
	u := &Updater{Records: r, Granted: func(name, key zone.Name) (EditableZone, Grant, bool) {
		return r.Zones()[0], g, name == r.Zones()[0].Name && key == updateKey
	}}
	return &updated{u, audits, path}
}

func (u *updated) text(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(u.path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func updateOf(changes ...primary.UpdateChange) *primary.Update {
	return &primary.Update{Zone: zone.MustParseName("example.com"), Key: updateKey, Peer: netip.MustParseAddrPort("192.0.2.1:53"), Changes: changes}
}

func addOf(owner string, typ uint16, ttl uint32, rdata string) primary.UpdateChange {
	return primary.UpdateChange{Kind: primary.UpdateAdd, Owner: zone.MustParseName(owner), Type: typ, TTL: ttl, RDATA: rdata}
}

func deleteOf(owner string, typ uint16, rdata string) primary.UpdateChange {
	return primary.UpdateChange{Kind: primary.UpdateDelete, Owner: zone.MustParseName(owner), Type: typ, RDATA: rdata}
}

func wireOf(name string) string { return zone.MustParseName(name).Wire() }

// TestUpdate: an UPDATE edits the source, and nothing else in it.
func TestUpdate(t *testing.T) {
	const alias = "@	IN ALIAS cdn.example.net. ; the site\n"
	for _, c := range []struct {
		what     string
		text     string // in place of the ALIAS
		changes  []primary.UpdateChange
		old, new string // what changes in the text
	}{
		{"another target", "", []primary.UpdateChange{addOf("example.com", primary.TypeALIAS, 3600, "\x03Web\x07example\x03org\x00")}, "cdn.example.net.", "Web.example.org."},
		{"the same target", "", []primary.UpdateChange{addOf("example.com", primary.TypeALIAS, 3600, wireOf("CDN.example.net"))}, "", ""},
		{"no target", "", []primary.UpdateChange{deleteOf("example.com", primary.TypeALIAS, wireOf("cdn.example.net"))}, alias, ""},
		{"a target with parameters", "@ ALIAS cdn.example.net. ttl-min=60\n", []primary.UpdateChange{deleteOf("example.com", primary.TypeALIAS, wireOf("cdn.example.net"))}, "@ ALIAS cdn.example.net. ttl-min=60\n", ""},
		{"the target that is there with parameters", "@ ALIAS cdn.example.net. ttl-min=60\n", []primary.UpdateChange{addOf("example.com", primary.TypeALIAS, 3600, wireOf("cdn.example.net"))}, "", ""},
		{"another address", "", []primary.UpdateChange{deleteOf("ns1.example.com", dns.TypeA, "\xc0\x00\x02\x01"), addOf("ns1.example.com", dns.TypeA, 3600, "\xc0\x00\x02\x07")}, "A 192.0.2.1\n", "A 192.0.2.7\n"},
		{"one more address", "", []primary.UpdateChange{addOf("ns2.example.com", dns.TypeA, 3600, "\xc0\x00\x02\x07")}, "ns2	IN A 192.0.2.2\n", "ns2	IN A 192.0.2.2\n	IN A 192.0.2.7\n"},
		{"another TTL", "", []primary.UpdateChange{addOf("ns2.example.com", dns.TypeA, 60, "\xc0\x00\x02\x02")}, "ns2	IN A", "ns2	60 IN A"},
		{"a new name", "", []primary.UpdateChange{addOf("_acme-challenge.example.com", dns.TypeTXT, 60, "\x03a;b")}, "ns2	IN A 192.0.2.2\n", "ns2	IN A 192.0.2.2\n_acme-challenge	60 IN TXT \"a;b\"\n"},
		{"a name goes", "x A 192.0.2.3\nx TXT a\n", []primary.UpdateChange{{Kind: primary.UpdateDeleteRRsets, Owner: zone.MustParseName("x.example.com")}}, "x A 192.0.2.3\nx TXT a\n", ""},
		{"nothing", "", []primary.UpdateChange{addOf("example.com", dns.TypeSOA, 60, wireOf("a.test")+wireOf("b.test")+strings.Repeat("\x00", 20))}, "", ""},
	} {
		t.Run(c.what, func(t *testing.T) {
			text := recordsText
			if c.text != "" {
				text = strings.Replace(text, alias, c.text, 1)
			}
			u := updatable(t, text, Grant{})
			rcode, problem := u.Update(t.Context(), updateOf(c.changes...))
			if rcode != dns.RcodeSuccess {
				t.Fatalf("%s, %s", dns.RcodeToString[rcode], problem)
			}
			if want := strings.Replace(text, c.old, c.new, 1); u.text(t) != want {
				t.Errorf("the file has\n%s, want\n%s", u.text(t), want)
			}
			if a := *u.audits; len(a) != 1 || a[0].Caller.Who != "ddns.test." || a[0].Caller.Via != ViaUpdate || !a[0].Caller.Peer.IsValid() || (len(a[0].Difference) > 0) != (c.old != "") {
				t.Errorf("audits %+v", a)
			}
		})
	}
}

func TestUpdateRefused(t *testing.T) {
	web := addOf("example.com", primary.TypeALIAS, 3600, wireOf("web.example.org"))
	www := addOf("www.example.com", dns.TypeA, 60, "\xc0\x00\x02\x07")
	prerequisite := updateOf(www)
	prerequisite.Prerequisites = []primary.Prerequisite{{Kind: primary.NameUnused, Owner: zone.MustParseName("ns1.example.com")}}
	otherKey := updateOf(www)
	otherKey.Key = zone.MustParseName("other.test")
	for _, c := range []struct {
		what    string
		text    string
		grant   Grant
		update  *primary.Update
		rcode   int
		problem string
	}{
		{"prerequisite", recordsText, Grant{}, prerequisite, dns.RcodeYXDomain, "ns1.example.com. has records"},
		{"another key", recordsText, Grant{}, otherKey, dns.RcodeRefused, "its key may edit nothing in this zone"},
		{"another name", recordsText, Grant{Names: []string{"_acme-challenge.*"}}, updateOf(www), dns.RcodeRefused, "the key is not for the owner name www.example.com."},
		{"another type", recordsText, Grant{Types: []string{"TXT"}}, updateOf(www), dns.RcodeRefused, "the key is not for records of type A"},
		{"another target", recordsText, Grant{Targets: []string{"provider.example"}}, updateOf(web), dns.RcodeRefused, "the key is not for the target web.example.org."},
		{"a bad zone", recordsText, Grant{}, updateOf(addOf("example.com", dns.TypeA, 60, "\xc0\x00\x02\x07")), dns.RcodeRefused, "ALIAS shares the owner name example.com. with an A record"},
		{"a TTL that is none", recordsText, Grant{}, updateOf(addOf("www.example.com", dns.TypeA, 1<<31, "\xc0\x00\x02\x07")), dns.RcodeRefused, "a TTL is at most 2147483647"},
		{"a bad source", recordsText + "x A 192.0.2\n", Grant{}, updateOf(www), dns.RcodeServerFailure, "the source has errors"},
	} {
		t.Run(c.what, func(t *testing.T) {
			u := updatable(t, c.text, c.grant)
			rcode, problem := u.Update(t.Context(), c.update)
			if rcode != c.rcode || problem != c.problem {
				t.Errorf("%s, %s", dns.RcodeToString[rcode], problem)
			}
			if u.text(t) != c.text {
				t.Errorf("the file has\n%s", u.text(t))
			}
		})
	}
	u := updatable(t, recordsText, Grant{})
	lock, err := publish.TakeLock(t.Context(), u.path, 0)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if rcode, problem := u.Update(ctx, updateOf(www)); rcode != dns.RcodeServerFailure || problem != context.Canceled.Error() {
		t.Errorf("no time: %d, %s", rcode, problem)
	}
	if err := lock.Release(); err != nil {
		t.Fatal(err)
	}
}

// TestUpdateHostile: whatever octets a name or RDATA has, they come to stand in the source as that
// record and nothing else.
func TestUpdateHostile(t *testing.T) {
	const evil = "\n$INCLUDE /etc/passwd ; \"(\\\x00\xff"
	counted := func(text string) string { return string(rune(len(text))) + text }
	hostile, err := zone.NameFromWire([]byte(counted(evil) + wireOf("example.com")))
	if err != nil {
		t.Fatal(err)
	}
	include, err := zone.NameFromWire([]byte(counted("$include") + wireOf("example.com")))
	if err != nil {
		t.Fatal(err)
	}
	made := 0
	for _, owner := range []zone.Name{hostile, include, zone.MustParseName("www.example.com")} {
		for typ, rdata := range map[uint16]string{
			dns.TypeTXT: counted(evil), dns.TypePTR: hostile.Wire(), 65000: evil,
			dns.TypeCAA: "\x00\x05issue" + evil, primary.TypeALIAS: counted("a b\nc") + wireOf("example.net"),
		} {
			u := updatable(t, recordsText, Grant{})
			rcode, problem := u.Update(t.Context(), updateOf(primary.UpdateChange{Kind: primary.UpdateAdd, Owner: owner, Type: typ, TTL: 60, RDATA: rdata}))
			if rcode == dns.RcodeRefused && u.text(t) == recordsText {
				continue
			}
			if rcode != dns.RcodeSuccess {
				t.Fatalf("%s: %s, %s", owner, dns.RcodeToString[rcode], problem)
			}
			r, err := u.Records.Read(&everything, u.Records.Zones()[0])
			if err != nil || len(r.Records) != 7 {
				t.Fatalf("%s: %d records, %v", owner, len(r.Records), err)
			}
			found := 0
			for i := range r.Records {
				got := updateRecord(&r.Records[i], i)
				if r.Records[i].Owner == owner && got.Type == typ && got.RDATA == rdata && got.TTL == 60 {
					found++
				}
			}
			made++
			if found != 1 {
				t.Errorf("%s, type %d: the file has\n%s", owner, typ, u.text(t))
			}
		}
	}
	if made != 13 { // an owner name of ALIAS has to be that of a host
		t.Errorf("%d were made", made)
	}
}
