package watch

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// negativeTTL is that of the world.
const negativeTTL = 60

// addressTypes are those that an ALIAS asks for.
var addressTypes = [...]uint16{dns.TypeA, dns.TypeAAAA}

// ttls are those of the targets, in seconds.
var ttls = []uint32{0, 5, 30, 60, 120, 300, 300, 300, 600, 600, 900, 900, 1800, 3600}

// mover is a target, as it is now.
type mover struct {
	name       zone.Name
	number     int
	ttl, way   uint32 // of the addresses, and of the CNAME
	chain      bool   // it has a CNAME to one of two edges
	edge       int
	generation [2]int // of the addresses of each edge
	absent     bool
	without    [2]uint16 // the type that each edge has not; 0: it has both
	past       map[uint16][]stretch
	allTTLs    []uint32 // that its RRsets had together
}

// stretch is a time in which a target had the same addresses.
type stretch struct {
	from, to time.Time // to is zero: it has them now
	set      []netip.Addr
	life     time.Duration // for which caches may keep them
}

// movers is a world whose targets move, as two resolvers tell it.
type movers struct {
	targets  []*mover
	byName   map[zone.Name]*mover
	rand     *rand.Rand
	resolver []*dnstest.Server
}

func newMovers(seed uint64, n int) *movers {
	w := &movers{rand: rand.New(rand.NewPCG(seed, 1)), byName: map[zone.Name]*mover{}}
	for i := range n {
		m := &mover{name: zone.MustParseName(fmt.Sprintf("t%d.example.net.", i)), number: i, chain: i%3 == 0, past: map[uint16][]stretch{}}
		m.ttl, m.way = w.someTTL(), w.someTTL()
		m.generation[1] = 1
		m.noteTTL()
		if i%5 == 4 {
			m.without = [2]uint16{dns.TypeAAAA, dns.TypeAAAA}
		}
		w.targets = append(w.targets, m)
		w.byName[m.name] = m
	}
	return w
}

func (w *movers) someTTL() uint32 { return ttls[w.rand.IntN(len(ttls))] }

// documented are the addresses of type A that tests may use.
func documented(n int) netip.Addr {
	nets := [...][3]byte{{192, 0, 2}, {198, 51, 100}, {203, 0, 113}}
	n %= 254 * len(nets)
	net := nets[n/254]
	return netip.AddrFrom4([4]byte{net[0], net[1], net[2], byte(n%254 + 1)})
}

// addresses are those of one generation of a target: no two have the same set.
func (m *mover) addresses(qtype uint16, generation int) []netip.Addr {
	var set []netip.Addr
	if qtype == dns.TypeA {
		const all = 3 * 254
		n := 211*generation + m.number
		first := n % all
		set = append(set, documented(first), documented(first+1+n/all))
	} else {
		for i := range 1 + generation%3 {
			set = append(set, netip.MustParseAddr(fmt.Sprintf("2001:db8:%x:%x::%x", m.number, generation, i+1)))
		}
	}
	slices.SortFunc(set, netip.Addr.Compare)
	return set
}

// life is how long the caches on the way may keep what the target has now.
func (m *mover) life() time.Duration {
	switch {
	case m.absent:
		return negativeTTL * time.Second
	case m.chain:
		return time.Duration(max(m.ttl, negativeTTL)+m.way+2) * time.Second
	}
	return time.Duration(max(m.ttl, negativeTTL)+1) * time.Second
}

// noteTTL notes the TTL of the target, and those it may have while not everybody knows of it.
func (m *mover) noteTTL() {
	m.allTTLs = append(m.allTTLs, m.ttl)
	if m.chain {
		m.allTTLs = append(m.allTTLs, m.way)
	}
}

// text is the world as it is now.
func (w *movers) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "example.net. 3600 IN SOA ns.example.net. h.example.net. 1 2 3 4 %d\n", negativeTTL)
	for _, m := range w.targets {
		if !m.chain {
			if !m.absent {
				m.write(&b, m.name.String(), 0)
			}
			continue
		}
		for i := range m.generation {
			m.write(&b, m.edgeName(i), i)
		}
		if !m.absent {
			fmt.Fprintf(&b, "%s %d IN CNAME %s\n", m.name, m.way, m.edgeName(m.edge))
		}
	}
	return b.String()
}

func (m *mover) edgeName(i int) string { return fmt.Sprintf("edge%d-%d.example.net.", m.number, i) }

func (m *mover) write(b *strings.Builder, owner string, edge int) {
	for _, qtype := range addressTypes {
		if m.without[edge] == qtype {
			continue
		}
		for _, a := range m.addresses(qtype, m.generation[edge]) {
			fmt.Fprintf(b, "%s %d IN %s %s\n", owner, m.ttl, dns.TypeToString[qtype], a)
		}
	}
}

// move changes some targets, and tells which and what happened to them.
func (w *movers) move(n int) map[*mover]string {
	moved := map[*mover]string{}
	for range n {
		m := w.targets[w.rand.IntN(len(w.targets))]
		if moved[m] == "" {
			moved[m] = w.moveOne(m)
		}
	}
	return moved
}

func (w *movers) moveOne(m *mover) string {
	latest := max(m.generation[0], m.generation[1])
	p := w.rand.IntN(100)
	switch {
	case m.absent && p < 50:
		m.absent = false
		return "is back as it was"
	case m.absent:
		m.absent, m.generation[m.edge] = false, latest+1
		return "is back with new addresses"
	case p < 6:
		m.absent = true
		return "is gone"
	case p < 14 && m.without[m.edge] == 0:
		m.without[m.edge] = addressTypes[w.rand.IntN(2)]
		return "has no " + dns.TypeToString[m.without[m.edge]]
	case p < 14:
		m.without[m.edge] = 0
		return "has both types"
	case p < 26:
		m.ttl, m.way = w.someTTL(), w.someTTL()
		m.noteTTL()
		return fmt.Sprintf("has the TTLs %d and %d", m.ttl, m.way)
	case p < 45 && m.chain:
		m.edge = 1 - m.edge
		if p < 35 {
			m.generation[m.edge] = latest + 1
		}
		return fmt.Sprintf("leads to edge %d", m.edge)
	}
	m.generation[m.edge] = latest + 1
	return "has new addresses"
}

// note notes what is true now, as the resolvers know it.
func (w *movers) note(lives map[*mover]time.Duration) (changed []change) {
	now := time.Now()
	for _, m := range w.targets {
		for _, qtype := range addressTypes {
			set := w.resolver[0].Truth(m.name.String(), qtype, now)
			list := m.past[qtype]
			if n := len(list); n > 0 {
				last := &list[n-1]
				last.life = max(last.life, lives[m])
				if slices.Equal(last.set, set) {
					last.life = max(last.life, m.life())
					continue
				}
				last.to = now
				// What was there before a TTL was lowered may lie in caches still.
				changed = append(changed, change{target: m, qtype: qtype, set: set, at: now, life: last.life, reborn: len(last.set) == 0})
			}
			m.past[qtype] = append(list, stretch{from: now, set: set, life: m.life()})
		}
	}
	return changed
}

// change is one of what is true.
type change struct {
	target   *mover
	qtype    uint16
	set      []netip.Addr
	at       time.Time
	life     time.Duration // of what was there before
	reborn   bool          // there was nothing before
	deadline time.Time
}

// had tells whether a target had a set, or caches may have had it, at a time.
func (m *mover) had(qtype uint16, set []netip.Addr, at time.Time) bool {
	return slices.ContainsFunc(m.past[qtype], func(s stretch) bool {
		return slices.Equal(s.set, set) && !s.from.After(at) && (s.to.IsZero() || !at.After(s.to.Add(s.life+2*time.Second)))
	})
}

// everHad tells whether a target had a set.
func (m *mover) everHad(qtype uint16, set []netip.Addr) bool {
	return slices.ContainsFunc(m.past[qtype], func(s stretch) bool { return slices.Equal(s.set, set) })
}
