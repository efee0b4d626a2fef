package primary

import (
	"fmt"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// History keeps, over a restart, the differences from which IXFR is answered, and what the
// catalog had. It may be called concurrently, for one zone by one goroutine at a time. What it
// gives back is checked, so it may lose anything.
type History interface {
	// Load gives what was kept for a zone, the oldest first.
	Load(name zone.Name) ([][]byte, error)
	// Keep adds an entry behind those of a zone, and lets all but the last so many of them go,
	// the new one counted. It may block until the entry is durable.
	Keep(name zone.Name, entry []byte, last int) error
	// Forget lets go everything of a zone; there may be nothing.
	Forget(name zone.Name) error
	// Zones gives all zones for which something is kept.
	Zones() ([]zone.Name, error)
}

// remembered gives the steps that lead to the first generation of a zone that this process
// serves. Those that do not are forgotten.
func (s *Server) remembered(h History, z *Zone) []*step {
	if h == nil {
		return nil
	}
	steps, found, err := leading(h, z)
	if err != nil {
		s.options.Observer.problem(fmt.Errorf("what had changed in %s: %w", z.name, err))
	}
	if found && len(steps) == 0 {
		if err := h.Forget(z.name); err != nil {
			s.options.Observer.problem(fmt.Errorf("forget what had changed in %s: %w", z.name, err))
		}
	}
	return steps
}

// leading gives the steps that lead to a zone without a gap, and whether any were found.
func leading(h History, z *Zone) (steps []*step, found bool, err error) {
	entries, err := h.Load(z.name)
	if err != nil {
		return nil, false, err
	}
	for _, b := range entries {
		st, broken := decodeStep(z.name, b)
		switch {
		case broken != nil:
			steps, err = nil, broken
			continue
		case len(steps) > 0 && steps[len(steps)-1].to != st.from:
			steps = nil
		}
		steps = append(steps, st)
	}
	if n := len(steps); n == 0 || steps[n-1].to != z.serial || steps[n-1].sum != z.sum {
		return nil, len(entries) > 0, err
	}
	return steps, true, err
}

// forget lets go what is kept of zones that are not served any more.
func (s *Server) forget(r *rules) {
	h := s.options.History
	if h == nil {
		return
	}
	names, err := h.Zones()
	for _, name := range names {
		if r.zones[name] == nil && err == nil {
			err = h.Forget(name)
		}
	}
	if err != nil {
		s.options.Observer.problem(fmt.Errorf("forget zones that are not served: %w", err))
	}
}
