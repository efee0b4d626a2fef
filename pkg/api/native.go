package api

import (
	_ "embed"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// nativePath is what the paths of the native face begin with.
const nativePath = "/aliasflat/v1"

// What bounds those who have a token.
const (
	pageSize = 1000   // of what a page has, unless another limit is asked for
	maxPage  = 10_000 // of what it may have

	askRate  = 2  // requests that have the resolvers asked, per second
	askBurst = 20 // of them at once
)

// openAPI describes the native face (OpenAPI 3.1).
//
//go:embed openapi.json
var openAPI []byte

// native is the face of aliasflat itself: all that there is to be known of zones and their
// ALIAS records, beside the records.
type native struct {
	face

	asks      *rate.Limiter // requests that have the resolvers asked
	streams   chan struct{} // has one for each stream that is followed
	heartbeat time.Duration // between the signs of life of a stream
}

// route is one request that the face answers.
type route struct {
	method, path string
	scope        Scope // empty: nobody is asked for a token
	answer       func(w http.ResponseWriter, r *http.Request, c *Caller) error
}

func newNative(f *Faces) *native {
	return &native{
		face: face{Faces: f, via: "native", fail: failNative}, asks: rate.NewLimiter(askRate, askBurst),
		streams: make(chan struct{}, maxStreams), heartbeat: heartbeat,
	}
}

func (n *native) routes() []route {
	return []route{
		{"GET", "/openapi.json", "", describe},
		{"GET", "/status", ScopeRead, n.status},
		{"GET", "/zones", ScopeRead, n.listZones},
		{"GET", "/zones/{zone}", ScopeRead, n.zone},
		{"GET", "/zones/{zone}/records", ScopeRead, n.records},
		{"PUT", "/zones/{zone}/rrsets/{owner}/{type}", ScopeRecords, n.replace},
		{"DELETE", "/zones/{zone}/rrsets/{owner}/{type}", ScopeRecords, n.delete},
		{"POST", "/zones/{zone}/edits", ScopeRecords, n.edits},
		{"GET", "/zones/{zone}/aliases", ScopeRead, n.aliases},
		{"GET", "/zones/{zone}/aliases/{owner}", ScopeRead, n.alias},
		{"GET", "/zones/{zone}/history", ScopeRead, n.history},
		{"GET", "/zones/{zone}/plan", ScopeRead, n.plan},
		{"POST", "/zones/{zone}/refresh", ScopeRefresh, n.refreshZone},
		{"GET", "/why", ScopeRead, n.why},
		{"POST", "/refresh", ScopeRefresh, n.refreshTarget},
		{"GET", "/events", ScopeRead, n.events},
	}
}

// native adds the routes of the native face.
func (f *Faces) native(mux *http.ServeMux) { newNative(f).mount(mux) }

func (n *native) mount(mux *http.ServeMux) {
	methods := map[string][]string{}
	for _, r := range n.routes() {
		handler := n.to(r.scope, r.answer)
		if r.scope == "" {
			handler = open(r.answer)
		}
		mux.HandleFunc(r.method+" "+nativePath+r.path, handler)
		methods[r.path] = append(methods[r.path], r.method)
	}
	for path, allowed := range methods {
		mux.HandleFunc(nativePath+path, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Allow", strings.Join(allowed, ", "))
			failNative(w, http.StatusMethodNotAllowed, fmt.Errorf("%s is not for this path", r.Method))
		})
	}
	mux.HandleFunc(nativePath+"/", func(w http.ResponseWriter, _ *http.Request) {
		failNative(w, http.StatusNotFound, &Error{Message: "there is no such path", Hint: nativePath + "/openapi.json lists them"})
	})
}

// open answers whoever asks.
func open(answer func(w http.ResponseWriter, r *http.Request, c *Caller) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		_ = answer(w, r, nil) // it has none
	}
}

// failNative tells why a request came to nothing.
func failNative(w http.ResponseWriter, status int, err error) {
	out := &Error{Message: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		out = e
	} else if refused, ok := errors.AsType[*RefusedError](err); ok {
		out.Hint = refused.Hint
		for _, d := range refused.Problems {
			out.Diagnostics = append(out.Diagnostics, *problemForm(d))
		}
	} else if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		out.Message = fmt.Sprintf("the body has more than %d bytes", large.Limit)
	}
	out.Schema = SchemaError
	if w.Header().Get("Retry-After") == "" && (status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable) {
		w.Header().Set("Retry-After", "1")
	}
	reply(w, status, out)
}

// refuse makes an error that is answered with a status.
func refuse(status int, format string, args ...any) *Error {
	return &Error{Schema: SchemaError, Status: status, Message: fmt.Sprintf(format, args...)}
}

func describe(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(openAPI) // who is gone meanwhile cannot be told
	return nil
}

// status is that of the daemon, with the zones that the caller may see.
func (n *native) status(w http.ResponseWriter, _ *http.Request, c *Caller) error {
	out := statusForm(n.Daemon.Snapshot(), time.Now())
	out.Version, out.PID = n.Version, os.Getpid()
	hidden := func(name string) bool {
		parsed, err := zone.ParseName(name, zone.Root)
		return err != nil || name == "" || !c.Grant.Allows(ScopeRead, parsed)
	}
	if !c.seesAll() {
		out.Problem = "" // it may name what others have
		out.Zones = slices.DeleteFunc(out.Zones, func(z Zone) bool { return hidden(z.Name) })
		out.Serving = slices.DeleteFunc(out.Serving, func(s Serving) bool { return hidden(s.Zone) })
	}
	reply(w, http.StatusOK, out)
	return nil
}

// seesAll tells whether a caller may read every zone, and so what is of no zone too.
func (c *Caller) seesAll() bool { return len(c.Grant.Zones) == 0 }

// limited is how much a page may have.
func limited(r *http.Request) (int, error) {
	limit, err := numberOf(r, "limit", pageSize)
	if err == nil && (limit == 0 || limit > maxPage) {
		err = refuse(http.StatusBadRequest, "limit: %d is not from 1 to %d", limit, maxPage)
	}
	return int(limit), err
}

// paged gives the part of a list that is asked for by limit and offset, and where the next one
// begins; nil: it is the last.
func paged[T any](r *http.Request, list []T) (part []T, next *int, err error) {
	limit, err := limited(r)
	if err != nil {
		return nil, nil, err
	}
	offset, err := numberOf(r, "offset", 0)
	if err != nil {
		return nil, nil, err
	}
	from := int(min(offset, uint64(len(list))))
	to := min(from+limit, len(list))
	if to < len(list) {
		next = &to
	}
	return list[from:to], next, nil
}
