package status

import (
	"bytes"
	_ "embed" // the page and its style
	"html/template"
	"net/http"
	"strconv"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

var (
	//go:embed page.html
	pageText string
	//go:embed style.css
	styleText string
)

// maxRows is how many zones the page shows; those that need somebody come first.
const maxRows = 1000

// page is the page for people. Whatever it shows goes through its template, which takes the
// meaning out of names and messages of others.
type page struct{ template *template.Template }

func newPage() *page { return &page{template.Must(template.New("page").Parse(pageText))} }

// pageData is what the template is filled with.
type pageData struct {
	Version   string
	Dashboard string
	Snapshot  *watch.Snapshot
	Hung      bool
	Up        string
	Rows      []pageRow
	More      int // zones that are not shown
}

type pageRow struct {
	Name, Phase, Class        string
	Notes                     []string
	Serial                    string
	Aliases, Targets          int
	LastSuccess, Change, Next string
	Problem                   *diag.Diagnostic
}

func (s *server) style(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, _ = w.Write([]byte(styleText)) // who is gone meanwhile cannot be told
}

func (s *server) show(w http.ResponseWriter, _ *http.Request) {
	data := pageData{Version: s.Version, Snapshot: s.Snapshot()}
	if s.Dashboard != nil {
		data.Dashboard = s.Dashboard()
	}
	now := time.Now()
	if data.Snapshot != nil {
		data.Hung = data.Snapshot.Hung(now)
		data.Up = Age(now.Sub(data.Snapshot.Started))
		data.Rows, data.More = rows(data.Snapshot, now)
	}
	var b bytes.Buffer
	if err := s.page.template.Execute(&b, &data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = b.WriteTo(w) // who is gone meanwhile cannot be told
}

// rows gives the zones, those that fail or hold before the others, and how many are left out.
func rows(s *watch.Snapshot, now time.Time) (list []pageRow, more int) {
	for phase := watch.PhaseStarting; phase <= watch.PhasePublished; phase++ {
		for i := range s.Zones {
			switch z := &s.Zones[i]; {
			case z.Phase != phase:
			case len(list) == maxRows:
				more++
			default:
				list = append(list, row(z, now))
			}
		}
	}
	return list, more
}

func row(z *watch.Zone, now time.Time) pageRow {
	r := pageRow{
		Name: label(z), Phase: z.Phase.String(), Class: z.Phase.String(), Aliases: z.Aliases, Targets: z.Targets,
		LastSuccess: since(z.LastSuccess, now), Change: since(z.LastChange, now), Next: until(z.NextRefresh, now),
	}
	if z.Published {
		r.Serial = strconv.FormatUint(uint64(z.Serial), 10)
	}
	for _, n := range []struct {
		is   bool
		word string
	}{{z.Stale, "stale"}, {z.Held && !z.Stale, "held"}, {z.Guarded, "guarded"}} {
		if n.is {
			r.Notes = append(r.Notes, n.word)
		}
	}
	if p := z.Pulled; p != nil && p.Problem != nil {
		r.Problem = p.Problem
		if p.Expired {
			r.Notes = append(r.Notes, "expired")
		}
	}
	if sorted := z.Problems.Sorted(); len(sorted) > 0 && (r.Problem == nil || z.Problems.HasErrors()) {
		r.Problem = sorted[0]
		for _, d := range sorted {
			if d.Severity == diag.Error {
				r.Problem = d
				break
			}
		}
	}
	return r
}

// since tells how long ago a time was.
func since(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Age(now.Sub(t)) + " ago"
}

// until tells how soon a time comes.
func until(t, now time.Time) string {
	switch {
	case t.IsZero():
		return ""
	case !t.After(now):
		return "now"
	}
	return "in " + Age(t.Sub(now))
}

// Age is a duration in its two largest units, as in 1h30m; what is below 0 is 0s.
func Age(d time.Duration) string {
	const day = 24 * time.Hour
	d = max(0, d)
	unit := func(d, unit time.Duration, word string) string { return strconv.Itoa(int(d/unit)) + word }
	switch {
	case d < time.Minute:
		return unit(d, time.Second, "s")
	case d < time.Hour:
		return unit(d, time.Minute, "m") + unit(d%time.Minute, time.Second, "s")
	case d < day:
		return unit(d, time.Hour, "h") + unit(d%time.Hour, time.Minute, "m")
	}
	return unit(d, day, "d") + unit(d%day, time.Hour, "h")
}
