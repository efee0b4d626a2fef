package state

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const lockText = lockFirst + "1\n" + lockComment + `
; target: both.example.net. A AAAA
both.example.net. 300 IN CNAME www.edge.test.
edge.test. 60 IN DNAME example.org.
www.example.org. 30 IN A 192.0.2.1
www.example.org. 30 IN A 192.0.2.2
www.example.org. 20 IN AAAA 2001:db8::1

; target: cdn.example.net. A
cdn.example.net. 300 IN CNAME a.example.org.
a.example.org. 30 IN A 192.0.2.3

; target: cdn.example.net. AAAA
cdn.example.net. 300 IN CNAME b.example.org.

; target: cdn.example.net. A for 198.51.100.0/24
cdn.example.net. 5 IN A 192.0.2.4

; target: none.example.net. A AAAA
`

// locks gives the lock of lockText, made of answers.
func locks() *Lock {
	l := NewLock("zone.db.lock")
	link := func(owner string, t uint16, target string, ttl uint32) resolve.Link {
		return resolve.Link{Owner: name(owner), Type: t, Target: name(target), TTL: ttl}
	}
	both := []resolve.Link{link("both.example.net.", typeCNAME, "www.edge.test.", 300), link("edge.test.", typeDNAME, "example.org.", 7)}
	both[1].OriginalTTL = 60
	add := func(target string, t uint16, subnet string, a resolve.Answer) {
		if !l.Add(question(target, t, subnet), &a) {
			panic(target)
		}
	}
	add("none.example.net.", typeAAAA, "", resolve.Answer{Outcome: resolve.NXDomain})
	add("none.example.net.", typeA, "", resolve.Answer{Outcome: resolve.NoData})
	add("cdn.example.net.", typeA, "198.51.100.0/24", resolve.Answer{Outcome: resolve.Addresses, Addresses: addrs("192.0.2.4"), AddressTTL: 5})
	add("cdn.example.net.", typeAAAA, "", resolve.Answer{Outcome: resolve.WeakNoData, Chain: []resolve.Link{link("cdn.example.net.", typeCNAME, "b.example.org.", 300)}})
	add("cdn.example.net.", typeA, "", resolve.Answer{Outcome: resolve.Addresses, Addresses: addrs("192.0.2.3"), AddressTTL: 30, Chain: []resolve.Link{link("cdn.example.net.", typeCNAME, "a.example.org.", 300)}})
	add("both.example.net.", typeAAAA, "", resolve.Answer{Outcome: resolve.Addresses, Addresses: addrs("2001:db8::1"), AddressTTL: 20, Chain: both})
	add("both.example.net.", typeA, "", resolve.Answer{Outcome: resolve.Addresses, Addresses: addrs("192.0.2.1", "192.0.2.2"), AddressTTL: 12, OriginalTTL: 30, Chain: both})
	return l
}

func readLock(tb testing.TB, text string) *Lock {
	tb.Helper()
	l, wrong := ReadLock("zone.db.lock", []byte(text))
	if len(wrong) > 0 {
		tb.Fatal(wrong)
	}
	return l
}

func TestLockText(t *testing.T) {
	l := locks()
	var b strings.Builder
	if n, err := l.WriteTo(&b); err != nil || int(n) != b.Len() {
		t.Errorf("WriteTo = %d, %v", n, err)
	}
	same(t, b.String(), lockText)
	same(t, string(readLock(t, lockText).Append(nil)), lockText)
	crlf := strings.ReplaceAll(lockText, "\n", "\r\n")
	same(t, string(readLock(t, crlf).Append(nil)), lockText)
	if l.Len() != 7 || NewLock("x").Len() != 0 {
		t.Errorf("%d questions", l.Len())
	}
}

func TestLockLookup(t *testing.T) {
	l := readLock(t, lockText)
	tests := []struct {
		target string
		qtype  uint16
		subnet string
		want   string
	}{
		{"both.example.net.", typeA, "", "addresses [192.0.2.1 192.0.2.2] ttl 30 30 last www.example.org. links 2"},
		{"both.example.net.", typeAAAA, "", "addresses [2001:db8::1] ttl 20 20 last www.example.org. links 2"},
		{"cdn.example.net.", typeA, "", "addresses [192.0.2.3] ttl 30 30 last a.example.org. links 1"},
		{"cdn.example.net.", typeAAAA, "", "NODATA [] ttl 300 0 last b.example.org. links 1"},
		{"cdn.example.net.", typeA, "198.51.100.0/24", "addresses [192.0.2.4] ttl 5 5 last cdn.example.net. links 0"},
		{"cdn.example.net.", typeAAAA, "198.51.100.0/24", "failure [] ttl 0 0 last cdn.example.net. links 0: not locked, not in the lock file zone.db.lock for 198.51.100.0/24"},
		{"none.example.net.", typeA, "", "NODATA [] ttl 0 0 last none.example.net. links 0"},
		{"other.example.net.", typeA, "", "failure [] ttl 0 0 last other.example.net. links 0: not locked, not in the lock file zone.db.lock"},
		{"www.example.org.", typeA, "", "failure [] ttl 0 0 last www.example.org. links 0: not locked, not in the lock file zone.db.lock"},
	}
	for _, tt := range tests {
		q := question(tt.target, tt.qtype, tt.subnet)
		a := l.For(q.Subnet).Lookup(context.Background(), q.Target, q.Type)
		got := fmt.Sprintf("%s %v ttl %d %d last %s links %d", a.Outcome, a.Addresses, a.TTL, a.AddressTTL, a.Last, len(a.Chain))
		if a.Outcome == resolve.Failure {
			got += fmt.Sprintf(": %s, %s", a.Reason, a.Detail)
		} else if a.Resolver != "zone.db.lock" || !l.Has(q) {
			t.Errorf("%s: resolver %q, listed %v", tt.target, a.Resolver, l.Has(q))
		}
		if got != tt.want || a.Target != q.Target || a.Type != q.Type {
			t.Errorf("%s %d %s: %s, want %s", tt.target, tt.qtype, tt.subnet, got, tt.want)
		}
		if tt.subnet == "" {
			if b := l.Lookup(context.Background(), q.Target, q.Type); b.Outcome != a.Outcome || b.TTL != a.TTL {
				t.Errorf("%s: without a subnet %v", tt.target, b)
			}
		}
	}
	// Who asks for many asks for each for its subnet.
	q := question("cdn.example.net.", typeA, "198.51.100.0/24")
	if a := resolve.All(context.Background(), l, []resolve.Question{q}, 1, nil); a[0].TTL != 5 {
		t.Errorf("All gives %v", a)
	}
}

// What failed is not listed, and what was listed before can be kept.
func TestLockFailure(t *testing.T) {
	old, l := locks(), NewLock("zone.db.lock")
	q, other := question("both.example.net.", typeA, ""), question("other.example.net.", typeA, "")
	if l.Add(q, &resolve.Answer{Outcome: resolve.Failure}) || l.Add(q, &resolve.Answer{}) || l.Has(q) {
		t.Error("a failure is listed")
	}
	if !l.Keep(old, q) || l.Keep(old, other) || !l.Has(q) || l.Len() != 1 {
		t.Errorf("kept: %s", l.Append(nil))
	}
}

func TestReadLockRefuses(t *testing.T) {
	const first = lockFirst + "1\n"
	const target = first + "; target: a.example.net. A AAAA\n"
	tests := []struct{ text, want string }{
		{"", `line 1: the file is empty; the first line of a lock file is "; aliasflat lock file v1"`},
		{"example.com. 300 IN A 192.0.2.1\n\x00\n", "line 1, column 1: this is no lock file"},
		{lockFirst + "2\n; target:\n", `line 1, column 24: version "2"; this release reads version 1`},
		{first + "\n\na. 1 IN A 192.0.2.1", "line 4, column 1: a record before the first target"},
		{first + "; target:", "line 2, column 1: a name and its types"},
		{first + "; target: a.example.net.", "line 2, column 1: a name and its types"},
		{first + "; target: a.example.net A", "line 2, column 11: name \"a.example.net\": relative name"},
		{first + "; target: a.example.net. A MX", `line 2, column 28: "MX" is neither A nor AAAA`},
		{first + "; target: a.example.net. A A", `line 2, column 28: "A" is neither A nor AAAA, or stands twice`},
		{first + "; target: a.example.net. A for 192.0.2.1/24", `line 2, column 32: "192.0.2.1/24" is no subnet`},
		{first + "; target: a.example.net. A for here", `line 2, column 32: "here" is no subnet`},
		{target + "; target: A.example.net. AAAA", "line 3, column 1: a.example.net. AAAA is listed in line 2 already"},
		{target + "$INCLUDE /etc/passwd", "line 3, column 1: a record with its owner belongs here"},
		{target + "$GENERATE 1-100000 $ A 192.0.2.1", "line 3, column 1: a record with its owner belongs here"},
		{target + "  300 IN A 192.0.2.1", "line 3, column 1: a record with its owner belongs here"},
		{target + "<<<<<<< ours", "line 3, column 1: bad owner name: \"<<<<<<<\""},
		{target + "a.example.net. 300 IN A 192.0.2.256", "line 3, column 25: bad A A: \"192.0.2.256\""},
		{target + "a.example.net. 300 IN A 192.0.2.1 192.0.2.2", "line 3, column 35: "},
		{target + "a.example.net. IN A 192.0.2.1", "line 3, column 1: the TTL in seconds"},
		{target + "a.example.net. 5m IN A 192.0.2.1", "line 3, column 1: the TTL in seconds"},
		{target + "a.example.net. IN 300 A 192.0.2.1", ""},
		{target + "a.example.net. 300 IN A", "line 3, column"},
		{target + "a.example.net. 300 IN A (", "line 3, column"},
		{target + "a.example.net", "line 3, column"},
		{target + "a..net. 300 IN A 192.0.2.1", "line 3, column 1: "},
		{target + "a.example.net. 300 CH A 192.0.2.1", "line 3, column"},
		{target + "a.example.net. 300 IN AAAA 192.0.2.1", "line 3, column"},
		{target + "a.example.net. 300 IN AAAA ::ffff:192.0.2.1", ""},
		{target + "a.example.net. 300 IN TXT x", "line 3, column 1: a record of type TXT"},
		{target + "a.example.net. 604801 IN A 192.0.2.1", "line 3, column 16: TTL 604801 is above 604800"},
		{target + "b.example.net. 300 IN A 192.0.2.1", "line 3, column 1: the chain of line 2 leads to a.example.net."},
		{target + "a.example.net. 300 IN A 192.0.2.1\na.example.net. 30 IN A 192.0.2.2", "line 4, column 1: TTL 30 beside TTL 300"},
		{target + "a.example.net. 300 IN A 192.0.2.1\na.example.net. 300 IN A 192.0.2.1", "line 4, column 1: 192.0.2.1 stands twice"},
		{first + "; target: a.example.net. AAAA\na.example.net. 300 IN A 192.0.2.1", "line 3, column 1: line 2 does not name type A"},
		{target + "a.example.net. 300 IN CNAME b.example.net.\na.example.net. 300 IN A 192.0.2.1", "line 4, column 1: the chain of line 2 leads to b.example.net."},
		{target + "b.example.net. 300 IN CNAME c.example.net.", "line 3, column 1: this CNAME does not lead on from a.example.net."},
		{target + "a.example.net. 300 IN DNAME c.example.net.", "line 3, column 1: this DNAME does not lead on from a.example.net."},
		{target + "a.example.net. 300 IN CNAME b.\nb. 300 IN CNAME A.example.net.", "line 4, column 1: the chain comes back to a.example.net."},
		{target + "a.example.net. 300 IN CNAME relative", "line 3, column"},
	}
	for _, tt := range tests {
		l, wrong := ReadLock("zone.db.lock", []byte(tt.text))
		got := ""
		if len(wrong) > 0 {
			got = wrong.Error()
		}
		if tt.want == "" {
			if len(wrong) > 0 {
				t.Errorf("%s\n%s", tt.text, got)
			}
			continue
		}
		if !strings.HasPrefix(got, tt.want) || l != nil || strings.Count(got, "\n") > 0 {
			t.Errorf("%s\n%s, want %s", tt.text, got, tt.want)
		}
	}
}

// All that is wrong is told of, each in its line, but not without end.
func TestReadLockManyFaults(t *testing.T) {
	text := lockFirst + "1\n; target: a.example.net. A\nx\n; target: b.example.net. A\ny\n; target: c.example.net. B\n"
	if _, wrong := ReadLock("l", []byte(text)); len(wrong) != 3 || wrong[0].Line != 3 || wrong[1].Line != 5 || wrong[2].Line != 6 {
		t.Errorf("%v", wrong)
	}
	if _, wrong := ReadLock("l", []byte(lockFirst+"1\n"+strings.Repeat("x\n", 100))); len(wrong) != maxLineErrors {
		t.Errorf("%d errors", len(wrong))
	}
	long := lockFirst + "1\n; target: a0. A\n"
	for i := range resolve.MaxLinks + 1 {
		long += fmt.Sprintf("a%d. 1 IN CNAME a%d.\n", i, i+1)
	}
	if _, wrong := ReadLock("l", []byte(long)); len(wrong) != 1 || wrong[0].Line != resolve.MaxLinks+3 {
		t.Errorf("%v", wrong)
	}
}

func TestLockDiff(t *testing.T) {
	l := locks()
	if d := l.Diff(locks()); len(d) > 0 {
		t.Errorf("the same lock differs: %v", d)
	}
	changed := readLock(t, strings.NewReplacer(
		"30 IN A 192.0.2.2", "30 IN A 192.0.2.9",
		"; target: none.example.net. A AAAA\n", "; target: new.example.net. A\nnew.example.net. 1 IN A 192.0.2.5\n",
	).Replace(lockText))
	same(t, l.Diff(changed), []string{
		" ; target: both.example.net. A AAAA",
		"-www.example.org. 30 IN A 192.0.2.2",
		"+www.example.org. 30 IN A 192.0.2.9",
		"+; target: new.example.net. A",
		"+new.example.net. 1 IN A 192.0.2.5",
		"-; target: none.example.net. A AAAA",
	})
}

// A name of any octets comes back, whatever a zone file makes of them.
func TestLockAnyName(t *testing.T) {
	label := rapid.SliceOfN(rapid.Byte(), 1, 20)
	rapid.Check(t, func(t *rapid.T) {
		draw := func(what string) zone.Name {
			var wire []byte
			for _, l := range rapid.SliceOfN(label, 1, 4).Draw(t, what) {
				wire = append(append(wire, byte(len(l))), l...)
			}
			n, err := zone.NameFromWire(append(wire, 0))
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		target, end := draw("target"), draw("end")
		if target == end {
			return
		}
		q := resolve.Question{Target: target, Type: dns.TypeA}
		l := NewLock("l")
		l.Add(q, &resolve.Answer{
			Outcome: resolve.Addresses, Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}, AddressTTL: 5,
			Chain: []resolve.Link{{Owner: target, Type: dns.TypeCNAME, Target: end, TTL: 7}},
		})
		text := l.Append(nil)
		back, wrong := ReadLock("l", text)
		if len(wrong) > 0 {
			t.Fatalf("%v\n%s", wrong, text)
		}
		if a := back.Lookup(context.Background(), target, dns.TypeA); a.Last != end || len(a.Addresses) != 1 {
			t.Fatalf("%v\n%s", a, text)
		}
	})
}

// FuzzLock: a text is refused, or what it says is written in one form that says the same.
func FuzzLock(f *testing.F) {
	f.Add(lockText)
	f.Add(lockFirst + "1\n; target: a. A\na. 1 IN A 192.0.2.1\n")
	f.Add(lockFirst + "1\n; target: a. A for ::/0\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, wrong := ReadLock("l", []byte(text))
		if len(wrong) > 0 {
			return
		}
		once := l.Append(nil)
		again := readLock(t, string(once))
		if d := l.Diff(again); len(d) > 0 {
			t.Errorf("%q differs from what it says:\n%s", text, strings.Join(d, "\n"))
		}
		same(t, string(again.Append(nil)), string(once))
	})
}
