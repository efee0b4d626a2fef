package publish

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Meant is what a written zone must read back as.
type Meant struct {
	Origin  zone.Name
	Content zonefile.Content
	Serial  zone.Serial
	For     zonefile.Servers
	Strip   bool
	// Before is what was written, and read again, by this process before; it saves the reading of
	// a text that differs from it by some addresses. The zero value: nothing was.
	Before Verified
}

// Verified is a text that was found to have the records of a content.
type Verified struct {
	Text    *zonefile.Text
	Content zonefile.Content
}

// Verify gives the judgement of Write: the file is, byte for byte, what was meant
// to be written, and read as a zone it has no ALIAS, and the records meant. buf
// is used for the text where it is large enough.
func Verify(meant Meant, text *zonefile.Text, buf []byte) func(*os.File) error {
	return func(f *os.File) error {
		same, err := holds(f, text)
		if err != nil {
			return err
		}
		if !same {
			return ErrVerify
		}
		if text.Follows(meant.Before.Text, meant.Before.Content, meant.Content, meant.Serial) {
			return nil
		}
		// From here on the source is not needed any more, and buf may be its
		// memory.
		if _, err := f.Seek(0, 0); err != nil {
			return err
		}
		written, err := readAll(f, buf)
		if err != nil {
			return err
		}
		return VerifyText(meant, written)
	}
}

// holds tells whether a file begins with a text. Both halves are compared at
// once.
func holds(f *os.File, text *zonefile.Text) (bool, error) {
	var errs [2]error
	first, second := text.Halves()
	compare := func(i int, half *zonefile.Text, from int64) {
		errs[i] = compareWith(io.NewSectionReader(f, from, half.Len()), half)
	}
	var wg sync.WaitGroup
	wg.Go(func() { compare(0, first, 0) })
	compare(1, second, first.Len())
	wg.Wait()
	err := errors.Join(errs[:]...)
	if errors.Is(err, errDiffers) {
		return false, nil
	}
	return err == nil, err
}

// VerifyText reads a written zone and holds its records against those meant.
func VerifyText(meant Meant, written []byte) error {
	z := zonefile.Summarize("output", written, zonefile.Options{Origin: meant.Origin, For: meant.For, StripDNSSEC: meant.Strip})
	if err := z.Found.Err(); err != nil {
		return fmt.Errorf("%w: %w", ErrVerify, err)
	}
	if n := len(z.Marked(zonefile.MarkALIAS)); n > 0 {
		return fmt.Errorf("%w: %d ALIAS left", ErrVerify, n)
	}
	if z.Sum != meant.Content.Raw || z.Count != meant.Content.Lines {
		return fmt.Errorf("%w: %d records, %d meant", ErrVerify, z.Count, meant.Content.Lines)
	}
	if serial, ok := z.Serial(); !ok || serial != meant.Serial {
		return fmt.Errorf("%w: serial %d, %d meant", ErrVerify, serial, meant.Serial)
	}
	return nil
}
