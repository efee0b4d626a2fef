package zone

import "errors"

// maxStep is the farthest that a serial is later than another (RFC 1982 §3.2).
const maxStep = 1<<31 - 1

// ErrSerialZero says that a serial is 0, which some secondaries take for none.
var ErrSerialZero = errors.New("serial 0 is never published: some secondaries take it for no serial")

// Steps gives the serials to publish, one after the other, to get from one that
// secondaries have to another one: each is later than the one before, and none
// is 0. There are none where both are the same.
//
// A serial that is later is one step away, and an earlier one two (RFC 1982
// §7), since two steps go round the circle. It takes a third only where two are
// just too short, to the serial right before that which secondaries have, or
// where the only serial half way is 0.
func Steps(from, to Serial) ([]Serial, error) {
	if to == 0 {
		return nil, ErrSerialZero
	}
	var steps []Serial
	for at := from; at != to; {
		next := to
		if !to.After(at) {
			next = at + maxStep
			if next == 0 {
				next-- // still later, and not 0
			}
		}
		steps = append(steps, next)
		at = next
	}
	return steps, nil
}
