package resolve

import (
	"context"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// visit is a lookup at one resolver: a chain walked over as many names as it takes, and each
// name asked for as often as it takes: over a connection where the reply over UDP is cut short
// or cannot be trusted, without EDNS where EDNS is not understood.
type visit struct {
	u      *upstream
	target zone.Name
	chain  chain
	style  style

	// How the current name is asked for.
	query      query
	asked      time.Time
	overConn   bool
	distrusted bool // the reply over UDP had something that only the resolver itself explains
	badCookies int

	wantZones  bool // see message
	noSubnet   bool // the resolver does not take the client subnet
	unverified bool // a reply on the way had AD clear

	heard    atomic.Bool // the resolver has replied
	attempts []Attempt
	first    [1]Attempt // room for most
}

// init begins a visit; v is zero.
func (v *visit) init(u *upstream, target zone.Name, qtype uint16, s style) {
	v.u, v.target, v.chain, v.style = u, target, newChain(target, qtype), s
	v.attempts = v.first[:0]
	v.overConn = u.udp == nil
}

// next builds the query to send now.
func (v *visit) next() query {
	s := v.style
	s.anyCase = s.anyCase || v.u.anyCase.Load()
	if !v.overConn && !s.plain {
		s.cookie = v.u.cookies.current()
	}
	v.query = newQuery(v.chain.last, v.chain.qtype, s)
	v.asked = time.Now()
	return v.query
}

// run asks until the visit is over. The deadline moves on while it waits for its turn.
func (v *visit) run(ctx context.Context, d *deadline) Answer {
	for {
		r, asked := v.exchange(ctx, d)
		if asked.IsZero() {
			asked = v.asked
		}
		if a, done := v.take(r, asked); done {
			return a
		}
	}
}

// fetch asks for the current name until there is a message, which the caller releases.
func (v *visit) fetch(ctx context.Context, d *deadline) (*message, *failure) {
	for {
		r, asked := v.exchange(ctx, d)
		if asked.IsZero() {
			asked = v.asked
		}
		if m, f := v.receive(r, asked); m != nil || f != nil {
			return m, f
		}
	}
}

// maxHangups is how often a query is asked on a further connection because the server
// closed the one before, as servers do with idle ones or after a number of queries.
const maxHangups = 2

// exchange asks one query and waits, and tells when it was sent.
func (v *visit) exchange(ctx context.Context, d *deadline) (reply, time.Time) {
	if !v.overConn {
		return v.datagram(ctx, d)
	}
	start := time.Now()
	if err := v.u.turn(ctx); err != nil {
		return reply{err: err}, time.Time{}
	}
	defer func() { <-v.u.turns }()
	d.extend(time.Since(start))
	q := v.next()
	for hangups := 0; ; hangups++ {
		timeout := min(v.u.timeout, d.left())
		if timeout <= 0 {
			return reply{err: errTimeout}, v.asked
		}
		r, wrong := v.u.conns.exchange(ctx, q, timeout)
		r.wrong = wrong
		if hangups == maxHangups || !hungUp(r.err) {
			return r, v.asked
		}
	}
}

// turn waits until one more query may be under way over connections.
func (u *upstream) turn(ctx context.Context) error {
	select {
	case u.turns <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	if u.rate == nil {
		return nil
	}
	if err := u.rate.Wait(ctx); err != nil {
		<-u.turns
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return context.DeadlineExceeded // the turn would come after the end of the run
	}
	return nil
}

// datagram asks one query over UDP and waits.
func (v *visit) datagram(ctx context.Context, d *deadline) (reply, time.Time) {
	timeout := min(v.u.timeout, d.left())
	if timeout <= 0 {
		return reply{err: errTimeout}, time.Time{}
	}
	got := make(chan reply, 1)
	start := time.Now()
	v.u.udp.add(&ask{query: v.next(), timeout: timeout, ended: ctx.Err, done: func(r reply) {
		r.packet = append([]byte(nil), r.packet...)
		got <- r
	}})
	v.u.udp.flush()
	r := <-got
	if !r.sent.IsZero() {
		d.extend(r.sent.Sub(start))
	}
	return r, r.sent
}

// receive takes a reply: the message in it, or why it is none, or neither where the name has to
// be asked for again.
func (v *visit) receive(r reply, asked time.Time) (*message, *failure) {
	a := Attempt{Resolver: v.u.name, Transport: transportUDP, Name: v.chain.last, Type: v.chain.qtype, Rcode: -1}
	if v.overConn {
		a.Transport = v.u.overConn
	}
	now := time.Now()
	a.Duration = now.Sub(asked)
	m, f := v.read(r, &a, now)
	again := ""
	if f == nil {
		again, f = v.doubt(r, m)
	}
	if again != "" {
		a.Err = again
	} else if f != nil {
		a.Err = f.detail
	}
	v.attempts = append(v.attempts, a)
	if again != "" || f != nil {
		return nil, f
	}
	return m, nil
}

// take judges a reply: the answer, or false where there is more to ask.
func (v *visit) take(r reply, asked time.Time) (Answer, bool) {
	m, f := v.receive(r, asked)
	switch {
	case m == nil && f == nil:
		return Answer{}, false
	case f != nil:
		answer := v.chain.answer(v.target).failed(*f)
		answer.Resolver = v.u.name
		return answer, true
	}
	answer, done := v.chain.walk(v.target, m)
	v.unverified = v.unverified || !m.ad
	m.release()
	if !done {
		v.overConn, v.distrusted, v.badCookies = v.u.udp == nil, false, 0
		return Answer{}, false
	}
	if v.style.ad && v.unverified && answer.Outcome != Failure {
		answer = answer.failed(*failuref(ReasonNotValidated, "the answer is not validated: its AD bit is clear"))
	}
	answer.Resolver, answer.SubnetUnused = v.u.name, v.noSubnet
	return answer, true
}

// read reads the message in a reply. One that is cut short is read only as far as its header.
func (v *visit) read(r reply, a *Attempt, now time.Time) (*message, *failure) {
	if r.err != nil {
		f := failureOf(r.err, r.wrong)
		if f.reason == ReasonTimeout || f.reason == ReasonNetwork {
			v.u.health.silence(v.asked, now)
		}
		return nil, f
	}
	v.heard.Store(true)
	v.u.answered(a.Duration, now)
	if isTruncated(r.packet) {
		a.Rcode = int(r.packet[3]) & maskRcode
		return nil, nil
	}
	parse := parseMessage
	if v.wantZones {
		parse = parseZones
	}
	m, err := parse(r.packet, v.chain.last)
	if err != nil {
		return nil, &failure{reason: ReasonMalformed, detail: err.Error()}
	}
	a.Rcode, a.EDE = m.rcode, m.ede
	return m, nil
}

// doubt tells why a reply does not count and the name is asked for again, in the way that the
// visit then says.
func (v *visit) doubt(r reply, m *message) (again string, f *failure) {
	switch {
	case m == nil && v.overConn:
		return "", failuref(ReasonTruncated, "the answer is cut short over TCP too")
	case m == nil:
		v.overConn = true
		return "cut short; asked again over TCP", nil
	case v.overConn:
		if v.distrusted {
			v.explain(r, m)
		}
	case r.caseDiffs:
		v.overConn, v.distrusted = true, true
		return "the letter case of the question was changed; asked again over TCP", nil
	default:
		if again = v.doubtCookie(m); again != "" {
			return again, nil
		}
	}
	if v.query.subnet != nil && refusesSubnet(m.rcode) {
		v.style.subnet, v.noSubnet = netip.Prefix{}, true
		return rcodeName(m.rcode) + "; asked again without the client subnet", nil
	}
	if !v.style.plain && refusesEDNS(m.rcode) {
		v.style.plain, v.noSubnet = true, v.noSubnet || v.query.subnet != nil
		return rcodeName(m.rcode) + "; asked again without EDNS", nil
	}
	return "", v.query.judgeSubnet(m)
}

// refusesSubnet tells whether an rcode may be about the client subnet (RFC 7871 §7.1.3).
func refusesSubnet(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeRefused
}

// explain learns from a reply that nobody can have forged: what was odd about the one over UDP
// is how the resolver is.
func (v *visit) explain(r reply, m *message) {
	if r.caseDiffs {
		v.u.anyCase.Store(true)
	}
	if m.cookie == nil {
		v.u.cookies.forget()
	}
}

// doubtCookie holds the cookie of a reply over UDP against ours (RFC 7873 §5.3).
func (v *visit) doubtCookie(m *message) string {
	if v.query.cookie == nil {
		return ""
	}
	c := v.u.cookies
	switch {
	case m.cookie == nil && !c.known():
		return ""
	case m.cookie == nil && m.optSeen:
		v.overConn, v.distrusted = true, true
		return "the cookie is missing; asked again over TCP"
	case m.cookie == nil:
		return ""
	case !c.ours(m.cookie):
		v.overConn, v.distrusted = true, true
		return "the cookie is not ours; asked again over TCP"
	}
	c.learn(m.cookie)
	if m.rcode != dns.RcodeBadCookie {
		return ""
	}
	if v.badCookies++; v.badCookies > 1 {
		v.overConn = true
		return "BADCOOKIE twice; asked again over TCP"
	}
	return "BADCOOKIE; asked again with the cookie that came with it"
}

func refusesEDNS(rcode int) bool {
	return rcode == dns.RcodeFormatError || rcode == dns.RcodeNotImplemented || rcode == dns.RcodeBadVers
}
