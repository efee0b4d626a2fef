package primary

import (
	"container/heap"
	"context"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// When secondaries are told and asked.
const (
	notifyFirst = 2 * time.Second // until NOTIFY is sent again, doubled each time
	notifyMost  = 60 * time.Second
	askFirst    = 100 * time.Millisecond // from an acknowledged NOTIFY to a question for the SOA
	atOnce      = 8                      // questions to one secondary
)

// followers are all secondaries that are told and asked. Each has a queue of its own: one that
// is down holds up no other.
type followers struct {
	server *Server

	mu      sync.Mutex
	list    map[Secondary]*follower
	changed chan struct{} // holds one token when list has changed
}

func newFollowers(s *Server) *followers {
	return &followers{server: s, list: map[Secondary]*follower{}, changed: make(chan struct{}, 1)}
}

// follower is one secondary.
type follower struct {
	server    *Server
	secondary Secondary
	wake      chan struct{} // holds one token when there is something to do
	stop      context.CancelFunc

	mu       sync.Mutex
	zones    map[zone.Name]*following
	queue    queue
	failures int       // without any answer, one after the other
	retry    time.Time // it is left alone until then
}

// following is how one secondary follows one zone.
type following struct {
	name  zone.Name
	want  zone.Serial // that it should serve; it holds where since is set
	since time.Time   // when what it does not serve was published first; zero: it serves want, or nothing is published
	due   time.Time
	place int  // in the queue; -1: it is not in there
	busy  bool // it is being worked on
	again bool // something is to be done behind that at once

	acked    bool // NOTIFY of want was acknowledged
	attempts int  // NOTIFY sent for want
	polls    int  // questions since the last NOTIFY

	serial   zone.Serial // that it serves
	known    bool        // serial holds
	asked    time.Time
	notified time.Time
	err      error
	failures uint64 // attempts that came to nothing
	told     bool   // that it lags
	reached  bool   // it serves want, or did when it was asked last
}

// queue is a heap of what is due first.
type queue []*following

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }

func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].place, q[j].place = i, j
}

// Push is for container/heap.
func (q *queue) Push(x any) {
	f, _ := x.(*following) // nothing else is pushed
	f.place = len(*q)
	*q = append(*q, f)
}

// Pop is for container/heap.
func (q *queue) Pop() any {
	last := len(*q) - 1
	f := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	f.place = -1
	return f
}

// configure takes the secondaries of a setup.
func (fs *followers) configure(r *rules) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	wanted := map[Secondary]map[zone.Name]*served{}
	for name, z := range r.zones {
		for _, s := range z.secondaries {
			if wanted[s] == nil {
				wanted[s] = map[zone.Name]*served{}
			}
			wanted[s][name] = z.served
		}
	}
	for s, f := range fs.list {
		if wanted[s] == nil {
			if f.stop != nil {
				f.stop()
			}
			delete(fs.list, s)
		}
	}
	for s, zones := range wanted {
		f := fs.list[s]
		if f == nil {
			f = &follower{server: fs.server, secondary: s, wake: make(chan struct{}, 1), zones: map[zone.Name]*following{}}
			fs.list[s] = f
		}
		f.configure(zones)
	}
	signal(fs.changed)
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run works on all secondaries until ctx ends.
func (fs *followers) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	for {
		fs.mu.Lock()
		for _, f := range fs.list {
			if f.stop == nil {
				inner, stop := context.WithCancel(ctx)
				f.stop = stop
				wg.Go(func() { f.run(inner) })
			}
		}
		fs.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-fs.changed:
		}
	}
}

// published has the secondaries of a zone told of a generation.
func (fs *followers) published(name zone.Name, g *generation) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, f := range fs.list {
		f.published(name, g)
	}
}

// configure takes the zones that a secondary follows.
func (f *follower) configure(zones map[zone.Name]*served) {
	f.mu.Lock()
	for name, fl := range f.zones {
		if zones[name] == nil {
			if fl.place >= 0 {
				heap.Remove(&f.queue, fl.place)
			}
			delete(f.zones, name)
		}
	}
	var added []*generation
	for name, sv := range zones {
		if f.zones[name] == nil {
			f.zones[name] = &following{name: name, place: -1}
			if g := sv.current.Load(); g != nil {
				added = append(added, g)
			}
		}
	}
	f.mu.Unlock()
	for _, g := range added {
		f.published(g.zone.name, g)
	}
}

// published notes that a secondary should serve another serial.
func (f *follower) published(name zone.Name, g *generation) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl := f.zones[name]
	if fl == nil || fl.want == g.zone.serial && (fl.reached || !fl.since.IsZero()) {
		return
	}
	fl.want, fl.reached = g.zone.serial, false
	if fl.since.IsZero() {
		fl.since = g.since
	}
	f.tell(fl)
}

// tell has NOTIFY sent at once.
func (f *follower) tell(fl *following) {
	fl.acked, fl.attempts = false, 0
	f.schedule(fl, time.Now())
}

// schedule puts a zone into the queue. One that is being worked on is put there behind that.
func (f *follower) schedule(fl *following, due time.Time) {
	fl.due = due
	switch {
	case fl.busy:
		fl.again = true
	case fl.place >= 0:
		heap.Fix(&f.queue, fl.place)
	default:
		heap.Push(&f.queue, fl)
	}
	signal(f.wake)
}

// run works on what is due until ctx ends.
func (f *follower) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	slots := make(chan struct{}, atOnce)
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		fl, task, wait := f.next(len(slots))
		if fl != nil {
			slots <- struct{}{}
			wg.Go(func() {
				f.finish(fl, &task, f.work(ctx, &task))
				<-slots
				signal(f.wake)
			})
			continue
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		case <-timer.C:
		}
	}
}

// task is one thing to do for a zone.
type task struct {
	name   zone.Name
	notify bool // or else its SOA is asked for
	want   zone.Serial
}

// result is what came of it.
type result struct {
	silent bool // there was no answer at all
	err    error
	serial zone.Serial // with no error, of the SOA that was asked for
}

const longWait = time.Hour

// next takes what is due, or tells how long to wait. A secondary that does not answer is tried
// with one thing at a time.
func (f *follower) next(underWay int) (*following, task, time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	switch {
	case len(f.queue) == 0 || underWay == atOnce || f.failures > 0 && underWay > 0:
		return nil, task{}, longWait
	case f.retry.After(now):
		return nil, task{}, f.retry.Sub(now)
	case f.queue[0].due.After(now):
		return nil, task{}, f.queue[0].due.Sub(now)
	}
	fl, _ := heap.Pop(&f.queue).(*following)
	fl.busy, fl.again = true, false
	return fl, task{name: fl.name, notify: !fl.acked && !fl.reached, want: fl.want}, 0
}

// backOff is how long to wait behind so many attempts.
func backOff(attempts int) time.Duration {
	return min(notifyFirst<<min(attempts-1, 10), notifyMost)
}

// finish takes what came of a task, and plans the next one.
func (f *follower) finish(fl *following, t *task, r result) {
	f.mu.Lock()
	now := time.Now()
	if r.silent {
		f.failures++
		f.retry = now.Add(backOff(f.failures))
	} else {
		f.failures, f.retry = 0, time.Time{}
	}
	fl.busy = false
	if f.zones[fl.name] != fl { // it is not followed any more
		f.mu.Unlock()
		return
	}
	before := *fl
	fl.err = r.err
	if r.err != nil {
		fl.failures++
	}
	var due time.Time
	if t.notify {
		due = fl.notifiedOf(t, now)
	} else {
		due = fl.answered(r, now, f.server.options.Limits.Poll)
	}
	events := fl.events(&before, now, f.server.options.Limits.Lag)
	if alarm := fl.since.Add(f.server.options.Limits.Lag); !fl.since.IsZero() && !fl.told && alarm.Before(due) {
		due = alarm
	}
	if fl.again {
		due = now
	}
	f.schedule(fl, due)
	f.mu.Unlock()
	for i := range events {
		events[i].Secondary = f.secondary.Address
		f.server.options.Observer.followed(events[i])
	}
}

// notifiedOf takes the result of a NOTIFY, and gives when to go on.
func (fl *following) notifiedOf(t *task, now time.Time) time.Time {
	fl.notified = now
	fl.attempts++
	fl.polls = 0
	if fl.err != nil {
		return now.Add(backOff(fl.attempts))
	}
	fl.acked = t.want == fl.want
	return now.Add(askFirst)
}

// answered takes the answer to a question for the SOA, and gives when to go on.
func (fl *following) answered(r result, now time.Time, poll time.Duration) time.Time {
	fl.polls++
	if r.err == nil {
		fl.serial, fl.known, fl.asked = r.serial, true, now
	}
	switch {
	case r.err == nil && r.serial == fl.want:
		fl.since, fl.reached = time.Time{}, true
		return now.Add(poll + rand.N(poll/10+1))
	case r.err == nil && r.serial.After(fl.want):
		fl.err = errAhead
		fl.reached = false
		return now.Add(poll)
	case fl.reached && r.err == nil: // it has gone back
		fl.reached, fl.since = false, now
	case fl.reached: // the next question will tell
		return now.Add(poll)
	}
	if fl.since.IsZero() {
		fl.since = now
	}
	// Where NOTIFY led to nothing it is sent again.
	if again := fl.notified.Add(backOff(max(fl.attempts, 1))); !again.After(now.Add(askFirst << min(fl.polls, 5))) {
		fl.acked = false
		return again
	}
	return now.Add(askFirst << min(fl.polls, 5))
}

// events gives what is to be told of what has changed.
func (fl *following) events(before *following, now time.Time, lag time.Duration) []Follow {
	f := Follow{Zone: fl.name, Serial: fl.want}
	if !before.since.IsZero() {
		f.Lag = now.Sub(before.since)
	}
	var list []Follow
	if fl.err != nil && (before.err == nil || before.err.Error() != fl.err.Error()) {
		f.Kind, f.Err = FollowFailed, fl.err
		list = append(list, f)
	}
	f.Err = nil
	switch {
	case fl.reached && !before.reached:
		fl.told = false
		f.Kind = FollowReached
		list = append(list, f)
	case !fl.since.IsZero() && !fl.told && f.Lag >= lag:
		fl.told = true
		f.Kind = FollowLagging
		list = append(list, f)
	}
	return list
}

// Status is what is served of one zone, and who follows it.
type Status struct {
	Name        zone.Name
	Loaded      bool        // what follows holds
	Serial      zone.Serial // that is served
	Since       time.Time   // when this process began to serve it
	Records     int
	Size        int // octets of a transfer
	Differences int // generations before from which IXFR is answered
	Secondaries []SecondaryStatus
}

// SecondaryStatus is how a secondary follows a zone.
type SecondaryStatus struct {
	Address  netip.AddrPort
	Serial   zone.Serial // that it served when it was asked last
	Known    bool        // Serial holds
	Asked    time.Time   // when it told Serial
	Reached  bool        // that is the serial that is served here
	Behind   time.Time   // since when it does not serve what is served here; zero: it does
	Notified time.Time   // when it was told of a change last; zero: it was not
	Failures uint64      // attempts to tell or ask it that came to nothing
	Err      error       // of the last attempt to tell or ask it; nil: it went well
}
