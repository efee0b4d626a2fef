package publish

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// session speaks with a server over TCP, with every message signed both ways.
type session struct {
	server string
	key    Key
	conn   net.Conn // nil: there is none
	known  bool     // the server has taken the key before
}

func (p *Pusher) session() *session { return &session{server: p.Server, key: p.Key} }

func (s *session) close() {
	if s.conn != nil {
		s.conn.Close()
		s.conn = nil
	}
}

// fudge is how many seconds the clocks may differ (RFC 8945 §10).
const fudge = 300

// sign has a message signed when it is sent.
func (k *Key) sign(m *dns.Msg) {
	m.SetTsig(k.Name.String(), k.Algorithm+".", fudge, time.Now().Unix())
}

// exchange sends a message and gives the answer, which is signed and says NOERROR. The error is a
// *refusal where the server says no, and a *lostError where the message was sent and nobody knows
// what came of it.
func (s *session) exchange(ctx context.Context, m *dns.Msg, limit time.Duration) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if s.conn == nil {
		var err error
		dialer := net.Dialer{Timeout: transferDial}
		if s.conn, err = dialer.DialContext(ctx, "tcp", s.server); err != nil {
			s.conn = nil
			return nil, over(ctx, err)
		}
	}
	conn := s.conn
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	s.key.sign(m)
	signed := m.IsTsig().TimeSigned
	client := dns.Client{Net: "tcp", Timeout: limit, TsigProvider: s.key.Signer}
	// A dns.Conn signs a message as if it answered the one before.
	r, _, err := client.ExchangeWithConnContext(ctx, m, &dns.Conn{Conn: conn})
	if err == nil || r != nil && r.Response && r.Id == m.Id {
		err = said(r, signed, err)
	} else {
		err = &lostError{over(ctx, err)}
	}
	if err != nil {
		if no, ok := errors.AsType[*refusal](err); ok {
			no.known = s.known
		}
		s.close()
		return nil, err
	}
	s.known = true
	return r, nil
}

// over says that the time is up, or that nobody waits any more, where that is why.
func over(ctx context.Context, err error) error {
	switch why := ctx.Err(); {
	case errors.Is(why, context.DeadlineExceeded):
		return errNoAnswer
	case why != nil:
		return why
	}
	return plainNetError(err)
}

// lostError says that a message was sent and no answer to it came.
type lostError struct{ err error }

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// errUnsigned says that nobody knows who has answered.
var errUnsigned = errors.New("its answer is not signed, so that anybody may have sent it")

// said tells what the answer to a message says that was signed at a time; unsound is what is wrong
// with its signature. That it is
// refused may be said by anybody, since nothing comes of it.
func said(r *dns.Msg, signed uint64, unsound error) error {
	t := r.IsTsig()
	switch {
	case t != nil && t.Error != 0:
		return newTSIGRefusal(t, signed)
	case unsound != nil && (r.Rcode == dns.RcodeSuccess || t != nil):
		return &lostError{fmt.Errorf("its answer is signed wrongly: %w", unsound)}
	case r.Rcode != dns.RcodeSuccess:
		return &refusal{rcode: r.Rcode}
	case t == nil:
		return &lostError{errUnsigned}
	}
	return nil
}

// refusal is an answer that says no.
type refusal struct {
	rcode        int
	tsig         uint16    // what is wrong with the signature (RFC 8945 §4.2); 0: nothing
	theirs, ours time.Time // clocks, with BADTIME
	known        bool      // the server has taken the key before
}

// allowed tells whether it is no matter of rights. Knot, which knows the key, says BADKEY where
// no acl lets the key do what it is used for.
func (r *refusal) allowed() bool {
	if r.tsig != 0 {
		return r.tsig != dns.RcodeBadKey || !r.known
	}
	return r.rcode != dns.RcodeRefused
}

func newTSIGRefusal(t *dns.TSIG, signed uint64) *refusal {
	r := &refusal{rcode: dns.RcodeNotAuth, tsig: t.Error}
	other, err := hex.DecodeString(t.OtherData)
	if t.Error == dns.RcodeBadTime && err == nil && len(other) == 6 {
		var seconds int64
		for _, octet := range other {
			seconds = seconds<<8 | int64(octet)
		}
		r.theirs = time.Unix(seconds, 0).UTC()
		r.ours = time.Unix(int64(signed), 0).UTC()
	}
	return r
}

// Error says what the code means.
func (r *refusal) Error() string {
	switch r.tsig {
	case 0:
	case dns.RcodeBadKey:
		if r.known {
			return "it does not allow that with the key (BADKEY)"
		}
		return "it does not know the key (BADKEY)"
	case dns.RcodeBadSig:
		return "its key has another secret (BADSIG)"
	case dns.RcodeBadTime:
		if r.theirs.IsZero() {
			return "its clock shows another time (BADTIME)"
		}
		return fmt.Sprintf("its clock shows %s, and ours %s (BADTIME)", r.theirs.Format(time.RFC3339), r.ours.Format(time.RFC3339))
	default:
		return fmt.Sprintf("it does not take the signature (%s)", dns.RcodeToString[int(r.tsig)])
	}
	switch r.rcode {
	case dns.RcodeRefused:
		return "it does not allow that (REFUSED)"
	case dns.RcodeNotAuth:
		return "it is no primary of the zone, or knows nothing of the key (NOTAUTH)"
	case dns.RcodeNotZone:
		return "a name is in no zone of that name there (NOTZONE)"
	case dns.RcodeServerFailure:
		return "it could not do it (SERVFAIL)"
	case dns.RcodeNotImplemented:
		return "it takes no updates (NOTIMP)"
	case dns.RcodeFormatError:
		return "it does not understand the message (FORMERR)"
	}
	return "it answers " + rcodeName(r.rcode)
}

func rcodeName(rcode int) string {
	if name, ok := dns.RcodeToString[rcode]; ok {
		return name
	}
	return fmt.Sprintf("RCODE%d", rcode)
}

// conflict tells whether a prerequisite was not met: the zone is not as it was thought to be.
func (r *refusal) conflict() bool {
	switch r.rcode {
	case dns.RcodeYXDomain, dns.RcodeYXRrset, dns.RcodeNXRrset, dns.RcodeNameError:
		return true
	}
	return false
}

func isConflict(err error) bool {
	r, ok := errors.AsType[*refusal](err)
	return ok && r.conflict()
}

// question asks for one RRset.
func (s *session) question(ctx context.Context, name zone.Name, qtype uint16, limit time.Duration) (*dns.Msg, error) {
	m := new(dns.Msg).SetQuestion(name.String(), qtype)
	m.RecursionDesired = false
	r, err := s.exchange(ctx, m, limit)
	if no, ok := errors.AsType[*refusal](err); ok && no.rcode == dns.RcodeNameError && no.tsig == 0 {
		return new(dns.Msg), nil // no such name, and no such RRset
	}
	return r, err
}

// serial asks for the serial of a zone.
func (s *session) serial(ctx context.Context, name zone.Name, limit time.Duration) (zone.Serial, error) {
	r, err := s.question(ctx, name, dns.TypeSOA, limit)
	if err != nil {
		return 0, err
	}
	return serialIn(r, name)
}

// transferSigned is [Transfer] signed with a key, every message of it.
func transferSigned(ctx context.Context, server string, name zone.Name, key Key) ([]byte, error) {
	g := newGathering(name, TransferLimits{})
	err := eachSigned(ctx, server, name, key, func(records []dns.RR) (bool, error) {
		for _, rr := range records {
			if err := g.take(rr); err != nil {
				return false, fmt.Errorf("%w: %w", ErrBadTransfer, err)
			}
		}
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	text, err := g.text()
	if err != nil {
		return nil, &transferError{err}
	}
	return text, nil
}

// tryTransfer finds out whether a transfer begins.
func tryTransfer(ctx context.Context, server string, name zone.Name, key Key) error {
	return eachSigned(ctx, server, name, key, func([]dns.RR) (bool, error) { return false, nil })
}

// eachSigned gives the records of each message of a transfer, for as long as take wants more.
func eachSigned(ctx context.Context, server string, name zone.Name, key Key, take func([]dns.RR) (more bool, err error)) error {
	ctx, cancel := context.WithTimeout(ctx, transferLong)
	defer cancel()
	dialer := net.Dialer{Timeout: transferDial}
	conn, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return plainNetError(err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	begun := false
	question := new(dns.Msg).SetAxfr(name.String())
	key.sign(question)
	t := dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: transferIdle, WriteTimeout: transferIdle, TsigProvider: key.Signer}
	messages, err := t.In(question, "")
	if err != nil {
		return plainNetError(err)
	}
	// Whoever sends the messages ends when the connection does.
	defer func() {
		conn.Close()
		for range messages {
			continue
		}
	}()
	for m := range messages {
		err := m.Error
		more := err == nil
		switch {
		case ctx.Err() != nil:
			err = over(ctx, err)
		case err == nil:
			begun = true
			more, err = take(m.RR)
		case !begun:
			err = whyNot(ctx, server, name, key, err)
		default:
			err = signedTransferProblem(err)
		}
		if err != nil {
			return &transferError{err}
		}
		if !more {
			return nil
		}
	}
	return nil
}

// transferError says that a server did not give its zone.
type transferError struct{ err error }

func (e *transferError) Error() string { return "transfer its zone: " + e.err.Error() }
func (e *transferError) Unwrap() error { return e.err }

// whyNot finds out why a transfer does not begin: the library does not tell what an answer says
// that it cannot verify.
func whyNot(ctx context.Context, server string, name zone.Name, key Key, err error) error {
	s := session{server: server, key: key, known: true}
	defer s.close()
	_, why := s.exchange(ctx, new(dns.Msg).SetAxfr(name.String()), askTime)
	if no, ok := errors.AsType[*refusal](why); ok {
		return no
	}
	return signedTransferProblem(err)
}

// signedTransferProblem says what the errors of the library mean.
func signedTransferProblem(err error) error {
	if errors.Is(err, dns.ErrNoSig) {
		return errUnsigned
	}
	return transferProblem(plainNetError(err))
}
