package resolve

import (
	"context"
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// visit is a lookup at one resolver: a chain walked over as many names as it takes, and each
// name asked for as often as it takes: over a connection where the reply over UDP is cut short
// or cannot be trusted, without EDNS where EDNS is not understood.
type visit struct {
	u     *upstream
	chain chain
	style *style // how all is asked

	// How the current name is asked for.
	room       []byte // for the first query, see newQuery
	query      query
	asked      moment
	plain      bool // without EDNS
	overConn   bool
	distrusted bool // the reply over UDP had something that only the resolver itself explains
	badCookies int8

	wantZones  bool // see message
	noSubnet   bool // the resolver does not take the client subnet
	unverified bool // a reply on the way had AD clear

	heard    atomic.Bool // the resolver has replied
	attempts []Attempt   // but for the last one, where its reply needs no explaining
}

// init begins a visit; v is zero but for its room.
func (v *visit) init(u *upstream, target zone.Name, qtype uint16, s *style) {
	v.u, v.chain, v.style = u, newChain(target, qtype), s
	v.overConn = u.udp == nil
}

// next builds the query to send now.
func (v *visit) next(now moment) query {
	s := v.style
	if anyCase := v.u.anyCase.Load(); v.plain || v.noSubnet || anyCase {
		with := *s
		with.plain, with.anyCase = s.plain || v.plain, s.anyCase || anyCase
		if v.noSubnet {
			with.subnet = netip.Prefix{}
		}
		s = &with
	}
	var cookie []byte
	if (!v.overConn || v.distrusted) && !s.plain {
		cookie = v.u.cookies.current()
	}
	v.query = newQuery(v.room, v.chain.last, v.chain.qtype, s, cookie)
	v.room = nil
	v.asked = now
	return v.query
}

// ask looks a name up at this resolver alone, and waits.
func (u *upstream) ask(ctx context.Context, name zone.Name, qtype uint16, d *deadline) Answer {
	v := &visit{}
	v.init(u, name, qtype, &u.style)
	a := v.run(ctx, d)
	a.Attempts = v.attempts
	return a
}

// run asks until the visit is over. The deadline stands still while it waits for its turn.
func (v *visit) run(ctx context.Context, d *deadline) Answer {
	for {
		if a, done := v.take(v.exchange(ctx, d)); done {
			return a
		}
	}
}

// fetch asks for the current name until there is a message, which the caller releases.
func (v *visit) fetch(ctx context.Context, d *deadline) (*message, *failure) {
	for {
		m, a, f := v.receive(v.exchange(ctx, d))
		if m != nil {
			v.attempts = append(v.attempts, a)
		}
		if m != nil || f != nil {
			return m, f
		}
	}
}

// maxHangups is how often a query is asked on a further connection because the server
// closed the one before, as servers do with idle ones. One that was closed behind replies to
// other queries does not count: such a server answers a number of queries on each.
const maxHangups = 2

// exchange asks one query and waits.
func (v *visit) exchange(ctx context.Context, d *deadline) reply {
	if !v.overConn {
		return v.datagram(ctx, d)
	}
	d.wait(rightNow())
	err := v.u.turn(ctx)
	d.goOn(rightNow())
	if err != nil {
		v.asked = rightNow()
		return reply{err: err}
	}
	defer v.u.conns.done()
	q := v.next(rightNow())
	for hangups := 0; ; {
		timeout := min(v.u.timeout, d.left())
		if timeout <= 0 {
			return reply{err: errTimeout}
		}
		r, wrong := v.u.conns.exchange(ctx, q, timeout)
		r.wrong, r.err = wrong, whose(ctx, r.err)
		if !hungUp(r.err) {
			return r
		}
		if r.others == 0 {
			hangups++
		}
		if hangups > maxHangups {
			return r
		}
	}
}

// whose tells the end of the caller's context from other ends that look alike: that of a time
// of our own, and that of the client.
func whose(ctx context.Context, err error) error {
	switch {
	case err == nil:
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case errors.Is(err, context.DeadlineExceeded):
		return errTimeout
	case errors.Is(err, context.Canceled):
		return errClosed
	}
	return err
}

// turn waits until one more query may be under way over connections. Whoever has a turn gives
// it back to conns.
func (u *upstream) turn(ctx context.Context) error {
	if _, err := u.conns.wait(ctx); err != nil {
		return err
	}
	if u.rate == nil {
		return nil
	}
	if err := u.rate.Wait(ctx); err != nil {
		u.conns.done()
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return context.DeadlineExceeded // the turn would come after the end of the run
	}
	return nil
}

// datagram asks one query over UDP and waits.
func (v *visit) datagram(ctx context.Context, d *deadline) reply {
	if err := v.u.host.ready(ctx); err != nil {
		v.asked = rightNow()
		return reply{err: whose(ctx, err)}
	}
	now := rightNow()
	d.wait(now)
	w := &awaited{ctx: func() error { return context.Cause(ctx) }, got: make(chan reply, 1)}
	v.u.udp.add(&ask{query: v.next(now), timeout: d.bound(now, v.u.timeout), stands: d, owner: w})
	v.u.udp.flush()
	return <-w.got
}

// awaited is somebody who waits for the reply to one query over UDP.
type awaited struct {
	ctx func() error
	got chan reply
}

func (w *awaited) heard(r reply) {
	r.packet = append([]byte(nil), r.packet...)
	w.got <- r
}

func (w *awaited) ended() error { return w.ctx() }

// late is never called: there is no hedge.
func (w *awaited) late() {}

// receive takes a reply: the message in it, or why it is none, or neither where the name has to
// be asked for again.
func (v *visit) receive(r reply) (m *message, a Attempt, f *failure) {
	if r.sent != 0 {
		v.asked = r.sent
	}
	now := r.came
	if now == 0 {
		now = rightNow()
	}
	a = Attempt{Resolver: v.u.name, Transport: transportUDP, Name: v.chain.last, Type: v.chain.qtype, Duration: now.since(v.asked), Rcode: -1}
	if v.overConn {
		a.Transport = v.u.overConn
	}
	m, f = v.read(r, &a, now)
	if f == nil {
		a.Err, f = v.doubt(r, m)
	}
	switch {
	case f != nil:
		a.Err = f.detail
		v.attempts = append(v.attempts, a)
		return nil, a, f
	case a.Err != "":
		v.attempts = append(v.attempts, a)
		return nil, a, nil
	}
	if v.u.keep {
		a.Flags, a.Records = m.flags(), m.text()
	}
	return m, a, nil
}

// take judges a reply: the answer, or false where there is more to ask.
func (v *visit) take(r reply) (Answer, bool) {
	m, a, f := v.receive(r)
	switch {
	case f != nil:
		answer := v.chain.answer().failed(*f)
		answer.Resolver = v.u.name
		return answer, true
	case m == nil:
		return Answer{}, false
	}
	answer, done := v.chain.walk(m)
	v.unverified = v.unverified || !m.ad
	m.release()
	if !done || v.u.keep || len(a.EDE) > 0 || answer.needsExplaining() {
		v.attempts = append(v.attempts, a)
	}
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

// needsExplaining tells whether somebody will want to know how an answer came about. The
// attempts of the others are most of what they would take.
func (a *Answer) needsExplaining() bool {
	return a.Outcome != Addresses && a.Outcome != NoData || a.Stale
}

// read reads the message in a reply. One that is cut short is read only as far as its header,
// and of forged ones nothing is.
func (v *visit) read(r reply, a *Attempt, now moment) (*message, *failure) {
	if errors.Is(r.err, errForged) {
		return nil, nil
	}
	if r.err != nil {
		f := failureOf(r.err, r.wrong)
		if f.reason == ReasonTimeout || f.reason == ReasonNetwork {
			v.u.health.silence(v.asked, now)
		}
		return nil, f
	}
	v.heard.Store(true)
	v.u.answered(a.Duration, now)
	if isTruncated(r.packet) || !v.overConn && len(r.packet) == packetBuffer {
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
	case errors.Is(r.err, errForged):
		v.overConn = true
		return r.err.Error() + "; asked again over TCP", nil
	case m == nil && v.overConn:
		if v.u.udp == nil {
			return "", failuref(ReasonTruncated, "the answer is cut short")
		}
		return "", failuref(ReasonTruncated, "the answer is cut short over TCP too")
	case m == nil:
		v.overConn = true
		return "cut short; asked again over TCP", nil
	case v.overConn:
		if v.distrusted {
			v.explain(r, m)
			if v.distrusted = false; m.rcode == dns.RcodeBadCookie {
				return "BADCOOKIE; asked again without a cookie", nil
			}
		}
	case r.caseDiffs:
		v.overConn, v.distrusted = true, true
		return "the letter case of the question was changed; asked again over TCP", nil
	default:
		if again = v.doubtCookie(m); again != "" {
			return again, nil
		}
	}
	if v.query.subnetLen > 0 && refusesSubnet(m.rcode) {
		v.noSubnet = true
		return rcodeName(m.rcode) + "; asked again without the client subnet", nil
	}
	if !v.plain && !v.style.plain && refusesEDNS(m.rcode) {
		v.plain, v.noSubnet = true, v.noSubnet || v.query.subnetLen > 0
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
	if c := v.u.cookies; m.cookie == nil {
		c.forget()
	} else {
		c.learn(m.cookie)
	}
}

// doubtCookie holds the cookie of a reply over UDP against ours (RFC 7873 §5.3).
func (v *visit) doubtCookie(m *message) string {
	if !v.query.cookie {
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
