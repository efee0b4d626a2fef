package primary

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// relay passes on connections until the listener is closed.
func relay(l net.Listener, to string) {
	for {
		in, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer in.Close()
			out, err := net.Dial("tcp", to)
			if err != nil {
				return
			}
			defer out.Close()
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			_, _ = io.Copy(in, out)
		}()
	}
}

// datagrams passes on those that are not dropped, one after the other with its answer, until the
// socket is closed.
func datagrams(udp net.PacketConn, to string, drop func(n int) bool) {
	buf := make([]byte, 65535)
	for n := 0; ; n++ {
		size, from, err := udp.ReadFrom(buf)
		if err != nil {
			return
		}
		if drop(n) {
			continue
		}
		c, err := net.Dial("udp", to)
		if err != nil {
			return
		}
		_, _ = c.Write(buf[:size])
		_ = c.SetReadDeadline(time.Now().Add(2 * time.Second))
		if size, err = c.Read(buf); err == nil {
			_, _ = udp.WriteTo(buf[:size], from)
		}
		c.Close()
	}
}

// memory is a history that forgets when the test ends.
type memory struct {
	mu      sync.Mutex
	entries map[zone.Name][][]byte
	broken  bool
}

func newMemory() *memory { return &memory{entries: map[zone.Name][][]byte{}} }

var errBroken = errors.New("broken")

func (m *memory) Load(name zone.Name) ([][]byte, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, errBroken
	}
	return m.entries[name], nil
}

func (m *memory) Keep(name zone.Name, entry []byte, last int) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	list := append(m.entries[name], entry)
	m.entries[name] = list[max(0, len(list)-last):]
	return nil
}

func (m *memory) Forget(name zone.Name) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return errBroken
	}
	delete(m.entries, name)
	return nil
}

func (m *memory) Zones() ([]zone.Name, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken {
		return nil, errBroken
	}
	var names []zone.Name
	for name := range m.entries {
		names = append(names, name)
	}
	return names, nil
}
