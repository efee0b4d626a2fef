package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/miekg/dns"
)

// drained is what came of one transfer.
type drained struct {
	took    time.Duration // from the connection to the last message
	octets  int64
	records int // the SOA at both ends
}

// drain transfers a zone, and counts what comes until so many records are there. Nothing is
// looked at but the head of each message, so that it takes less than any server does.
func drain(ctx context.Context, addr string, question *dns.Msg, records int) (drained, error) {
	request, err := question.Pack()
	if err != nil {
		return drained{}, err
	}
	start := time.Now()
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return drained{}, err
	}
	defer func() { _ = c.Close() }()
	if err := c.SetDeadline(start.Add(runLimit)); err != nil {
		return drained{}, err
	}
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)); err != nil {
		return drained{}, err
	}
	const header = 12
	var d drained
	buf := make([]byte, 1<<16)
	for d.records < records {
		if _, err := io.ReadFull(c, buf[:2]); err != nil {
			return d, fmt.Errorf("behind %d of %d records: %w", d.records, records, err)
		}
		m := buf[:binary.BigEndian.Uint16(buf)]
		if _, err := io.ReadFull(c, m); err != nil {
			return d, fmt.Errorf("behind %d of %d records: %w", d.records, records, err)
		}
		if len(m) < header {
			return d, errors.New("it sends what is no message")
		}
		if rcode := int(m[3] & 15); rcode != dns.RcodeSuccess {
			return d, fmt.Errorf("it answers %s", dns.RcodeToString[rcode])
		}
		d.records += int(binary.BigEndian.Uint16(m[6:]))
		d.octets += int64(len(m))
	}
	d.took = time.Since(start)
	if d.records > records {
		return d, fmt.Errorf("it sends %d records, want %d", d.records, records)
	}
	return d, nil
}

// serialOf asks for the serial that a server has of a zone.
func serialOf(ctx context.Context, addr, origin string) (uint32, error) {
	client := dns.Client{Timeout: time.Second}
	answer, _, err := client.ExchangeContext(ctx, new(dns.Msg).SetQuestion(origin, dns.TypeSOA), addr)
	if err != nil {
		return 0, err
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial, nil
		}
	}
	return 0, fmt.Errorf("no SOA, %s", dns.RcodeToString[answer.Rcode])
}

// untilServed waits until a server has another serial than before.
func untilServed(ctx context.Context, addr, origin string, before uint32) (uint32, error) {
	for deadline := time.Now().Add(time.Minute); ; {
		serial, err := serialOf(ctx, addr, origin)
		if err == nil && serial != before {
			return serial, nil
		}
		if ctx.Err() != nil || time.Now().After(deadline) {
			return 0, errors.Join(ctx.Err(), err, fmt.Errorf("serial %d is served for a minute", before))
		}
		time.Sleep(time.Millisecond)
	}
}
