package resolve

import (
	"context"
	"time"
)

// exchanger carries queries to one resolver over one transport. Its methods may be called
// from many goroutines at once.
type exchanger interface {
	// wait takes a turn and tells how long that took. Whoever has one gives it back with done.
	wait(ctx context.Context) (time.Duration, error)
	done()
	// exchange asks one query and gives its reply; the number is how many packets did not fit.
	exchange(ctx context.Context, q query, timeout time.Duration) (reply, int)
	// close ends what is under way.
	close()
}

var _ exchanger = (*pool)(nil)

// Error makes a failure an error, for transports that know its reason.
func (f *failure) Error() string { return f.detail }
