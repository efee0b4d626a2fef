package zone

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Serial is the SERIAL field of an SOA record.
//
// Serials live on a circle of 2³² values (RFC 1982), so they have no total
// order: use [Serial.After], never < or >.
type Serial uint32

// After tells whether s is later than other. Two serials exactly 2³¹ apart
// have no order (RFC 1982 §3.2): neither is after the other.
func (s Serial) After(other Serial) bool {
	d := s - other
	return d != 0 && d < 1<<31
}

// Incomparable tells whether the two serials are exactly 2³¹ apart.
func (s Serial) Incomparable(other Serial) bool { return s-other == 1<<31 }

// Next is the serial one later than s, leaving out 0, which some secondaries
// take for "no serial".
func (s Serial) Next() Serial {
	if s+1 == 0 {
		return 1
	}
	return s + 1
}

// Policy says how serials go on.
type Policy struct {
	Style  SerialStyle
	Number Serial // with SerialNumber
}

// SerialStyle is a way to choose serials.
type SerialStyle uint8

// The styles.
const (
	SerialAuto      SerialStyle = iota // goes on in the style that the SOA shows
	SerialIncrement                    // one more
	SerialDate                         // YYYYMMDDnn
	SerialUnixTime                     // seconds since 1970
	SerialKeep                         // as in the source
	SerialNumber                       // a number
)

// ParsePolicy reads auto, increment, date, unixtime, keep or a number.
func ParsePolicy(s string) (Policy, error) {
	switch strings.ToLower(s) {
	case "", "auto":
		return Policy{Style: SerialAuto}, nil
	case "increment":
		return Policy{Style: SerialIncrement}, nil
	case "date":
		return Policy{Style: SerialDate}, nil
	case "unixtime":
		return Policy{Style: SerialUnixTime}, nil
	case "keep":
		return Policy{Style: SerialKeep}, nil
	}
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil {
		return Policy{}, fmt.Errorf("serial %q is none of auto, increment, date, unixtime, keep and no number of 32 bits", s)
	}
	if n == 0 {
		return Policy{}, errors.New("serial 0 is never written: some secondaries take it for no serial")
	}
	return Policy{Style: SerialNumber, Number: Serial(n)}, nil
}

// What can be wrong with a choice of serial.
var (
	ErrSerialNotLater     = errors.New("not later than the published serial")
	ErrSerialIncomparable = errors.New("exactly 2^31 from the published serial, which has no order")
)

// Choice is a chosen serial.
type Choice struct {
	Serial   Serial
	FellBack SerialStyle // the style that would have gone backwards; SerialAuto where none did
	Clock    SerialStyle // the style whose serial of the time it is; SerialAuto where it is no such one
}

// Choose gives the serial of a zone to be published. published is the last
// one that was, nil if none is known; changed tells whether the records differ
// from those under it.
//
// The serial is later than published exactly if something changed, and never
// before the source's: a source serial raised alone goes out as it is. It is
// never 0.
func (p Policy) Choose(source Serial, published *Serial, changed bool, now time.Time) (Choice, error) {
	if p.Style == SerialKeep {
		return Choice{Serial: source}, nil
	}
	if published == nil {
		return p.first(source, now)
	}
	last := *published
	if p.Style == SerialNumber {
		return p.fixed(last, changed)
	}
	source = max(source, 1)
	if source.Incomparable(last) {
		return Choice{}, ErrSerialIncomparable
	}
	if !changed {
		if source.After(last) {
			return Choice{Serial: source}, nil
		}
		return Choice{Serial: last}, nil
	}
	base := last
	if source.After(last) {
		base = source
	}
	style := p.Style
	if style == SerialAuto {
		style = StyleOf(base, now)
	}
	c := Choice{Serial: last.Next()}
	if wanted, ok := style.at(now); ok {
		if wanted.After(last) {
			c.Serial, c.Clock = wanted, style
		} else if style == SerialUnixTime || last.After(wanted+99) {
			c.FellBack = style
		}
	}
	// A source that is before what was published may still be after what is half the
	// circle further on.
	if source.After(last) && source.After(c.Serial) {
		c = Choice{Serial: source}
	}
	return c, nil
}

// first chooses where nothing published is known: the source's serial as it
// is, unless a style or number was asked for by name.
func (p Policy) first(source Serial, now time.Time) (Choice, error) {
	if p.Style == SerialNumber {
		return Choice{Serial: p.Number}, nil
	}
	wanted, ok := p.Style.at(now)
	switch {
	case !ok:
		return Choice{Serial: max(source, 1)}, nil
	case source.After(wanted):
		return Choice{Serial: source, FellBack: p.Style}, nil
	}
	return Choice{Serial: wanted, Clock: p.Style}, nil
}

func (p Policy) fixed(last Serial, changed bool) (Choice, error) {
	switch {
	case p.Number == last && !changed:
		return Choice{Serial: last}, nil
	case p.Number.Incomparable(last):
		return Choice{}, ErrSerialIncomparable
	case !p.Number.After(last):
		return Choice{}, ErrSerialNotLater
	}
	return Choice{Serial: p.Number}, nil
}

// at gives the serial that a style of the clock has at a time, in UTC.
func (s SerialStyle) at(now time.Time) (Serial, bool) {
	now = now.UTC()
	switch s {
	case SerialDate:
		return Serial(now.Year()*1000000 + int(now.Month())*10000 + now.Day()*100 + 1), true
	case SerialUnixTime:
		return Serial(now.Unix()), true
	case SerialAuto, SerialIncrement, SerialKeep, SerialNumber:
	}
	return 0, false
}

// String is the word for the style.
func (s SerialStyle) String() string {
	return [...]string{"auto", "increment", "date", "unixtime", "keep", "number"}[s]
}

// StyleOf recognizes the style of a serial: a date that may be, a time that has
// been, or else a number that counts up.
func StyleOf(s Serial, now time.Time) SerialStyle {
	day, month, year := int(s/100%100), int(s/10000%100), int(s/1000000)
	if year >= 1990 && year <= now.Year()+1 && month >= 1 && month <= 12 && day >= 1 && day <= 31 {
		return SerialDate
	}
	if s >= 1e9 && int64(s) <= now.Unix()+86400 {
		return SerialUnixTime
	}
	return SerialIncrement
}
