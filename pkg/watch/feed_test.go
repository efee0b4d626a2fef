package watch

import (
	"strconv"
	"sync"
	"testing"
	"time"
)

func tellMany(f *Feed, from, to int) {
	for i := from; i < to; i++ {
		f.Tell(Event{Kind: KindChanged, Message: strconv.Itoa(i)})
	}
}

func TestFeedKeepsTheLast(t *testing.T) {
	f := NewFeed(3)
	for _, c := range []struct {
		told   int // so far
		ask    uint64
		first  uint64
		length int
	}{
		{0, 0, 0, 0},
		{0, 7, 0, 0}, // no event has that number yet
		{2, 0, 0, 2},
		{3, 0, 0, 3},
		{5, 0, 2, 3}, // 0 and 1 are lost
		{5, 4, 4, 1},
		{5, 5, 5, 0},
		{5, 9, 5, 0},
	} {
		tellMany(f, int(f.Next()), c.told)
		events, first, _ := f.From(c.ask)
		if first != c.first || len(events) != c.length {
			t.Errorf("%d told, from %d: %d events from %d, want %d from %d", c.told, c.ask, len(events), first, c.length, c.first)
		}
		for i, e := range events {
			if want := strconv.Itoa(int(first) + i); e.Message != want {
				t.Errorf("%d told, from %d: event %d is %q, want %q", c.told, c.ask, i, e.Message, want)
			}
		}
	}
}

func TestFeedWakesWhoFollows(t *testing.T) {
	f := NewFeed(0)
	const events = 5000
	var wg sync.WaitGroup
	wg.Go(func() { tellMany(f, 0, events) })
	var seen, lost uint64
	for at := uint64(0); at < events; {
		list, first, more := f.From(at)
		lost += first - at
		seen += uint64(len(list))
		at = first + uint64(len(list))
		if len(list) == 0 {
			<-more
		}
	}
	wg.Wait()
	if seen == 0 || seen+lost != events {
		t.Errorf("%d events were seen and %d lost, of %d", seen, lost, events)
	}
}

func TestSnapshotHung(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for name, c := range map[string]struct {
		s    Snapshot
		want bool
	}{
		"young":          {Snapshot{Started: now.Add(-time.Hour), Beat: now.Add(-HungAfter)}, false},
		"old":            {Snapshot{Started: now.Add(-time.Hour), Beat: now.Add(-HungAfter - 1)}, true},
		"begins":         {Snapshot{Started: now.Add(-time.Second)}, false},
		"never began":    {Snapshot{Started: now.Add(-time.Hour)}, true},
		"nothing at all": {Snapshot{}, true},
	} {
		if got := c.s.Hung(now); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
