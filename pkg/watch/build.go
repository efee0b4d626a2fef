package watch

import (
	"context"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// mostBuilt is how many zones are compiled in one go.
const mostBuilt = 2000

// build is zones that are compiled together, outside of the loop.
type build struct {
	zones    []int
	names    []zone.Name // as far as they are known
	read     []bool      // by zone of the build: its source is read again
	results  []compile.Result
	unread   []bool      // the source could not be read
	began    time.Time   // before anything was read
	problems []diag.List // that kept a zone from being compiled
	files    [][]string  // that a source was read from, and would be; nil: it was not read
}

// compile has the zones compiled that are due.
func (l *loop) compile(ctx context.Context) {
	if l.building || l.stopping {
		return
	}
	now := time.Now()
	b := &build{began: now}
	rest := l.due[:0]
	for _, m := range l.due {
		if m.busy || m.open > 0 || m.due.After(now) || len(b.zones) == mostBuilt {
			rest = append(rest, m)
			continue
		}
		b.zones, b.names = append(b.zones, m.index), append(b.names, m.Name)
		b.read = append(b.read, m.source)
		m.due, m.source, m.busy, m.began = time.Time{}, false, true, l.published
	}
	clear(l.due[len(rest):])
	l.due = rest
	if len(b.zones) == 0 {
		return
	}
	l.building = true
	options := l.options()
	l.tasks.Go(func() {
		l.build(ctx, b, &options)
		l.built <- b
	})
}

// options are those of a run: answers are the last ones, and nobody is asked.
func (l *loop) options() compile.Options {
	options := l.work.Options
	options.Now, options.Clock = l.now(), time.Now()
	options.Answered = l.table.answered
	options.Lookup, options.Confirm, options.Estimates = nil, nil, nil
	if remembered := options.Known; remembered != nil {
		options.Known = func(q resolve.Question) *resolve.Known { return l.table.known(q, remembered(q)) }
	}
	resolvers := options.Distrust
	options.Distrust = func() string {
		if resolvers != nil {
			if why := resolvers(); why != "" {
				return why
			}
		}
		return l.table.together()
	}
	return options
}

// build reads what has changed, and compiles. It is the only one that uses the session. Once ctx
// has ended nobody wants what comes of it, and it leaves off.
func (l *loop) build(ctx context.Context, b *build, options *compile.Options) {
	n := len(b.zones)
	b.results, b.problems, b.files, b.unread = make([]compile.Result, n), make([]diag.List, n), make([][]string, n), make([]bool, n)
	l.read(ctx, b, options.Advise)
	var zones, places []int
	for k, i := range b.zones {
		if ctx.Err() != nil {
			return
		}
		if len(b.problems[k]) > 0 {
			continue
		}
		published, remembers, problems := l.work.Host.Prepare(ctx, i)
		if len(problems) > 0 {
			b.problems[k] = problems
			continue
		}
		l.session.Publishes(i, published, remembers)
		zones, places = append(zones, i), append(places, k)
	}
	for k, r := range l.session.Run(ctx, zones, *options) {
		b.results[places[k]] = r
	}
}

// read reads the sources that have to be read.
func (l *loop) read(ctx context.Context, b *build, advise func([]byte)) {
	var zones []int
	var sources []compile.Source
	var records []*recorder
	for k, i := range b.zones {
		if ctx.Err() != nil {
			return
		}
		if !b.read[k] {
			continue
		}
		source, problems := l.work.Host.Load(i)
		b.files[k] = []string{l.work.Zones[i].file()}
		if len(problems) > 0 {
			// Without a text it is a zone with errors to those whose targets lie in it: nobody else
			// is asked for its names.
			b.problems[k], b.unread[k] = problems, true
			source = compile.Source{Name: l.work.Zones[i].Source, Origin: b.names[k], View: l.work.Zones[i].View}
		}
		var r *recorder
		if source.Includes != nil {
			r = &recorder{FS: source.Includes, root: source.IncludeRoot, paths: map[string]bool{}}
			source.Includes = r
		}
		zones, sources, records = append(zones, i), append(sources, source), append(records, r)
	}
	if len(zones) > 0 {
		l.session.Read(zones, sources, advise)
	}
	for k, r := range records {
		if r == nil {
			continue
		}
		at := slices.Index(b.zones, zones[k])
		b.files[at] = append(b.files[at], slices.Sorted(maps.Keys(r.paths))...)
	}
}

// recorder notes which files are looked for, whether or not they are there.
type recorder struct {
	fs.FS

	root  string
	paths map[string]bool
}

// Open is that of the file system.
func (r *recorder) Open(name string) (fs.File, error) {
	r.paths[filepath.Join(r.root, filepath.FromSlash(name))] = true
	return r.FS.Open(name)
}

// Stat is that of the file system, which may know what a file is without opening it.
func (r *recorder) Stat(name string) (fs.FileInfo, error) {
	r.paths[filepath.Join(r.root, filepath.FromSlash(name))] = true
	return fs.Stat(r.FS, name)
}

// compiled takes in what was compiled.
func (l *loop) compiled(ctx context.Context, b *build) {
	l.building = false
	if l.stopping {
		for _, i := range b.zones {
			l.zones[i].busy = false
		}
		return
	}
	now := time.Now()
	moved := false
	for k, i := range b.zones {
		m := l.zones[i]
		m.busy = false
		if b.files[k] != nil && !slices.Equal(b.files[k], m.files) {
			m.files, moved = b.files[k], true
		}
		if problems := b.problems[k]; len(problems) > 0 {
			m.source = m.source || b.unread[k]
			l.attempted(m, now, problems, true)
			l.again(m, now)
			continue
		}
		r := &b.results[k]
		if !r.Name.IsZero() {
			m.Name = r.Name
		}
		m.Aliases = r.Aliases
		l.depend(m, r)
		switch {
		case m.open > 0: // it waits for answers
		case len(r.Depends.Open) > 0: // they have come meanwhile
			l.dueAt(m, now)
		case !r.OK():
			l.holds(m, m.Held, r.Guarded)
			l.attempted(m, now, r.Problems, true)
		default:
			l.publish(ctx, m, r)
		}
	}
	if moved {
		l.watchFiles(b.began)
	}
	l.readAnew(b, now)
	l.becomeReady()
}

// readAnew has the zones compiled that hang on one that was read, or may have failed for it.
func (l *loop) readAnew(b *build, now time.Time) {
	read := map[int]bool{}
	built := map[int]bool{}
	for k, i := range b.zones {
		built[i] = true
		if b.read[k] {
			read[i] = true
		}
	}
	if len(read) == 0 {
		return
	}
	for _, m := range l.zones {
		if built[m.index] {
			continue
		}
		if m.Phase == PhaseFailing || slices.ContainsFunc(m.uses, func(i int) bool { return read[i] }) {
			l.dueAt(m, now)
		}
	}
}

// depend has the questions of a zone asked, and notes what else it hangs on.
func (l *loop) depend(m *member, r *compile.Result) {
	if !r.Depends.Told {
		return // it has errors: what was published still hangs on what it did
	}
	if !slices.Equal(m.uses, r.Depends.Zones) {
		m.uses, l.usedBy = r.Depends.Zones, nil
	}
	questions := r.Depends.Questions
	if !slices.EqualFunc(m.questions, questions, func(t *target, q resolve.Question) bool { return t.question == q }) {
		l.ask(m, questions)
	}
	m.Targets = len(m.questions)
	for _, q := range r.Depends.Open {
		if t := l.table.targets[q]; t.answer == nil {
			l.waiting[t] = append(l.waiting[t], m)
			m.open++
		}
	}
}

// ask puts questions in the place of those that a zone hung on before.
func (l *loop) ask(m *member, questions []resolve.Question) {
	now := time.Now()
	stay := make(map[*target]bool, len(questions))
	list := make([]*target, len(questions))
	for k, q := range questions {
		t := l.table.targets[q]
		if t == nil {
			t = l.newTarget(q)
		}
		if t.gone {
			t.gone = false
			l.queue.at(t, later(t.due.Time(), now))
		}
		list[k], stay[t] = t, true
		if !slices.Contains(t.zones, int32(m.index)) {
			t.zones = append(t.zones, int32(m.index))
		}
	}
	for _, t := range m.questions {
		if stay[t] {
			continue
		}
		t.zones = slices.DeleteFunc(t.zones, func(i int32) bool { return int(i) == m.index })
		if len(t.zones) == 0 {
			l.drop(t)
		}
	}
	m.questions = list
}

// newTarget begins to ask a question.
func (l *loop) newTarget(q resolve.Question) *target {
	t := &target{question: q, place: -1, gone: true}
	if remembered := l.work.Options.Known; remembered != nil {
		if k := remembered(q); k != nil {
			t.had, t.lost, t.kept = len(k.Addresses) > 0 && !k.Dropped, k.Gone, momentOf(k.Seen)
		}
	}
	l.table.mu.Lock()
	l.table.targets[q] = t
	l.table.add(t, 1)
	l.table.mu.Unlock()
	return t
}

// drop ends the asking of a question that no zone hangs on.
func (l *loop) drop(t *target) {
	l.queue.remove(t)
	t.gone = true
	l.table.mu.Lock()
	l.table.add(t, -1)
	delete(l.table.targets, t.question)
	l.table.mu.Unlock()
}

// watchFiles has the files of all zones watched, which were read after a time.
func (l *loop) watchFiles(since time.Time) {
	l.byFile = map[string][]int{}
	var all []string
	for _, m := range l.zones {
		for _, path := range m.files {
			if l.byFile[path] == nil {
				all = append(all, path)
			}
			l.byFile[path] = append(l.byFile[path], m.index)
		}
	}
	if l.work.Files != nil {
		l.work.Files.WatchSince(all, since)
	}
}

// publish has a result published, outside of the loop.
func (l *loop) publish(ctx context.Context, m *member, r *compile.Result) {
	m.busy = true
	learned := resolve.Estimates{}
	for _, t := range m.questions {
		l.learned(t, learned)
	}
	l.tasks.Go(func() {
		l.room <- struct{}{}
		d := l.work.Host.Publish(ctx, m.index, r, learned)
		<-l.room
		l.done <- finished{m, r, d}
	})
}

// finished is a zone whose publication has ended, well or not.
type finished struct {
	member   *member
	result   *compile.Result
	delivery Delivery
}

// finish takes in what came of a publication.
func (l *loop) finish(f finished) {
	m, r, d := f.member, f.result, &f.delivery
	now := time.Now()
	m.busy = false
	old, knew := m.Serial, m.Published
	if d.Known {
		m.Serial, m.Published = d.Serial, true
	}
	m.Stale = r.Stale
	l.holds(m, r.Held, r.Guarded)
	failed := d.Retry || d.Problems.HasErrors()
	if d.Written && (r.Changed || r.OldSerial != nil && *r.OldSerial != r.Serial) {
		m.Changes++
		m.LastChange = now
		l.tellChanges(m, r, old, knew)
	} else if d.Written {
		l.tell(m, Event{Kind: KindRewritten, Message: "written anew under its serial"})
	}
	if d.Pushed != "" {
		l.tell(m, Event{Kind: KindPushed, Message: d.Pushed})
	}
	l.attempted(m, now, slices.Concat(r.Problems, d.Problems), failed)
	if failed {
		l.again(m, now)
	} else {
		m.failed, m.LastSuccess = 0, now
	}
	l.settleHad(m, r)
	if !r.Recheck.IsZero() {
		l.dueAt(m, now.Add(r.Recheck.Sub(l.now())))
	}
	if (m.Held || m.Guarded) && m.sharesSince(m.began) { // with one that was published meanwhile
		l.dueAt(m, now)
	}
	l.noteKept(m, failed)
	l.changedFor(m, d.Written && r.Changed)
	l.becomeReady()
}

// settleHad notes which targets of a zone are published without addresses now, and which of the
// others are known to have none. A zone that is compiled again has not seen the last answers.
func (l *loop) settleHad(m *member, r *compile.Result) {
	if !m.due.IsZero() {
		return
	}
	for _, t := range m.questions {
		switch {
		case !t.had || t.answer == nil || t.fresh() || t.answer.fails():
		case !r.Held && !r.Guarded:
			l.table.count(t, func() { t.had = false })
		case !t.lost && l.isGone(t.question):
			l.table.count(t, func() { t.lost = true })
		}
	}
}

// noteKept notes that what the targets of a zone have was remembered with it.
func (l *loop) noteKept(m *member, failed bool) {
	if failed {
		return
	}
	for _, t := range m.questions {
		if t.fresh() {
			t.kept = t.asked
		}
	}
}

// isGone tells whether it is confirmed of a target that it has no addresses any more.
func (l *loop) isGone(q resolve.Question) bool {
	if l.work.Options.Known == nil {
		return false
	}
	k := l.work.Options.Known(q)
	return k != nil && k.Gone
}

// changedFor has the zones compiled that hang on one that has changed, or hold what it has
// published.
func (l *loop) changedFor(m *member, changed bool) {
	if !changed {
		return
	}
	if l.usedBy == nil {
		l.usedBy = map[int][]*member{}
		for _, other := range l.zones {
			for _, i := range other.uses {
				l.usedBy[i] = append(l.usedBy[i], other)
			}
		}
	}
	now := time.Now()
	for _, other := range l.usedBy[m.index] {
		l.dueAt(other, now)
	}
	// What is held of a target is another thing once somebody has published it.
	before := l.published
	l.published++
	for _, t := range m.questions {
		t.published = l.published
	}
	for other := range l.holding {
		if other != m && !other.busy && other.sharesSince(before) {
			l.dueAt(other, now)
		}
	}
}

// holds notes whether something of a zone is held back.
func (l *loop) holds(m *member, held, guarded bool) {
	m.Held, m.Guarded = held, guarded
	if held || guarded {
		l.holding[m] = true
	} else {
		delete(l.holding, m)
	}
}

// sharesSince tells whether zones with one of its targets were published behind so many others.
func (m *member) sharesSince(published uint32) bool {
	return slices.ContainsFunc(m.questions, func(t *target) bool { return int32(t.published-published) > 0 })
}

// again has a zone tried again, later the more attempts have failed running.
func (l *loop) again(m *member, now time.Time) {
	m.failed++
	l.dueAt(m, now.Add(min(backOffFirst<<min(m.failed-1, 10), backOffMost)))
}
