package dashboard

import (
	"crypto/rand"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/aliasflat/aliasflat/pkg/api"
)

const (
	cookieName  = "aliasflat"
	sessionTime = 12 * time.Hour
	maxSessions = 1000

	loginRate  = 1 // failed logins a second, of all together
	loginBurst = 10
)

// session is somebody who has logged in.
type session struct {
	id    string // the cookie
	form  string // what every form of it has to send: no other page knows it
	token string // the ID of the token
	ends  time.Time
}

// sessions are those that are open. They end with the process.
type sessions struct {
	tokens *api.Tokens
	failed *rate.Limiter

	mu   sync.Mutex
	open map[string]*session
}

func newSessions(tokens *api.Tokens) *sessions {
	return &sessions{tokens: tokens, failed: rate.NewLimiter(loginRate, loginBurst), open: map[string]*session{}}
}

// errTooMany says that too many have tried to log in.
var errTooMany = errors.New("too many logins have failed; wait a little")

// begin opens a session with the secret of a token.
func (s *sessions) begin(secret string, now time.Time) (*session, error) {
	if s.failed.TokensAt(now) < 1 {
		return nil, errTooMany
	}
	token, err := s.tokens.Verify(secret, now)
	if err != nil {
		s.failed.AllowN(now, 1)
		return nil, err
	}
	made := &session{id: rand.Text(), form: rand.Text(), token: token.ID, ends: now.Add(sessionTime)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, old := range s.open {
		if now.After(old.ends) {
			delete(s.open, id)
		}
	}
	if len(s.open) >= maxSessions {
		return nil, errors.New("too many people are logged in")
	}
	s.open[made.id] = made
	return made, nil
}

// of finds the session of a request; nil: there is none.
func (s *sessions) of(r *http.Request, now time.Time) *session {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := s.open[cookie.Value]
	if found == nil || now.After(found.ends) {
		return nil
	}
	return found
}

func (s *sessions) end(of *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.open, of.id)
}

// caller is who has a session, as long as the token is one.
func (s *sessions) caller(of *session, r *http.Request) (*api.Caller, error) {
	token, err := s.tokens.Find(of.token, time.Now())
	if err != nil {
		return nil, err
	}
	peer, _ := netip.ParseAddrPort(r.RemoteAddr)
	return &api.Caller{Grant: token.Grant, Who: token.ID, Via: "page", Peer: peer}, nil
}

// visit is a request of somebody who has logged in.
type visit struct {
	*session

	caller *api.Caller
}

// within lets those through who have logged in, and what changes something only from a form of
// their own.
func (d *dashboard) within(answer func(w http.ResponseWriter, r *http.Request, v *visit)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		open := d.sessions.of(r, time.Now())
		var caller *api.Caller
		err := api.ErrNoToken
		if open != nil {
			if caller, err = d.sessions.caller(open, r); errors.Is(err, api.ErrNoToken) {
				d.sessions.end(open)
			}
		}
		switch {
		case errors.Is(err, api.ErrNoToken) && r.Method == http.MethodGet && r.Header.Get("Accept") != "text/event-stream":
			http.Redirect(w, r, Path+"login", http.StatusSeeOther)
		case errors.Is(err, api.ErrNoToken):
			d.fail(w, r, nil, http.StatusUnauthorized, &api.Error{Message: "you are not logged in any more", Hint: "log in again and repeat it"})
		case err != nil:
			d.fail(w, r, nil, http.StatusServiceUnavailable, &api.Error{Message: "the tokens cannot be read"})
		case r.Method == http.MethodPost && subtle.ConstantTimeCompare([]byte(r.PostFormValue("form")), []byte(open.form)) != 1:
			d.fail(w, r, nil, http.StatusForbidden, &api.Error{Message: "this was sent by no form of this page", Hint: "open the page again"})
		default:
			answer(w, r, &visit{open, caller})
		}
	}
}

func (d *dashboard) showLogin(w http.ResponseWriter, r *http.Request) {
	if d.sessions.of(r, time.Now()) != nil {
		http.Redirect(w, r, Path, http.StatusSeeOther)
		return
	}
	d.show(w, r, nil, http.StatusOK, "login", &loginPage{})
}

// loginPage is what the page to log in shows.
type loginPage struct{ Problem string }

func (d *dashboard) login(w http.ResponseWriter, r *http.Request) {
	made, err := d.sessions.begin(r.PostFormValue("token"), time.Now())
	switch {
	case errors.Is(err, errTooMany):
		w.Header().Set("Retry-After", "10")
		d.show(w, r, nil, http.StatusTooManyRequests, "login", &loginPage{err.Error()})
		return
	case errors.Is(err, api.ErrNoToken):
		d.show(w, r, nil, http.StatusUnauthorized, "login", &loginPage{"This is no token, or its time is over."})
		return
	case err != nil:
		d.show(w, r, nil, http.StatusServiceUnavailable, "login", &loginPage{"Nobody can log in now."})
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: made.id, Path: Path, MaxAge: int(sessionTime / time.Second),
		HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode,
	})
	http.Redirect(w, r, Path, http.StatusSeeOther)
}

func (d *dashboard) logout(w http.ResponseWriter, r *http.Request, v *visit) {
	d.sessions.end(v.session)
	http.SetCookie(w, &http.Cookie{Name: cookieName, Path: Path, MaxAge: -1, HttpOnly: true, Secure: r.TLS != nil, SameSite: http.SameSiteStrictMode})
	http.Redirect(w, r, Path+"login", http.StatusSeeOther)
}
