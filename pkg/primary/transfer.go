package primary

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// transfer answers AXFR and IXFR with one generation.
func (r *request) transfer(g *generation) *problem {
	if r.msg.Question[0].Qtype == dns.TypeAXFR {
		if r.overUDP() {
			return &problem{rcode: dns.RcodeFormatError, reason: "AXFR goes over TCP"}
		}
		r.stream(g, nil, func(t *stream) error { return t.whole(g.zone) })
		return nil
	}
	from, ok := r.clientSerial(g.zone.name)
	if !ok {
		return &problem{rcode: dns.RcodeFormatError, reason: "its IXFR has no SOA of the zone"}
	}
	if from.After(g.zone.serial) {
		r.tell(&problem{reason: fmt.Sprintf("it has serial %d, which is later than the %d that is served", from, g.zone.serial)})
	}
	// RFC 1995 §2: over UDP, where nothing else may fit, and to a client that is not behind.
	if r.overUDP() || !g.zone.serial.After(from) {
		r.soa(g.zone)
		return nil
	}
	if steps := g.stepsFrom(from); steps != nil {
		r.stream(g, &from, func(t *stream) error { return t.changes(g.zone, steps) })
		return nil
	}
	r.stream(g, nil, func(t *stream) error { return t.whole(g.zone) })
	return nil
}

// clientSerial is the serial that a client of IXFR has (RFC 1995 §3).
func (r *request) clientSerial(name zone.Name) (zone.Serial, bool) {
	if len(r.msg.Ns) != 1 {
		return 0, false
	}
	soa, ok := r.msg.Ns[0].(*dns.SOA)
	if !ok {
		return 0, false
	}
	owner, err := zone.ParseName(soa.Hdr.Name, zone.Root)
	return zone.Serial(soa.Serial), err == nil && owner == name
}

// stepsFrom gives the steps from a serial to the generation; nil: they are not known, or longer
// than the zone.
func (g *generation) stepsFrom(serial zone.Serial) []*step {
	size := 0
	for i, s := range slices.Backward(g.steps) {
		if size += s.size(); size > g.zone.size {
			return nil
		}
		if s.from == serial {
			return g.steps[i:]
		}
	}
	return nil
}

// soa answers with the SOA alone.
func (r *request) soa(z *Zone) {
	m := new(dns.Msg).SetReply(r.msg)
	m.Authoritative, m.RecursionDesired = true, false
	m.Answer = z.rrs(z.search(nil), dns.TypeSOA)
	r.reply(m, 0)
}

// stream is a transfer under way.
type stream struct {
	request  *request
	question []byte
	begun    time.Time
	buf      []byte
	sent     Transfer
}

// errTooLong ends a transfer that takes longer than it may.
var errTooLong = errors.New("it takes too long")

// stream sends a transfer, and tells of its end.
func (r *request) stream(g *generation, from *zone.Serial, send func(*stream) error) {
	t := &stream{request: r, question: r.questionWire([]byte(g.zone.name.Wire())), begun: time.Now()}
	t.sent = Transfer{Client: r.client, Network: r.network, Zone: g.zone.name, Key: r.key, Serial: g.zone.serial}
	if from != nil {
		t.sent.Incremental, t.sent.From = true, *from
	}
	t.sent.Err = send(t)
	if t.sent.Err != nil {
		// The secondary has to see that this is no whole zone.
		_ = r.w.Close()
	}
	t.sent.Took = time.Since(t.begun)
	r.server.options.Observer.transferred(t.sent)
}

// whole sends a zone (RFC 5936).
func (t *stream) whole(z *Zone) error {
	soa := z.soa.append(nil)
	for i, m := range z.messages {
		last := i == len(z.messages)-1
		t.buf = append(t.buf[:0], m.wire...)
		n := m.records
		fits := len(t.buf)+len(soa) <= mostMessage
		if last && fits {
			t.buf = append(t.buf, soa...)
			n++
		}
		if err := t.send(n); err != nil {
			return err
		}
		if last && !fits {
			p := newPacker([]byte(z.name.Wire()), dns.TypeAXFR)
			p.add(&z.soa, mostMessage)
			return t.packed(p)
		}
	}
	return nil
}

// changes sends steps (RFC 1995 §4).
func (t *stream) changes(z *Zone, steps []*step) error {
	p := newPacker([]byte(z.name.Wire()), dns.TypeIXFR)
	if err := t.record(p, &z.soa); err != nil {
		return err
	}
	for _, s := range steps {
		for _, part := range [...][]byte{s.oldSOA, s.deleted, s.newSOA, s.added} {
			for len(part) > 0 {
				r, rest, err := cutRecord(part)
				if err != nil {
					return err
				}
				if err := t.record(p, &r); err != nil {
					return err
				}
				part = rest
			}
		}
	}
	if err := t.record(p, &z.soa); err != nil {
		return err
	}
	return t.packed(p)
}

// record packs a record, and sends the message when it is full.
func (t *stream) record(p *packer, r *record) error {
	if p.add(r, messageSize) {
		return nil
	}
	if err := t.packed(p); err != nil {
		return err
	}
	p.begin()
	p.add(r, messageSize)
	return nil
}

// packed sends what was packed.
func (t *stream) packed(p *packer) error {
	t.buf = append(t.buf[:0], p.buf...)
	return t.send(p.records)
}

// send sends the message in the buffer, which has so many records.
func (t *stream) send(records int) error {
	r, wire := t.request, t.buf
	if time.Since(t.begun) > r.server.options.Limits.Transfer {
		return errTooLong
	}
	const responseAA = 0x8400
	binary.BigEndian.PutUint16(wire, r.msg.Id)
	binary.BigEndian.PutUint16(wire[2:], responseAA)
	binary.BigEndian.PutUint16(wire[6:], uint16(records))
	copy(wire[headerLen:], t.question)
	if r.edns != nil && t.sent.Messages == 0 {
		wire = appendOPT(wire)
	}
	wire = r.signed(wire, 0)
	t.buf = wire
	if _, err := r.w.Write(wire); err != nil {
		return err
	}
	t.sent.Messages++
	t.sent.Records += records
	t.sent.Bytes += int64(len(wire))
	return nil
}

// appendOPT appends an OPT record (RFC 6891 §6.1.2) to a message, and counts it.
func appendOPT(wire []byte) []byte {
	binary.BigEndian.PutUint16(wire[10:], binary.BigEndian.Uint16(wire[10:])+1)
	wire = append(wire, 0)
	wire = binary.BigEndian.AppendUint16(wire, dns.TypeOPT)
	wire = binary.BigEndian.AppendUint16(wire, signedUDP)
	return append(wire, 0, 0, 0, 0, 0, 0)
}
