package pipeline

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// strangers have no token, or show it where it is seen by others.
func (w *hostileWorld) strangers(route *writingRoute) {
	w.Helper()
	secret := w.token(api.Grant{})
	denied := []int{http.StatusUnauthorized, http.StatusTooManyRequests}
	w.refused(route.name+" without a token", w.write(route, good, ""), denied...)
	w.refused(route.name+" with another token", w.write(route, good, api.TokenPrefix+"AAAA"), denied...)
	w.refused(route.name+" with a part of a token", w.write(route, good, secret[:len(secret)-1]), denied...)
	for _, key := range []string{"token", "access_token", "api_key", "X-API-Key", "Authorization"} {
		r := w.write(route, good, "")
		r.URL.RawQuery = url.Values{key: {secret}}.Encode()
		w.refused(route.name+" with a token in the query "+key, r, denied...)
	}
	for _, name := range []string{"Cookie", "Proxy-Authorization", "X-Forwarded-Authorization", "Referer"} {
		r := w.write(route, good, "")
		r.Header.Set(name, "token="+secret)
		w.refused(route.name+" with a token as "+name, r, denied...)
	}
	r := w.write(route, good, "")
	r.SetBasicAuth(secret, secret)
	w.refused(route.name+" with a token as a password", r, denied...)
	_, gone, err := w.tokens.Create(w.Context(), api.Grant{Scopes: api.Scopes}, "", time.Now().Add(-2*time.Hour), time.Now().Add(-time.Hour))
	if err != nil {
		w.Fatal(err)
	}
	w.refused(route.name+" with a token that is over", w.write(route, good, gone), denied...)
}

// origins are pages and names of others, from which a browser sends what its user never asked for.
func (w *hostileWorld) origins(route *writingRoute) {
	w.Helper()
	secret := w.token(api.Grant{})
	w.elsewhere(route.name, func() *http.Request { return w.write(route, good, secret) })
}

// elsewhere has a request come from the pages of others, and for names of others.
func (w *hostileWorld) elsewhere(name string, made func() *http.Request) {
	w.Helper()
	for _, header := range [][2]string{
		{"Sec-Fetch-Site", "cross-site"},
		{"Sec-Fetch-Site", "same-site"},
		{"Origin", "https://evil.example"},
		{"Origin", "null"},
		{"Origin", "http://localhost:1"},
	} {
		r := made()
		r.Header.Set(header[0], header[1])
		w.refused(fmt.Sprint(name, " with ", header), r, http.StatusForbidden)
	}
	for _, host := range []string{"evil.example", "127.0.0.1.evil.example", "localhost.evil.example:80", "[::1].evil.example", " ", "evil.example@localhost"} {
		r := made()
		r.Host = host
		w.refused(fmt.Sprintf("%s for host %q", name, host), r, http.StatusMisdirectedRequest, http.StatusBadRequest)
	}
}

// others are the routes that edit nothing that is given to them.
func (w *hostileWorld) others() {
	w.Helper()
	secret := w.token(api.Grant{})
	reader := w.token(api.Grant{Scopes: []api.Scope{api.ScopeRead}})
	for _, route := range otherRoutes {
		made := func(secret string) *http.Request {
			return w.request(route.method, route.path, map[string]any{}, secret)
		}
		if _, body := w.ask(made("")); body == "404 page not found\n" {
			w.Fatalf("%s: no face answers", route.name)
		}
		w.refused(route.name+" without a token", made(""), http.StatusUnauthorized, http.StatusTooManyRequests)
		w.refused(route.name+" with a token that may read", made(reader), http.StatusForbidden)
		w.elsewhere(route.name, func() *http.Request { return made(secret) })
	}
}

// shapes are bodies that are no edit.
func (w *hostileWorld) shapes(route *writingRoute) {
	w.Helper()
	secret := w.token(api.Grant{})
	bad := []int{http.StatusBadRequest, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity}
	for _, kind := range []string{"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""} {
		if route.anyType {
			break
		}
		r := w.write(route, good, secret)
		r.Header.Set("Content-Type", kind)
		w.refused(route.name+" as "+kind, r, bad...)
	}
	for _, body := range []string{"", "null", "[]", "{}", "{", `{"a":`, "\x00", strings.Repeat("[", 100_000), `{}{}`} {
		r := w.write(route, good, secret)
		r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
		w.refused(fmt.Sprintf("%s with the body %.20q", route.name, body), r, bad...)
	}
	large := good
	large.rdata = `"` + strings.Repeat("x", 2<<20) + `"`
	w.refused(route.name+" with a large body", w.write(route, large, secret), http.StatusRequestEntityTooLarge)
	r := w.write(route, large, secret)
	r.ContentLength = -1 // chunked
	w.refused(route.name+" with a large body in chunks", r, http.StatusRequestEntityTooLarge)
	r = w.write(route, good, secret)
	r.Header.Set("Content-Encoding", "gzip")
	w.ask(r) // the body is read as it is, and never unpacked
	w.reset()
}

// grants are tokens that may do something else.
func (w *hostileWorld) grants(route *writingRoute) {
	w.Helper()
	denied := []int{http.StatusForbidden, http.StatusNotFound}
	for name, grant := range map[string]api.Grant{
		"that may read":         {Scopes: []api.Scope{api.ScopeRead, api.ScopeRefresh}},
		"for another zone":      {Zones: []string{"example.net"}},
		"for another name":      {Names: []string{"*.other.example.com"}},
		"for another type":      {Types: []string{"A"}},
		"for no scope":          {Scopes: []api.Scope{}},
		"for names like it":     {Names: []string{"ew.example.com", "new.example.co"}},
		"for zones like it":     {Zones: []string{"xample.com", "*.example.com"}},
		"for types of its name": {Types: []string{"T", "TYPE1"}},
	} {
		w.refused(route.name+" with a token "+name, w.write(route, good, w.token(grant)), denied...)
	}
	limited := w.token(api.Grant{Targets: []string{"provider.example"}})
	for _, e := range []hostileEdit{
		{"alias.example.com.", "ALIAS", "600", "cdn.example.net."},
		{"alias.example.com.", "ANAME", "600", "cdn.example.net."},
		{"alias.example.com.", "TYPE65401", "600", "cdn.example.net."},
		{"alias.example.com.", "TYPE65401", "600", `\# 17 0363646e076578616d706c65036e657400`},
		{"alias.example.com.", "ALIAS", "600", "provider.example.evil.example."},
		{"alias.example.com.", "ALIAS", "600", "notprovider.example."},
		{"alias.example.com.", "ALIAS", "600", `x\.provider.example.evil.example.`},
	} {
		w.refused(fmt.Sprint(route.name, " for another target ", e.typ, " ", e.rdata), w.write(route, e, limited),
			http.StatusForbidden, http.StatusUnprocessableEntity, http.StatusBadRequest)
	}
}

// injections are texts that would be something else in a zone file than what was asked for. They are
// refused, or change the RRset they name alone.
func (w *hostileWorld) injections(route *writingRoute) {
	w.Helper()
	secret := w.token(api.Grant{})
	// A path that has the owner name may be another one for that; it leads to nothing that is edited.
	clean := []int{
		http.StatusBadRequest, http.StatusNotFound, http.StatusUnprocessableEntity, http.StatusMethodNotAllowed,
		http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect,
	}
	never := []string{
		"a\nevil A 192.0.2.66", "a\r\nevil A 192.0.2.66", "a\revil", "a\n$INCLUDE /etc/passwd", "a ; comment", "a ;", "( a", "a )", "( a )", "(\nevil )",
		"a\x00b", "a\u2028b", "a\u0085b", "\n", "\"a\nevil\"", `"a`, `a"`, `\`,
	}
	for _, text := range never {
		for _, e := range []hostileEdit{
			{"new.example.com.", "TXT", "600", text},
			{"new.example.com.", "A", "600", "192.0.2.1 " + text},
			{"new.example.com.", "A", "600", text + " 192.0.2.1"},
			{"new.example.com.", "ALIAS", "600", "cdn.example.net. " + text},
			{text, "TXT", "600", `"x"`},
			{text + ".example.com.", "TXT", "600", `"x"`},
			{"new.example.com.", "TXT " + text, "600", `"x"`},
			{"new.example.com.", "A", text, "192.0.2.1"},
		} {
			w.contained(route, e, secret, clean)
		}
	}
	for _, e := range []hostileEdit{
		{"$INCLUDE", "TXT", "600", "/etc/passwd"},
		{"$INCLUDE /etc/passwd", "TXT", "600", `"x"`},
		{"$GENERATE 1-9 a$", "A", "600", "192.0.2.$"},
		{"$ORIGIN", "TXT", "600", "evil."},
		{"$TTL", "TXT", "600", "1"},
		{"new.example.com.", "$INCLUDE", "600", "/etc/passwd"},
		{"new.example.com.", "TXT", "600", "$INCLUDE /etc/passwd"},
		{"new.example.com.", "TXT", "600", "$GENERATE 1-9 a$ A 192.0.2.$"},
		{"new.example.com.", "A", "600", "$GENERATE 1-9"},
		{"new.example.com.", "IN TXT", "600", `"x"`},
		{"new.example.com.", "A", "600 IN", "192.0.2.1"},
		{"new.example.com.", "A", "-1", "192.0.2.1"},
		{"new.example.com.", "A", "4294967296", "192.0.2.1"},
		{"new.example.com.", "A", "1e3", "192.0.2.1"},
		{"new.example.com.", "SOA", "600", "evil. evil. 1 1 1 1 1"},
		{"example.com.", "SOA", "600", "evil. evil. 1 1 1 1 1"},
		{"new.example.net.", "A", "600", "192.0.2.1"},
		{"example.com.", "CNAME", "600", "evil.example."},
		{"", "TXT", "600", `"x"`},
		{"..", "TXT", "600", `"x"`},
		{strings.Repeat("a", 64) + ".example.com.", "TXT", "600", `"x"`},
		{strings.Repeat("a.", 127) + "example.com.", "TXT", "600", `"x"`},
		{"new.example.com.", "TYPE257", "600", `\# 1`},
		{"new.example.com.", "ANY", "600", `"x"`},
		{"new.example.com.", "AXFR", "600", `"x"`},
		{hostileMarkup, hostileMarkup, "600", hostileMarkup},
	} {
		w.contained(route, e, secret, clean)
	}
	// What is legal stays what it is: a quoted text that looks like all of that.
	for _, e := range []hostileEdit{
		{"new.example.com.", "TXT", "600", `"; $INCLUDE /etc/passwd ( \010evil A 192.0.2.66 )"`},
		{"\\$include.example.com.", "TXT", "600", `"x"`},
		{`a\;b.example.com.`, "TXT", "600", `"x"`},
		{`a\010b.example.com.`, "TXT", "600", `"x"`},
		{`\<script\>alert\(1\)\</script\>.example.com.`, "TXT", "600", `"` + hostileMarkup + `"`},
	} {
		w.contained(route, e, secret, append([]int{http.StatusOK, http.StatusCreated, http.StatusNoContent}, clean...))
	}
}

// contained sends an edit that is refused, or changes the RRset that it names and nothing else.
func (w *hostileWorld) contained(route *writingRoute, e hostileEdit, secret string, statuses []int) {
	w.Helper()
	status, body := w.ask(w.write(route, e, secret))
	text := w.reset()
	name := fmt.Sprintf("%s %q", route.name, e)
	if status >= 300 {
		if text != hostileZone {
			w.Errorf("%s: %d, and the source is\n%s", name, status, text)
		}
		if !slices.Contains(statuses, status) {
			w.Errorf("%s: %d %s, want one of %v", name, status, body, statuses)
		}
		return
	}
	if e.owner == "" {
		e.owner = "example.com." // where a face takes none for the apex
	}
	owner, fault := zonefile.ParseOwner(e.owner, zone.MustParseName("example.com."))
	typ, ok := zonefile.ParseType(e.typ)
	if fault != nil || !ok {
		w.Errorf("%s: %d, and the source is\n%s", name, status, text)
		return
	}
	before, after := zonefile.Read("before", []byte(hostileZone), zonefile.Options{}), zonefile.Read("after", []byte(text), zonefile.Options{})
	if after.Found.HasErrors() || strings.Count(text, "\n") > strings.Count(hostileZone, "\n")+1 || strings.Count(text, ";") != strings.Count(hostileZone, ";")+strings.Count(e.owner+e.rdata, ";") {
		w.Errorf("%s: the source is\n%s", name, text)
	}
	others := func(z *zonefile.Zone) (list []string) {
		for _, r := range z.SourceRecords(zone.Name{}, 0) {
			if r.Owner != owner || r.Type != typ {
				list = append(list, fmt.Sprint(r.Owner, r.Type, r.TTL, r.Data))
			}
		}
		return list
	}
	if was, is := others(before), others(after); len(was) == 0 || !slices.Equal(was, is) {
		w.Errorf("%s: of other records there were %v, and are %v", name, was, is)
	}
}

// atOnce has tokens made and revoked beside the daemon, by the command.
func (w *hostileWorld) atOnce() {
	w.Helper()
	secret, err := program(w.T, w.dir, "token", "create", "--scope", "records", "--zone", "example.com", "-q").Output()
	if err != nil {
		w.Fatal(err)
	}
	route, made := w.routes[0], strings.TrimSpace(string(secret))
	if status, body := w.ask(w.write(route, good, made)); status >= 300 {
		w.Errorf("a new token: %d %s", status, body)
	}
	w.reset()
	list, err := w.tokens.List()
	if err != nil {
		w.Fatal(err)
	}
	if out, err := program(w.T, w.dir, "token", "revoke", list[len(list)-1].ID).CombinedOutput(); err != nil {
		w.Fatalf("%v: %s", err, out)
	}
	w.refused("a revoked token", w.write(route, good, made), http.StatusUnauthorized, http.StatusTooManyRequests)
}

// readers try what is only read.
func (w *hostileWorld) readers() {
	w.Helper()
	for _, path := range []string{"/debug/pprof/", "/debug/pprof/heap", "/debug/vars", "/.git/config", "/tokens.json", "/state/tokens.json", "/aliasflat.yaml", "/favicon.ico/../tokens.json"} {
		if status, body := w.ask(w.request(http.MethodGet, path, nil, w.token(api.Grant{}))); status < 300 {
			w.Errorf("%s: %d %s", path, status, body)
		}
	}
	for _, path := range []string{"/", "/metrics", "/healthz", "/readyz", "/style.css"} {
		r := w.request(http.MethodGet, path, nil, "")
		r.Host = "evil.example"
		w.refused(path+" for another host", r, http.StatusMisdirectedRequest)
		for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodPatch} {
			w.refused(method+" "+path, w.request(method, path, nil, w.token(api.Grant{})), http.StatusMethodNotAllowed)
		}
	}
}

// paths lead elsewhere, if anybody believes them.
func (w *hostileWorld) paths() {
	w.Helper()
	secret := w.token(api.Grant{})
	bad := []int{
		http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusPermanentRedirect, http.StatusBadRequest,
		http.StatusNotFound, http.StatusMethodNotAllowed,
	}
	var tried int
	for _, route := range w.routes {
		e := good
		e.owner = "OWNER"
		path := route.path(e)
		for _, id := range []string{
			"..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "example.com%2f..%2fexample.com", "example.com%00", "example.com%0a", "example.com%20", "%00", "*", "%2a",
			"example.com%3b", "EXAMPLE.COM%2f", "example.com/", "/example.com", "./example.com", "example.com/..", "..%5c", "%c0%ae%c0%ae", "..example.com",
		} {
			hostile := regexp.MustCompile(`example\.com\.?|OWNER`).ReplaceAllString(path, strings.ReplaceAll(id, "$", "$$"))
			if hostile == path {
				continue
			}
			tried++
			r := w.request(route.method, "/", route.body(good), secret)
			r.URL.Opaque = "//" + w.address + hostile
			w.refused(route.name+" at "+hostile, r, append(bad, http.StatusUnprocessableEntity)...)
		}
	}
	if tried == 0 {
		w.Error("no path was tried")
	}
}

// methods that nobody needs do nothing, and tell nothing of the request.
func (w *hostileWorld) methods() {
	w.Helper()
	for _, route := range w.routes {
		for _, method := range []string{http.MethodOptions, http.MethodTrace, "PROPFIND", "DEBUG", http.MethodHead} {
			r := w.request(method, route.path(good), nil, w.token(api.Grant{}))
			r.Header.Set("X-Marker", "echo-marker")
			r.Header.Set("Access-Control-Request-Method", "POST")
			r.Header.Set("X-HTTP-Method-Override", route.method)
			status, body := w.ask(r)
			if status < 300 && method != http.MethodHead || strings.Contains(body, "echo-marker") {
				w.Errorf("%s %s: %d %s", method, r.URL.Path, status, body)
			}
			if text := w.reset(); text != hostileZone {
				w.Errorf("%s %s: the source is\n%s", method, r.URL.Path, text)
			}
		}
	}
}

// raw requests are none that a client makes.
func (w *hostileWorld) raw() {
	w.Helper()
	secret := w.token(api.Grant{})
	head := "Host: localhost\r\nAuthorization: Bearer " + secret + "\r\nConnection: close\r\n"
	for _, test := range []struct{ name, text, want string }{
		{"a large header", "GET / HTTP/1.1\r\n" + head + "X-Large: " + strings.Repeat("x", 32<<10) + "\r\n\r\n", " 431 "},
		{"many headers", "GET / HTTP/1.1\r\n" + head + strings.Repeat("X-Many: x\r\n", 4000) + "\r\n", " 431 "},
		{"no host", "GET / HTTP/1.1\r\nConnection: close\r\n\r\n", " 400 "},
		{"two hosts", "GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n", " 400 "},
		{"another host in the line", "GET http://evil.example/metrics HTTP/1.1\r\n" + head + "\r\n", " 421 "},
		{"two lengths", "POST / HTTP/1.1\r\n" + head + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx", " 400 "},
		{"length and chunks", "POST /v1/zones HTTP/1.1\r\n" + head + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n", ""},
		{"an unknown encoding", "POST / HTTP/1.1\r\n" + head + "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n", " 501 "},
		{"a bare line feed in a header", "GET / HTTP/1.1\r\n" + head + "X-A: b\x00\r\n\r\n", " 400 "},
		{"no HTTP", "\x16\x03\x01\x00\x05hello\r\n\r\n", " 400 "},
		{"a tunnel", "CONNECT 127.0.0.1:22 HTTP/1.1\r\n" + head + "\r\n", " 4"},
	} {
		conn, err := net.Dial("tcp", w.address)
		if err != nil {
			w.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(20 * time.Second)) // it is a connection of TCP
		go func() { _, _ = io.WriteString(conn, test.text) }() // the answer may come before its end
		answer, _ := io.ReadAll(conn)                          // what has come before a reset counts
		_ = conn.Close()
		_, _ = w.out.Write(answer) // a buffer takes everything
		first, _, _ := strings.Cut(string(answer), "\r\n")
		if !strings.Contains(first, test.want) || strings.Count(string(answer), "HTTP/1.1 ") > 1 {
			w.Errorf("%s: %q, want%s", test.name, answer, test.want)
		}
	}
}

// secretsStay looks for the secrets in all that came out.
func (w *hostileWorld) secretsStay() {
	w.Helper()
	secret := w.token(api.Grant{})
	for _, path := range []string{"/", "/metrics", "/readyz"} {
		if status, body := w.ask(w.request(http.MethodGet, path, nil, secret)); status != http.StatusOK || len(body) == 0 {
			w.Errorf("%s: %d %s", path, status, body)
		}
	}
	outputs := map[string]string{"an answer": w.out.String(), "the log": w.daemon.log.String()}
	for _, args := range [][]string{{"events", "--format", "json"}, {"status", "--format", "json"}, {"token", "list"}, {"token", "list", "--format", "json"}, {"history", "example.com"}} {
		out, err := program(w.T, w.dir, args...).CombinedOutput()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited {
			w.Fatal(err)
		}
		outputs[strings.Join(args, " ")] = string(out)
	}
	files, err := filepath.Glob(filepath.Join(w.dir, "*"))
	kept, err2 := filepath.Glob(filepath.Join(w.dir, "state", "*"))
	if err != nil || err2 != nil || len(kept) < 3 {
		w.Fatalf("%v, %v, %v", kept, err, err2)
	}
	for _, path := range append(files, kept...) {
		if text, err := os.ReadFile(path); err == nil {
			outputs[path] = string(text)
		}
	}
	audit := outputs[filepath.Join(w.dir, "state", api.AuditName)]
	if len(audit) == 0 || len(outputs["the log"]) == 0 || len(outputs["events --format json"]) == 0 {
		w.Error("there is nothing to look at")
	}
	if strings.Count(audit, "\n") != strings.Count(audit, `{"schema":"aliasflat/audit/v1"`) {
		w.Error("the audit log has lines that are none")
	}
	for _, secret := range w.secrets {
		for where, text := range outputs {
			if strings.Contains(text, secret) || strings.Contains(text, secret[len(api.TokenPrefix):len(api.TokenPrefix)+20]) {
				w.Errorf("a secret is in %s", where)
			}
		}
	}
	if len(w.secrets) < 10 {
		w.Errorf("%d secrets were looked for", len(w.secrets))
	}
	// Whoever looks finds: the request that was made with one has it.
	if r := w.request(http.MethodGet, "/", nil, secret); !strings.Contains(fmt.Sprint(r.Header), secret) {
		w.Error("a secret cannot be found")
	}
}
