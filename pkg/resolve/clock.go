package resolve

import "time"

// moment is a time on the clock that never jumps, in nanoseconds since the program began to
// count. A lookup keeps many of them, and a [time.Time] is three times as long. The zero
// moment is none. In the fake time of a test, which begins earlier, they are below zero.
type moment int64

var countedFrom = time.Now()

// rightNow is never zero.
func rightNow() moment { return moment(time.Since(countedFrom)) + 1 }

func (m moment) add(d time.Duration) moment { return m + moment(d) }

// since is the time from an earlier moment to this one.
func (m moment) since(earlier moment) time.Duration { return time.Duration(m - earlier) }
