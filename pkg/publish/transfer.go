package publish

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of a transfer.
const (
	transferDial = 5 * time.Second
	transferIdle = 30 * time.Second // between two messages
	transferLong = 10 * time.Minute // in all
)

// TransferLimits bound what a server may send.
type TransferLimits struct {
	Records int // 0 means 20,000,000
	Bytes   int // of the text they make; 0 means 1 GiB
}

const (
	defaultTransferRecords = 20_000_000
	defaultTransferBytes   = 1 << 30
)

// ErrBadTransfer says that what a server sent is no whole zone.
var ErrBadTransfer = errors.New("what it sent is no whole zone")

// Transfer gets a zone from a server, host:port, by AXFR (RFC 5936) as the text
// of a zone file: absolute, one record a line, RDATA in generic form, and the
// SOA once. The transfer begins and ends with the same SOA, and all is in the
// zone, or the error is [ErrBadTransfer].
//
// What signs the zone behind its primary adds records that no source has. So
// signatures and denial records are left out, and with them, where there are
// any, the keys at the apex.
func Transfer(ctx context.Context, server string, name zone.Name, limits TransferLimits) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, transferLong)
	defer cancel()
	text, err := transfer(ctx, server, name, limits)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("transfer %s from %s: %w", name, server, plainNetError(err))
	}
	return text, nil
}

func transfer(ctx context.Context, server string, name zone.Name, limits TransferLimits) ([]byte, error) {
	dialer := net.Dialer{Timeout: transferDial}
	conn, err := dialer.DialContext(ctx, "tcp", server)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	t := dns.Transfer{Conn: &dns.Conn{Conn: conn}, ReadTimeout: transferIdle, WriteTimeout: transferIdle}
	messages, err := t.In(new(dns.Msg).SetAxfr(name.String()), "")
	if err != nil {
		return nil, err
	}
	// Whoever sends the messages ends when the connection does.
	defer func() {
		conn.Close()
		for range messages {
			continue
		}
	}()
	g := newGathering(name, limits)
	for m := range messages {
		if m.Error != nil {
			return nil, transferProblem(m.Error)
		}
		for _, rr := range m.RR {
			if err := g.take(rr); err != nil {
				return nil, fmt.Errorf("%w: %w", ErrBadTransfer, err)
			}
		}
	}
	return g.text()
}

// transferProblem says what the errors of the library mean.
func transferProblem(err error) error {
	if _, ok := errors.AsType[*dns.Error](err); ok {
		return fmt.Errorf("%w: %w", ErrBadTransfer, err)
	}
	return err
}

// gathering turns the records of a transfer into text.
type gathering struct {
	name    zone.Name
	limits  TransferLimits
	out     []byte
	keys    []byte // lines that go where the zone is signed
	wire    []byte
	records int
	soa     *dns.SOA
	ended   bool
	signed  bool
}

func newGathering(name zone.Name, limits TransferLimits) *gathering {
	if limits.Records == 0 {
		limits.Records = defaultTransferRecords
	}
	if limits.Bytes == 0 {
		limits.Bytes = defaultTransferBytes
	}
	return &gathering{name: name, limits: limits}
}

// take takes the next record.
func (g *gathering) take(rr dns.RR) error {
	owner, err := zone.ParseName(rr.Header().Name, zone.Root)
	switch {
	case err != nil:
		return err
	case g.ended:
		return errors.New("records follow the last SOA")
	case rr.Header().Class != dns.ClassINET:
		return fmt.Errorf("a record of class %s", dns.Class(rr.Header().Class))
	case !owner.IsIn(g.name):
		return fmt.Errorf("%s is not in the zone", owner)
	}
	if soa, ok := rr.(*dns.SOA); ok {
		if owner != g.name {
			return fmt.Errorf("the SOA is that of %s", owner)
		}
		if g.soa != nil {
			g.ended = true
			if soa.Serial != g.soa.Serial {
				return fmt.Errorf("it begins with serial %d and ends with %d", g.soa.Serial, soa.Serial)
			}
			return nil
		}
		g.soa = soa
	} else if g.soa == nil {
		return errors.New("it does not begin with an SOA")
	}
	return g.put(rr, owner)
}

// put writes a record.
func (g *gathering) put(rr dns.RR, owner zone.Name) error {
	h := rr.Header()
	to := &g.out
	switch h.Rrtype {
	case dns.TypeRRSIG, dns.TypeNSEC, dns.TypeNSEC3, dns.TypeNSEC3PARAM, typePrivateSigning, dns.TypeZONEMD:
		g.signed = g.signed || h.Rrtype == dns.TypeRRSIG
		return nil
	case dns.TypeDNSKEY, dns.TypeCDS, dns.TypeCDNSKEY:
		if owner == g.name {
			to = &g.keys
		}
	}
	if g.records++; g.records > g.limits.Records {
		return fmt.Errorf("it has more than %d records", g.limits.Records)
	}
	size := dns.Len(rr)
	if len(g.wire) < size {
		g.wire = make([]byte, size+512)
	}
	end, err := dns.PackRR(rr, g.wire, 0, nil, false)
	if err != nil {
		return fmt.Errorf("%s %s: %w", owner, dns.Type(h.Rrtype), err)
	}
	const fixed = 10 // octets of type, class, TTL and length
	rdata := g.wire[zone.WireNameLen(g.wire)+fixed : end]
	*to = zone.AppendNameText(*to, []byte(owner.Wire()))
	*to = fmt.Appendf(*to, " %d IN TYPE%d \\# %d %x\n", h.Ttl, h.Rrtype, len(rdata), rdata)
	if len(g.out)+len(g.keys) > g.limits.Bytes {
		return fmt.Errorf("it makes more than %d bytes of text", g.limits.Bytes)
	}
	return nil
}

// typePrivateSigning is where BIND notes how far it has signed a zone.
const typePrivateSigning = 65534

// text gives what was gathered, once it is whole.
func (g *gathering) text() ([]byte, error) {
	switch {
	case g.soa == nil:
		return nil, fmt.Errorf("%w: it sent no record", ErrBadTransfer)
	case !g.ended:
		return nil, fmt.Errorf("%w: it ends before the last SOA", ErrBadTransfer)
	case g.signed:
		return g.out, nil
	}
	return append(g.out, g.keys...), nil
}
