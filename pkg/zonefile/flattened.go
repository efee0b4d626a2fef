package zonefile

import (
	"bytes"
	"io"
	"net/netip"
	"slices"
	"strconv"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Flattened is what an output says of one ALIAS: a flattened record, or that there is none.
type Flattened struct {
	Owner, Target zone.Name
	Type          uint16 // A or AAAA; 0: the target has no addresses
	TTL           uint32
	Address       netip.Addr
	Raised        bool   // TTL is that of a ttl-min, as far as can be told
	Own           bool   // Address is the author's own, and not the target's
	Comment       string // that tells so, as it stands
}

// The comments that go before flattened records, and that stand in place of them where
// there are none.
const (
	flattenedMark = "; ALIAS "
	leastMark     = " ttl-min="
	besideMark    = " and "
	emptyOwner    = " of "
	emptyEnd      = " has no addresses"
)

// AppendFlattenedComment appends the comment that goes before the flattened records of a
// target. It tells to which ttl-min TTLs were raised, which are not the target's then, where
// that is not 0, and which of the addresses are the author's own.
func AppendFlattenedComment(b []byte, target zone.Name, least uint32, own []netip.Addr) []byte {
	b = append(append(b, flattenedMark...), target.String()...)
	if least > 0 {
		b = strconv.AppendUint(append(b, leastMark...), uint64(least), 10)
	}
	for i, a := range own {
		if i == 0 {
			b = append(b, besideMark...)
		} else {
			b = append(b, ", "...)
		}
		b = a.AppendTo(b)
	}
	return b
}

// AppendEmptyComment appends the comment that stands in place of the flattened records of an
// owner whose target has none, so that the next run knows that it has been so.
func AppendEmptyComment(b []byte, owner string, target zone.Name) []byte {
	b = AppendFlattenedComment(b, target, 0, nil)
	return append(append(append(b, emptyOwner...), owner...), emptyEnd...)
}

// flattenedChunk is how much of an output is searched at once, in bytes.
const flattenedChunk = 1 << 18

// FindFlattened finds the flattened records of an output, in their order, without reading
// anything else of it. What does not look as aliasflat writes it is passed
// over.
func FindFlattened(r io.Reader, found func(Flattened)) error {
	f := finder{found: found, buf: append(make([]byte, 0, flattenedChunk), '\n')}
	for {
		if len(f.buf) == cap(f.buf) {
			f.buf = append(f.buf, 0)[:len(f.buf)]
		}
		n, err := r.Read(f.buf[len(f.buf):cap(f.buf)])
		f.buf = f.buf[:len(f.buf)+n]
		if err != nil && err != io.EOF {
			return err
		}
		f.search(err == io.EOF)
		if err == io.EOF {
			return nil
		}
	}
}

// finder searches what it has of an output.
type finder struct {
	buf   []byte // begins with a line end
	found func(Flattened)
}

// search reports all blocks that are complete and keeps the rest.
func (f *finder) search(end bool) {
	rest := f.buf
	for {
		i := bytes.Index(rest, []byte("\n"+flattenedMark))
		if i < 0 {
			rest = rest[max(0, len(rest)-len(flattenedMark)-1):]
			break
		}
		rest = rest[i:]
		n := f.block(rest[1:], end)
		if n == 0 {
			break
		}
		rest = rest[n:] // the line end before the next line
	}
	f.buf = f.buf[:copy(f.buf, rest)]
}

// block reads a comment and the records behind it, and gives their length; 0 where more text
// may belong to them.
func (f *finder) block(text []byte, end bool) int {
	comment, length, ok := cutLine(text, end)
	if !ok {
		return 0
	}
	target, rest := flattenedTarget(comment)
	if owner, ok := emptyOwnerOf(rest); ok && !target.IsZero() {
		f.found(Flattened{Owner: owner, Target: target, Comment: string(comment)})
		return length
	}
	var records []Flattened
	for {
		line, n, ok := cutLine(text[length:], end)
		if !ok && !end {
			return 0
		}
		r, isRecord := flattenedRecord(line)
		if !ok || !isRecord || len(records) > 0 && r.Owner != records[0].Owner {
			break
		}
		r.Target = target
		records = append(records, r)
		length += n
	}
	if target.IsZero() {
		return length
	}
	least, rest := leastTTL(rest)
	own, said := ownAddresses(rest), string(comment)
	for _, r := range records {
		r.Raised, r.Own, r.Comment = least > 0 && r.TTL <= least, slices.Contains(own, r.Address), said
		f.found(r)
	}
	return length
}

// cutLine gives the first line without its end, and its length with the end. It is not
// there where the text is empty, or ends before the line does.
func cutLine(text []byte, end bool) (line []byte, length int, ok bool) {
	i := bytes.IndexByte(text, '\n')
	switch {
	case i >= 0:
		return bytes.TrimSuffix(text[:i], []byte("\r")), i + 1, true
	case end && len(text) > 0:
		return text, len(text), true
	}
	return nil, 0, false
}

// flattenedTarget reads the comment, and gives what stands behind the target.
func flattenedTarget(line []byte) (target zone.Name, rest []byte) {
	line = line[len(flattenedMark):]
	i := bytes.IndexByte(line, ' ')
	if i >= 0 {
		line, rest = line[:i], line[i:]
	}
	target, err := zone.ParseName(string(line), zone.Name{})
	if err != nil {
		return zone.Name{}, nil
	}
	return target, rest
}

// leastTTL reads the ttl-min, and gives what stands behind it; 0 without one.
func leastTTL(rest []byte) (least uint32, behind []byte) {
	text, ok := bytes.CutPrefix(rest, []byte(leastMark))
	if !ok {
		return 0, rest
	}
	n := 0
	for n < len(text) && '0' <= text[n] && text[n] <= '9' {
		n++
	}
	ttl, err := strconv.ParseUint(string(text[:n]), 10, 32)
	if err != nil {
		return 0, rest
	}
	return uint32(ttl), text[n:]
}

// ownAddresses reads the addresses that are the author's own.
func ownAddresses(rest []byte) []netip.Addr {
	text, ok := bytes.CutPrefix(rest, []byte(besideMark))
	if !ok {
		return nil
	}
	text, _, _ = bytes.Cut(text, []byte(" ;"))
	var own []netip.Addr
	for word := range bytes.SplitSeq(text, []byte(", ")) {
		if a, err := netip.ParseAddr(string(word)); err == nil {
			own = append(own, a)
		}
	}
	return own
}

// emptyOwnerOf reads the owner out of the comment that stands in place of records.
func emptyOwnerOf(rest []byte) (zone.Name, bool) {
	text, ok := bytes.CutPrefix(rest, []byte(emptyOwner))
	if !ok {
		return zone.Name{}, false
	}
	before, _, ok := bytes.Cut(text, []byte(emptyEnd))
	if !ok {
		return zone.Name{}, false
	}
	owner, err := zone.ParseName(string(before), zone.Name{})
	return owner, err == nil
}

// flattenedRecord reads a line as aliasflat writes it: owner, TTL, IN, type and address.
func flattenedRecord(line []byte) (Flattened, bool) {
	fields := bytes.Fields(line)
	if len(fields) != 5 || string(fields[2]) != "IN" {
		return Flattened{}, false
	}
	var r Flattened
	owner, err := zone.ParseName(string(fields[0]), zone.Name{})
	if err != nil {
		return r, false
	}
	ttl, err := strconv.ParseUint(string(fields[1]), 10, 32)
	if err != nil {
		return r, false
	}
	address, err := netip.ParseAddr(string(fields[4]))
	if err != nil {
		return r, false
	}
	r = Flattened{Owner: owner, TTL: uint32(ttl), Address: address}
	switch string(fields[3]) {
	case "A":
		r.Type = dns.TypeA
	case "AAAA":
		r.Type = dns.TypeAAAA
	}
	return r, r.Type == dns.TypeA && address.Is4() || r.Type == dns.TypeAAAA && address.Is6()
}

// flattenedKey is a flattened record; key is as in CanonicalRecord.
type flattenedKey struct {
	owner zone.Name
	typ   uint16
	key   string
}

// flattenedComments finds the comments that an earlier run has written: those of records, and
// those in place of records.
func (z *Zone) flattenedComments() (map[flattenedKey]string, []CanonicalRecord) {
	of := map[flattenedKey]string{}
	var empty []CanonicalRecord
	for _, seg := range z.segs {
		if seg.made || !bytes.Contains(seg.text, []byte(flattenedMark)) {
			continue
		}
		_ = FindFlattened(bytes.NewReader(seg.text), func(f Flattened) { // a text in memory is read without errors
			switch {
			case f.Type != dns.TypeNone:
				of[flattenedKey{f.Owner, f.Type, string(f.Address.AsSlice())}] = f.Comment
			case f.Owner.IsIn(z.Name):
				empty = append(empty, NoRecord(f.Owner, f.Comment))
			}
		})
	}
	return of, empty
}
