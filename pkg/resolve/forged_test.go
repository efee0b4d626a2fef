package resolve

import (
	"encoding/binary"
	"math/rand/v2"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// forgery is what somebody sends who does not see the query: a reply that is right but for one
// thing that he has to guess.
func forgery(r *rand.Rand, right []byte, nameLen int) (packet []byte, what string) {
	p := append([]byte(nil), right...)
	name := p[headerLen : headerLen+nameLen]
	behind := p[headerLen+nameLen:]
	other := func(old uint16) uint16 { return old + 1 + uint16(r.IntN(1<<16-1)) }
	switch r.IntN(8) {
	case 0:
		p[2] &^= flagQR >> 8
		return p, "QR"
	case 1:
		p[2] |= byte(1+r.IntN(15)) << 3
		return p, "opcode"
	case 2:
		binary.BigEndian.PutUint16(behind, other(binary.BigEndian.Uint16(behind)))
		return p, "type"
	case 3:
		binary.BigEndian.PutUint16(behind[2:], other(binary.BigEndian.Uint16(behind[2:])))
		return p, "class"
	case 4:
		binary.BigEndian.PutUint16(p[4:], other(1))
		return p, "number of questions"
	case 5:
		return p[:r.IntN(headerLen+nameLen+4)], "length"
	case 6:
		i := r.IntN(nameLen)
		for old := lower(name[i]); lower(name[i]) == old; {
			name[i] = byte(r.Uint32())
		}
		return p, "name"
	}
	changed := false
	for !changed {
		for i, c := range name {
			if 'a' <= lower(c) && lower(c) <= 'z' && r.IntN(2) == 0 {
				name[i] ^= 0x20
				changed = true
			}
		}
	}
	return p, "letter case"
}

// Of a million forged packets none is taken for the reply (RFC 5452 §9). Letter case alone
// makes the name be asked for again over TCP.
func TestForgedPackets(t *testing.T) {
	n := 1_000_000
	if testing.Short() {
		n = 50_000
	}
	r := rand.New(rand.NewPCG(1, 2))
	target := zone.MustParseName("cdn-with-letters.example.net.")
	seen := map[string]int{}
	for i := range n {
		q := newQuery(nil, target, dns.TypeA, &style{}, nil)
		right := append([]byte(nil), q.datagram()...)
		right[2] |= flagQR >> 8
		if q.fit(right) != fullMatch {
			t.Fatal("the right reply does not fit")
		}
		packet, what := forgery(r, right, len(target.Wire()))
		seen[what]++
		want := noMatch
		if what == "letter case" {
			want = caseDiffs
		}
		if got := q.fit(packet); got != want {
			t.Fatalf("packet %d with a wrong %s: match %d, want %d\n%x\n%x", i, what, got, want, right, packet)
		}
	}
	if len(seen) != 8 {
		t.Errorf("forged %v", seen)
	}
}

// A reply with any identifier but that of a query that waits is none.
func TestForgedIdentifiers(t *testing.T) {
	s := &socket{numbers: new(numbers)}
	waiting, done := &ask{}, &ask{}
	first := s.register(done)
	second := s.register(waiting)
	s.forget(first)
	for id := range 1 << 16 {
		a, known := s.find(uint16(id))
		switch uint16(id) {
		case first:
			if a != nil || !known {
				t.Errorf("a query that is done: %v, %v", a, known)
			}
		case second:
			if a != waiting || !known {
				t.Errorf("the query that waits: %v, %v", a, known)
			}
		default:
			if a != nil || known {
				t.Fatalf("identifier %d is that of %v", id, a)
			}
		}
	}
}
