package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"io"
	"math/bits"
)

// A bbolt file has checksums in its two meta pages only, and bbolt trusts all others: what it
// finds there it takes for offsets into mapped memory, so that a damaged page ends the program,
// goes round in circles or hides a part of the data. Here a file is read as plain bytes, page
// by page, and everything that bbolt will rely on is held to be as bbolt writes it. The layout
// is that of bbolt's file version 2, in the byte order of the machine.
const (
	metaMagic   = 0xED0CDAED
	metaVersion = 2
	metaLen     = 64 // bytes, the checksum in the last 8

	pageHeader  = 16 // bytes, of each page and of each of its elements
	minPageSize = 512
	maxPageSize = 1 << 16

	branchPage   = 0x01
	leafPage     = 0x02
	metaPage     = 0x04
	freelistPage = 0x10

	bucketEntry   = 0x01 // the flag of a leaf element that is a bucket
	bucketLen     = 16   // bytes, of its value: root page and sequence
	manyFree      = 0xFFFF
	maxDepth      = 32 // of branch pages; bbolt's trees have a few
	firstDataPage = 2
)

var errPages = errors.New("damaged")

func badPage(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{errPages}, args...)...)
}

// pageFile is a bbolt file while it is verified.
type pageFile struct {
	r        io.ReaderAt
	pageSize int
	count    uint64 // pages in use or free, the meta pages included
	taken    []uint64
	entry    func(bucket string, key, value []byte)
}

// meta is what a meta page says.
type meta struct {
	pageSize              uint32
	root, freelist, pages uint64
	transaction, sequence uint64
}

// page is one page, with those that it flows over into.
type page struct {
	id    uint64
	flags uint16
	count int
	body  []byte // header included
}

// verifyPages walks a whole file and tells entry of everything in its buckets, in the order of
// bucket and key; the slices are only good during the call. An error that is errPages means
// that the file is damaged.
//
// Both meta pages must be sound: bbolt takes the older one where the newer is not, which would
// set the store back by one publication in silence.
func verifyPages(r io.ReaderAt, size int64, entry func(bucket string, key, value []byte)) error {
	f := &pageFile{r: r, entry: entry}
	m, err := f.metas(size)
	if err != nil {
		return err
	}
	f.pageSize, f.count = int(m.pageSize), m.pages
	if m.pages > uint64(size)/uint64(m.pageSize) {
		return badPage("the file is cut short")
	}
	f.taken = make([]uint64, (m.pages+63)/64)
	f.taken[0] = 1<<firstDataPage - 1
	if m.sequence != 0 {
		return badPage("sequence %d", m.sequence)
	}
	if err := f.free(m.freelist); err != nil {
		return err
	}
	if err := f.walk(m.root, 0, &walker{leaf: f.bucket}); err != nil {
		return err
	}
	found := uint64(0)
	for _, word := range f.taken {
		found += uint64(bits.OnesCount64(word))
	}
	if found != m.pages {
		return badPage("%d of %d pages are neither in use nor free", m.pages-found, m.pages)
	}
	return nil
}

// metas reads both meta pages and gives the newer one.
func (f *pageFile) metas(size int64) (meta, error) {
	first, err := f.meta(0, 0)
	if err != nil {
		return meta{}, err
	}
	if int64(first.pageSize)*firstDataPage > size {
		return meta{}, badPage("the file is cut short")
	}
	second, err := f.meta(1, int64(first.pageSize))
	switch {
	case err != nil:
		return meta{}, err
	case first.pageSize != second.pageSize:
		return meta{}, badPage("two page sizes, %d and %d", first.pageSize, second.pageSize)
	case first.transaction == second.transaction+1:
		return first, nil
	case second.transaction == first.transaction+1:
		return second, nil
	}
	return meta{}, badPage("transactions %d and %d do not follow each other", first.transaction, second.transaction)
}

func (f *pageFile) meta(id uint64, at int64) (meta, error) {
	var b [pageHeader + metaLen]byte
	if _, err := f.r.ReadAt(b[:], at); errors.Is(err, io.EOF) {
		return meta{}, badPage("the file is cut short")
	} else if err != nil {
		return meta{}, err
	}
	order, fields := binary.NativeEndian, b[pageHeader:]
	sum := fnv.New64a()
	_, _ = sum.Write(fields[:metaLen-8]) // a hash has no errors
	m := meta{
		pageSize: order.Uint32(fields[8:]), root: order.Uint64(fields[16:]), sequence: order.Uint64(fields[24:]),
		freelist: order.Uint64(fields[32:]), pages: order.Uint64(fields[40:]), transaction: order.Uint64(fields[48:]),
	}
	switch {
	case order.Uint64(b[:]) != id || order.Uint16(b[8:]) != metaPage:
		return meta{}, badPage("page %d is no meta page", id)
	case order.Uint32(fields) != metaMagic || order.Uint32(fields[4:]) != metaVersion:
		return meta{}, badPage("this is no store, or none of this machine")
	case order.Uint64(fields[metaLen-8:]) != sum.Sum64():
		return meta{}, badPage("the checksum of meta page %d is wrong", id)
	case m.pageSize < minPageSize || m.pageSize > maxPageSize || bits.OnesCount32(m.pageSize) != 1:
		return meta{}, badPage("page size %d", m.pageSize)
	case m.transaction%2 != id:
		return meta{}, badPage("meta page %d is of transaction %d", id, m.transaction)
	}
	return m, nil
}

// read reads a page that nothing else has claimed.
func (f *pageFile) read(id uint64) (page, error) {
	if id < firstDataPage || id >= f.count {
		return page{}, badPage("page %d of %d", id, f.count)
	}
	order, at := binary.NativeEndian, int64(id)*int64(f.pageSize)
	head := make([]byte, f.pageSize)
	if _, err := f.r.ReadAt(head, at); err != nil {
		return page{}, readFault(err)
	}
	if order.Uint64(head) != id {
		return page{}, badPage("page %d says that it is page %d", id, order.Uint64(head))
	}
	over := uint64(order.Uint32(head[12:]))
	if over >= f.count-id {
		return page{}, badPage("page %d flows over the end", id)
	}
	for i := range over + 1 {
		if err := f.claim(id + i); err != nil {
			return page{}, err
		}
	}
	p := page{id: id, flags: order.Uint16(head[8:]), count: int(order.Uint16(head[10:])), body: head}
	if over > 0 {
		p.body = make([]byte, int(over+1)*f.pageSize)
		if _, err := f.r.ReadAt(p.body, at); err != nil {
			return page{}, readFault(err)
		}
	}
	return p, nil
}

// readFault tells a file that ends too early from one that cannot be read.
func readFault(err error) error {
	if errors.Is(err, io.EOF) {
		return badPage("the file is cut short")
	}
	return err
}

func (f *pageFile) claim(id uint64) error {
	word, bit := &f.taken[id/64], uint64(1)<<(id%64)
	if *word&bit != 0 {
		return badPage("page %d is in use twice", id)
	}
	*word |= bit
	return nil
}

// free reads the list of free pages.
func (f *pageFile) free(id uint64) error {
	p, err := f.read(id)
	if err != nil {
		return err
	}
	if p.flags != freelistPage {
		return badPage("page %d is no list of free pages", id)
	}
	list, count := p.body[pageHeader:], uint64(p.count)
	if count == manyFree {
		count, list = binary.NativeEndian.Uint64(list), list[8:]
	}
	if count > uint64(len(list)/8) {
		return badPage("%d free pages", count)
	}
	last := uint64(0)
	for range count {
		free := binary.NativeEndian.Uint64(list)
		list = list[8:]
		if free <= last || free < firstDataPage || free >= f.count {
			return badPage("free page %d", free)
		}
		if err := f.claim(free); err != nil {
			return err
		}
		last = free
	}
	return nil
}

// walker is one walk through a tree, from its first key to its last.
type walker struct {
	leaf  func(flags uint32, key, value []byte) error
	begun bool
	last  []byte // the key before
	least []byte // what bbolt looks for below here is not before this key
}

// follows holds the next key to come after the last one and where bbolt looks for it.
func (w *walker) follows(key []byte) error {
	if w.begun && bytes.Compare(key, w.last) <= 0 || bytes.Compare(key, w.least) < 0 {
		return badPage("the keys are not in order")
	}
	w.last, w.begun = append(w.last[:0], key...), true
	return nil
}

// branches takes the key of a branch that is not the first of its page.
func (w *walker) branches(key []byte) error {
	if w.begun && bytes.Compare(key, w.last) <= 0 || bytes.Compare(key, w.least) < 0 {
		return badPage("the branches are not in order")
	}
	w.least = append(w.least[:0], key...)
	return nil
}

// walk takes in a page and all below it.
func (f *pageFile) walk(id uint64, depth int, w *walker) error {
	p, err := f.read(id)
	switch {
	case err != nil:
		return err
	case depth > maxDepth:
		return badPage("more than %d pages deep", maxDepth)
	case p.flags == leafPage:
		return p.leaves(w)
	case p.flags != branchPage || p.count == 0:
		return badPage("page %d has the flags %#x and %d elements", id, p.flags, p.count)
	}
	for i := range p.count {
		key, child, err := p.branch(i)
		if err == nil && i > 0 {
			err = w.branches(key)
		}
		if err == nil {
			err = f.walk(child, depth+1, w)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// bucket takes in what a bucket holds: on pages of its own, or in its value if that is little.
func (f *pageFile) bucket(flags uint32, name, value []byte) error {
	if flags != bucketEntry || len(value) < bucketLen {
		return badPage("%q is no bucket", name)
	}
	root, sequence := binary.NativeEndian.Uint64(value), binary.NativeEndian.Uint64(value[8:])
	if sequence != 0 {
		return badPage("bucket %q has the sequence %d", name, sequence)
	}
	bucket := string(name)
	w := &walker{leaf: func(flags uint32, key, value []byte) error {
		if flags != 0 {
			return badPage("an element of bucket %q has the flags %#x", bucket, flags)
		}
		f.entry(bucket, key, value)
		return nil
	}}
	if root != 0 {
		return f.walk(root, 0, w)
	}
	inline := value[bucketLen:]
	if len(inline) < pageHeader {
		return badPage("bucket %q is cut short", name)
	}
	order := binary.NativeEndian
	p := page{flags: order.Uint16(inline[8:]), count: int(order.Uint16(inline[10:])), body: inline}
	if order.Uint64(inline) != 0 || p.flags != leafPage || order.Uint32(inline[12:]) != 0 {
		return badPage("bucket %q has no page", name)
	}
	return p.leaves(w)
}

// leaves takes in the elements of a leaf page.
func (p *page) leaves(w *walker) error {
	for i := range p.count {
		at, err := p.element(i)
		if err != nil {
			return err
		}
		order, e := binary.NativeEndian, p.body[at:]
		key, err := p.part(at, uint64(order.Uint32(e[4:])), uint64(order.Uint32(e[8:])))
		if err != nil {
			return err
		}
		value, err := p.part(at, uint64(order.Uint32(e[4:]))+uint64(len(key)), uint64(order.Uint32(e[12:])))
		if err == nil {
			err = w.follows(key)
		}
		if err == nil {
			err = w.leaf(order.Uint32(e), key, value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// branch gives an element of a branch page.
func (p *page) branch(i int) (key []byte, child uint64, err error) {
	at, err := p.element(i)
	if err != nil {
		return nil, 0, err
	}
	order, e := binary.NativeEndian, p.body[at:]
	key, err = p.part(at, uint64(order.Uint32(e)), uint64(order.Uint32(e[4:])))
	return key, order.Uint64(e[8:]), err
}

// element gives where an element of a page stands.
func (p *page) element(i int) (int, error) {
	at := pageHeader * (i + 1)
	if at+pageHeader > len(p.body) {
		return 0, badPage("page %d has room for less than %d elements", p.id, p.count)
	}
	return at, nil
}

// part gives what an element at a place points to.
func (p *page) part(at int, from, length uint64) ([]byte, error) {
	from += uint64(at)
	if from > uint64(len(p.body)) || length > uint64(len(p.body))-from {
		return nil, badPage("an element of page %d lies outside of it", p.id)
	}
	return p.body[from : from+length : from+length], nil
}
