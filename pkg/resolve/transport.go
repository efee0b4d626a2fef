package resolve

import (
	"context"
	"encoding/binary"
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

var (
	_ exchanger = (*streams)(nil)
	_ exchanger = (*doh)(nil)
)

// newEncrypted gives the transport of a URL that is encrypted. What it opens ends with ctx,
// and with close.
func newEncrypted(ctx context.Context, h *host, opts Options) exchanger {
	switch h.url.Scheme {
	case SchemeHTTPS:
		return newDoH(ctx, h, opts)
	case SchemeQUIC:
		return newDoQ(ctx, h, opts)
	case SchemeTLS, SchemeUDP, SchemeTCP, SchemeSystem, SchemeFile, SchemeDemo:
	}
	return newDoT(ctx, h, opts)
}

// turns bounds how many queries are under way.
type turns chan struct{}

func (t turns) wait(ctx context.Context) (time.Duration, error) {
	start := time.Now()
	select {
	case t <- struct{}{}:
		return time.Since(start), nil
	case <-ctx.Done():
		return time.Since(start), ctx.Err()
	}
}

func (t turns) done() { <-t }

// Error makes a failure an error, for transports that know its reason.
func (f *failure) Error() string { return f.detail }

// accept checks the one reply to a query that went out with the identifier 0.
func (q *query) accept(packet []byte) reply {
	if len(packet) < headerLen {
		return reply{err: &failure{reason: ReasonMalformed, detail: errBadMessage.Error()}}
	}
	fit := q.fit(packet)
	if fit == noMatch || binary.BigEndian.Uint16(packet) != 0 {
		return reply{err: failuref(ReasonMalformed, "the reply does not fit the question")}
	}
	return reply{packet: packet, caseDiffs: fit == caseDiffs}
}
