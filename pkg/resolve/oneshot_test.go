package resolve

import (
	"context"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// forged is a socket on which only packets of a forger arrive.
type forged struct {
	net.Conn

	reads *atomic.Int32
}

func (f forged) Read(b []byte) (int, error) {
	f.reads.Add(1)
	return copy(b, make([]byte, 64)), nil
}

// Among too many packets that fit nothing the reply is asked for over TCP.
func TestOneShotForged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, "198.51.100.1:53", testWorld)
		var reads atomic.Int32
		p := newOneShots(8, func(network string) (net.Conn, error) {
			conn, err := n.Dial(t.Context(), network, "198.51.100.1:53")
			if network == "udp" && err == nil {
				conn = forged{conn, &reads}
			}
			return conn, err
		})
		defer p.close()
		r, _ := p.exchange(t.Context(), newQuery(nil, zone.MustParseName("v4.example.net."), dns.TypeA, &style{}, nil), time.Second)
		if r.err != nil || reads.Load() != maxForged+1 {
			t.Errorf("%v after %d packets", r.err, reads.Load())
		}
		queries := server.Queries()
		if got := queries[len(queries)-1].Transport; got != "tcp" {
			t.Errorf("asked over %s", got)
		}
	})
}

func TestOneShotEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := dnstest.NewNetwork(1)
		server := n.Start(t, "198.51.100.1:53", testWorld)
		setFault(t, server, "", "drop")
		p := newOneShots(8, func(network string) (net.Conn, error) { return n.Dial(t.Context(), network, "198.51.100.1:53") })
		q := newQuery(nil, zone.MustParseName("v4.example.net."), dns.TypeA, &style{}, nil)
		began := time.Now()
		if r, _ := p.exchange(t.Context(), q, time.Second); failureOf(r.err, 0).reason != ReasonTimeout || time.Since(began) != time.Second {
			t.Errorf("%v after %s", r.err, time.Since(began))
		}
		if got := len(server.Queries()); got != maxSends {
			t.Errorf("sent %d times", got)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if r, _ := p.exchange(ctx, q, time.Second); failureOf(r.err, 0).reason != ReasonCanceled {
			t.Errorf("canceled: %v", r.err)
		}
		time.AfterFunc(10*time.Millisecond, p.close)
		for range 2 {
			if r, _ := p.exchange(t.Context(), q, time.Second); failureOf(r.err, 0).reason != ReasonCanceled {
				t.Errorf("closed: %v", r.err)
			}
		}
		n.SetLink("198.51.100.1:53", dnstest.Link{RefuseUDP: true})
		p = newOneShots(8, func(network string) (net.Conn, error) { return n.Dial(t.Context(), network, "198.51.100.1:53") })
		defer p.close()
		if r, _ := p.exchange(t.Context(), q, time.Second); failureOf(r.err, 0).reason != ReasonNetwork {
			t.Errorf("refused: %v", r.err)
		}
	})
}
