package state

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Answers and estimates are many and read as a whole, so they are stored in a form of their
// own that is short and quick: fields one after the other, numbers as varints, texts and lists
// behind their length, names in wire form.

type encoder struct{ b []byte }

func (e *encoder) uint(n uint64) { e.b = binary.AppendUvarint(e.b, n) }

func (e *encoder) bool(v bool) {
	n := byte(0)
	if v {
		n = 1
	}
	e.b = append(e.b, n)
}

func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	e.b = append(e.b, s...)
}

func (e *encoder) name(n zone.Name) { e.text(n.Wire()) }

// time writes a time to the nanosecond, without its zone; the zero time has a mark.
func (e *encoder) time(t time.Time) {
	e.bool(!t.IsZero())
	if !t.IsZero() {
		e.b = binary.AppendVarint(e.b, t.Unix())
		e.uint(uint64(t.Nanosecond()))
	}
}

func (e *encoder) addresses(list []netip.Addr) {
	e.uint(uint64(len(list)))
	for _, a := range list {
		e.text(string(a.AsSlice()))
	}
}

func (e *encoder) chain(links []resolve.Link) {
	e.uint(uint64(len(links)))
	for _, l := range links {
		e.name(l.Owner)
		e.uint(uint64(l.Type))
		e.name(l.Target)
		e.uint(uint64(l.TTL))
		e.uint(uint64(l.OriginalTTL))
	}
}

// What is known in a bit.
const (
	flagGone = 1 << iota
	flagDropped
)

func flags(k *resolve.Known) uint64 {
	var n uint64
	if k.Gone {
		n |= flagGone
	}
	if k.Dropped {
		n |= flagDropped
	}
	return n
}

func encodeKnown(k *resolve.Known) []byte {
	e := encoder{make([]byte, 0, 128)}
	e.addresses(k.Addresses)
	e.uint(uint64(k.TTL))
	e.chain(k.Chain)
	e.text(k.Resolver)
	e.time(k.Seen)
	e.time(k.Since)
	e.uint(uint64(len(k.Earlier)))
	for _, set := range k.Earlier {
		e.addresses(set)
	}
	m := &k.Missing
	e.uint(uint64(m.Outcome))
	if m.Outcome != 0 {
		e.time(m.First)
		e.time(m.Last)
		e.uint(uint64(m.NegativeTTL))
		e.text(m.Resolver)
		e.bool(m.Confirmed)
	}
	h := &k.Held
	e.uint(uint64(max(h.Times, 0)))
	if h.Times > 0 {
		e.addresses(h.Addresses)
		e.text(h.Guard)
		e.text(h.Zone.String())
		e.time(h.First)
		e.time(h.Last)
		e.bool(h.Accepted)
	}
	e.uint(flags(k))
	return e.b
}

// decoder reads what an encoder wrote. After a fault all that it gives is zero.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) fail() { d.b, d.bad = nil, true }

func (d *decoder) uint() uint64 {
	n, used := binary.Uvarint(d.b)
	if used <= 0 {
		d.fail()
		return 0
	}
	d.b = d.b[used:]
	return n
}

// number reads a number that is not above a bound.
func (d *decoder) number(most uint64) uint64 {
	n := d.uint()
	if n > most {
		d.fail()
		return 0
	}
	return n
}

func (d *decoder) uint32() uint32 { return uint32(d.number(1<<32 - 1)) }

// length reads how many things follow, which have a byte or more each.
func (d *decoder) length() int { return int(d.number(uint64(len(d.b)))) }

func (d *decoder) bool() bool { return d.number(1) == 1 }

func (d *decoder) bytes() []byte {
	n := d.length()
	if n > len(d.b) {
		d.fail()
		return nil
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b
}

func (d *decoder) text() string { return string(d.bytes()) }

func (d *decoder) name() zone.Name {
	b := d.bytes()
	if len(b) == 0 {
		return zone.Name{}
	}
	if zone.WireNameLen(b) != len(b) {
		d.fail()
		return zone.Name{}
	}
	n, err := zone.NameFromWire(b)
	if err != nil {
		d.fail()
	}
	return n
}

// heldZone reads a name that may be none.
func (d *decoder) heldZone() zone.Name {
	text := d.text()
	if text == "" {
		return zone.Name{}
	}
	name, err := zone.ParseName(text, zone.Name{})
	if err != nil {
		d.fail()
	}
	return name
}

func (d *decoder) time() time.Time {
	if !d.bool() {
		return time.Time{}
	}
	seconds, used := binary.Varint(d.b)
	if used <= 0 {
		d.fail()
		return time.Time{}
	}
	d.b = d.b[used:]
	return time.Unix(seconds, int64(d.number(1e9-1))).UTC()
}

func (d *decoder) addresses() []netip.Addr {
	n := d.length()
	if n == 0 {
		return nil
	}
	list := make([]netip.Addr, 0, n)
	for range n {
		a, ok := netip.AddrFromSlice(d.bytes())
		if !ok {
			d.fail()
			return nil
		}
		list = append(list, a)
	}
	return list
}

func (d *decoder) chain() []resolve.Link {
	n := d.length()
	if n == 0 {
		return nil
	}
	links := make([]resolve.Link, 0, n)
	for range n {
		links = append(links, resolve.Link{
			Owner: d.name(), Type: uint16(d.number(1<<16 - 1)), Target: d.name(), TTL: d.uint32(), OriginalTTL: d.uint32(),
		})
	}
	return links
}

// end tells whether everything was read, and right.
func (d *decoder) end() bool { return !d.bad && len(d.b) == 0 }

func decodeKnown(b []byte) (*resolve.Known, bool) {
	d := decoder{b: b}
	k := &resolve.Known{Addresses: d.addresses(), TTL: d.uint32(), Chain: d.chain(), Resolver: d.text(), Seen: d.time(), Since: d.time()}
	for range d.length() {
		k.Earlier = append(k.Earlier, d.addresses())
	}
	if outcome := d.number(uint64(resolve.Failure)); outcome != 0 {
		k.Missing = resolve.Missing{
			Outcome: resolve.Outcome(outcome), First: d.time(), Last: d.time(),
			NegativeTTL: d.uint32(), Resolver: d.text(), Confirmed: d.bool(),
		}
	}
	if times := d.number(1<<31 - 1); times != 0 {
		k.Held = resolve.Held{Addresses: d.addresses(), Guard: d.text(), Zone: d.heldZone(), First: d.time(), Last: d.time(), Times: int(times), Accepted: d.bool()}
	}
	flags := d.number(flagGone | flagDropped)
	k.Gone, k.Dropped = flags&flagGone != 0, flags&flagDropped != 0
	return k, d.end()
}

func encodeEstimate(v resolve.Estimate) []byte {
	e := encoder{make([]byte, 0, 40)}
	e.uint(uint64(v.TTL))
	e.time(v.Seen.Time())
	e.time(v.Expires.Time())
	e.uint(uint64(v.Lower))
	e.b = append(e.b, v.Times, v.Noise)
	return e.b
}

func decodeEstimate(b []byte) (resolve.Estimate, bool) {
	d := decoder{b: b}
	v := resolve.Estimate{TTL: d.uint32(), Seen: resolve.MomentOf(d.time()), Expires: resolve.MomentOf(d.time()), Lower: d.uint32()}
	if len(d.b) == 2 {
		v.Times, v.Noise = d.b[0], d.b[1]
		d.b = nil
	}
	return v, d.end()
}

// questionKey is the key of a question: questions of one target stand together.
func questionKey(q resolve.Question) []byte {
	key := binary.BigEndian.AppendUint16([]byte(q.Target.Wire()), q.Type)
	if p := q.Subnet.Prefix(); p.IsValid() {
		key = append(key, byte(p.Bits()))
		key = append(key, p.Addr().AsSlice()...)
	}
	return key
}

func parseQuestionKey(key []byte) (resolve.Question, bool) {
	owner, typ, rest, ok := parseOwnerKey(key)
	if !ok {
		return resolve.Question{}, false
	}
	q := resolve.Question{Target: owner, Type: typ}
	if len(rest) > 0 {
		addr, ok := netip.AddrFromSlice(rest[1:])
		p := netip.PrefixFrom(addr, int(rest[0]))
		if !ok || !p.IsValid() || p != p.Masked() {
			return resolve.Question{}, false
		}
		q.Subnet = resolve.NewSubnet(p)
	}
	return q, true
}

func linkKey(k resolve.LinkKey) []byte {
	return binary.BigEndian.AppendUint16([]byte(k.Owner.Wire()), k.Type)
}

// parseOwnerKey reads a name and a type, and gives what follows.
func parseOwnerKey(key []byte) (owner zone.Name, typ uint16, rest []byte, ok bool) {
	n := zone.WireNameLen(key)
	if n == 0 || len(key) < n+2 {
		return zone.Name{}, 0, nil, false
	}
	owner, err := zone.NameFromWire(key)
	return owner, binary.BigEndian.Uint16(key[n:]), key[n+2:], err == nil
}
