package status

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/watch"
)

// healthy answers whether the daemon works: 200 as long as its scheduler is alive and what it
// remembers can be used, 503 where only a new start, or somebody, helps. It says nothing of
// the zones: a target that is down is no reason to restart anything.
func (s *server) healthy(w http.ResponseWriter, _ *http.Request) {
	var wrong []string
	switch snapshot := s.Snapshot(); {
	case snapshot == nil:
		wrong = append(wrong, "the daemon has not begun")
	case snapshot.Hung(time.Now()):
		wrong = append(wrong, fmt.Sprintf("the scheduler was alive last at %s", snapshot.Beat.UTC().Format(time.RFC3339)))
	}
	if err := s.State(); err != nil {
		wrong = append(wrong, "the state: "+err.Error())
	}
	answer(w, wrong)
}

// ready answers whether what the daemon publishes may be relied on: 200 once every zone was
// tried, as long as each has something published, 503 before, and while a zone has nothing. A
// zone that fails after it was published goes on being served as it was, and is ready.
func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	snapshot := s.Snapshot()
	if snapshot == nil {
		answer(w, []string{"the daemon has not begun"})
		return
	}
	var wrong []string
	for i := range snapshot.Zones {
		z := &snapshot.Zones[i]
		switch {
		case z.Phase == watch.PhaseStarting:
			wrong = append(wrong, label(z)+": not tried yet")
		case z.Phase == watch.PhaseFailing && !z.Published:
			wrong = append(wrong, label(z)+": fails, and nothing of it is published")
		}
	}
	answer(w, wrong)
}

// maxReasons is how many lines say why.
const maxReasons = 20

func answer(w http.ResponseWriter, wrong []string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if len(wrong) == 0 {
		_, _ = io.WriteString(w, "ok\n") // who is gone meanwhile cannot be told
		return
	}
	if n := len(wrong) - maxReasons; n > 0 {
		wrong = append(wrong[:maxReasons], fmt.Sprintf("and %d more", n))
	}
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, strings.Join(wrong, "\n")+"\n")
}

// label is by what a zone is called: its name without the final dot, with its view, or its
// source as long as that does not tell the name.
func label(z *watch.Zone) string {
	name := zoneName(z)
	if z.View != "" {
		name += " (" + z.View + ")"
	}
	return name
}

func zoneName(z *watch.Zone) string {
	switch {
	case z.Name.IsZero():
		return z.Source
	case z.Name.IsRoot():
		return "."
	}
	return strings.TrimSuffix(z.Name.String(), ".")
}
