// Package publish writes zones to where name servers read them, so that a
// reader sees one whole zone or the other, and nothing is touched when nothing
// changed.
package publish

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// ErrVerify says that what was written does not read back as what was meant.
var ErrVerify = errors.New("what was written does not read back as what was meant")

// Read reads a file whole, into buf if it fits. A file that is not there is
// no error and gives nil.
func Read(path string, buf []byte) ([]byte, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was published: %w", err)
	}
	defer f.Close()
	text, err := readAll(f, buf)
	if err != nil {
		return nil, fmt.Errorf("read what was published: %s: %w", path, err)
	}
	return text, nil
}

// headLen is how much of a file is its head.
const headLen = 1 << 16

// ReadHead reads the beginning of a file. A file that is not there is no error
// and gives nil.
func ReadHead(path string) ([]byte, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read what was published: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read what was published: %w", err)
	}
	head := make([]byte, min(headLen, info.Size()))
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read what was published: %s: %w", path, err)
	}
	return head[:n], nil
}

// SameRecords compares a file with a text as sets of records, as far as that
// can be told from their bytes.
func SameRecords(path string, text *zonefile.Text) (same, known bool, err error) {
	f, err := openRegular(path)
	if err != nil {
		return false, false, fmt.Errorf("compare with what was published: %w", err)
	}
	defer f.Close()
	same, known, err = text.SameRecords(f)
	if err != nil {
		return false, false, fmt.Errorf("compare with what was published: %s: %w", path, err)
	}
	return same, known, nil
}

// Summarize summarizes a zone file. Known is false where it has to be read
// whole for that.
func Summarize(path string, options zonefile.Options) (found zonefile.Summary, known bool, err error) {
	f, err := openRegular(path)
	if err != nil {
		return found, false, fmt.Errorf("read what was published: %w", err)
	}
	defer f.Close()
	found, known, err = zonefile.SummarizeFrom(path, f, options)
	if err != nil {
		return found, false, fmt.Errorf("read what was published: %s: %w", path, err)
	}
	return found, known, nil
}

// Checksum is the CRC-32C of a file.
func Checksum(path string) (uint32, error) {
	f, err := openRegular(path)
	if err != nil {
		return 0, fmt.Errorf("compare with what was published: %w", err)
	}
	defer f.Close()
	sum := crc32.New(crc32.MakeTable(crc32.Castagnoli))
	if _, err := io.Copy(sum, f); err != nil {
		return 0, fmt.Errorf("compare with what was published: %s: %w", path, err)
	}
	return sum.Sum32(), nil
}

// ReadRegular reads a regular file whole, into buf if it fits.
func ReadRegular(path string, buf []byte) ([]byte, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readAll(f, buf)
}

// ErrChanging says that a file was written to while it was read, each time.
var ErrChanging = errors.New("it changes while it is read")

// The reading of a file that somebody writes to.
const (
	stableReads = 10
	stablePause = 50 * time.Millisecond
)

// ReadStable is ReadRegular for a file that others write. One that changes meanwhile is read
// again a little later, for half a second: half of it is not what its author meant.
func ReadStable(path string, buf []byte) ([]byte, error) {
	return readStable(path, buf, ReadRegular)
}

func readStable(path string, buf []byte, read func(string, []byte) ([]byte, error)) ([]byte, error) {
	for range stableReads {
		before, err := os.Stat(path)
		if err != nil {
			return buf, err
		}
		if buf, err = read(path, buf); err != nil {
			return buf, err
		}
		after, err := os.Stat(path)
		if err != nil {
			return buf, err
		}
		if os.SameFile(before, after) && before.Size() == after.Size() && before.ModTime().Equal(after.ModTime()) && int64(len(buf)) == after.Size() {
			return buf, nil
		}
		time.Sleep(stablePause)
	}
	return buf, &fs.PathError{Op: "read", Path: path, Err: ErrChanging}
}

// openRegular opens a regular file for reading. It looks first: to open a FIFO
// waits for somebody who writes into it.
func openRegular(path string) (*os.File, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errNotRegular}
	}
	return os.Open(path)
}

var errNotRegular = errors.New("not a regular file")

// readAll reads a regular file into buf, or into a new buffer where buf is too
// small.
func readAll(f *os.File, buf []byte) ([]byte, error) {
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errNotRegular
	}
	size := int(info.Size())
	if cap(buf) < size+1 {
		buf = newBuffer(size + size/32 + min(size/8+64, 4096)) // what is written from it may be a little longer
		LargePages(buf[:size])
	}
	buf = buf[:cap(buf)]
	n, err := readHalves(f, buf[:size])
	if err != nil {
		return nil, err
	}
	for {
		if n == len(buf) {
			buf = append(buf, 0)[:n+1]
			buf = buf[:cap(buf)]
		}
		k, err := f.Read(buf[n:])
		n += k
		if err == io.EOF {
			return buf[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// readHalves reads the beginning of a large file, both halves at once: most of
// the time goes into memory that is touched for the first time. It gives how
// much it has read without a gap, and leaves the file at that place.
func readHalves(f *os.File, buf []byte) (int, error) {
	if len(buf) < 1<<20 {
		return 0, nil
	}
	half := len(buf) / 2
	var n [2]int
	var errs [2]error
	var wg sync.WaitGroup
	wg.Go(func() { n[0], errs[0] = f.ReadAt(buf[:half], 0) })
	n[1], errs[1] = f.ReadAt(buf[half:], int64(half))
	wg.Wait()
	for _, err := range errs {
		if err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
	}
	read := n[0]
	if read == half {
		read += n[1]
	}
	_, err := f.Seek(int64(read), io.SeekStart)
	return read, err
}

// Same tells whether a file has exactly this text. A file that is not there
// has not.
func Same(path string, text *zonefile.Text) (bool, error) {
	f, err := openRegular(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare with what was published: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return false, fmt.Errorf("compare with what was published: %w", err)
	}
	if info.Size() != text.Len() {
		return false, nil
	}
	err = compareWith(f, text)
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("compare with what was published: %w", err)
	}
	return true, nil
}

var errDiffers = errors.New("differs")

// comparer is a writer that compares with what it reads.
type comparer struct {
	r   io.Reader
	buf [1 << 16]byte
}

// comparers are used again: their buffers are larger than most zones.
var comparers = sync.Pool{New: func() any { return new(comparer) }}

// compareWith compares a text with what is read, and gives errDiffers.
func compareWith(r io.Reader, text *zonefile.Text) error {
	c, _ := comparers.Get().(*comparer)
	defer comparers.Put(c)
	c.r = r
	_, err := text.WriteTo(c)
	c.r = nil
	return err
}

func (c *comparer) Write(p []byte) (int, error) {
	n := 0
	for n < len(p) {
		part := p[n:min(len(p), n+len(c.buf))]
		switch _, err := io.ReadFull(c.r, c.buf[:len(part)]); {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
			return n, errDiffers
		case err != nil:
			return n, err
		}
		if !bytes.Equal(part, c.buf[:len(part)]) {
			return n, errDiffers
		}
		n += len(part)
	}
	return n, nil
}

// target follows links to the file that is to be replaced, which may not be
// there yet, and refuses anything but a regular file.
func target(path string) (string, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if link, linkErr := os.Readlink(path); linkErr == nil {
			return path, fmt.Errorf("link to %s, which is not there", link)
		}
		return path, nil
	case err != nil:
		return path, err
	case !info.Mode().IsRegular():
		return path, errNotRegular
	}
	return filepath.EvalSymlinks(path)
}

// WriteTo writes a text in large pieces.
func WriteTo(w io.Writer, text *zonefile.Text) error {
	b := &coalescer{w: w}
	if _, err := text.WriteTo(b); err != nil {
		return err
	}
	return b.flush()
}

// coalescer joins small writes and passes large ones through.
type coalescer struct {
	w   io.Writer
	buf []byte
}

const coalesce = 1 << 16

func (c *coalescer) Write(p []byte) (int, error) {
	if len(c.buf)+len(p) <= coalesce {
		c.buf = append(c.buf, p...)
		return len(p), nil
	}
	if err := c.flush(); err != nil {
		return 0, err
	}
	if len(p) < coalesce/4 {
		c.buf = append(c.buf, p...)
		return len(p), nil
	}
	return c.w.Write(p)
}

func (c *coalescer) flush() error {
	_, err := c.w.Write(c.buf)
	c.buf = c.buf[:0]
	return err
}
