package resolve

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	transportUDP = "udp"
	transportTCP = "tcp"

	// A resolver that was silent so often in a row is asked after the others, until
	// one query after the pause below finds it back.
	silentLimit = 8
	silentPause = 15 * time.Second
)

// upstream is one resolver of the list.
type upstream struct {
	url     URL
	name    string // url as text
	timeout time.Duration
	host    *host
	udp     *pool     // nil where the resolver is not asked over UDP
	stream  exchanger // over TCP or encrypted: nothing is forged or cut short there
	via     string    // what stream is, as attempts tell it

	anyCase   atomic.Bool // learned over TCP: the resolver does not keep letter case
	silent    atomic.Int32
	downUntil atomic.Int64 // nanoseconds since 1970; 0 while it answers
}

// newUpstream sends nothing yet. What it opens later ends with ctx, and with close.
func newUpstream(ctx context.Context, u URL, opts Options) *upstream {
	h := newHost(ctx, u, opts)
	up := &upstream{url: u, name: u.String(), timeout: opts.QueryTimeout, host: h}
	if u.encrypted() {
		up.stream, up.via = newEncrypted(ctx, h, opts), string(u.Scheme)
		up.anyCase.Store(true) // letter case proves nothing beyond what the certificate does
		return up
	}
	up.stream, up.via = newPool(2*opts.Sockets, true, h.dialer(ctx, "tcp")), transportTCP
	if u.Scheme == SchemeUDP {
		up.udp = newPool(opts.Sockets, false, h.dialer(ctx, "udp"))
	}
	return up
}

func (u *upstream) close() {
	if u.udp != nil {
		u.udp.close()
	}
	u.stream.close()
	u.host.close()
}

// isUp tells whether the resolver answers as far as is known. While it is silent, one
// caller after each pause is told yes and so finds out.
func (u *upstream) isUp(now time.Time) bool {
	until := u.downUntil.Load()
	if until == 0 {
		return true
	}
	return now.UnixNano() >= until && u.downUntil.CompareAndSwap(until, now.Add(silentPause).UnixNano())
}

// note keeps count of silence.
func (u *upstream) note(answered bool) {
	if answered {
		if u.silent.Load() != 0 || u.downUntil.Load() != 0 {
			u.silent.Store(0)
			u.downUntil.Store(0)
		}
		return
	}
	if u.silent.Add(1) == silentLimit {
		u.downUntil.Store(time.Now().Add(silentPause).UnixNano())
	}
}

// run is what the questions of one lookup share.
type run struct {
	deadline time.Time // moves on while the lookup waits for its turn behind others
	attempts []Attempt
}

// lookup asks this resolver alone, for as many names as the chain takes.
func (u *upstream) lookup(ctx context.Context, target zone.Name, qtype uint16, r *run) Answer {
	c := newChain(target, qtype)
	for {
		m, f := u.query(ctx, c.last, qtype, r)
		if f != nil {
			a := c.answer(target).failed(*f)
			a.Resolver = u.name
			return a
		}
		if a, done := c.walk(target, m); done {
			a.Resolver = u.name
			return a
		}
	}
}

// query asks for one name until there is a reply that can be read: over TCP where the one
// over UDP is cut short or has other letter case, without EDNS where EDNS is not understood.
func (u *upstream) query(ctx context.Context, name zone.Name, qtype uint16, lookup *run) (*message, *failure) {
	datagram, edns := u.udp != nil, true
	distrusted := false
	for {
		a := Attempt{Resolver: u.name, Transport: u.via, Name: name, Type: qtype, Rcode: -1}
		if datagram {
			a.Transport = transportUDP
		}
		start := time.Now()
		q := newQuery(name, qtype, edns, u.anyCase.Load())
		r, wrong := u.exchange(ctx, datagram, q, lookup)
		a.Duration = time.Since(start)
		m, f := u.readReply(ctx, r, wrong, &a)
		switch {
		case f != nil:
		case r.caseDiffs && datagram:
			a.Err = "the letter case of the question was changed; asked again over TCP"
			datagram, distrusted, m = false, true, nil
		case isTruncated(r.packet) && datagram:
			a.Err = "cut short; asked again over TCP"
			datagram, m = false, nil
		case isTruncated(r.packet):
			f = failuref(ReasonTruncated, "the answer is cut short over TCP too")
			if u.url.encrypted() {
				f.detail = "the answer is cut short"
			}
			a.Err = f.detail
		case edns && refusesEDNS(m.rcode):
			a.Err = rcodeName(m.rcode) + "; asked again without EDNS"
			edns, m = false, nil
		}
		lookup.attempts = append(lookup.attempts, a)
		if f != nil {
			return nil, f
		}
		if distrusted && !datagram && r.caseDiffs && m != nil {
			u.anyCase.Store(true)
		}
		if m != nil {
			return m, nil
		}
	}
}

func refusesEDNS(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers
}

// maxHangups is how often a query is asked on a further connection because the server
// closed the one before, as servers do with idle ones or after a number of queries.
const maxHangups = 2

// exchange asks one query.
func (u *upstream) exchange(ctx context.Context, datagram bool, q query, lookup *run) (reply, int) {
	p := u.stream
	if datagram {
		p = u.udp
	}
	waited, err := p.wait(ctx)
	lookup.deadline = lookup.deadline.Add(waited)
	if err != nil {
		return reply{err: err}, 0
	}
	defer p.done()
	for hangups := 0; ; hangups++ {
		timeout := min(u.timeout, time.Until(lookup.deadline))
		if timeout <= 0 {
			return reply{err: errTimeout}, 0
		}
		r, wrong := p.exchange(ctx, q, timeout)
		if hangups == maxHangups || datagram || !hungUp(r.err) {
			return r, wrong
		}
	}
}

// readReply reads the message in a reply and fills in what the attempt came to. A message
// that is cut short is read only as far as its header.
func (u *upstream) readReply(ctx context.Context, r reply, wrong int, a *Attempt) (*message, *failure) {
	if r.err != nil {
		f := failureOf(ctx, r.err, wrong)
		if f.reason != ReasonCanceled {
			u.note(false)
		}
		a.Err = f.detail
		return nil, f
	}
	u.note(true)
	if isTruncated(r.packet) {
		a.Rcode = int(r.packet[3]) & maskRcode
		return &message{rcode: a.Rcode}, nil
	}
	m, err := parseMessage(r.packet)
	if err != nil {
		f := &failure{reason: ReasonMalformed, detail: err.Error()}
		a.Err = f.detail
		return nil, f
	}
	a.Rcode, a.EDE = m.rcode, m.ede
	return m, nil
}

// failureOf says why there is no reply.
func failureOf(ctx context.Context, err error, wrong int) *failure {
	var timeout net.Error
	var told *failure
	switch {
	case ctx.Err() != nil:
		return &failure{reason: ReasonCanceled, detail: canceledText(ctx.Err())}
	case errors.Is(err, errClosed), errors.Is(err, context.Canceled):
		return &failure{reason: ReasonCanceled, detail: errClosed.Error()}
	case errors.As(err, &told):
		return told
	case errors.Is(err, errTimeout), errors.As(err, &timeout) && timeout.Timeout():
		text := errTimeout.Error()
		if wrong > 0 {
			text += fmt.Sprintf("; packets that did not fit the question: %d", wrong)
		}
		return &failure{reason: ReasonTimeout, detail: text}
	}
	return &failure{reason: ReasonNetwork, detail: networkText(err)}
}

// networkText leaves out the addresses of a network error: the port on our side differs
// from run to run, and the resolver is named beside it.
func networkText(err error) string {
	var op *net.OpError
	var call *os.SyscallError
	switch {
	case errors.As(err, &call):
		return call.Err.Error()
	case errors.As(err, &op) && op.Err != nil:
		return op.Err.Error()
	}
	return err.Error()
}

func canceledText(err error) string {
	if errors.Is(err, context.DeadlineExceeded) {
		return "the time for the whole run is over"
	}
	return "canceled"
}
