package pipeline

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// loss stands before a secondary, and passes on what comes, but for half of the NOTIFY while it
// is to lose some.
type loss struct {
	addr  string
	loses atomic.Bool
	lost  atomic.Int64

	to  string
	mu  sync.Mutex
	rnd *rand.Rand
}

func startLoss(t *testing.T, to string, seed uint64) *loss {
	t.Helper()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	udp, err := net.ListenPacket("udp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	l := &loss{addr: tcp.Addr().String(), to: to, rnd: rand.New(rand.NewPCG(seed, 0))}
	var wg sync.WaitGroup
	t.Cleanup(func() { tcp.Close(); udp.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			in, err := tcp.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { l.connection(in) })
		}
	})
	wg.Go(func() {
		buf := make([]byte, 65535)
		for {
			n, from, err := udp.ReadFrom(buf)
			if err != nil {
				return
			}
			if l.drops(buf[:n]) {
				continue
			}
			request := append([]byte(nil), buf[:n]...)
			wg.Go(func() {
				if answer := l.ask(request); answer != nil {
					_, _ = udp.WriteTo(answer, from)
				}
			})
		}
	})
	return l
}

// drops tells whether a message is lost.
func (l *loss) drops(m []byte) bool {
	if !l.loses.Load() || len(m) < 3 || m[2]>>3&15 != dns.OpcodeNotify {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rnd.IntN(2) == 0 {
		return false
	}
	l.lost.Add(1)
	return true
}

// ask gives the answer to a datagram; nil: there is none.
func (l *loss) ask(request []byte) []byte {
	c, err := net.Dial("udp", l.to)
	if err != nil {
		return nil
	}
	defer c.Close()
	if err := c.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return nil
	}
	if _, err := c.Write(request); err != nil {
		return nil
	}
	buf := make([]byte, 65535)
	n, err := c.Read(buf)
	if err != nil {
		return nil
	}
	return buf[:n]
}

// connection passes on one request and its answer.
func (l *loss) connection(in net.Conn) {
	defer in.Close()
	if err := in.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return
	}
	head := make([]byte, 2)
	if _, err := io.ReadFull(in, head); err != nil {
		return
	}
	m := make([]byte, binary.BigEndian.Uint16(head))
	if _, err := io.ReadFull(in, m); err != nil || l.drops(m) {
		return
	}
	out, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer out.Close()
	if _, err := out.Write(append(head, m...)); err != nil {
		return
	}
	go func() { _, _ = io.Copy(out, in); out.Close() }()
	_, _ = io.Copy(in, out)
}
