package dashboard

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
)

//go:embed files/*.html
var templates embed.FS

// pages are the templates by name. Whatever they show goes through them, which takes the meaning
// out of names and messages of others.
type pages map[string]*template.Template

func newPages() pages {
	functions := template.FuncMap{
		"serial": serialText, "age": age, "until": until, "stamp": stamp, "plain": plainName, "addresses": addressList,
		"yes": func(b *bool) bool { return b != nil && *b }, "kind": lineKind,
		"lines":   func(text string) []string { return strings.Split(strings.TrimSuffix(text, "\n"), "\n") },
		"repeats": func(e *api.Error) bool { return len(e.Diagnostics) > 0 && e.Diagnostics[0].Message == e.Message },
	}
	layout := template.Must(template.New("layout.html").Funcs(functions).ParseFS(templates, "files/layout.html", "files/parts.html"))
	p := pages{}
	for _, name := range []string{"login", "zones", "zone", "records", "alias", "problem"} {
		p[name] = template.Must(template.Must(layout.Clone()).ParseFS(templates, "files/"+name+".html"))
	}
	return p
}

// shown is what a template is filled with.
type shown struct {
	Version string
	Path    string
	Form    string // what every form has to send; empty: nobody is logged in
	Who     string
	Now     time.Time
	Page    any
}

func (d *dashboard) show(w http.ResponseWriter, _ *http.Request, v *visit, status int, name string, page any) {
	data := shown{Version: d.Version, Path: Path, Now: time.Now(), Page: page}
	if v != nil {
		data.Form, data.Who = v.form, v.token
	}
	var b bytes.Buffer
	if err := d.pages[name].Execute(&b, &data); err != nil {
		http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = b.WriteTo(w) // who is gone meanwhile cannot be told
}

// fail shows why there is no page.
func (d *dashboard) fail(w http.ResponseWriter, r *http.Request, v *visit, status int, err error) {
	e, ok := errors.AsType[*api.Error](err)
	if !ok {
		e = &api.Error{Message: err.Error()}
	}
	if e.Status != 0 {
		status = e.Status
	}
	d.show(w, r, v, status, "problem", e)
}

// serialText is a serial, or a dash where it is not known.
func serialText(s *uint32) string {
	if s == nil {
		return "–"
	}
	return fmt.Sprint(*s)
}

// span is a time in one or two words.
func span(d time.Duration) string {
	d = max(d.Round(time.Second), 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", d/time.Second)
	case d < 2*time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	default:
		return fmt.Sprintf("%d days", d/(24*time.Hour))
	}
}

// age is how long ago something was.
func age(now, t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return span(now.Sub(t)) + " ago"
}

// until is how long it is to something.
func until(now, t time.Time) string {
	switch {
	case t.IsZero():
		return "–"
	case !t.After(now):
		return "now"
	}
	return "in " + span(t.Sub(now))
}

// stamp is a time for a script.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// plainName is a name without its final dot.
func plainName(name string) string {
	if name == "." {
		return name
	}
	return strings.TrimSuffix(name, ".")
}

func addressList(list []netip.Addr) string {
	var b strings.Builder
	for i, a := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(a.String())
	}
	if len(list) == 0 {
		return "none"
	}
	return b.String()
}

// lineKind tells what a line of a unified difference is.
func lineKind(line string) string {
	switch {
	case strings.HasPrefix(line, "+++"), strings.HasPrefix(line, "---"), strings.HasPrefix(line, "@@"):
		return "head"
	case strings.HasPrefix(line, "+"):
		return "come"
	case strings.HasPrefix(line, "-"):
		return "gone"
	}
	return "same"
}
