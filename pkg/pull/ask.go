package pull

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// asks are the tries to ask a primary for its SOA, each with its time limit.
var asks = [...]struct {
	network string
	limit   time.Duration
}{{"udp", time.Second}, {"udp", 2 * time.Second}, {"tcp", 5 * time.Second}}

var errNoAnswer = errors.New("no answer")

// askSOA asks the primary for the SOA of the zone: over UDP, and over TCP where no answer comes
// or it is cut short.
func (s *Source) askSOA(ctx context.Context) (soa, error) {
	var problem error
	for _, ask := range asks {
		found, cut, err := s.askOnce(ctx, ask.network, ask.limit)
		if err == nil && !cut {
			return found, nil
		}
		if _, told := errors.AsType[*Error](err); told {
			return soa{}, err
		}
		if problem = err; cut {
			problem = errors.New("its answer is cut short")
		}
		if ctx.Err() != nil {
			break
		}
	}
	return soa{}, unreachable(ctx, problem)
}

// Serial asks the primary for the serial of the zone. The error is an [*Error] unless ctx has ended.
func (s *Source) Serial(ctx context.Context) (zone.Serial, error) {
	found, err := s.askSOA(ctx)
	return found.serial, err
}

// unreachable is the error of a primary that gives no answer.
func unreachable(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case ctx.Err() != nil && errors.Is(context.Cause(ctx), context.Canceled):
		return context.Cause(ctx)
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		err = errNoAnswer
	}
	return failure(diag.CodePullUnreachable, err)
}

// askOnce is one try. An answer that cannot be one to this question is passed over: anybody may
// have sent it.
func (s *Source) askOnce(ctx context.Context, network string, limit time.Duration) (found soa, cut bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	m := new(dns.Msg).SetQuestion(s.Zone.String(), dns.TypeSOA)
	m.RecursionDesired = false
	wire, signed, err := s.pack(m)
	if err != nil {
		return soa{}, false, err
	}
	conn, err := s.dial(ctx, network)
	if err != nil {
		return soa{}, false, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	deadline, _ := ctx.Deadline()
	if err := errors.Join(conn.SetDeadline(deadline), send(conn, network, wire)); err != nil {
		return soa{}, false, err
	}
	wrong := errNoAnswer
	for {
		answer, err := receive(conn, network, nil)
		if err != nil {
			// What was passed over tells more than that nothing else has come.
			if wrong != errNoAnswer { //nolint:errorlint // It is that value.
				return soa{}, false, wrong
			}
			return soa{}, false, err
		}
		got, err := readMessage(answer, m.Id, s.Zone, dns.TypeSOA)
		if err != nil {
			wrong = broken("%w", err)
			continue
		}
		found, cut, err = s.judgeSOA(got, signed)
		var told *Error
		if errors.As(err, &told) && told.Code == diag.CodePullSignature && network == "udp" {
			wrong = err
			continue
		}
		return found, cut, err
	}
}

// judgeSOA finds the SOA in an answer.
func (s *Source) judgeSOA(m *message, signed *verifier) (found soa, cut bool, err error) {
	if m.rcode() != dns.RcodeSuccess {
		return soa{}, false, refusal(m.rcode(), m.tsig)
	}
	if signed != nil {
		if err := signed.take(m); err != nil {
			return soa{}, false, err
		}
	}
	if m.isCut() {
		return soa{}, true, nil
	}
	if !m.isAuthoritative() {
		return soa{}, false, failure(diag.CodePullRefused, errors.New("it is no authority for the zone"))
	}
	none := failure(diag.CodePullRefused, errors.New("its answer has no SOA of the zone"))
	err = none
	r := recordReader{zone: s.Zone}
	if problem := r.each(m, func(rec record) error {
		if rec.typ == dns.TypeSOA && rec.name == s.Zone {
			found, err = readSOA(rec.rdata)
		}
		return nil
	}); problem != nil {
		return soa{}, false, none
	}
	return found, false, err
}

const dialLimit = 5 * time.Second

func (s *Source) dial(ctx context.Context, network string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: dialLimit}
	return dialer.DialContext(ctx, network, s.Primary.String())
}

func send(conn net.Conn, network string, wire []byte) error {
	if network == "tcp" {
		wire = append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)
	}
	_, err := conn.Write(wire)
	return err
}

// receive reads one message, into buf where that is large enough.
func receive(conn net.Conn, network string, buf []byte) ([]byte, error) {
	if cap(buf) < dns.MaxMsgSize {
		buf = make([]byte, dns.MaxMsgSize)
	}
	buf = buf[:cap(buf)]
	if network == "udp" {
		n, err := conn.Read(buf)
		return buf[:n], err
	}
	if _, err := io.ReadFull(conn, buf[:2]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buf))
	if _, err := io.ReadFull(conn, buf[:n]); err != nil {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF
		}
		return nil, fmt.Errorf("a message is cut short: %w", err)
	}
	return buf[:n], nil
}
