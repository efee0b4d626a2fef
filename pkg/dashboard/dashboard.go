// Package dashboard shows zones and their ALIAS records to people in a browser, who may add, change
// and delete them in forms.
//
// It asks the native face of package api as any client does, in the name of who has logged in with
// a token: what that may not see or do there it may not here. Everything works without JavaScript
// but for what moves by itself. It keeps nothing but the sessions.
package dashboard

import (
	"embed"
	"net/http"

	"github.com/aliasflat/aliasflat/pkg/api"
)

// Path is below which everything is.
const Path = "/dashboard/"

// files are what browsers are given as it is.
//
//go:embed files/style.css files/script.js
var files embed.FS

// Options of a dashboard.
type Options struct {
	API     http.Handler // answers below /aliasflat/v1/, as [api.Faces.Handler] does
	Tokens  *api.Tokens  // one of which logs in
	Version string       // of the program
}

// dashboard answers requests.
type dashboard struct {
	Options

	sessions *sessions
	pages    pages
}

// Handler answers below [Path]. Whoever serves it has to check the host that is asked for (DNS
// rebinding).
func Handler(o Options) http.Handler {
	d := &dashboard{Options: o, sessions: newSessions(o.Tokens), pages: newPages()}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path+"login", d.showLogin)
	mux.HandleFunc("POST "+Path+"login", d.login)
	mux.HandleFunc("POST "+Path+"logout", d.within(d.logout))
	mux.HandleFunc("GET "+Path+"{$}", d.within(d.zones))
	mux.HandleFunc("GET "+Path+"zones/{zone}", d.within(d.zone))
	mux.HandleFunc("POST "+Path+"zones/{zone}/refresh", d.within(d.refresh))
	mux.HandleFunc("GET "+Path+"zones/{zone}/records", d.within(d.records))
	mux.HandleFunc("GET "+Path+"zones/{zone}/alias", d.within(d.form))
	mux.HandleFunc("POST "+Path+"zones/{zone}/alias", d.within(d.edit))
	mux.HandleFunc("GET "+Path+"events", d.within(d.events))
	for _, name := range []string{"style.css", "script.js"} {
		mux.HandleFunc("GET "+Path+name, func(w http.ResponseWriter, r *http.Request) {
			http.ServeFileFS(w, r, files, "files/"+name)
		})
	}
	mux.HandleFunc(Path, func(w http.ResponseWriter, r *http.Request) {
		d.fail(w, r, nil, http.StatusNotFound, &api.Error{Message: "there is no such page"})
	})
	return protect(http.NewCrossOriginProtection().Handler(http.MaxBytesHandler(mux, maxForm)))
}

// maxForm bounds what a form may send, in bytes.
const maxForm = 64 << 10

// protect gives every answer the headers that keep a browser from doing more with it than showing it.
func protect(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		next.ServeHTTP(w, r)
	})
}
