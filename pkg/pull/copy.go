package pull

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Copy is what is kept of a zone.
type Copy struct {
	Serial                 zone.Serial
	Refresh, Retry, Expire time.Duration // as its SOA has them
	Size                   int64
	Checked                time.Time // when the primary was last known to have it
}

// Expires is when it is too old to be relied on (RFC 1034 §4.3.5): EXPIRE held within limits, and
// not before a check and one more could have been made.
func (c *Copy) Expires(l Limits) time.Time {
	l = l.filled()
	least := within(c.Refresh, l.LeastRefresh, l.MostRefresh) + within(c.Retry, l.LeastRetry, l.MostRetry)
	return c.Checked.Add(max(within(c.Expire, l.LeastExpire, l.MostExpire), least))
}

func within(d, least, most time.Duration) time.Duration { return min(max(d, least), most) }

// maxHead is how much of a copy is read for its SOA, which has at most two names of 255 octets,
// each up to four characters as text.
const maxHead = 1 << 13

// Kept finds the copy of a source; nil, nil is that there is none. One that does not begin with
// the SOA of the zone is none either: it is transferred anew.
func (s *Source) Kept() (*Copy, error) {
	if s.File == "" {
		return nil, nil
	}
	f, err := os.Open(s.File)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	line, err := bufio.NewReaderSize(f, maxHead).ReadSlice('\n')
	if err != nil {
		return nil, nil // without a whole line it is none of ours
	}
	list, _ := zonefile.Records(s.File, line)
	if len(list) != 1 {
		return nil, nil
	}
	found, ok := list[0].(*dns.SOA)
	if !ok {
		return nil, nil
	}
	if name, err := zone.ParseName(found.Hdr.Name, zone.Root); err != nil || name != s.Zone {
		return nil, nil // it is the file of another zone
	}
	seconds := func(n uint32) time.Duration { return time.Duration(n) * time.Second }
	c := &Copy{
		Serial: zone.Serial(found.Serial), Refresh: seconds(found.Refresh), Retry: seconds(found.Retry), Expire: seconds(found.Expire),
		Size: info.Size(), Checked: info.ModTime(),
	}
	if now := time.Now(); c.Checked.After(now) {
		c.Checked = now // the clock was set back since
	}
	return c, nil
}

// Result is what came of looking at a primary once.
type Result struct {
	Copy     Copy
	Text     []byte    // of the zone that was transferred; nil: what is kept is current
	Transfer *Transfer // nil: none was needed
}

// Once asks the primary for its serial, and transfers the zone if that is later than the one of
// the copy, or there is none. With keep the zone is then kept, durably, in place of the old copy,
// and a copy that is current is noted as checked. An error leaves the copy as it was; it is an
// [*Error] unless ctx has ended.
func (s *Source) Once(ctx context.Context, l Limits, keep bool) (*Result, error) {
	l = l.filled()
	kept, err := s.Kept()
	if err != nil {
		return nil, failure(diag.CodeUnreadable, err)
	}
	now, err := s.askSOA(ctx)
	if err != nil {
		return nil, err
	}
	if kept != nil {
		current, err := follows(now.serial, kept.Serial)
		if err != nil {
			return nil, err
		}
		if current {
			return s.current(kept, keep)
		}
	}
	got, done, err := s.get(ctx, kept, &l)
	if err != nil {
		return nil, err
	}
	if got == nil {
		return s.current(kept, keep)
	}
	if kept != nil {
		if _, err := follows(done.Serial, kept.Serial); err != nil {
			return nil, err
		}
	}
	return s.keep(got, done, keep)
}

// follows tells whether a serial is the one that is kept; with an error it is an earlier one.
func follows(serial, kept zone.Serial) (current bool, err error) {
	if serial == kept || serial.After(kept) {
		return serial == kept, nil
	}
	return false, failure(diag.CodePullSerial, fmt.Errorf("its serial %d is not later than %d, which is kept", serial, kept))
}

// current notes that the copy is that of the primary.
func (s *Source) current(kept *Copy, keep bool) (*Result, error) {
	r := &Result{Copy: *kept}
	r.Copy.Checked = time.Now()
	if keep {
		if err := os.Chtimes(s.File, r.Copy.Checked, r.Copy.Checked); err != nil {
			return nil, failure(diag.CodeUnwritable, err)
		}
	}
	return r, nil
}

// get transfers the zone: only what has changed where that is worth it, and all of it where that
// does not do. A primary that keeps no differences answers with the whole zone itself.
func (s *Source) get(ctx context.Context, kept *Copy, l *Limits) (*records, *Transfer, error) {
	if kept != nil && kept.Size >= l.IXFRFrom {
		if text, err := publish.ReadRegular(s.File, nil); err == nil {
			if from := readBase(s.Zone, text); from != nil && from.serial == kept.Serial {
				got, done, err := s.transfer(ctx, from, l)
				var told *Error
				if err == nil || ctx.Err() != nil || errors.As(err, &told) && (told.Code == diag.CodePullUnreachable || told.Code == diag.CodePullSignature) {
					return got, done, err
				}
			}
		}
	}
	return s.transfer(ctx, nil, l)
}

// keep makes what was transferred the copy.
func (s *Source) keep(got *records, done *Transfer, keep bool) (*Result, error) {
	found, err := readSOA(got.soa.rdata)
	if err != nil {
		return nil, broken("%w", err)
	}
	text := got.text()
	seconds := func(n uint32) time.Duration { return time.Duration(n) * time.Second }
	r := &Result{Text: text, Transfer: done, Copy: Copy{
		Serial: found.serial, Refresh: seconds(found.refresh), Retry: seconds(found.retry), Expire: seconds(found.expire),
		Size: int64(len(text)), Checked: time.Now(),
	}}
	if !keep || s.File == "" {
		return r, nil
	}
	err = os.MkdirAll(filepath.Dir(s.File), 0o700)
	if err == nil {
		_, err = publish.WriteBytes(s.File, text)
	}
	if err == nil {
		err = os.Chtimes(s.File, r.Copy.Checked, r.Copy.Checked)
	}
	if err != nil {
		return nil, failure(diag.CodeUnwritable, fmt.Errorf("keep what was transferred: %w", err))
	}
	return r, nil
}
