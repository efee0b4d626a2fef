package watch

import "time"

// HungAfter is how old the beat of a scheduler that works gets at most.
const HungAfter = 30 * time.Second

// Hung tells whether the scheduler was not alive for so long that only a new start helps. One
// that has not begun counts from the start of the daemon.
func (s *Snapshot) Hung(now time.Time) bool {
	beat := s.Beat
	if beat.IsZero() {
		beat = s.Started
	}
	return now.Sub(beat) > HungAfter
}
