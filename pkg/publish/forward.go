package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// Forward is the text that a file had before, under a serial that is later than
// one that was served and then had to be withdrawn: who has that one would never
// transfer the old text under its old serial.
type Forward struct {
	Serial  zone.Serial
	Text    *zonefile.Text
	Content zonefile.Content // of Text
}

// errNothingBefore says that there are no records to go forward with.
var errNothingBefore = errors.New("there is no earlier file")

// forwardFrom makes the text to go forward with from a file.
func (d *Delivery) forwardFrom(path string, serial zone.Serial) (*Forward, error) {
	text, err := ReadRegular(path, nil)
	if err != nil {
		return nil, err
	}
	options := d.Reading
	options.Origin = d.Zone
	z := zonefile.Read(d.File, text, options)
	if err := z.Found.Err(); err != nil {
		return nil, err
	}
	if len(z.Aliases()) > 0 {
		return nil, errors.New("it has ALIAS records")
	}
	if _, ok := z.SerialPlace(); !ok {
		return nil, errors.New("its serial cannot be edited")
	}
	out, _ := z.Rewrite(zonefile.Rewrite{Serial: &serial})
	return &Forward{Serial: serial, Text: out, Content: z.Content(nil, nil)}, nil
}

// writeForward puts the text in place, as any other.
func (d *Delivery) writeForward(f *Forward) error {
	if d.Promise != nil {
		if err := d.Promise(f); err != nil {
			return err
		}
	}
	meant := Meant{Origin: d.Zone, Content: f.Content, Serial: f.Serial, For: d.Reading.For, Strip: d.Reading.StripDNSSEC}
	w, err := WriteKeeping(d.File, f.Text, Verify(meant, f.Text, nil))
	w.Previous.Discard()
	if w.Changed {
		return nil // it may not survive a power failure, and the server can be told all the same
	}
	return err
}

// goForward puts the records of a file in place again, under a serial behind the
// one that was served, and has the server load them. It is done once: what comes
// of it is told, and what the server does not serve is owed.
func (r *reloading) goForward(ctx context.Context, done *Delivered, from string, v *verdict) {
	f, err := r.forwardFrom(from, v.served.Next())
	if err == nil {
		err = r.writeForward(f)
	}
	if err != nil {
		done.Problems = append(done.Problems, problemNoForward(r, v, err))
		return
	}
	done.Forward, done.Changed, done.RolledBack = f, true, false
	d := *r.Delivery
	d.Old, d.New, d.Moved = &v.served, f.Serial, true
	next := newReloading(&d)
	// A server that says SERVFAIL goes on to do so until it has read the file.
	last := next.reload(ctx, goal{good: next.good})
	if last.outcome == Confirmed {
		done.Owed = Owed{} // the next run finds the change again
	}
	done.Problems = append(done.Problems, problemWithdrawn(r, v, f, &last))
}

// withdraw takes back a zone that the server has served.
func (r *reloading) withdraw(ctx context.Context, done *Delivered, v *verdict) {
	switch {
	case r.previous == nil:
		done.Problems = append(done.Problems, problemNoForward(r, v, errNothingBefore))
	case r.SelfNumbered: // whatever the file has, the server gives it a later serial
		r.rollBack(ctx, done, v)
	default:
		r.goForward(ctx, done, r.previous.name, v)
	}
}

// rollBack puts the previous file back and tells what came of it. A server that
// is seen to serve the new zone in spite of what it said is met with goForward.
func (r *reloading) rollBack(ctx context.Context, done *Delivered, v *verdict) {
	if err := r.previous.Restore(); err != nil {
		done.Problems = append(done.Problems, problemLoadFailed(r, v, err.Error()))
		return
	}
	done.RolledBack, done.Changed = true, false
	seen := false
	back := r.reload(ctx, goal{good: func(_ context.Context, w word, toolErr error) bool {
		if r.isServed(w) {
			seen, v.served = true, w.serial
		}
		return seen || w.serves && (w.serial == r.had.serial || r.SelfNumbered && toolErr == nil)
	}})
	if seen {
		done.Outcome, v.why = Withdrawn, "the previous file was put back, since "+v.why
		r.goForward(ctx, done, r.File, v)
		return
	}
	if back.outcome == Confirmed {
		done.Owed = Owed{} // the next run finds the change again
	}
	done.Problems = append(done.Problems, problemLoadFailed(r, v, fmt.Sprintf("the previous file is back, and the server %v", back.last)))
}

// isServed tells whether the server serves the new zone, which it did not before.
func (r *reloading) isServed(w word) bool {
	return w.serves && !r.SelfNumbered && r.New.After(r.had.serial) && (w.serial == r.New || w.serial.After(r.New))
}
