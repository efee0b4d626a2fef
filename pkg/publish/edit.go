package publish

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// ErrEdited says that a file is not the one that an edit of it began with.
var ErrEdited = errors.New("it has changed meanwhile")

// ETag names the bytes of a text: one with another byte has another ETag (RFC 9110 §8.8.3, a
// strong one). It is a word of digits and letters, without quotation marks.
func ETag(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// WriteEdited replaces a source by its edited text, if it still has the bytes that an ETag names.
// It does so as [WriteKeeping] does: in one step, with mode and owner kept, and the file that a
// link leads to. What comes between is found out even after the replacement, and is put back: it
// is an ErrEdited, and what others have written stands.
//
// Editors do not look for locks. Those who edit by this function keep apart by [TakeLock].
func WriteEdited(path string, text *zonefile.Text, etag string) error {
	path, err := target(path)
	if err != nil {
		return fmt.Errorf("edit %s: %w", path, err)
	}
	verify := func(f *os.File) error {
		if _, err := f.Seek(0, io.SeekStart); err != nil {
			return err
		}
		err := compareWith(f, text)
		if errors.Is(err, errDiffers) {
			return ErrVerify
		}
		if err == nil {
			err = stillIs(path, etag)
		}
		return err
	}
	w, err := replace(path, func(f io.Writer) error { return WriteTo(f, text) }, verify)
	if err == nil {
		err = undoEdit(w.Previous, etag)
	}
	w.Previous.Discard()
	if err != nil {
		return fmt.Errorf("edit %s: %w", path, err)
	}
	return nil
}

// undoEdit puts back what was replaced where it is not known to be what an ETag names.
func undoEdit(previous *Previous, etag string) error {
	if previous == nil {
		return nil
	}
	err := stillIs(previous.name, etag)
	if err == nil {
		return nil
	}
	if back := previous.Restore(); back != nil {
		return fmt.Errorf("%w, and the way back failed: %w", err, back)
	}
	return err
}

// stillIs tells whether a file has the bytes that an ETag names.
func stillIs(path, etag string) error {
	text, err := ReadRegular(path, nil)
	if err != nil {
		return err
	}
	if ETag(text) != etag {
		return ErrEdited
	}
	return nil
}
