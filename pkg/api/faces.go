package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Faces say what the record API answers from.
type Faces struct {
	Records *Records
	Tokens  *Tokens
	Daemon  Daemon
	Feed    *watch.Feed
	Store   *state.Store
	Version string // of the program
	// Preview tells what an ALIAS would be published as now; nil: nobody can tell.
	Preview Preview
	Plan    Planner // nil: nobody can tell
	// Notify is that of [Options].
	Notify func(name zone.Name) (zones, secondaries int)

	denied denied
	writes pace // by the IDs of tokens
	wrong  pace // tokens that are none, by the sites of peers
}

// Handler answers the requests of every face, each below its own path. Whoever asks has to show
// a token. Whoever serves it has to check the host that is asked for (DNS rebinding).
func (f *Faces) Handler() http.Handler {
	mux := http.NewServeMux()
	f.provider(mux)
	f.native(mux)
	f.powerdns(mux)
	return f.sameOrigin(http.MaxBytesHandler(mux, maxBody))
}

// face is one way to ask and to be answered.
type face struct {
	*Faces

	via  string
	fail func(w http.ResponseWriter, status int, err error) // in the form of the face
}

// to makes a handler of a function that answers a caller. An error of it is answered in the
// form of the face.
func (f *face) to(scope Scope, answer func(w http.ResponseWriter, r *http.Request, c *Caller) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		c, err := f.caller(r)
		switch {
		case errors.Is(err, ErrNoToken) && shown(r) != "" && f.tooWrong(w, r):
			return
		case errors.Is(err, ErrNoToken):
			h.Set("WWW-Authenticate", `Bearer realm="aliasflat"`)
			f.fail(w, http.StatusUnauthorized, errors.New("a token is needed: Authorization: Bearer or X-API-Key"))
			return
		case err != nil:
			f.fail(w, http.StatusServiceUnavailable, errors.New("the tokens cannot be read"))
			return
		case !c.Grant.Allows(scope, zone.Name{}):
			f.Deny(DenialScope)
			f.fail(w, http.StatusForbidden, fmt.Errorf("the token has not the scope %s", scope))
			return
		case !reads(r):
			err = paced(w, f.writes.take(c.Who, time.Now(), writeRate, writeBurst), "the token changes too much at once")
		}
		if err == nil {
			err = answer(w, r, c)
		}
		if err != nil {
			f.fail(w, statusOf(err), err)
		}
	}
}

// callerKey is the key in a context of who asks, where the process itself says so.
type callerKey struct{}

// As gives a request that is made in the process itself, in the name of somebody: of who has
// logged in to a page. who is called whenever it is to be known whether he still may ask, and
// gives ErrNoToken if not.
func As(r *http.Request, who func() (*Caller, error)) *http.Request {
	return r.WithContext(context.WithValue(r.Context(), callerKey{}, who))
}

// tooWrong answers a peer that shows too many tokens that are none. One that is good is not
// counted and goes through all the same, so that nobody behind one address locks out the others.
func (f *face) tooWrong(w http.ResponseWriter, r *http.Request) bool {
	err := paced(w, f.wrong.take(site(peerOf(r)), time.Now(), wrongRate, wrongBurst), "too many requests with a token that is none")
	if err != nil {
		f.fail(w, statusOf(err), err)
	}
	return err != nil
}

// shown is the secret that a request has; empty: none.
func shown(r *http.Request) string {
	if secret := r.Header.Get("X-API-Key"); secret != "" {
		return secret
	}
	kind, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(kind, "Bearer") {
		return strings.TrimSpace(rest)
	}
	return ""
}

// caller finds who asks.
func (f *face) caller(r *http.Request) (*Caller, error) {
	if who, ok := r.Context().Value(callerKey{}).(func() (*Caller, error)); ok {
		return who()
	}
	secret := shown(r)
	token, err := f.Tokens.Verify(secret, time.Now())
	switch {
	case errors.Is(err, ErrNoToken) && secret == "":
		f.Deny(DenialNoToken)
	case errors.Is(err, ErrNoToken):
		f.Deny(DenialToken)
	}
	if err != nil {
		return nil, err
	}
	return &Caller{Grant: token.Grant, Who: token.ID, Via: f.via, Peer: peerOf(r)}, nil
}

// peerOf is who has connected; the zero AddrPort over a Unix socket.
func peerOf(r *http.Request) netip.AddrPort {
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return peer
}

// statusOf is the status of HTTP for an error of the records.
func statusOf(err error) int {
	if large, ok := errors.AsType[*http.MaxBytesError](err); ok && large.Limit > 0 {
		return http.StatusRequestEntityTooLarge
	}
	if e, ok := errors.AsType[*Error](err); ok && e.Status != 0 {
		return e.Status
	}
	refused, ok := errors.AsType[*RefusedError](err)
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return http.StatusServiceUnavailable
	case !ok:
		return http.StatusInternalServerError
	}
	switch refused.Reason {
	case ReasonUnknown, ReasonNoRecord:
		return http.StatusNotFound
	case ReasonForbidden:
		return http.StatusForbidden
	case ReasonInvalid:
		return http.StatusUnprocessableEntity
	case ReasonChanged:
		return http.StatusPreconditionFailed
	case ReasonBusy, ReasonSource:
		return http.StatusConflict
	case ReasonWorld:
	}
	return http.StatusInternalServerError
}

// body takes the JSON body of a request. Its error is answered with status 400, 413 or 415.
func body(r *http.Request, to any) error {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		return &Error{Schema: SchemaError, Status: http.StatusUnsupportedMediaType, Message: "the body has to be application/json"}
	}
	in := json.NewDecoder(r.Body)
	err := in.Decode(to)
	if err == nil && in.More() {
		err = errors.New("there is more than one document")
	}
	if _, large := errors.AsType[*http.MaxBytesError](err); large || err == nil {
		return err
	}
	if errors.Is(err, io.EOF) {
		err = errors.New("it is empty")
	}
	return &Error{Schema: SchemaError, Status: http.StatusBadRequest, Message: "the body: " + err.Error()}
}

// dryRun tells whether a request is only to be tried.
func dryRun(r *http.Request) bool {
	v := r.Header.Get("X-Aliasflat-Dry-Run")
	return v != "" && v != "0"
}

// ifMatch are the ETags of a request (RFC 9110 §13.1.1). A weak one fits nothing.
func ifMatch(r *http.Request) []string {
	var tags []string
	for _, line := range r.Header.Values("If-Match") {
		for tag := range strings.SplitSeq(line, ",") {
			tags = append(tags, strings.Trim(strings.TrimSpace(tag), `"`))
		}
	}
	return tags
}

// setETag tells which source an answer is about.
func setETag(w http.ResponseWriter, r *Reading) { w.Header().Set("ETag", `"`+r.ETag+`"`) }
