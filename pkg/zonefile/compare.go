package zonefile

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/netip"
	"slices"
	"strconv"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// What was published last and what is to be published are, nearly always, two
// rewrites of one source: long spans of it, the digits of the serial, and the
// lines that stand for ALIAS entries. So they can be compared as bytes, and
// only these lines need to be understood. Where anything else differs the
// comparison gives up, and both have to be read as zone files.

// stand is a part of a text that stands for an ALIAS entry.
type stand struct {
	part  int
	owner []byte // wire form, case as written
}

// SetSerial puts another serial in. False, and no change, where the digits of
// the serial are no part of their own.
func (t *Text) SetSerial(s zone.Serial) bool {
	if t.serial == 0 {
		return false
	}
	digits := strconv.AppendUint(nil, uint64(s), 10)
	t.size += int64(len(digits) - len(t.parts[t.serial-1]))
	t.parts[t.serial-1] = digits
	return true
}

// SameRecords compares a rewritten text with an old one as sets of records
// with their TTLs, the serial apart. It has no verdict, and known is false,
// where that cannot be told without reading the old text as a zone file.
//
// Why a verdict is right: the old text is taken as a sequence of parts that
// are equal, byte for byte, to parts of the new one, but for the serial and for
// blocks of address records at one owner that stand for the same ALIAS entry.
// A block begins with an entry in both texts, since what stands before it is
// scanned alike, and ends with one, since it is whole lines without quotes or
// parentheses. It leaves the same owner name to what is behind it in both. So
// the equal parts hold records of the same owners and RDATA, and of the same
// TTLs unless blocks of other TTLs leave these to them. Where all blocks are
// equal, then, the texts have the same records. Where a block differs, its
// owner must have no addresses but those of the block, so its RRsets are the
// block's and differ as the block does. Which bytes of the old text are taken
// for a block is a guess: a wrong one leaves bytes that do not fit.
func (t *Text) SameRecords(old io.Reader) (same, known bool, err error) {
	if t.serial == 0 || t.zone == nil {
		return false, false, nil
	}
	c := &comparison{text: t, old: bufio.NewReaderSize(old, compareLen), same: true}
	stands := t.stands
	for i, p := range t.parts {
		var fits bool
		switch {
		case i == t.serial-1:
			fits = c.digits()
		case len(stands) > 0 && stands[0].part == i:
			fits = c.stand(&stands[0], p)
			stands = stands[1:]
		default:
			fits = c.equal(p)
		}
		if !fits {
			return false, false, c.failure()
		}
	}
	ended := len(c.peek(1)) == 0
	return c.same, ended && c.failure() == nil, c.failure()
}

// Follows tells whether a text must have a serial, and the records of a content, since a text
// before it, a rewrite of the same zone, was read and has those of another one: both have the same
// parts, but for the serial and for blocks of address records that stand for the same ALIAS
// entries, and what these blocks have makes the difference between the contents. The reasons are
// those of [Text.SameRecords]. False means only that the text has to be read.
func (t *Text) Follows(before *Text, was, is Content, serial zone.Serial) bool {
	if t.zone == nil || t.serial == 0 || string(t.parts[t.serial-1]) != strconv.FormatUint(uint64(serial), 10) {
		return false
	}
	if before == nil || before.zone != t.zone || before.serial != t.serial || len(before.parts) != len(t.parts) || was.Mixed || is.Mixed {
		return false
	}
	if !slices.EqualFunc(before.stands, t.stands, func(a, b stand) bool { return a.part == b.part && bytes.Equal(a.owner, b.owner) }) {
		return false
	}
	stands := t.stands
	for i, now := range t.parts {
		var s *stand
		if len(stands) > 0 && stands[0].part == i {
			s, stands = &stands[0], stands[1:]
		}
		switch old := before.parts[i]; {
		case i == t.serial-1, same(old, now):
		case s == nil || !t.zone.addressedOnce(s.owner) || !was.exchange(s, old, now):
			return false
		}
	}
	return was.Raw == is.Raw && was.Lines == is.Lines
}

// same tells whether two parts are equal, for those that lie in one source without looking.
func same(a, b []byte) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0] || bytes.Equal(a, b))
}

// exchange puts the records of one block in the place of those of another; false
// where one of them is no block, or they are written for two owners.
func (c *Content) exchange(s *stand, old, now []byte) bool {
	var before, after block
	if len(before.records(behindComments(old))) > 0 || len(after.records(behindComments(now))) > 0 {
		return false
	}
	if len(before.list) == 0 || len(after.list) == 0 || !bytes.Equal(before.owner, after.owner) {
		return false
	}
	owner := hashLower(bytes.Clone(s.owner))
	for i := range before.list {
		c.Raw -= before.list[i].hash(owner)
		c.Lines--
	}
	for i := range after.list {
		c.Raw += after.list[i].hash(owner)
		c.Lines++
	}
	return true
}

const (
	compareLen = 1 << 18
	longLine   = 1 << 14
	longBlock  = 1 << 18
)

// comparison goes through an old text.
type comparison struct {
	text *Text
	old  *bufio.Reader
	same bool
	err  error

	now, before block  // of the current ALIAS entry
	taken       []byte // the text of before
}

// failure gives the error of reading, if that was what ended the comparison.
func (c *comparison) failure() error {
	if errors.Is(c.err, io.EOF) {
		return nil
	}
	return c.err
}

// peek gives up to n of the next bytes: fewer at the end of the text only.
func (c *comparison) peek(n int) []byte {
	p, err := c.old.Peek(n)
	if err != nil && c.failure() == nil { // what could not be read once is not believed later
		c.err = err
	}
	return p
}

func (c *comparison) discard(n int) {
	_, _ = c.old.Discard(n) // what was peeked at is there
}

// equal passes bytes that must be the next ones.
func (c *comparison) equal(want []byte) bool {
	for len(want) > 0 {
		next := c.peek(max(1, min(len(want), c.old.Buffered())))
		if len(next) == 0 || !bytes.Equal(next, want[:len(next)]) {
			return false
		}
		c.discard(len(next))
		want = want[len(next):]
	}
	return true
}

// digits passes a serial.
func (c *comparison) digits() bool {
	next := c.peek(len("4294967295") + 1)
	n := 0
	for n < len(next) && '0' <= next[n] && next[n] <= '9' {
		n++
	}
	if _, err := strconv.ParseUint(string(next[:n]), 10, 32); err != nil {
		return false
	}
	c.discard(n)
	return true
}

// stand passes what stands for an ALIAS entry.
func (c *comparison) stand(s *stand, want []byte) bool {
	now, before := &c.now, &c.before
	now.owner, now.list = nil, now.list[:0]
	if rest := now.records(behindComments(want)); len(rest) > 0 || len(now.list) == 0 {
		return c.equal(want)
	}
	before.owner, before.list = now.owner, before.list[:0]
	switch {
	case !c.block(before):
		return false
	case bytes.Equal(c.taken, want):
		return true
	case len(before.list) == 0 || !c.text.zone.addressedOnce(s.owner):
		return false
	}
	c.same = c.same && slices.Equal(before.list, now.list)
	return true
}

// block passes comment lines and the records of a block behind them. It fails
// where they are more than anybody writes for one ALIAS entry.
func (c *comparison) block(b *block) bool {
	c.taken = c.taken[:0]
	for comments := true; len(c.taken) < longBlock; {
		line := c.line()
		comments = comments && len(line) > 0 && line[0] == ';'
		if !comments && !b.record(line) {
			return true
		}
		c.taken = append(c.taken, line...)
		c.discard(len(line))
	}
	return false
}

// line gives the next line, with its end; nil where there is none, or a very
// long one.
func (c *comparison) line() []byte {
	next := c.peek(longLine)
	if i := bytes.IndexByte(next, '\n'); i >= 0 {
		return next[:i+1]
	}
	if len(next) == longLine || len(next) == 0 {
		return nil
	}
	return next
}

// block is address records as we write them: those of one owner, each with its
// TTL, A before AAAA, in ascending order.
type block struct {
	owner []byte // as written
	list  []blockRecord
	buf   [64]byte // for an address
}

type blockRecord struct {
	typ  uint16
	ttl  uint32
	addr netip.Addr
}

func (r *blockRecord) hash(owner uint64) uint64 {
	return hashRecord(owner, hashRDATA(r.typ, r.addr.AsSlice()), r.ttl)
}

// behindComments gives what is behind the comment lines that begin a text.
func behindComments(text []byte) []byte {
	for len(text) > 0 && text[0] == ';' {
		text = text[min(lineEnd(text, 0)+1, len(text)):]
	}
	return text
}

// records reads lines as long as they are records and gives what is behind
// them. The first line tells the owner.
func (b *block) records(text []byte) []byte {
	if i := bytes.IndexByte(text, ' '); i > 0 {
		b.owner = text[:i]
	}
	for len(text) > 0 {
		n := min(lineEnd(text, 0)+1, len(text))
		if !b.record(text[:n]) {
			break
		}
		text = text[n:]
	}
	return text
}

// record takes a line that is the next record of the block.
func (b *block) record(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, b.owner)
	if !ok || len(b.owner) == 0 {
		return false
	}
	rest = bytes.TrimSuffix(bytes.TrimSuffix(rest, []byte("\n")), []byte("\r"))
	var fields [4][]byte // TTL, class, type, address
	for i := range fields {
		if rest, ok = bytes.CutPrefix(rest, []byte(" ")); !ok {
			return false
		}
		fields[i], rest = rest, nil
		if n := bytes.IndexByte(fields[i], ' '); n >= 0 {
			fields[i], rest = fields[i][:n], fields[i][n:]
		}
	}
	if len(rest) > 0 || string(fields[1]) != "IN" {
		return false
	}
	ttl, err := strconv.ParseUint(string(fields[0]), 10, 31)
	if err != nil {
		return false
	}
	addr, err := netip.ParseAddr(string(fields[3]))
	if err != nil || addr.Is4In6() || addr.Zone() != "" || string(addr.AppendTo(b.buf[:0])) != string(fields[3]) {
		return false
	}
	r := blockRecord{typ: dns.TypeA, ttl: uint32(ttl), addr: addr}
	if addr.Is6() {
		r.typ = dns.TypeAAAA
	}
	if string(fields[2]) != TypeName(r.typ) {
		return false
	}
	if n := len(b.list); n > 0 {
		last := b.list[n-1]
		if !last.addr.Less(addr) || last.typ == r.typ && last.ttl != r.ttl {
			return false
		}
	}
	b.list = append(b.list, r)
	return true
}

// addressedOnce tells whether all addresses of an owner are those of one ALIAS
// entry.
func (z *Zone) addressedOnce(owner []byte) bool {
	aliases := 0
	for _, t := range z.index.owner(hashLower(bytes.Clone(owner))) {
		switch t.typ() {
		case dns.TypeA, dns.TypeAAAA:
			return false
		case typeALIAS:
			aliases++
		}
	}
	return aliases == 1
}

// FindSerial finds the serial of a zone file from its beginning: all that
// stands before the SOA must be there and right. False does not mean that the
// zone has none.
func FindSerial(name string, head []byte, options Options) (zone.Serial, bool) {
	var e Entry
	for pos := 0; pos < len(head); pos = int(e.End) {
		scanEntry(head, pos, &e)
		if e.fault != scanOK || head[e.End-1] != '\n' {
			return 0, false
		}
		if e.directive(head) {
			continue
		}
		if _, ok := typeToken(head, &e, dns.TypeSOA); !ok {
			continue
		}
		z := Summarize(name, head[:e.End], options)
		if z.Found.HasErrors() {
			return 0, false
		}
		return z.Serial()
	}
	return 0, false
}
