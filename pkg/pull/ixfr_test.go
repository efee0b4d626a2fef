package pull

import (
	"os"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// Of a copy that is large only what has changed is transferred, and the whole zone where that does
// not do.
func TestTransferIncremental(t *testing.T) {
	large := limitsOfTest
	large.IXFRFrom = 1
	alias := func(hex string) dns.RR { return rr(t, `example.com. 300 TYPE65401 \# 17 `+hex) }
	cdn, web := alias("0363646e076578616d706c65036e657400"), alias("03776562076578616d706c65036e657400")
	b, c := rr(t, "b.example.com. 300 TXT one two"), rr(t, "c.example.com. 60 A 192.0.2.1")
	whole := func(w *wire) { zoneOf(t, 3, "example.com. 300 NS ns.invalid.", "whole.example.com. 60 A 192.0.2.9")(w) }
	const none = "-"
	tests := []struct {
		name        string
		incremental func(w *wire)
		want        string // in the copy, "-" before what has to be gone; several by "|"
		is          bool   // it was incremental
	}{
		{"one step", func(w *wire) { w.send(soaOf(3), soaOf(1), cdn, soaOf(3), web, soaOf(3)) }, "ALIAS web.example.net.|-ALIAS cdn|b.example.com.| 3 3600", true},
		{"two steps", func(w *wire) { w.send(soaOf(3), soaOf(1), b, soaOf(2), c, soaOf(2), c, soaOf(3), b, soaOf(3)) }, "-c.example.com. 60 IN A|b.example.com. 300 IN TXT| 3 3600", true},
		{"one record a message", func(w *wire) {
			for _, r := range []dns.RR{soaOf(3), soaOf(1), b, soaOf(3), c, soaOf(3)} {
				w.send(r)
			}
		}, "-b.example.com.|c.example.com. 60 IN A 192.0.2.1", true},
		{"TTL alone", func(w *wire) {
			other := dns.Copy(b)
			other.Header().Ttl = 7
			w.send(soaOf(3), soaOf(1), b, soaOf(3), other, soaOf(3))
		}, "b.example.com. 7 IN TXT", true},
		{"whole zone as an answer", whole, "whole.example.com.|-ALIAS|-b.example.com.", false},
		{"what is removed is not there", func(w *wire) { w.send(soaOf(3), soaOf(1), c, soaOf(3), soaOf(3)) }, "whole.example.com.|-ALIAS", false},
		{"from another serial", func(w *wire) { w.send(soaOf(3), soaOf(2), b, soaOf(3), c, soaOf(3)) }, "whole.example.com.", false},
		{"steps that do not meet", func(w *wire) { w.send(soaOf(3), soaOf(1), b, soaOf(2), c, soaOf(1), c, soaOf(3), b, soaOf(3)) }, "whole.example.com.", false},
		{"a step back", func(w *wire) { w.send(soaOf(3), soaOf(1), b, soaOf(0), c, soaOf(3)) }, "whole.example.com.", false},
		{"steps that end early", func(w *wire) { w.send(soaOf(3), soaOf(1), b, soaOf(2), c, soaOf(3)) }, "whole.example.com.", false},
		{"cut", func(w *wire) { w.send(soaOf(3), soaOf(1), b, soaOf(3), c) }, "whole.example.com.", false},
		{"refused", func(w *wire) {
			m := w.message()
			m.Rcode = dns.RcodeNotImplemented
			w.sign(m)
		}, "whole.example.com.", false},
		{"nothing has changed after all", func(w *wire) { w.send(soaOf(1)) }, base1, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			f := startFake(t, nil)
			s := f.source(nil)
			f.answers(nil, zoneOf(t, 1, records1...))
			mustPull(t, &s, large)
			f.serial.Store(3)
			asked := 0
			f.answers(nil, func(w *wire) {
				if w.q.Question[0].Qtype == dns.TypeIXFR {
					asked++
					if soa, ok := w.q.Ns[0].(*dns.SOA); !ok || soa.Serial != 1 {
						t.Errorf("it has %v", w.q.Ns)
					}
					test.incremental(w)
					return
				}
				whole(w)
			})
			r, text := mustPull(t, &s, large)
			if asked != 1 || (r.Transfer != nil && r.Transfer.Incremental) != test.is {
				t.Errorf("asked %d times; %+v", asked, r.Transfer)
			}
			for want := range strings.SplitSeq(test.want, "|") {
				gone, is := strings.CutPrefix(want, none)
				if is == strings.Contains(text, gone) {
					t.Errorf("%q in\n%s", want, text)
				}
			}
		})
	}
}

// A signature that is wrong is not got round by a whole transfer, and neither is silence.
func TestTransferIncrementalForged(t *testing.T) {
	large := limitsOfTest
	large.IXFRFrom = 1
	key := testKey(t, "xfr.")
	f := startFake(t, key)
	s := f.source(key)
	f.answers(nil, zoneOf(t, 1, records1...))
	mustPull(t, &s, large)
	f.serial.Store(2)
	f.answers(nil, func(w *wire) {
		if w.q.Question[0].Qtype != dns.TypeIXFR {
			t.Error("the whole zone was asked for")
		}
		w.raw(packed(t, w.message(soaOf(2), soaOf(1), soaOf(2), soaOf(2))))
	})
	mustFail(t, &s, large, diag.CodePullSignature, "its answer is not signed")
}

// A copy that somebody has changed, or that is none, is transferred as a whole.
func TestCopyIsNone(t *testing.T) {
	large := limitsOfTest
	large.IXFRFrom = 1
	for name, text := range map[string]string{
		"empty": "", "no line": "example.com. 300 IN SOA ns.invalid. host.invalid. 1 3600 600 86400 300",
		"another zone": "example.net. 300 IN SOA ns.invalid. host.invalid. 9 3600 600 86400 300\n",
		"no SOA":       "example.com. 300 IN A 192.0.2.1\n", "nonsense": "\x00\x01\n",
		"broken": strings.Replace(base1, "NS ns.invalid.", "NS (", 1),
		"bad":    strings.Replace(base1, "IN ALIAS cdn.example.net.", "IN TYPE65401 \\# 2 abcd", 1),
	} {
		t.Run(name, func(t *testing.T) {
			f := startFake(t, nil)
			s := f.source(nil)
			f.answers(nil, zoneOf(t, 1, records1...))
			mustPull(t, &s, large)
			if err := os.WriteFile(s.File, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			f.serial.Store(2)
			f.answers(nil, func(w *wire) {
				if w.q.Question[0].Qtype != dns.TypeAXFR {
					t.Error("what has changed was asked for")
				}
				zoneOf(t, 2, records1...)(w)
			})
			if _, text := mustPull(t, &s, large); !strings.Contains(text, " 2 3600 ") {
				t.Error(text)
			}
		})
	}
}
