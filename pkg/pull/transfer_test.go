package pull

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
)

const base1 = `example.com. 300 IN SOA ns.invalid. host.invalid. 1 3600 600 86400 300
example.com. 300 IN NS ns.invalid.
example.com. 300 IN ALIAS cdn.example.net.
*.example.com. 60 IN MX 10 Mail.Example.com.
b.example.com. 300 IN TXT "one" "two"
C.example.com. 300 IN TYPE65300 \# 2 abcd
`

var records1 = []string{
	"example.com. 300 NS ns.invalid.",
	`example.com. 300 TYPE65401 \# 17 0363646e076578616d706c65036e657400`,
	`C.example.com. 300 TYPE65300 \# 2 abcd`,
	`b.example.com. 300 TXT one two`,
	`*.example.com. 60 MX 10 Mail.Example.com.`,
	`b.example.com. 300 TXT one two`, // twice
}

// A zone is kept in one form, whatever the order of its records and the size of its messages.
func TestTransferWhole(t *testing.T) {
	for _, key := range []*primary.Key{nil, testKey(t, "xfr.")} {
		f := startFake(t, key)
		s := f.source(key)
		f.answers(nil, zoneOf(t, 1, records1...))
		r, text := mustPull(t, &s, limitsOfTest)
		if text != base1 || r.Transfer == nil || r.Transfer.Incremental || r.Copy.Serial != 1 || string(r.Text) != base1 {
			t.Errorf("%+v\n%s", r.Transfer, text)
		}
		// The same serial is not transferred again, and the copy is noted as checked.
		old := time.Now().Add(-time.Hour)
		if err := os.Chtimes(s.File, old, old); err != nil {
			t.Fatal(err)
		}
		f.answers(nil, func(*wire) { t.Error("it was transferred again") })
		r, _ = mustPull(t, &s, limitsOfTest)
		kept, err := s.Kept()
		if err != nil || r.Transfer != nil || r.Text != nil || time.Since(kept.Checked) > time.Minute {
			t.Errorf("%+v, %v", kept, err)
		}
		// One record a message.
		f.serial.Store(2)
		f.answers(nil, func(w *wire) {
			for _, r := range append(append([]dns.RR{soaOf(2)}, rrs(t, records1...)...), soaOf(2)) {
				w.send(r)
			}
		})
		if _, text = mustPull(t, &s, limitsOfTest); text != strings.Replace(base1, " 1 3600", " 2 3600", 1) {
			t.Error(text)
		}
	}
}

// Names are compressed where messages may have that (RFC 3597 §4), and kept whole.
func TestTransferTypes(t *testing.T) {
	f := startFake(t, nil)
	s := f.source(nil)
	lines := []string{
		`a.example.com. 60 IN CNAME B.example.com.`,
		`b.example.com. 60 IN SRV 1 2 3 b.example.com.`,
		`c.example.com. 60 IN NAPTR 1 2 "u" "sip" "" c.example.com.`,
		`d.example.com. 60 IN RP d.example.com. d.example.com.`,
		`e.example.com. 60 IN HTTPS 1 . alpn="h2" ipv4hint=192.0.2.1`,
		`f.example.com. 60 IN CAA 0 issue "ca.example.net"`,
		`g.example.com. 60 IN DNAME g.example.net.`,
		`h.example.com. 60 IN AFSDB 1 h.example.com.`,
		`i.example.com. 60 IN PTR i.example.com.`,
		`j.example.com. 60 IN A 192.0.2.1`,
		`k.example.com. 60 IN AAAA 2001:db8::1`,
		`l.example.com. 60 IN RRSIG A 13 3 60 20361201000000 20260101000000 1 example.com. AAAA`,
		`m.example.com. 60 IN TXT "a\"b\\c\226"`,
	}
	f.answers(nil, zoneOf(t, 1, lines...))
	_, text := mustPull(t, &s, limitsOfTest)
	got := strings.Split(strings.TrimSuffix(text, "\n"), "\n")[1:]
	if len(got) != len(lines) {
		t.Fatalf("%d lines:\n%s", len(got), text)
	}
	for i, line := range got {
		want, have := rr(t, lines[i]), rr(t, line)
		if !dns.IsDuplicate(want, have) || want.Header().Ttl != have.Header().Ttl {
			t.Errorf("%s, want %s", line, lines[i])
		}
	}
}

// Whatever is wrong with a transfer, the copy stays.
func TestTransferBroken(t *testing.T) {
	soa2 := soaOf(2)
	a := "a.example.com. 60 A 192.0.2.1"
	tests := []struct {
		name     string
		transfer func(w *wire)
		want     string
	}{
		{"closed at once", func(*wire) {}, "it closes the connection without an answer"},
		{"no closing SOA", func(w *wire) { w.send(soa2, rr(t, a)) }, "the transfer ends before the last SOA, "},
		{"cut in a message", func(w *wire) {
			w.send(soa2)
			_, _ = w.Write([]byte{0, 200, 1, 2, 3})
		}, "the transfer ends before the last SOA, "},
		{"another closing SOA", func(w *wire) { w.send(soa2, rr(t, a), soaOf(3)) }, "it begins with serial 2 and ends with 3"},
		{"another SOA under its serial", func(w *wire) {
			other := soaOf(2)
			other.Minttl++
			w.send(soa2, rr(t, a), other)
		}, "it begins with another SOA than it ends with"},
		{"no SOA", func(w *wire) { w.send(rr(t, a), soa2) }, "the transfer does not begin with an SOA"},
		{"nothing", func(w *wire) { w.send() }, "it sends no record"},
		{"more behind the end", func(w *wire) { w.send(soa2, rr(t, a), soa2, rr(t, a)) }, "records follow the last SOA"},
		{"another zone", func(w *wire) {
			other := soaOf(2)
			other.Hdr.Name = "example.net."
			w.send(other, other)
		}, "example.net. is not in the zone"},
		{"SOA below", func(w *wire) {
			other := soaOf(2)
			other.Hdr.Name = "a.example.com."
			w.send(soa2, other)
		}, "the SOA is that of a.example.com."},
		{"out of the zone", func(w *wire) { w.send(soa2, rr(t, "example.org. 60 A 192.0.2.1"), soa2) }, "example.org. is not in the zone"},
		{"another class", func(w *wire) { w.send(soa2, rr(t, "a.example.com. 60 CH TXT a"), soa2) }, "a.example.com. has a record of class CH"},
		{"no data", func(w *wire) {
			w.send(soa2, &dns.NULL{Hdr: dns.RR_Header{Name: "a.example.com.", Rrtype: dns.TypeANY, Class: dns.ClassINET}, Data: "x"}, soa2)
		}, "a.example.com. has a record of type ANY, which is no data"},
		{"another ID", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Id++
			w.sign(m)
		}, "a message has the ID of another question"},
		{"a query", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Response = false
			w.sign(m)
		}, "a message is no answer"},
		{"another opcode", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Opcode = dns.OpcodeNotify
			w.sign(m)
		}, "a message is the answer to no query"},
		{"another question", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Question[0].Name = "example.net."
			w.sign(m)
		}, "a message is the answer to another question"},
		{"two questions", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Question = append(m.Question, m.Question[0])
			w.sign(m)
		}, "a message has several questions"},
		{"truncated", func(w *wire) {
			m := w.message(soa2, soa2)
			m.Truncated = true
			w.sign(m)
		}, "a message of the transfer is truncated"},
		{"short message", func(w *wire) { w.raw([]byte{1, 2, 3}) }, "a message is cut short"},
		{"cut record", func(w *wire) {
			b, _ := w.f.signed(w.message(soa2, rr(t, a), soa2), nil, false)
			w.raw(b[:len(b)-3])
		}, "a message is cut short"},
		{"more octets", func(w *wire) {
			b, _ := w.f.signed(w.message(soa2, soa2), nil, false)
			w.raw(append(b, 0))
		}, "something follows the last record of a message"},
		{"pointer to itself", func(w *wire) {
			m := w.message()
			m.Question = nil
			b, _ := w.f.signed(m, nil, false)
			binary.BigEndian.PutUint16(b[6:], 1)
			w.raw(append(b, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
		}, "a name points forward"},
		{"unknown label", func(w *wire) {
			m := w.message()
			m.Question = nil
			b, _ := w.f.signed(m, nil, false)
			binary.BigEndian.PutUint16(b[6:], 1)
			w.raw(append(b, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 0))
		}, "a name has a label of an unknown kind"},
		{"RDATA with half a name", func(w *wire) {
			w.send(soa2, &dns.RFC3597{Hdr: dns.RR_Header{Name: "a.example.com.", Rrtype: dns.TypeMX, Class: dns.ClassINET}, Rdata: "000a03616263"}, soa2)
		}, "a.example.com. MX: a message is cut short"},
		{"too many records", func(w *wire) {
			w.send(soa2)
			for i := range 2000 {
				if !w.send(rr(t, fmt.Sprintf("a%d.example.com. 60 A 192.0.2.1", i))) {
					return
				}
			}
		}, "it sends more than 1000 records"},
		{"too many octets", func(w *wire) {
			w.send(soa2)
			for w.send(rr(t, "a.example.com. 60 TXT "+strings.Repeat(strings.Repeat("x", 200)+" ", 100))) {
				continue
			}
		}, "it sends more than 262144 bytes"},
		{"endless empty messages", func(w *wire) {
			w.send(soa2)
			for w.send() {
				continue
			}
		}, "it sends more than 262144 bytes"},
		{"standing still", func(w *wire) {
			w.send(soa2)
			_, _ = w.Read(make([]byte, 1)) // until the other side has enough
		}, "the transfer stands still for 300ms, "},
		{"refused", func(w *wire) {
			m := w.message()
			m.Rcode = dns.RcodeRefused
			w.sign(m)
		}, "it answers REFUSED"},
		{"broken off by an error", func(w *wire) {
			w.send(soa2, rr(t, a))
			m := w.message()
			m.Rcode = dns.RcodeServerFailure
			w.sign(m)
		}, "it answers SERVFAIL"},
		{"unknown code", func(w *wire) {
			m := w.message()
			m.Rcode = 14
			w.sign(m)
		}, "it answers RCODE 14"},
		{"earlier than it has told", func(w *wire) { w.send(soaOf(0), soaOf(0)) }, "its serial 0 is not later than 1, which is kept"},
	}
	f := startFake(t, nil)
	s := f.source(nil)
	f.answers(nil, zoneOf(t, 1, records1...))
	mustPull(t, &s, limitsOfTest)
	f.serial.Store(2)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code := diag.CodePullBroken
			switch {
			case strings.HasPrefix(test.want, "it answers"):
				code = diag.CodePullRefused
			case strings.HasPrefix(test.want, "its serial"):
				code = diag.CodePullSerial
			}
			f.answers(nil, test.transfer)
			mustFail(t, &s, limitsOfTest, code, test.want)
		})
	}
	f.answers(nil, zoneOf(t, 2, records1...))
	if _, text := mustPull(t, &s, limitsOfTest); !strings.Contains(text, " 2 3600 ") {
		t.Errorf("it does not recover:\n%s", text)
	}
}

// A transfer that drips is ended by its time as a whole.
func TestTransferDrips(t *testing.T) {
	f := startFake(t, nil)
	s := f.source(nil)
	l := limitsOfTest
	l.Long = 150 * time.Millisecond
	f.answers(nil, func(w *wire) {
		w.send(soaOf(1), rr(t, records1[0]))
		for {
			_ = w.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			_, err := w.Read(make([]byte, 1))
			if !errors.Is(err, os.ErrDeadlineExceeded) || !w.send(rr(t, records1[1])) {
				return // the other side has enough
			}
		}
	})
	began := time.Now()
	mustFail(t, &s, l, diag.CodePullBroken, "the transfer takes longer than 150ms")
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}

// Every message of a signed transfer that may be forged is found out.
func TestTransferSignatures(t *testing.T) {
	soa2, a := soaOf(2), rr(t, "a.example.com. 60 A 192.0.2.1")
	unsigned := func(w *wire, records ...dns.RR) { w.raw(packed(t, w.message(records...))) }
	sign := func(w *wire, change func(m *dns.Msg), records ...dns.RR) {
		m := w.message(records...)
		m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
		if change != nil {
			change(m)
		}
		w.sign(m)
	}
	tests := []struct {
		name     string
		transfer func(w *wire)
		want     string
	}{
		{"first not signed", func(w *wire) { unsigned(w, soa2, a, soa2) }, "its answer is not signed"},
		{"last not signed", func(w *wire) {
			w.send(soa2, a)
			unsigned(w, soa2)
		}, "its last message is not signed"},
		{"changed in between", func(w *wire) {
			w.send(soa2)
			unsigned(w, a) // which the next signature is not over
			w.send(soa2)
		}, "the signature of its answer is wrong"},
		{"hundred not signed", func(w *wire) {
			w.send(soa2)
			for range 100 {
				unsigned(w, a)
			}
			w.send(soa2)
		}, "100 messages running are not signed"},
		{"wrong MAC", func(w *wire) {
			b, _ := w.f.signed(signedMessage(w, soa2, a, soa2), &dns.TSIG{MAC: w.mac}, false)
			b[len(b)-10] ^= 1
			w.raw(b)
		}, "the signature of its answer is wrong"},
		{"signed as an answer to another request", func(w *wire) {
			w.mac = strings.Repeat("00", 32)
			w.send(soa2, a, soa2)
		}, "the signature of its answer is wrong"},
		{"clock", func(w *wire) {
			sign(w, func(m *dns.Msg) { m.IsTsig().TimeSigned -= 3600 }, soa2, a, soa2)
		}, "its clock differs from ours by 1h0m"},
		{"TSIG not last", func(w *wire) {
			b := packed(t, w.message(soa2, a, soa2))
			m := signedMessage(w)
			tsig := packed(t, m)
			tsig = tsig[headerLen+17:] // behind the question
			b = append(append(b, tsig...), tsig...)
			binary.BigEndian.PutUint16(b[10:], 2)
			w.raw(b)
		}, "its TSIG record is not the last record"},
		{"refused with BADKEY", func(w *wire) {
			m := w.message()
			m.Rcode = dns.RcodeNotAuth
			m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
			m.IsTsig().Error = dns.RcodeBadKey
			w.raw(packed(t, m))
		}, "it answers NOTAUTH (BADKEY)"},
		{"refused, not signed", func(w *wire) {
			m := w.message()
			m.Rcode = dns.RcodeRefused
			w.raw(packed(t, m))
		}, "it answers REFUSED"},
	}
	key := testKey(t, "xfr.")
	f := startFake(t, key)
	s := f.source(key)
	f.answers(nil, zoneOf(t, 1, records1...))
	mustPull(t, &s, limitsOfTest)
	f.serial.Store(2)
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			code := diag.CodePullSignature
			switch test.name {
			case "TSIG not last":
				code = diag.CodePullBroken
			case "refused, not signed":
				code = diag.CodePullRefused
			}
			f.answers(nil, test.transfer)
			mustFail(t, &s, limitsOfTest, code, test.want)
		})
	}
	// Messages in between need no signature of their own when the next one is over them (RFC 8945
	// §5.3.1), as NSD has it.
	f.answers(nil, func(w *wire) {
		w.send(soa2)
		m := packed(t, w.message(a))
		w.raw(m)
		last := signedMessage(w, soa2)
		w.raw(signOver(t, w, m, last))
	})
	if _, text := mustPull(t, &s, limitsOfTest); !strings.Contains(text, "a.example.com. 60 IN A 192.0.2.1\n") {
		t.Error(text)
	}
	// A primary that has another key, and one that has none.
	f.serial.Store(3)
	other := testKey(t, "other.")
	s.Key = other
	mustFail(t, &s, limitsOfTest, diag.CodePullSignature, "its answer is signed with another key")
	s.Key = key
	f.answers(func(q *dns.Msg, _ string) *dns.Msg {
		q.Extra = nil // so that its answer is not signed
		return f.soaAnswer(q)
	}, nil)
	mustFail(t, &s, limitsOfTest, diag.CodePullSignature, "its answer is not signed")
}

func packed(t *testing.T, m *dns.Msg) []byte {
	t.Helper()
	b, err := m.Pack()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func signedMessage(w *wire, records ...dns.RR) *dns.Msg {
	m := w.message(records...)
	m.SetTsig("xfr.", dns.HmacSHA256, fudge, time.Now().Unix())
	return m
}

// signOver signs a message together with one before that has no signature.
func signOver(t *testing.T, w *wire, before []byte, m *dns.Msg) []byte {
	t.Helper()
	tsig := m.IsTsig()
	m.Extra = nil
	plain := packed(t, m)
	mac := unhex(t, w.mac)
	buf := binary.BigEndian.AppendUint16(nil, uint16(len(mac)))
	buf = append(append(append(buf, mac...), before...), plain...)
	buf = binary.BigEndian.AppendUint16(appendTime(buf, tsig.TimeSigned), tsig.Fudge)
	sum, err := w.f.key.Provider().Generate(buf, tsig)
	if err != nil {
		t.Fatal(err)
	}
	tsig.MAC, tsig.MACSize, tsig.OrigId = fmt.Sprintf("%x", sum), uint16(len(sum)), m.Id
	out := make([]byte, len(plain)+1024)
	copy(out, plain)
	end, err := dns.PackRR(tsig, out, len(plain), nil, false)
	if err != nil {
		t.Fatal(err)
	}
	binary.BigEndian.PutUint16(out[10:], 1)
	return out[:end]
}

func unhex(t *testing.T, text string) []byte {
	t.Helper()
	var b []byte
	if _, err := fmt.Sscanf(text, "%x", &b); err != nil {
		t.Fatal(err)
	}
	return b
}
