package resolve

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// rules reads rules of --allow-net and --deny-net.
func rules(texts ...string) []NetRule {
	list := make([]NetRule, len(texts))
	for i, s := range texts {
		r, err := ParseNetRule(s)
		if err != nil {
			panic(err)
		}
		list[i] = r
	}
	return list
}

func TestPolicy(t *testing.T) {
	tests := []struct {
		name    string
		policy  Policy
		addrs   string
		reason  Reason
		special string
	}{
		{"ordinary", Policy{}, "192.0.2.1 2001:db8::1 64:ff9b::c000:201", 0, "[]"},
		{"this network", Policy{}, "0.1.2.3", ReasonRefusedAddress, ""},
		{"loopback", Policy{}, "127.0.0.1", ReasonRefusedAddress, ""},
		{"loopback 6", Policy{}, "::1", ReasonRefusedAddress, ""},
		{"unspecified", Policy{}, "::", ReasonRefusedAddress, ""},
		{"IPv4-compatible", Policy{}, "::c000:201", ReasonRefusedAddress, ""},
		{"IPv4-mapped", Policy{}, "::ffff:192.0.2.1", ReasonRefusedAddress, ""},
		{"link-local", Policy{}, "169.254.1.1", ReasonRefusedAddress, ""},
		{"link-local 6", Policy{}, "fe80::1", ReasonRefusedAddress, ""},
		{"site-local", Policy{}, "fec0::1", ReasonRefusedAddress, ""},
		{"multicast", Policy{}, "224.0.0.1", ReasonRefusedAddress, ""},
		{"multicast 6", Policy{}, "ff02::1", ReasonRefusedAddress, ""},
		{"reserved", Policy{}, "255.255.255.255", ReasonRefusedAddress, ""},
		{"protocol assignments", Policy{}, "192.0.0.8", ReasonRefusedAddress, ""},
		{"discard", Policy{}, "100::1", ReasonRefusedAddress, ""},
		{"one of several", Policy{}, "192.0.2.1 127.0.0.1", ReasonRefusedAddress, ""},
		{"private", Policy{}, "10.1.1.1 172.16.0.1 192.0.2.1 192.168.1.1 100.64.0.1 fd00::1", 0, "[10.1.1.1 172.16.0.1 192.168.1.1 100.64.0.1 fd00::1]"},
		{"allowed", Policy{Allow: rules("127.0.0.0/8")}, "127.0.0.1", 0, "[]"},
		{"denied", Policy{Deny: rules("10.0.0.0/8")}, "10.1.1.1", ReasonRefusedAddress, ""},
		{"allowed within denied", Policy{Deny: rules("10.0.0.0/8"), Allow: rules("10.1.0.0/16")}, "10.1.1.1", 0, "[]"},
		{"denied within allowed", Policy{Allow: rules("10.0.0.0/8"), Deny: rules("10.1.0.0/16")}, "10.1.1.1", ReasonRefusedAddress, ""},
		{"denied and allowed alike", Policy{Allow: rules("10.0.0.0/8"), Deny: rules("10.0.0.0/8")}, "10.1.1.1", ReasonRefusedAddress, ""},
		{"allowed for the target", Policy{Allow: rules("127.0.0.0/8@a.test.")}, "127.0.0.1", 0, "[]"},
		{"allowed for targets above", Policy{Allow: rules("127.0.0.0/8@test.")}, "127.0.0.1", 0, "[]"},
		{"allowed for another target", Policy{Allow: rules("127.0.0.0/8@x.a.test.")}, "127.0.0.1", ReasonRefusedAddress, ""},
		{"allowed for a name that only ends alike", Policy{Allow: rules("127.0.0.0/8@est.")}, "127.0.0.1", ReasonRefusedAddress, ""},
		{"allowed private addresses are not told of", Policy{Allow: rules("10.0.0.0/8")}, "10.1.1.1 192.168.1.1", 0, "[192.168.1.1]"},
		{"a longer suffix wins over a longer prefix", Policy{Deny: rules("10.1.1.1/32@test."), Allow: rules("10.0.0.0/8@a.test.")}, "10.1.1.1", 0, "[]"},
		{"a longer suffix denies", Policy{Deny: rules("10.0.0.0/8@a.test."), Allow: rules("10.1.1.1/32@test.")}, "10.1.1.1", ReasonRefusedAddress, ""},
		{"any suffix wins over none", Policy{Deny: rules("10.1.1.1/32"), Allow: rules("10.0.0.0/8@test.")}, "10.1.1.1", 0, "[]"},
		{"a longer prefix wins under one suffix", Policy{Deny: rules("10.0.0.0/8@test."), Allow: rules("10.1.0.0/16@test.")}, "10.1.1.1", 0, "[]"},
		{"the order of rules counts for nothing", Policy{Deny: rules("10.1.1.1/32", "10.0.0.0/8@a.test.", "10.1.1.1/32@test."), Allow: rules("10.1.0.0/16@a.test.", "10.1.1.1/32")}, "10.1.1.1", 0, "[]"},
		{"a suffix of the root is none", Policy{Deny: rules("10.0.0.0/8@."), Allow: rules("10.0.0.0/8")}, "10.1.1.1", ReasonRefusedAddress, ""},
	}
	target := zone.MustParseName("a.test.")
	for _, tt := range tests {
		a := Answer{Target: target, Outcome: Addresses}
		for s := range strings.FieldsSeq(tt.addrs) {
			a.Addresses = append(a.Addresses, netip.MustParseAddr(s))
		}
		got := tt.policy.Check(target, a)
		if got.Reason != tt.reason || (got.Outcome == Failure) != (tt.reason != 0) || (got.Addresses == nil) != (tt.reason != 0) {
			t.Errorf("%s: %s, %s", tt.name, short(got), got.Detail)
		}
		if tt.reason == 0 && fmt.Sprint(got.Special) != tt.special {
			t.Errorf("%s: special %v, want %s", tt.name, got.Special, tt.special)
		}
	}
	for _, a := range []Answer{{Outcome: NoData}, {Outcome: Failure, Reason: ReasonLame}} {
		if got := (Policy{}).Check(target, a); got.Outcome != a.Outcome || got.Reason != a.Reason {
			t.Errorf("%s became %s", short(a), short(got))
		}
	}
}

func TestPolicyBounds(t *testing.T) {
	for _, tt := range []struct{ limit, count, max int }{{0, 65, 64}, {0, 64, 0}, {500, 101, 100}, {500, 100, 0}, {1, 2, 1}, {1, 1, 0}} {
		a := Answer{Outcome: Addresses}
		for i := range tt.count {
			a.Addresses = append(a.Addresses, netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}))
		}
		got := Policy{MaxAddresses: tt.limit}.Check(zone.MustParseName("a.test."), a)
		want := ""
		if tt.max > 0 {
			want = fmt.Sprintf("a.test. has %d addresses; at most %d are let pass", tt.count, tt.max)
		}
		if got.Detail != want || (want != "") != (got.Reason == ReasonTooManyAddresses) {
			t.Errorf("%d with limit %d: %s %q", tt.count, tt.limit, short(got), got.Detail)
		}
	}
}

// An IPv4 address inside an IPv6 address is judged as if it stood in an A record.
func TestPolicyEmbedded(t *testing.T) {
	tests := []struct {
		addr   string
		policy Policy
		want   string // of the detail, behind the address; "special", or empty where it passes
	}{
		{"64:ff9b::c000:201", Policy{}, ""},
		{"64:ff9b::7f00:1", Policy{}, "which carries 127.0.0.1, a loopback address"},
		{"64:ff9b::a01:203", Policy{}, "special"},
		{"2002:c000:201::1", Policy{}, ""},
		{"2002:7f00:1::1", Policy{}, "which carries 127.0.0.1, a loopback address"},
		{"2002:a9fe:101::", Policy{}, "which carries 169.254.1.1, a link-local address"},
		{"2002:a01:203::", Policy{}, "special"},
		{"2001:0:c000:201:0:ffff:3fff:fdfe", Policy{}, ""}, // server and client 192.0.2.1
		{"2001:0:c000:201:0:ffff:80ff:fffe", Policy{}, "which carries 127.0.0.1, a loopback address"},
		{"2001:0:7f00:1:0:ffff:3fff:fdfe", Policy{}, "which carries 127.0.0.1, a loopback address"},
		{"64:ff9b:1::7f00:1", Policy{}, "which carries 127.0.0.1, a loopback address"},      // /96
		{"64:ff9b:1:7f00:0:100::", Policy{}, "which carries 127.0.0.1, a loopback address"}, // /48
		{"64:ff9b:1:27f:0:1::", Policy{}, "which carries 127.0.0.1, a loopback address"},    // /56
		{"64:ff9b:1:2:7f:0:100:0", Policy{}, "which carries 127.0.0.1, a loopback address"}, // /64
		{"64:ff9b:1::c000:201", Policy{}, "special"},
		{"64:ff9b:1:c000:2:100::", Policy{}, "special"},
		{"::ffff:192.0.2.1", Policy{}, "an IPv4-mapped address"},
		{"::c000:201", Policy{}, "an IPv4-compatible address"},
		{"2002:a01:203::", Policy{Deny: rules("10.0.0.0/8")}, "which carries 10.1.2.3, an address in the denied network 10.0.0.0/8"},
		{"2002:7f00:1::1", Policy{Allow: rules("127.0.0.0/8")}, ""},
		{"2002:7f00:1::1", Policy{Allow: rules("2002::/16")}, ""},
		{"2002:c000:201::1", Policy{Deny: rules("2002::/16@test.")}, "an address in the denied network 2002::/16@test."},
	}
	target := zone.MustParseName("a.test.")
	for _, tt := range tests {
		got := tt.policy.Check(target, Answer{Target: target, Outcome: Addresses, Addresses: []netip.Addr{netip.MustParseAddr(tt.addr)}})
		text := strings.TrimPrefix(got.Detail, "a.test. has "+tt.addr+", ")
		if len(got.Special) > 0 {
			text = "special"
		}
		if text != tt.want {
			t.Errorf("%s: got %q, want %q", tt.addr, text, tt.want)
		}
	}
}

func TestParseNetRule(t *testing.T) {
	for _, tt := range []struct{ text, want string }{
		{"192.0.2.0/24", "192.0.2.0/24"},
		{"192.0.2.1", "192.0.2.1/32"},
		{"2001:db8::1", "2001:db8::1/128"},
		{"0.0.0.0/0", "0.0.0.0/0"},
		{"10.0.0.0/8@Internal.example.", "10.0.0.0/8@internal.example."},
		{"10.0.0.0/8@internal.example", "10.0.0.0/8@internal.example."},
		{"fd00::/8@.", "fd00::/8@."},
		{`10.0.0.1@a\@b.test.`, `10.0.0.1/32@a\@b.test.`},
	} {
		r, err := ParseNetRule(tt.text)
		if err != nil || r.String() != tt.want {
			t.Errorf("%s: %s, %v; want %s", tt.text, r, err, tt.want)
			continue
		}
		if again, err := ParseNetRule(r.String()); err != nil || again != r {
			t.Errorf("%s does not come back: %+v, %v", tt.want, again, err)
		}
	}
	for _, tt := range []struct{ text, want, hint string }{
		{"", `"" is no network`, "write an address and the length of its prefix, as in 198.51.100.0/24"},
		{"192.0.2.0/33", `"192.0.2.0/33" is no network`, "write an address"},
		{"fe80::1%eth0", `"fe80::1%eth0" is no network`, "write an address"},
		{"internal.example.", `"internal.example." is no network`, "write an address"},
		{"@internal.example.", `"@internal.example." is no network`, "write an address"},
		{"192.0.2.1/24", `"192.0.2.1/24" has bits set beyond its prefix`, "did you mean 192.0.2.0/24?"},
		{"192.0.2.1/24@a.test", `"192.0.2.1/24@a.test" has bits set beyond its prefix`, "did you mean 192.0.2.0/24@a.test.?"},
		{"192.0.2.0/24@", `"192.0.2.0/24@": "" is no name`, "behind the @ stands the name"},
		{"192.0.2.0/24@a..b", `"192.0.2.0/24@a..b": "a..b" is no name`, "behind the @ stands the name"},
	} {
		r, err := ParseNetRule(tt.text)
		var wrong *NetRuleError
		if !errors.As(err, &wrong) || wrong.Error() != tt.want || !strings.HasPrefix(wrong.Hint, tt.hint) {
			t.Errorf("%q: %+v, %v; want %s", tt.text, r, err, tt.want)
		}
	}
}
