package pull

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Transfer is a transfer that has ended well.
type Transfer struct {
	Serial      zone.Serial
	From        zone.Serial // that was kept before; it holds with Incremental
	Incremental bool        // only what has changed came
	Records     int         // that came
	Bytes       int         // of the messages
	Took        time.Duration
}

// transfer gets the zone: with a base what has changed since, else all of it. nil, nil is that
// nothing has.
func (s *Source) transfer(ctx context.Context, from *base, l *Limits) (*records, *Transfer, error) {
	began := time.Now()
	ctx, cancel := context.WithTimeoutCause(ctx, l.Long, failure(diag.CodePullBroken, fmt.Errorf("the transfer takes longer than %s", l.Long)))
	defer cancel()
	t := &taking{source: s, limits: l, base: from, reader: recordReader{zone: s.Zone}}
	err := t.run(ctx)
	if cause := context.Cause(ctx); cause != nil && err != nil {
		err = cause
	}
	if err != nil {
		return nil, nil, err
	}
	if t.state == stateCurrent {
		return nil, nil, nil
	}
	done := &Transfer{Serial: t.last.serial, Incremental: t.incremental, Records: t.records, Bytes: t.bytes, Took: time.Since(began)}
	if t.incremental {
		done.From = t.began
		t.list = from.all()
	}
	return &records{soa: t.first, list: t.list}, done, nil
}

// state is where in a transfer the next record stands (RFC 5936 §2.2, RFC 1995 §4).
type state uint8

const (
	stateFirst   state = iota // the SOA that the zone has now
	stateSecond               // what follows tells which kind of transfer it is
	stateWhole                // records of the zone, up to its SOA
	stateRemoved              // records that went with a step, up to the SOA behind it
	stateAdded                // records that came with it, up to the SOA of the next, or the last
	stateEnded                // nothing follows
	stateCurrent              // the zone is as it was
)

// taking takes in a transfer.
type taking struct {
	source *Source
	limits *Limits
	base   *base // nil: all of the zone is asked for
	reader recordReader
	signed *verifier // nil: nothing is signed
	id     uint16

	state       state
	first       record // the SOA
	last        soa    // the same
	list        []record
	step        zone.Serial // that the base has come to
	began       zone.Serial // that the base had
	incremental bool
	records     int
	bytes       int
}

func (t *taking) run(ctx context.Context) error {
	m := new(dns.Msg).SetAxfr(t.source.Zone.String())
	if t.base != nil {
		m = new(dns.Msg).SetIxfr(t.source.Zone.String(), uint32(t.base.serial), ".", ".")
		t.began, t.step = t.base.serial, t.base.serial
	}
	t.id = m.Id
	wire, signed, err := t.source.pack(m)
	if err != nil {
		return err
	}
	t.signed = signed
	conn, err := t.source.dial(ctx, "tcp")
	if err != nil {
		return unreachable(ctx, err)
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	if err := errors.Join(conn.SetDeadline(time.Now().Add(t.limits.Message)), send(conn, "tcp", wire)); err != nil {
		return unreachable(ctx, err)
	}
	return t.receive(ctx, conn)
}

// receive takes in messages up to the end.
func (t *taking) receive(ctx context.Context, conn net.Conn) error {
	var buf []byte
	for t.state != stateEnded && t.state != stateCurrent {
		if err := conn.SetDeadline(time.Now().Add(t.limits.Message)); err != nil {
			return unreachable(ctx, err)
		}
		wire, err := receive(conn, "tcp", buf)
		if err != nil {
			return t.cutShort(ctx, err)
		}
		buf = wire[:cap(wire)]
		if t.bytes += len(wire); t.bytes > t.limits.Bytes {
			return broken("it sends more than %d bytes", t.limits.Bytes)
		}
		if err := t.message(wire); err != nil {
			return err
		}
	}
	if t.signed != nil {
		return t.signed.end()
	}
	return nil
}

// cutShort says what it means that no further message comes.
func (t *taking) cutShort(ctx context.Context, err error) error {
	var timeout net.Error
	switch {
	case t.bytes == 0 && errors.Is(err, io.EOF):
		return failure(diag.CodePullBroken, errors.New("it closes the connection without an answer"))
	case t.bytes == 0:
		return unreachable(ctx, err)
	case errors.As(err, &timeout) && timeout.Timeout():
		return broken("the transfer stands still for %s, %d bytes after it began", t.limits.Message, t.bytes)
	}
	return broken("the transfer ends before the last SOA, %d bytes after it began", t.bytes)
}

// message takes in one message.
func (t *taking) message(wire []byte) error {
	qtype := dns.TypeAXFR
	if t.base != nil {
		qtype = dns.TypeIXFR
	}
	m, err := readMessage(wire, t.id, t.source.Zone, qtype)
	if err != nil {
		return broken("%w", err)
	}
	if m.rcode() != dns.RcodeSuccess {
		return refusal(m.rcode(), m.tsig)
	}
	if t.signed != nil {
		if err := t.signed.take(m); err != nil {
			return err
		}
	}
	if m.isCut() {
		return broken("a message of the transfer is truncated")
	}
	if m.count == 0 && t.state == stateFirst {
		return broken("it sends no record")
	}
	if err := t.reader.each(m, t.take); err != nil {
		var told *Error
		if errors.As(err, &told) || errors.Is(err, errUnlike) {
			return err
		}
		return broken("%w", err)
	}
	// An answer to IXFR that is one SOA says that nothing has changed; a transfer may begin with
	// a message like that.
	if t.state == stateSecond && t.base != nil && !t.last.serial.After(t.began) {
		t.state = stateCurrent
	}
	return nil
}

// take takes the next record.
func (t *taking) take(rec record) error {
	if t.records++; t.records > t.limits.Records {
		return broken("it sends more than %d records", t.limits.Records)
	}
	if t.state == stateEnded {
		return errors.New("records follow the last SOA")
	}
	if rec.typ == dns.TypeSOA {
		if rec.name != t.source.Zone {
			return fmt.Errorf("the SOA is that of %s", rec.name)
		}
		s, err := readSOA(rec.rdata)
		if err != nil {
			return err
		}
		return t.takeSOA(rec, s)
	}
	switch t.state {
	case stateFirst:
		return errors.New("the transfer does not begin with an SOA")
	case stateSecond, stateWhole:
		t.state = stateWhole
		t.list = append(t.list, rec)
	case stateRemoved:
		return t.base.remove(&rec)
	case stateAdded:
		t.base.records[rec.key()] = rec
	case stateEnded, stateCurrent:
	}
	return nil
}

func (t *taking) takeSOA(rec record, s soa) error {
	switch t.state {
	case stateFirst:
		t.first, t.last, t.state = rec, s, stateSecond
	case stateSecond:
		if t.base != nil && s.serial != t.last.serial {
			if s.serial != t.began {
				return errUnlike
			}
			t.incremental, t.state = true, stateRemoved
			return nil
		}
		return t.end(rec, s)
	case stateWhole:
		return t.end(rec, s)
	case stateRemoved:
		if !s.serial.After(t.step) {
			return fmt.Errorf("a step leads from serial %d to %d", t.step, s.serial)
		}
		t.step, t.state = s.serial, stateAdded
	case stateAdded:
		if s.serial == t.last.serial {
			if t.step != s.serial {
				return fmt.Errorf("the steps end with serial %d, and the zone has %d", t.step, s.serial)
			}
			return t.end(rec, s)
		}
		if s.serial != t.step {
			return fmt.Errorf("a step begins with serial %d behind one that ends with %d", s.serial, t.step)
		}
		t.state = stateRemoved
	case stateEnded, stateCurrent:
	}
	return nil
}

// end takes the last SOA, which is the first one again.
func (t *taking) end(rec record, s soa) error {
	if s.serial != t.last.serial {
		return fmt.Errorf("it begins with serial %d and ends with %d", t.last.serial, s.serial)
	}
	if rec.rdata != t.first.rdata {
		return errors.New("it begins with another SOA than it ends with")
	}
	t.state = stateEnded
	return nil
}
