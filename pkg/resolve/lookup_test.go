package resolve

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// counting finds nothing and counts how often it is asked.
type counting struct{ asked atomic.Int64 }

func (c *counting) Lookup(_ context.Context, target zone.Name, qtype uint16) Answer {
	c.asked.Add(1)
	return Answer{Target: target, Type: qtype, Last: target, Outcome: NXDomain}
}

// So many answers that they lie in large pages: each question has its own, and equal ones are
// asked once.
func TestAllOfMany(t *testing.T) {
	const names = 20_000
	var questions []Question
	for i := range 2 * names {
		name := zone.MustParseName(fmt.Sprintf("t%d.example.net.", i%names))
		questions = append(questions, Question{Target: name, Type: dns.TypeA}, Question{Target: name, Type: dns.TypeAAAA})
	}
	var c counting
	last := 0
	answers := All(t.Context(), &c, questions, 2, func(done, total int) {
		if last = done; total != 2*names {
			t.Errorf("of %d questions, want %d", total, 2*names)
		}
	})
	if asked := c.asked.Load(); asked != 2*names || last != 2*names {
		t.Errorf("%d lookups, %d of them told; want %d", asked, last, 2*names)
	}
	for i, a := range answers {
		if q := questions[i]; a.Target != q.Target || a.Type != q.Type || a.Outcome != NXDomain {
			t.Fatalf("question %d for %s has the answer for %s: %s", i, q.Target, a.Target, short(a))
		}
	}
}
