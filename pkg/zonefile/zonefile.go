// Package zonefile reads zone files (RFC 1035 §5) without losing a byte, and
// writes them again with only what must change changed.
//
// A text is cut into entries that, joined, are the text. Records are checked
// and indexed by owner name; the few entries that a rewrite may touch are
// remembered with what the entries before them mean for them. Where name
// servers differ, the reading is that of BIND 9.18.
//
// The package does no I/O: $INCLUDE reads through an fs.FS that is handed in.
// It knows that ALIAS entries exist, but not what they mean.
package zonefile

import (
	"bytes"
	"fmt"
	"io/fs"
	"math"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Options say how a zone file is read. The zero value reads a zone without
// $INCLUDE as BIND does.
type Options struct {
	Origin        zone.Name     // zone name; zero: found in the text or its name
	Includes      fs.FS         // what $INCLUDE may read; nil refuses every $INCLUDE
	IncludeRoot   string        // the folder Includes stands for, as shown and as absolute paths begin
	Path          string        // where in Includes the source lies; empty when it does not
	GenerateLimit int           // records of one $GENERATE; 0 means 65536
	CheckNames    diag.Severity // of owners and hosts that are no host names; 0 means Error
	For           Servers       // servers the output must suit; 0 means BIND
	StripDNSSEC   bool          // DNSSEC records are to go
	Lasting       bool          // sums that hold for other processes are wanted, see [Content]
	Workers       int           // goroutines; 0 means GOMAXPROCS
	Advise        func([]byte)  // is shown memory of the index before its first use, for large pages; may be nil
	pieceLen      int           // bytes that one goroutine reads at a time; 0 means 128 KiB
}

// Limits of a source.
const (
	DefaultGenerateLimit = 65536
	maxIncludeDepth      = 16
	maxIncludes          = 1 << 14 // files read, each as often as it is included
	maxVirtual           = 1 << 20 // records of all $GENERATE entries of a zone
)

// Zone is a zone file that was read. It does not change.
type Zone struct {
	Name  zone.Name
	Marks []Mark    // in the order of reading
	Found diag.List // problems, in the order of the text
	Count int       // records other than ALIAS and what is stripped
	Sum   uint64    // of the hashes of these records, the serial apart
	// Lasting is as Sum, by hashes that another process makes too; 0 unless it was asked for.
	Lasting uint64
	index   index      // all records by owner name
	segs    []*segment // by base
	settings
	ents       map[uint64]struct{} // hashes of empty non-terminals, once asked for
	dnames     int
	duplicates uint64 // sum of the hashes of records that stand there again
	duplicateN int
	repeated   uint64          // as duplicates, for Lasting
	hidden     int             // errors that are not in Found
	broken     map[uint64]bool // hashes of owner names with broken entries
	mixed      bool            // some RRset is written with several TTLs
	aliasOnce  sync.Once
	aliases    []AliasEntry
}

// Read reads a zone file. Problems are in Found; a zone with errors must not
// be published, and answers questions as well as it can. The error is for a
// text that cannot be a zone file at all.
func Read(name string, text []byte, options Options) *Zone {
	return read(name, text, options, false)
}

// Summarize reads a zone file only for the set of its records: Sum, Count and
// the marks.
func Summarize(name string, text []byte, options Options) *Zone {
	return read(name, text, options, true)
}

func read(name string, text []byte, options Options, hashOnly bool) *Zone {
	b := newBuilder(options, hashOnly)
	z := b.zone
	main := newFile(name, text)
	main.path = options.Path
	top := b.open(main, nil, nil)
	if top == nil {
		z.Found = b.list()
		return z
	}
	if bytes.HasPrefix(text, []byte("\xef\xbb\xbf")) {
		b.report(finding{place{top, 0, 3}, faultByteOrderMark()})
		z.Found = b.list()
		return z
	}
	if z.Name.IsZero() {
		z.Name = FindOrigin(name, text)
	}
	if z.Name.IsZero() {
		b.report(finding{place{top, 0, 0}, problem(diag.CodeNoZoneName, "no zone name: no $ORIGIN before the first record, no absolute owner name at the SOA, no file name that is one", "say --origin NAME")})
		z.Found = b.list()
		return z
	}
	z.named()
	ctx := &context{origin: z.apex}
	b.segment(top, ctx)
	if !hashOnly {
		b.check()
	}
	z.Found = b.list()
	return z
}

// newBuilder starts a zone, with what stands for options that are not given.
func newBuilder(options Options, hashOnly bool) *builder {
	if options.Workers == 0 {
		options.Workers = runtime.GOMAXPROCS(0)
	}
	if options.pieceLen == 0 {
		options.pieceLen = defaultPieceLen
	}
	if options.GenerateLimit == 0 {
		options.GenerateLimit = DefaultGenerateLimit
	}
	if options.CheckNames == 0 {
		options.CheckNames = diag.Error
	}
	if options.For == 0 {
		options.For = BIND
	}
	z := &Zone{Name: options.Origin}
	z.index.buckets, z.index.advise = new([bucketCount]bucket), options.Advise
	z.settings = settings{options: &options, strip: options.StripDNSSEC, servers: options.For, hashOnly: hashOnly, lasting: options.Lasting}
	return &builder{zone: z, found: map[diag.Code]int{}, more: map[diag.Code]int{}}
}

// Compact gives back what reading a small zone took, for zones that are kept for long. It must
// not be called while the zone is in use.
func (z *Zone) Compact() { z.index.compact() }

// named takes over the zone name.
func (z *Zone) named() {
	z.apex = []byte(z.Name.Wire())
	z.doubled = append(bytes.Clone(z.apex[:len(z.apex)-1]), z.apex...)
	if z.Name.IsRoot() {
		z.doubled = []byte{0xff} // nothing is below the root twice
	}
}

// FindOrigin finds the zone name in a source: the first $ORIGIN before a
// record, else an absolute SOA owner, else a file name that is a zone name.
// It is zero when there is none.
func FindOrigin(fileName string, text []byte) zone.Name {
	var e Entry
	for pos, records := 0, 0; pos < len(text) && records < 1000; pos = int(e.End) {
		scanEntry(text, pos, &e)
		if e.fault != scanOK {
			records += 50 // each may cost going to the end of the text
			continue
		}
		if len(e.Tokens) == 0 {
			continue
		}
		if e.directive(text) {
			if n, ok := e.originOf(text); ok && records == 0 {
				return n
			}
			continue
		}
		records++
		if n, ok := e.ownerOfSOA(text); ok {
			return n
		}
	}
	return nameOfFile(fileName)
}

// originOf gives the name of an absolute $ORIGIN.
func (e *Entry) originOf(text []byte) (zone.Name, bool) {
	if len(e.Tokens) < 2 || !foldEqual(e.Tokens[0].raw(text), "$ORIGIN") {
		return zone.Name{}, false
	}
	n, err := zone.ParseName(string(e.Tokens[1].content(text)), zone.Name{})
	return n, err == nil
}

// ownerOfSOA gives the absolute owner name of an SOA.
func (e *Entry) ownerOfSOA(text []byte) (zone.Name, bool) {
	if _, ok := typeToken(text, e, dns.TypeSOA); !ok || e.Blank {
		return zone.Name{}, false
	}
	n, err := zone.ParseName(string(e.Tokens[0].content(text)), zone.Name{})
	return n, err == nil
}

// nameOfFile gives the zone name that a file name is: example.com,
// example.com.zone, example.com.db or db.example.com.
func nameOfFile(path string) zone.Name {
	base := path[strings.LastIndexAny(path, `/\`)+1:]
	base = strings.TrimPrefix(base, "db.")
	for _, suffix := range []string{".zone", ".db"} {
		base = strings.TrimSuffix(base, suffix)
	}
	if !strings.Contains(base, ".") || strings.ContainsAny(base, "*\\ <>") {
		return zone.Name{}
	}
	for _, suffix := range []string{".txt", ".conf", ".bak", ".tmp", ".in", ".hosts"} {
		if strings.HasSuffix(base, suffix) {
			return zone.Name{}
		}
	}
	n, err := zone.ParseName(base, zone.Root)
	if err != nil {
		return zone.Name{}
	}
	return n
}

// builder reads the segments of a zone one after the other.
type builder struct {
	zone     *Zone
	next     uint64 // global position of the next segment
	findings []finding
	found    map[diag.Code]int // by code, to report no more than is bearable
	more     map[diag.Code]int // warnings that are not reported
	broken   int               // entries with an error
	refused  int               // errors of other kinds
	virtual  int               // records that $GENERATE made
	expanded int               // bytes of these
	includes int               // $INCLUDE entries followed
	files    map[string]*file  // that were included, by their path
}

// open makes a segment of a file, at its place in the global positions.
func (b *builder) open(f *file, parent *segment, at *Entry) *segment {
	seg := &segment{file: f, parent: parent, base: uint32(b.next)}
	if parent != nil {
		seg.at, seg.end, seg.depth = at.Start, at.End, parent.depth+1
	}
	if b.next+uint64(len(f.text)) > math.MaxInt32 {
		b.report(finding{place{seg, 0, 0}, problem(diag.CodeUnreadable, "source and what it includes have more than 2 GiB", "split the zone")})
		return nil
	}
	b.next += uint64(len(f.text)) + 1
	b.zone.segs = append(b.zone.segs, seg)
	if f.crlf && parent == nil {
		b.crlf(seg)
	}
	return seg
}

func (b *builder) crlf(seg *segment) {
	if i := bytes.Index(seg.text, []byte("\r\n")); i >= 0 && b.zone.servers&Knot == 0 {
		b.report(finding{place{seg, int32(i), int32(i + 2)}, faultPortable(diag.CodePortableCRLF, "lines that end in CR LF", Knot)})
	}
}

// segment reads a whole segment in a context, and leaves the context as it is
// behind the segment.
func (b *builder) segment(seg *segment, ctx *context) {
	seg.origins = append(seg.origins, originAt{0, ctx.origin})
	for pos := 0; pos < len(seg.text); {
		limit := len(seg.text)
		if !seg.made {
			limit = seg.nextBarrier(pos)
			if c := seg.text[pos]; c == '$' && pos+1 < len(seg.text) && bytes.IndexByte([]byte("IiGg"), seg.text[pos+1]) >= 0 {
				limit = pos + 1
			}
		}
		stop, barrier := b.run(seg, ctx, pos, limit)
		if !barrier {
			pos = stop
			continue
		}
		var e Entry
		scanEntry(seg.text, stop, &e)
		b.enter(seg, ctx, &e)
		pos = int(e.End)
	}
}

// nextBarrier gives the offset after pos of a line that looks like $INCLUDE or
// $GENERATE, or the end of the text. It may stand inside quotes or
// parentheses; the reading will tell.
func (f *file) nextBarrier(pos int) int {
	end := len(f.text)
	for i := f.nextDirective(pos, end); i < end; i = f.nextDirective(i, end) {
		if i+1 < end && bytes.IndexByte([]byte("IiGg"), f.text[i+1]) >= 0 {
			return i
		}
	}
	return end
}

// enter follows an $INCLUDE or expands a $GENERATE.
func (b *builder) enter(seg *segment, ctx *context, e *Entry) {
	word := e.Tokens[0].raw(seg.text)
	kind := MarkInclude
	var child *segment
	inner := *ctx
	if foldEqual(word, "$GENERATE") {
		kind = MarkGenerate
		child = b.generate(seg, e)
	} else {
		child = b.include(seg, &inner, e)
	}
	// BIND takes a last line "$INCLUDE file" as it is, but takes the first field
	// of that file for an owner name then.
	if e.unended(seg.text) && (kind == MarkGenerate || len(e.Tokens) > 2 || child.startsBlank()) {
		b.report(finding{place{seg, e.lastEnd(), e.lastEnd()}, faultNoLineEnd(word)})
	}
	r := newReader(&b.zone.settings, seg, ctx)
	r.entry = *e
	r.remember()
	m := r.mark(e, nil, kind)
	m.child = child
	at := len(b.zone.Marks)
	b.zone.Marks = append(b.zone.Marks, *m)
	if child == nil {
		return
	}
	if kind == MarkInclude {
		inner.runLen, ctx.runLen = 0, 0 // a run of records ends with its file
	}
	b.segment(child, &inner)
	// One that makes ALIAS is expanded for all servers.
	aliases := slices.ContainsFunc(b.zone.Marks[at:], func(m Mark) bool { return m.Kind == MarkALIAS })
	if kind == MarkGenerate && !b.zone.hashOnly && b.zone.servers&(NSD|Knot) == 0 && !aliases {
		b.report(finding{place{seg, e.Tokens[0].Start, e.Tokens[0].End}, faultPortable(diag.CodePortableGenerate, "$GENERATE", NSD|Knot)})
	}
	b.zone.Marks[at].moved = !inner.sameOwner(ctx)
	// Origin and owner are those before the entry; what it left of TTLs stays.
	ctx.ttl, ctx.hasTTL = inner.ttl, inner.hasTTL
	ctx.defaultTTL, ctx.hasDefault, ctx.minimum = inner.defaultTTL, inner.hasDefault, inner.minimum
}

// generate expands a $GENERATE into a segment of its own.
func (b *builder) generate(seg *segment, e *Entry) *segment {
	if b.expanded > maxGenerateText {
		return nil // the error is told, and trying again would cost as much each time
	}
	limit := min(b.zone.options.GenerateLimit, maxVirtual-b.virtual)
	if limit == 0 {
		limit = -1 // none are left
	}
	text, count, fault := expandGenerate(nil, seg.text, e.Tokens[1:], limit)
	if fault != nil {
		if *fault == *badGenerateText() {
			b.expanded = maxGenerateText + 1
		}
		i := min(1+fault.Token, len(e.Tokens)-1)
		tok := e.Tokens[i]
		b.report(finding{
			place{seg, tok.Start, tok.End},
			&diag.Diagnostic{Severity: diag.Error, Code: fault.Code, Message: fault.Message, Hint: fault.Hint},
		})
		return nil
	}
	if b.expanded += len(text); b.expanded > maxGenerateText {
		b.report(finding{place{seg, e.Tokens[0].Start, e.lastEnd()}, faultGenerateText()})
		return nil
	}
	b.virtual += count
	f := newFile(seg.name, text)
	child := b.open(f, seg, e)
	if child != nil {
		child.made = true
	}
	return child
}

// take moves what a reader gathered into the zone.
func (b *builder) take(seg *segment, c *collector) {
	z := b.zone
	z.index.add(c.tuples, b.next)
	z.index.refer(c.refs)
	z.Marks = append(z.Marks, c.marks...)
	z.Sum += c.sum
	z.Lasting += c.lasting
	z.Count += c.count
	z.dnames += c.dnames
	z.mixed = z.mixed || c.mixed
	seg.origins = append(seg.origins, c.origins...)
	b.broken += c.errors
	for _, owner := range c.brokenAt {
		if z.broken == nil {
			z.broken = map[uint64]bool{}
		}
		if len(z.broken) < maxBroken {
			z.broken[owner] = true
		}
	}
	for _, f := range c.found {
		b.keep(f)
	}
	for code, n := range c.more {
		b.more[code] += n
	}
}

// maxErrors is how many errors of a file are shown.
const maxErrors = 20

// report takes a finding that is no broken entry.
func (b *builder) report(f finding) {
	if f.d.Severity == diag.Error {
		b.refused++
	}
	b.keep(f)
}

// keep keeps a finding unless there are enough of its kind.
func (b *builder) keep(f finding) {
	b.found[f.d.Code]++
	if n := b.found[f.d.Code]; n > maxFindings {
		if f.d.Severity == diag.Warning && f.d.Code != diag.CodePortableNoTTL {
			b.more[f.d.Code]++
		}
		return
	}
	b.findings = append(b.findings, f)
}

// list turns findings into diagnostics with their places: 20 errors of a file,
// and a count of the others.
func (b *builder) list() diag.List {
	var list diag.List
	errors := map[string]int{}
	shown := 0 // or part of an entry whose first error is
	var last diag.Span
	made := map[*segment]bool{}
	for _, f := range b.findings {
		if f.seg.made && f.d.Severity == diag.Error {
			if made[f.seg] {
				shown++
				continue // a $GENERATE is one entry
			}
			made[f.seg] = true
		}
		b.zone.locate(f.d, f.place)
		if f.d.Severity == diag.Error {
			file := f.d.Span.File
			errors[file]++
			if errors[file] > maxErrors {
				continue
			}
			shown++
			last = f.d.Span
		}
		list = append(list, f.d)
	}
	list = list.Sorted()
	if d := b.moreWarnings(list); d != nil {
		list = append(list, d)
	}
	if all := b.broken + b.refused; all > shown {
		b.zone.hidden = all - shown
		list = append(list, moreErrors(b.zone.hidden, last))
	}
	return list
}

// moreWarnings counts the warnings that are not shown, behind the last that is of their kinds; nil
// where all are.
func (b *builder) moreWarnings(shown diag.List) *diag.Diagnostic {
	counts := map[diag.Code]int{}
	for code, n := range b.more {
		if n > 0 {
			counts[code] = n
		}
	}
	if len(counts) == 0 {
		return nil
	}
	d := faultMoreWarnings(counts)
	for _, of := range shown {
		if counts[of.Code] > 0 && of.Severity == diag.Warning {
			d.Span = of.Span
		}
	}
	d.Span.Offset, d.Span.Column, d.Span.Len = d.Span.Offset+d.Span.Len, d.Span.Column+d.Span.Len, 0
	return d
}

// moreErrors counts errors that are not shown, at the last that is.
func moreErrors(n int, last diag.Span) *diag.Diagnostic {
	d := faultMore(n)
	d.Span = diag.Span{Pos: diag.Pos{File: last.File, Line: last.Line, Column: last.Column, Offset: last.Offset}}
	return d
}

// Bounded gives problems in the source, those of reading among them, with no
// more errors of a file than are shown, and a count of the others.
func (z *Zone) Bounded(problems diag.List) diag.List {
	list := make(diag.List, 0, len(problems))
	errors := map[string]int{}
	hidden := z.hidden
	var last diag.Span
	for _, d := range problems.Sorted() {
		if d.Code == diag.CodeMoreErrors {
			continue // counted anew
		}
		if d.Severity == diag.Error {
			if errors[d.Span.File]++; errors[d.Span.File] > maxErrors {
				hidden++
				continue
			}
			last = d.Span
		}
		list = append(list, d)
	}
	if hidden > 0 {
		list = append(list, moreErrors(hidden, last))
	}
	return list
}

// locate fills in where a diagnostic is.
func (z *Zone) locate(d *diag.Diagnostic, p place) {
	d.Span, d.Source = p.span()
	d.Related = append(d.Related, p.included()...)
}

// count is a number as words read it: 1 record, 2 records.
func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// ParseTTL reads a TTL: seconds, or numbers each with a unit as in 1h30m.
func ParseTTL(s string) (uint32, error) {
	ttl, status := parseTTL([]byte(s))
	switch status {
	case ttlOK:
		return ttl, nil
	case ttlTooBig:
		return 0, fmt.Errorf("TTL %q is larger than 2147483647", s)
	case notTTL:
	}
	return 0, fmt.Errorf("%q is no TTL", s)
}
