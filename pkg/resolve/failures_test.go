package resolve

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

func failedQuestion(i int) (Question, *Answer) {
	q := Question{Target: zone.MustParseName(fmt.Sprintf("n%d.example.net.", i)), Type: dns.TypeA}
	a := Answer{Target: q.Target, Type: q.Type}.failed(*failuref(ReasonServfail, "SERVFAIL"))
	return q, &a
}

// Lookups of one question may fail while others are told of the failure before.
func TestFailuresAtOnce(t *testing.T) {
	var f failures
	q, a := failedQuestion(0)
	f.note(q, a)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for range 1000 {
				f.note(q, a)
				if r, ok := f.recent(q); !ok || r.Reason != ReasonServfail {
					t.Error("the failure is not remembered")
					return
				}
			}
		})
	}
	all.Wait()
	if l := f.known[q].length; l != firstFailure {
		t.Errorf("failures at one time count as several: %s", l)
	}
}

// When the memory is full it makes room for those that may be tried again.
func TestFailuresMakeRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f failures
		for i := range maxFailures {
			f.note(failedQuestion(i))
		}
		q, a := failedQuestion(maxFailures)
		f.note(q, a)
		if _, ok := f.recent(q); ok {
			t.Error("more are remembered than there is room for")
		}
		time.Sleep(firstFailure + longFailure + time.Second)
		f.note(q, a)
		if _, ok := f.recent(q); !ok {
			t.Error("failures of long ago keep the room")
		}
	})
}
