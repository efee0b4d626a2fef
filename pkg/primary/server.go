package primary

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Options are those of a server for its whole life.
type Options struct {
	Listen    []string    // host:port, UDP and TCP each; port 0: one that is free
	ListenTLS []string    // host:port, for transfers over TLS
	TLS       *tls.Config // certificates, and with ClientCAs mutual TLS; needed by ListenTLS
	// History keeps differences over a restart; nil: there is IXFR from the generations of this
	// process alone.
	History History
	// Updater is handed what [Setup.Updates] lets in; nil: the answer to UPDATE is NOTIMP.
	Updater  Updater
	Limits   Limits
	Observer Observer
	// Now is the time for signatures; nil: that of the clock.
	Now func() time.Time
}

// Limits bound what clients and secondaries can take. The zero value of a field means the default.
type Limits struct {
	Connections  int           // at once over TCP and TLS; 0 means 500
	PerAddress   int           // of those, from one address; 0 means 100
	Strangers    int           // of those, from addresses that no rule knows; 0 means 50
	Answers      int           // a second over UDP to one network, a /24 or a /56, and twice that at once; 0 means 500
	Refusals     int           // of those, to networks of addresses that no rule knows; 0 means 10
	Idle         time.Duration // until a request is there; 0 means 10 s
	Write        time.Duration // for one message of at most 64 KiB; 0 means 60 s
	Transfer     time.Duration // for a whole transfer; 0 means 2 h
	Generations  int           // differences kept for each zone; 0 means 64
	HistoryBytes int           // of those, for each zone; 0 means 100 MiB
	Lag          time.Duration // until a secondary that lags is told of; 0 means 60 s
	Updates      int           // UPDATEs at once; 0 means 8
	Update       time.Duration // for one of them; 0 means 20 s
	Poll         time.Duration // between questions for the SOA of a secondary that follows; 0 means 60 s
}

func (l Limits) filled() Limits {
	fill(&l.Connections, 500)
	fill(&l.PerAddress, 100)
	fill(&l.Strangers, 50)
	fill(&l.Answers, 500)
	fill(&l.Refusals, 10)
	fill(&l.Idle, 10*time.Second)
	fill(&l.Write, 60*time.Second)
	fill(&l.Transfer, 2*time.Hour)
	fill(&l.Generations, 64)
	fill(&l.HistoryBytes, 100<<20)
	fill(&l.Lag, 60*time.Second)
	fill(&l.Updates, 8)
	fill(&l.Update, 20*time.Second)
	fill(&l.Poll, 60*time.Second)
	return l
}

func fill[T int | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// Server serves zones. Its methods may be called concurrently.
type Server struct {
	options   Options
	rules     atomic.Pointer[rules]
	changing  sync.Mutex // held while rules are replaced
	gate      *gate
	listeners []*listener
	followers *followers
	updates   *updates
}

// served is what is served of one zone.
type served struct {
	publishing sync.Mutex
	current    atomic.Pointer[generation] // nil: nothing is loaded
}

// generation is a zone with the steps that lead to it, the oldest first. It never changes.
type generation struct {
	zone  *Zone
	steps []*step
	since time.Time
}

// What [Server.Publish] refuses.
var (
	ErrNotConfigured  = errors.New("the zone is not set up to be served")
	ErrSerialNotLater = errors.New("the serial is not later than the one that is served")
)

// New opens the sockets of a server. It serves from [Server.Run] on, which has to be called. A
// [*ShrinkError] is no error here: the observer is told of it as a problem.
func New(o Options, setup Setup) (*Server, error) {
	o.Limits = o.Limits.filled()
	if o.Now == nil {
		o.Now = time.Now
	}
	if len(o.ListenTLS) > 0 && o.TLS == nil {
		return nil, errors.New("serve over TLS: there is no certificate")
	}
	s := &Server{options: o}
	s.gate = newGate(s)
	s.followers = newFollowers(s)
	s.updates = newUpdates(s)
	s.rules.Store(&rules{})
	err := s.Configure(setup)
	if _, shrunk := errors.AsType[*ShrinkError](err); shrunk {
		o.Observer.problem(err)
	} else if err != nil {
		return nil, err
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	return s, nil
}

// Configure replaces the setup, as a whole or, with an error, not at all. What is served of a
// zone that stays is not touched; of one that goes nothing is left. Only a [*ShrinkError] leaves
// the new setup in force: the catalog alone stays as it was then.
func (s *Server) Configure(setup Setup) error {
	s.changing.Lock()
	defer s.changing.Unlock()
	r, err := newRules(&setup)
	if err != nil {
		return err
	}
	old := s.rules.Load()
	for name, z := range r.zones {
		if before := old.zones[name]; before != nil {
			z.served = before.served
		}
	}
	s.rules.Store(r)
	s.forget(r)
	s.followers.configure(r)
	if r.catalog.IsZero() {
		return nil
	}
	return s.publishCatalog(r)
}

// Publish makes a generation of a zone the one that is served, and has its secondaries told. It
// returns when the difference to the generation before is kept. The generation has to be durable
// already. The same generation again is no error. The catalog is published by [Server.Configure].
func (s *Server) Publish(z *Zone) error {
	r := s.rules.Load()
	if z.name == r.catalog {
		return fmt.Errorf("serve %s: it is the catalog", z.name)
	}
	return s.publish(r, z, s.options.History)
}

// publish is the work of Publish; without a history nothing is kept.
func (s *Server) publish(r *rules, z *Zone, h History) error {
	zr := r.zones[z.name]
	if zr == nil {
		return fmt.Errorf("serve %s: %w", z.name, ErrNotConfigured)
	}
	sv := zr.served
	sv.publishing.Lock()
	defer sv.publishing.Unlock()
	old := sv.current.Load()
	latest := &generation{zone: z, since: time.Now()}
	switch {
	case old == nil:
		latest.steps = s.remembered(h, z)
	case old.zone.serial == z.serial && old.zone.sum == z.sum && sameSOA(old.zone, z):
		return nil
	case !z.serial.After(old.zone.serial):
		return fmt.Errorf("serve %s: %w: %d, %d", z.name, ErrSerialNotLater, z.serial, old.zone.serial)
	default:
		latest.steps = s.keep(h, old, difference(old.zone, z), z)
	}
	sv.current.Store(latest)
	s.followers.published(z.name, latest)
	return nil
}

func sameSOA(a, b *Zone) bool {
	return a.soa.ttl == b.soa.ttl && compareRDATA(a.soa.typ, a.soa.rdata, b.soa.rdata) == 0
}

// keep adds a step to those of a generation, and lets go what is too much.
func (s *Server) keep(h History, old *generation, added *step, z *Zone) []*step {
	steps := append(slices.Clone(old.steps), added)
	// A client that asks for more than the zone is better off with the zone.
	room := min(s.options.Limits.HistoryBytes, z.size)
	first := len(steps)
	for first > 0 && len(steps)-first < s.options.Limits.Generations && steps[first-1].size() <= room {
		room -= steps[first-1].size()
		first--
	}
	if h != nil {
		if err := h.Keep(z.name, added.encode(), len(steps)-first); err != nil {
			s.options.Observer.problem(fmt.Errorf("keep what has changed in %s: %w", z.name, err))
		}
	}
	return steps[first:]
}

// Generation gives what is served of a zone; nil: nothing is.
func (s *Server) Generation(name zone.Name) *Zone {
	zr := s.rules.Load().zones[name]
	if zr == nil {
		return nil
	}
	if g := zr.served.current.Load(); g != nil {
		return g.zone
	}
	return nil
}

// Run serves until ctx ends. Transfers that are under way then get a little time.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.followers.run(ctx) })
	return s.serve(ctx)
}
