package resolve

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

func TestMemo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int, string]
		finds := 0
		find := func(value string, f *failure) func() (string, time.Duration, *failure) {
			return func() (string, time.Duration, *failure) {
				finds++
				return value, time.Minute, f
			}
		}
		if _, ok := m.peek(1); ok {
			t.Error("something is known of nothing")
		}
		_, _ = m.get(t.Context(), 1, find("a", nil))
		if got, f := m.get(t.Context(), 1, find("b", nil)); got != "a" || f != nil || finds != 1 {
			t.Errorf("%q, %v after %d", got, f, finds)
		}
		time.Sleep(time.Minute)
		if _, ok := m.peek(1); ok {
			t.Error("what is too old is known")
		}
		if got, _ := m.get(t.Context(), 1, find("b", nil)); got != "b" {
			t.Errorf("%q is not found anew", got)
		}
		m.put(1, "c", time.Minute)
		if got, ok := m.peek(1); got != "c" || !ok {
			t.Errorf("%q, %v", got, ok)
		}

		// A failure is remembered for a moment, unless it is about the one who asked.
		finds = 0
		for range 2 {
			_, _ = m.get(t.Context(), 2, find("", failuref(ReasonServfail, "SERVFAIL")))
			_, _ = m.get(t.Context(), 3, find("", &failure{reason: ReasonTimeout, own: true}))
		}
		if finds != 3 {
			t.Errorf("found %d times", finds)
		}
		if _, ok := m.peek(2); ok {
			t.Error("a failure is something known")
		}
	})
}

// One who waits for another goes on alone when that one gives up, and gives up alone.
func TestMemoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int, string]
		slow := func(value string, f *failure) func() (string, time.Duration, *failure) {
			return func() (string, time.Duration, *failure) {
				time.Sleep(time.Second)
				return value, time.Minute, f
			}
		}
		go func() { _, _ = m.get(t.Context(), 1, slow("", &failure{reason: ReasonCanceled})) }()
		synctest.Wait()
		if _, ok := m.peek(1); ok {
			t.Error("known before it is found")
		}
		if got, f := m.get(t.Context(), 1, slow("mine", nil)); got != "mine" || f != nil {
			t.Errorf("%q, %v", got, f)
		}
		go func() { _, _ = m.get(t.Context(), 2, slow("late", nil)) }()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, f := m.get(ctx, 2, slow("", nil)); f == nil || f.reason != ReasonCanceled {
			t.Errorf("%v", f)
		}
		time.Sleep(time.Minute / 2)
	})
}

func TestMemoBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m memo[int, int]
		for i := range maxRemembered {
			m.put(i, i, time.Duration(1+i%2)*time.Minute)
		}
		time.Sleep(time.Minute)
		m.put(-1, 0, time.Minute)
		if n := len(m.known); n != maxRemembered/2+1 {
			t.Errorf("%d are left of those that were not too old", n)
		}
		for i := range maxRemembered {
			m.put(i, i, time.Minute)
		}
		if n := len(m.known); n == 0 || n > maxRemembered {
			t.Errorf("%d are remembered", n)
		}
	})
}
