package main

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// The daemon feeds a client at a small size, and PowerDNS is left out.
func TestPrimaryPart(t *testing.T) {
	var out bytes.Buffer
	err := run(t.Context(), []string{
		"-aliasflat", buildProgram(t), "-part", partPrimary, "-rounds", "1", "-records", "3000", "-targets", "200", "-powerdns=false",
	}, &out, io.Discard)
	if err != nil {
		t.Fatalf("%v\n%s", err, out.String())
	}
	for _, part := range []string{
		"AXFR of 30", "x named", "1.00  ", watchRow, "knotd", "bytes more for each record", "until served s",
		"AXFR of 2 ALIAS records, every answer after 20ms", "AXFR of 20 ALIAS records, 1 rounds", "AXFR of 200 ALIAS records, 1 rounds",
	} {
		if !strings.Contains(out.String(), part) {
			t.Errorf("no %q in\n%s", part, out.String())
		}
	}
	if err := run(t.Context(), []string{"-aliasflat", "/no/such/aliasflat", "-part", partPrimary, "-rounds", "1", "-records", "1000"}, io.Discard, io.Discard); err == nil {
		t.Error("it is measured without a program")
	}
}

// A transfer that is none is no figure.
func TestDrainErrors(t *testing.T) {
	for want, answer := range map[string]string{
		"behind 0 of 5 records": "\x00\x0c\x00\x00",
		"no message":            "\x00\x02\x00\x00",
		"it answers REFUSED":    "\x00\x0c\x00\x00\x84\x05\x00\x00\x00\x00\x00\x00\x00\x00",
		"it sends 9 records":    "\x00\x0c\x00\x00\x84\x00\x00\x00\x00\x09\x00\x00\x00\x00",
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() {
			c, err := l.Accept()
			if err == nil {
				_, err = c.Read(make([]byte, 512))
			}
			if err == nil {
				_, err = io.WriteString(c, answer)
				c.Close()
			}
			done <- err
		}()
		_, err = drain(t.Context(), l.Addr().String(), new(dns.Msg).SetAxfr("example.com."), 5)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		l.Close()
	}
}
