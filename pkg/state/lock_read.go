package state

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// ReadLock reads the text of a lock file. What is wrong comes as errors with their places, of
// 20 lines at most; the lock is nil then. Comments and empty lines may stand anywhere, and the
// order of the targets is free.
func ReadLock(name string, text []byte) (*Lock, LineErrors) {
	r := lockReader{lock: NewLock(name), listed: map[resolve.Question]int{}}
	for line := range strings.Lines(string(text)) {
		r.line++
		r.read(strings.TrimRight(line, "\r\n"))
		if len(r.wrong) >= maxLineErrors {
			return nil, r.wrong
		}
	}
	r.close()
	if r.line == 0 {
		r.line = 1
		r.failf(0, "the file is empty; the first line of a lock file is %q", lockFirst+strconv.Itoa(lockVersion))
	}
	if len(r.wrong) > 0 {
		return nil, r.wrong
	}
	return r.lock, nil
}

// lockReader is one lock file while it is read.
type lockReader struct {
	lock    *Lock
	line    int
	stopped bool                     // it is no lock file
	open    *openSection             // nil before the first target
	listed  map[resolve.Question]int // in which line
	wrong   LineErrors
}

// openSection is a target of which the records are read.
type openSection struct {
	section

	line  int
	bad   bool // something in it is wrong: it is not looked at as a whole
	last  zone.Name
	been  []zone.Name
	chain []resolve.Link
	addrs []lockedAddress
}

type lockedAddress struct {
	line  int
	owner zone.Name
	qtype uint16
	ttl   uint32
	addr  netip.Addr
}

func (r *lockReader) failf(column int, format string, args ...any) {
	r.wrong = append(r.wrong, &LineError{Line: r.line, Column: column, Message: fmt.Sprintf(format, args...)})
	if r.open != nil {
		r.open.bad = true
	}
}

func (r *lockReader) read(line string) {
	comment, isComment := strings.CutPrefix(strings.TrimSpace(line), ";")
	fields := strings.Fields(comment)
	switch {
	case r.line == 1:
		r.first(line)
	case r.stopped, line == "":
	case isComment && len(fields) > 0 && fields[0] == "target:":
		r.close()
		r.target(line, fields[1:])
	case isComment || strings.TrimSpace(line) == "":
	default:
		r.record(line)
	}
}

// first reads the first line, without which nothing else is looked at: whoever names another
// file as the lock file shall hear that, and not what is wrong with its lines.
func (r *lockReader) first(line string) {
	version, ok := strings.CutPrefix(line, lockFirst)
	switch {
	case !ok:
		r.failf(1, "this is no lock file; its first line is %q", lockFirst+strconv.Itoa(lockVersion))
		r.stopped = true
	case version != strconv.Itoa(lockVersion):
		r.failf(len(lockFirst)+1, "version %q; this release reads version %d", version, lockVersion)
		r.stopped = true
	}
}

// target reads the comment that names a target: its name, its types, and for which subnet.
func (r *lockReader) target(line string, fields []string) {
	s := &openSection{line: r.line}
	r.open = s
	if n := len(fields); n > 2 && fields[n-2] == "for" {
		p, err := netip.ParsePrefix(fields[n-1])
		if err != nil || p != p.Masked() {
			r.failf(columnOf(line, fields[n-1]), "%q is no subnet", fields[n-1])
			return
		}
		s.subnet, fields = resolve.NewSubnet(p), fields[:n-2]
	}
	if len(fields) < 2 {
		r.failf(1, "a name and its types belong behind %q", lockTarget)
		return
	}
	name, err := zone.ParseName(fields[0], zone.Name{})
	if err != nil {
		r.failf(columnOf(line, fields[0]), "%v", err)
		return
	}
	s.target, s.last = name, name
	for _, text := range fields[1:] {
		t, ok := parseType(text)
		if !ok || t != typeA && t != typeAAAA || slices.Contains(s.types, t) {
			r.failf(columnOf(line, text), "%q is neither A nor AAAA, or stands twice", text)
			return
		}
		q := resolve.Question{Target: name, Type: t, Subnet: s.subnet}
		if first, twice := r.listed[q]; twice {
			r.failf(1, "%s %s is listed in line %d already", name, text, first)
			return
		}
		r.listed[q] = r.line
		s.types = append(s.types, t)
	}
}

// columnOf gives where a word stands in a line, in bytes from 1.
func columnOf(line, word string) int { return max(0, strings.LastIndex(line, word)) + 1 }

// record reads a record of the open section.
func (r *lockReader) record(line string) {
	if r.open == nil {
		r.failf(1, "a record before the first target")
		return
	}
	rr := r.parse(line)
	if rr == nil {
		return
	}
	h := rr.Header()
	owner, err := zone.ParseName(h.Name, zone.Name{})
	switch {
	case err != nil:
		r.failf(1, "the owner: %v", err)
		return
	case h.Class != dns.ClassINET:
		r.failf(1, "class %s; a lock file has IN alone", dns.Class(h.Class))
		return
	case !hasTTL(line, h.Ttl):
		r.failf(1, "the TTL in seconds belongs behind the owner")
		return
	case h.Ttl > resolve.MaxTTL:
		r.failf(columnOf(line, strconv.FormatUint(uint64(h.Ttl), 10)), "TTL %d is above %d", h.Ttl, resolve.MaxTTL)
		return
	}
	switch rr := rr.(type) {
	case *dns.A:
		r.address(owner, h, rr.A)
	case *dns.AAAA:
		r.address(owner, h, rr.AAAA)
	case *dns.CNAME:
		r.link(resolve.Link{Owner: owner, Type: typeCNAME, TTL: h.Ttl}, rr.Target)
	case *dns.DNAME:
		r.link(resolve.Link{Owner: owner, Type: typeDNAME, TTL: h.Ttl}, rr.Target)
	default:
		r.failf(1, "a record of type %s; a lock file has CNAME, DNAME, A and AAAA", dns.Type(h.Rrtype))
	}
}

// hasTTL tells whether a line has its TTL, as a number: the parser puts one in where it is
// missing.
func hasTTL(line string, ttl uint32) bool {
	fields := strings.Fields(line)
	return slices.Contains(fields[1:min(3, len(fields))], strconv.FormatUint(uint64(ttl), 10))
}

// parserError is the text of an error of the parser: what, which word, where.
var parserError = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^dns: (.*): ("(?:[^"\\]|\\.)*") at line: \d+:\d+$`)
})

// parse reads one line as a record, which a control entry is not.
func (r *lockReader) parse(line string) dns.RR {
	if strings.HasPrefix(line, "$") || line[0] == ' ' || line[0] == '\t' {
		r.failf(1, "a record with its owner belongs here")
		return nil
	}
	parser := dns.NewZoneParser(strings.NewReader(line), "", "")
	rr, ok := parser.Next()
	if ok {
		return rr
	}
	message, column := "this is no record", 1
	if err := parser.Err(); err != nil {
		message = strings.TrimPrefix(err.Error(), "dns: ")
		if m := parserError().FindStringSubmatch(err.Error()); m != nil {
			message = m[1]
			if word, err := strconv.Unquote(m[2]); err == nil && strings.TrimSpace(word) != "" {
				message, column = fmt.Sprintf("%s: %q", m[1], word), columnOf(line, word)
			}
		}
	}
	r.failf(column, "%s", message)
	return nil
}

// link takes in a CNAME or DNAME, which has to lead on from where the chain stands.
func (r *lockReader) link(l resolve.Link, target string) {
	s := r.open
	var err error
	if l.Target, err = zone.ParseName(target, zone.Name{}); err != nil {
		r.failf(1, "the target: %v", err)
		return
	}
	if s.bad {
		return
	}
	next, ok := endOf(s.last, []resolve.Link{l})
	s.been = append(s.been, s.last)
	switch {
	case !ok:
		r.failf(1, "this %s does not lead on from %s", typeText(l.Type), s.last)
	case slices.Contains(s.been, next):
		r.failf(1, "the chain comes back to %s", next)
	case len(s.chain) == resolve.MaxLinks:
		r.failf(1, "the chain has more than %d links", resolve.MaxLinks)
	default:
		s.chain, s.last = append(s.chain, l), next
	}
}

// address takes in an address. Where it has to stand is known at the end of the section.
func (r *lockReader) address(owner zone.Name, h *dns.RR_Header, ip []byte) {
	s := r.open
	addr, ok := netip.AddrFromSlice(ip)
	if h.Rrtype == typeA {
		addr = addr.Unmap()
	}
	switch {
	case !ok || addr.Is4() != (h.Rrtype == typeA):
		r.failf(1, "this is no address of type %s", typeText(h.Rrtype))
	case s.bad:
	case !slices.Contains(s.types, h.Rrtype):
		r.failf(1, "line %d does not name type %s", s.line, typeText(h.Rrtype))
	default:
		s.addrs = append(s.addrs, lockedAddress{r.line, owner, h.Rrtype, h.Ttl, addr})
	}
}

// close ends the open section and lists it.
func (r *lockReader) close() {
	s := r.open
	if s == nil || s.bad {
		return
	}
	at := r.line
	defer func() { r.line = at }()
	for _, t := range s.types {
		e := locked{chain: s.chain}
		for _, a := range s.addrs {
			r.line = a.line
			switch {
			case a.qtype != t:
				continue
			case a.owner != s.last:
				r.failf(1, "the chain of line %d leads to %s", s.line, s.last)
			case len(e.addresses) > 0 && a.ttl != e.ttl:
				r.failf(1, "TTL %d beside TTL %d in one RRset", a.ttl, e.ttl)
			case slices.Contains(e.addresses, a.addr):
				r.failf(1, "%s stands twice", a.addr)
			}
			e.addresses, e.ttl = append(e.addresses, a.addr), a.ttl
		}
		slices.SortFunc(e.addresses, netip.Addr.Compare)
		r.lock.entries[resolve.Question{Target: s.target, Type: t, Subnet: s.subnet}] = e
	}
}
