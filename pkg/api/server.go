package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"mime"
	"net"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/net/netutil"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// What bounds a request. Those who may open the socket are trusted, but not to be free of bugs.
const (
	maxConnections = 64
	maxHeader      = 16 << 10 // bytes
	maxBody        = 1 << 20  // bytes
	maxNames       = 10_000   // in one request
	maxChanges     = 1000     // in one answer, unless another limit is asked for

	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 30 * time.Second
	idleTime   = time.Minute
	endTime    = 2 * time.Second // for requests that are under way when the daemon ends
)

// server answers on the socket.
type server struct {
	Options

	change sync.Mutex // one request at a time changes what is remembered, or the configuration
}

// Serve answers until ctx ends, and returns when nothing of it runs any more. The socket is
// closed then.
func (s *Socket) Serve(ctx context.Context, o Options) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var requests gate
	h := http.Server{
		Handler:           requests.guard((&server{Options: o}).handler()),
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		BaseContext:       func(net.Listener) context.Context { return ctx },
		ErrorLog:          log.New(io.Discard, "", 0), // what a client does wrong it is told itself
	}
	var ending sync.WaitGroup
	ending.Go(func() {
		<-ctx.Done()
		limit, end := context.WithTimeout(context.WithoutCancel(ctx), endTime)
		defer end()
		if h.Shutdown(limit) != nil {
			_ = h.Close() // the listener is closed already
		}
	})
	err := h.Serve(netutil.LimitListener(s.listener, maxConnections))
	if errors.Is(err, http.ErrServerClosed) {
		err = nil
	}
	cancel()
	ending.Wait()
	requests.close()
	return errors.Join(err, s.Close())
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/status", s.status)
	mux.HandleFunc("GET /v1/targets", s.targets)
	mux.HandleFunc("GET /v1/events", s.events)
	mux.HandleFunc("GET /v1/history", s.history)
	mux.HandleFunc("GET /v1/why", s.why)
	mux.HandleFunc("GET /v1/export", s.export)
	mux.HandleFunc("POST /v1/refresh", s.refresh)
	mux.HandleFunc("POST /v1/notify", s.notify)
	mux.HandleFunc("POST /v1/reload", s.reload)
	mux.HandleFunc("POST /v1/accept", s.accept)
	mux.HandleFunc("POST /v1/forget", s.forget)
	return mux
}

// Error is that a request came to nothing. Who asked for it is at fault below status 500.
type Error struct {
	Schema      string    `json:"schema"`
	Message     string    `json:"error"`
	Hint        string    `json:"hint,omitempty"`
	Diagnostics []Problem `json:"diagnostics,omitempty"` // what is wrong with an edit, or with a source
	Status      int       `json:"-"`                     // of HTTP
}

func (e *Error) Error() string { return e.Message }

func fail(w http.ResponseWriter, status int, message string) {
	reply(w, status, &Error{Schema: SchemaError, Message: message})
}

// failChange says why what is remembered was not changed.
func failChange(w http.ResponseWriter, err error) {
	if unknown, ok := errors.AsType[*UnknownError](err); ok {
		reply(w, http.StatusNotFound, &Error{Schema: SchemaError, Message: unknown.Error(), Hint: unknown.Hint})
		return
	}
	fail(w, http.StatusInternalServerError, err.Error())
}

// reply sends one document. Who is gone meanwhile cannot be told.
func reply(w http.ResponseWriter, status int, document any) {
	text, err := marshal(document)
	if err != nil {
		status, text = http.StatusInternalServerError, []byte(`{"schema":"`+SchemaError+`","error":"the answer has no JSON form"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	w.WriteHeader(status)
	_, _ = w.Write(text)
}

// marshal gives one line.
func marshal(document any) ([]byte, error) {
	text, err := json.Marshal(document)
	return append(text, '\n'), err
}

// Request is the body of a request that changes something.
type Request struct {
	Names []string `json:"names,omitempty"`
	Under bool     `json:"under,omitempty"` // of forget alone
}

// read takes the body of a request. With false the reply is given already.
func read(w http.ResponseWriter, r *http.Request) (names []zone.Name, under, ok bool) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "the body has to be application/json")
		return nil, false, false
	}
	var body Request
	in := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	in.DisallowUnknownFields()
	if err := in.Decode(&body); err != nil {
		if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
			fail(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", large.Limit))
		} else {
			fail(w, http.StatusBadRequest, "the body: "+err.Error())
		}
		return nil, false, false
	}
	if len(body.Names) == 0 || len(body.Names) > maxNames {
		fail(w, http.StatusBadRequest, fmt.Sprintf("%d names, and not 1 to %d", len(body.Names), maxNames))
		return nil, false, false
	}
	for _, text := range body.Names {
		name, err := zone.ParseName(text, zone.Root)
		if err != nil {
			fail(w, http.StatusBadRequest, err.Error())
			return nil, false, false
		}
		names = append(names, name)
	}
	return names, body.Under, true
}

// named takes the name that a query is about. With false the reply is given already.
func named(w http.ResponseWriter, r *http.Request) (zone.Name, bool) {
	name, err := zone.ParseName(r.FormValue("name"), zone.Root)
	if err != nil {
		fail(w, http.StatusBadRequest, "name: "+err.Error())
		return name, false
	}
	return name, true
}

// number takes a number of a query. With false the reply is given already.
func number(w http.ResponseWriter, r *http.Request, key string, otherwise uint64) (uint64, bool) {
	n, err := numberOf(r, key, otherwise)
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
	}
	return n, err == nil
}

// numberOf is a number of a query.
func numberOf(r *http.Request, key string, otherwise uint64) (uint64, error) {
	text := r.FormValue(key)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseUint(text, 10, 63)
	if err != nil {
		return 0, &Error{Schema: SchemaError, Status: http.StatusBadRequest, Message: fmt.Sprintf("%s: %q is no number", key, text)}
	}
	return n, nil
}

func (s *server) status(w http.ResponseWriter, _ *http.Request) {
	out := statusForm(s.Daemon.Snapshot(), time.Now())
	out.Version, out.PID = s.Version, os.Getpid()
	reply(w, http.StatusOK, out)
}

func (s *server) targets(w http.ResponseWriter, r *http.Request) {
	name, ok := named(w, r)
	if !ok {
		return
	}
	snapshot := s.Daemon.Snapshot()
	for i := range snapshot.Zones {
		z := &snapshot.Zones[i]
		if z.Name != name || z.View != r.FormValue("view") {
			continue
		}
		out := &Targets{Schema: SchemaTargets, Zone: zoneName(z.Name), View: z.View, Targets: []Target{}}
		list := s.Daemon.Targets(i)
		for t := range list {
			out.Targets = append(out.Targets, targetForm(&list[t]))
		}
		reply(w, http.StatusOK, out)
		return
	}
	fail(w, http.StatusNotFound, fmt.Sprintf("%s is no zone of the daemon", zoneName(name)))
}

func (s *server) history(w http.ResponseWriter, r *http.Request) {
	name, ok := named(w, r)
	if !ok {
		return
	}
	limit, ok := number(w, r, "limit", maxChanges)
	if ok {
		reply(w, http.StatusOK, HistoryOf(s.Store, name, int(limit)))
	}
}

func (s *server) why(w http.ResponseWriter, r *http.Request) {
	if name, ok := named(w, r); ok {
		reply(w, http.StatusOK, WhyOf(s.Store, name))
	}
}

// Refreshed is what is asked again.
type Refreshed struct {
	Schema  string   `json:"schema"`
	Zones   int      `json:"zones"`
	Targets int      `json:"targets"`
	Unknown []string `json:"unknown,omitempty"` // names that are neither a zone nor a target
}

func (s *server) refresh(w http.ResponseWriter, r *http.Request) {
	names, _, ok := read(w, r)
	if !ok {
		return
	}
	out := &Refreshed{Schema: SchemaRefreshed}
	for _, name := range names {
		zones, targets := s.Daemon.Refresh(name)
		if zones+targets == 0 {
			out.Unknown = append(out.Unknown, name.String())
		}
		out.Zones, out.Targets = out.Zones+zones, out.Targets+targets
	}
	reply(w, http.StatusOK, out)
}

// Notified is what secondaries are told of.
type Notified struct {
	Schema      string   `json:"schema"`
	Zones       int      `json:"zones"`
	Secondaries int      `json:"secondaries"`
	Unknown     []string `json:"unknown,omitempty"` // names of zones that are not served
}

func (s *server) notify(w http.ResponseWriter, r *http.Request) {
	names, _, ok := read(w, r)
	if !ok {
		return
	}
	out := &Notified{Schema: SchemaNotified}
	for _, name := range names {
		zones, secondaries := 0, 0
		if s.Notify != nil {
			zones, secondaries = s.Notify(name)
		}
		if zones == 0 {
			out.Unknown = append(out.Unknown, name.String())
		}
		out.Zones, out.Secondaries = out.Zones+zones, out.Secondaries+secondaries
	}
	reply(w, http.StatusOK, out)
}

// Reloaded is that a new configuration was taken in.
type Reloaded struct {
	Schema string `json:"schema"`
}

func (s *server) reload(w http.ResponseWriter, r *http.Request) {
	if err := patient(w); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	s.change.Lock()
	defer s.change.Unlock()
	if err := s.Daemon.Reload(r.Context()); err != nil {
		fail(w, http.StatusUnprocessableEntity, err.Error())
		return
	}
	reply(w, http.StatusOK, &Reloaded{Schema: SchemaReloaded})
}

func (s *server) accept(w http.ResponseWriter, r *http.Request) {
	names, _, ok := read(w, r)
	if !ok || !s.remembers(w) {
		return
	}
	s.change.Lock()
	defer s.change.Unlock()
	out, err := Accept(s.Store, names)
	if err != nil {
		failChange(w, err)
		return
	}
	if len(out.Accepted) > 0 {
		s.again(names)
	}
	reply(w, http.StatusOK, out)
}

func (s *server) forget(w http.ResponseWriter, r *http.Request) {
	names, under, ok := read(w, r)
	if !ok || !s.remembers(w) {
		return
	}
	s.change.Lock()
	defer s.change.Unlock()
	out, err := Forget(s.Store, names, under)
	if err != nil {
		failChange(w, err)
		return
	}
	s.again(names)
	reply(w, http.StatusOK, out)
}

// again has asked again what somebody has decided about, so that it shows.
func (s *server) again(names []zone.Name) {
	for _, name := range names {
		s.Daemon.Refresh(name)
	}
}

// remembers tells whether there is a state. With false the reply is given already.
func (s *server) remembers(w http.ResponseWriter) bool {
	if s.Store == nil {
		fail(w, http.StatusConflict, "the daemon has no state")
		return false
	}
	return true
}

// export sends all that is remembered. It is written to a file first: while the store is read
// it may not be able to grow, and who reads slowly must not keep the daemon from publishing.
func (s *server) export(w http.ResponseWriter, _ *http.Request) {
	if !s.remembers(w) {
		return
	}
	file, err := s.spool()
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	defer func() { _ = file.Close() }() // it was read to its end, or nobody wants it
	size, err := file.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = file.Seek(0, io.SeekStart)
	}
	if err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	_ = copyPatiently(w, file) // who is gone meanwhile cannot be told
}
