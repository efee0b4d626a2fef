package pipeline

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// fakeComment is a comment as the API of GitHub has it.
type fakeComment struct {
	ID      int    `json:"id"`
	Body    string `json:"body"`
	HTMLURL string `json:"html_url"`
	User    struct {
		Login string `json:"login"`
	} `json:"user"`
}

// fakeGitHub is the part of the API of GitHub that comments of one pull request
// need, on the loopback interface.
type fakeGitHub struct {
	url string

	mu       sync.Mutex
	comments []*fakeComment
	calls    []string       // METHOD path?query
	fail     map[string]int // method to status, of every call
	failOnce map[string]int // of the next one
	message  string         // of a failure; "" is one that is no JSON
}

const fakeComments = "/repos/example/zones/issues/7/comments"

func startGitHub(t *testing.T) *fakeGitHub {
	t.Helper()
	g := &fakeGitHub{fail: map[string]int{}, failOnce: map[string]int{}}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

// say adds a comment of somebody.
func (g *fakeGitHub) say(author, body string) *fakeComment {
	c := &fakeComment{ID: 1000 + len(g.comments), Body: body}
	c.HTMLURL = fmt.Sprintf("https://github.com/example/zones/pull/7#issuecomment-%d", c.ID)
	c.User.Login = author
	g.comments = append(g.comments, c)
	return c
}

func (g *fakeGitHub) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.calls = append(g.calls, q.Method+" "+q.URL.RequestURI())
	status := g.fail[q.Method]
	if once := g.failOnce[q.Method]; once != 0 {
		status = once
		delete(g.failOnce, q.Method)
	}
	var sent struct {
		Body *string `json:"body"`
	}
	switch {
	case q.Header.Get("Authorization") != "Bearer s3cret":
		status = http.StatusUnauthorized
	case q.Method != http.MethodGet && (json.NewDecoder(q.Body).Decode(&sent) != nil || sent.Body == nil):
		status = http.StatusUnprocessableEntity
	}
	if status != 0 {
		w.WriteHeader(status)
		if g.message != "" {
			_ = json.NewEncoder(w).Encode(map[string]string{"message": g.message}) // the client finds out
		}
		return
	}
	g.answer(w, q, sent.Body)
}

// answer is that of a call that is well.
func (g *fakeGitHub) answer(w http.ResponseWriter, q *http.Request, body *string) {
	var answer any
	var id int
	switch {
	case q.Method == http.MethodGet && q.URL.Path == fakeComments:
		var page int
		if _, err := fmt.Sscanf(q.URL.RawQuery, "per_page=100&page=%d", &page); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		from := min((page-1)*100, len(g.comments))
		answer = append([]*fakeComment{}, g.comments[from:min(from+100, len(g.comments))]...)
	case q.Method == http.MethodPost && q.URL.Path == fakeComments:
		w.WriteHeader(http.StatusCreated)
		answer = g.say("github-actions[bot]", *body)
	case q.Method == http.MethodPatch:
		if _, err := fmt.Sscanf(q.URL.Path, "/repos/example/zones/issues/comments/%d", &id); err == nil {
			for _, c := range g.comments {
				if c.ID == id {
					c.Body = *body
					answer = c
				}
			}
		}
	}
	if answer == nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	_ = json.NewEncoder(w).Encode(answer) // the client finds out
}

// comment runs the script that comments, and gives its exit status and what it said.
func (g *fakeGitHub) comment(t *testing.T, text string, env ...string) (int, string) {
	t.Helper()
	needPrograms(t, "curl", "jq")
	r := newRunner(t)
	r.put(t, "comment.md", text)
	env = append([]string{
		"GITHUB_API_URL=" + g.url, "GITHUB_REPOSITORY=example/zones", "GITHUB_TOKEN=s3cret", "PULL_REQUEST=7",
		"SCRIPT=" + root(t) + "/.github/action/comment.sh",
	}, env...)
	status := r.shell(t, `sh "$SCRIPT" comment.md`, env...)
	if strings.Contains(r.log.String(), "s3cret") {
		t.Errorf("the token is in the log: %s", r.log.String())
	}
	return status, r.log.String()
}

const (
	diffMarker = "<!-- aliasflat/diff -->\n"
	actionsBot = "github-actions[bot]"
)

// A comment is written once and updated in place after that, whatever the others say.
func TestActionComment(t *testing.T) {
	t.Parallel()
	g := startGitHub(t)
	stranger := g.say("mallory", diffMarker+"all is well")
	quoted := g.say(actionsBot, "> "+diffMarker)
	const first = diffMarker + "\"one\" \\ `$(x)` \u00e4\n"
	if status, said := g.comment(t, first); status != 0 || !strings.Contains(said, "wrote the comment https://github.com/example/zones/pull/7#issuecomment-1002") {
		t.Fatalf("status %d: %s", status, said)
	}
	if len(g.comments) != 3 || g.comments[2].Body != first {
		t.Fatalf("comments: %+v", g.comments)
	}
	// GitHub gives the line ends of a form.
	g.comments[2].Body = strings.ReplaceAll(first, "\n", "\r\n")
	if status, said := g.comment(t, diffMarker+"two\n"); status != 0 || !strings.Contains(said, "updated the comment") {
		t.Fatalf("status %d: %s", status, said)
	}
	if len(g.comments) != 3 || g.comments[2].Body != diffMarker+"two\n" {
		t.Errorf("comments: %+v", g.comments)
	}
	if stranger.Body != diffMarker+"all is well" || quoted.Body != "> "+diffMarker {
		t.Error("another comment was changed")
	}
	// Under another token the author is another.
	if status, said := g.comment(t, diffMarker+"three\n", "COMMENT_AUTHOR=mallory"); status != 0 || stranger.Body != diffMarker+"three\n" {
		t.Errorf("status %d: %s", status, said)
	}
}

// It is found on a later page too.
func TestActionCommentPages(t *testing.T) {
	t.Parallel()
	g := startGitHub(t)
	for i := range 200 {
		g.say("alice", fmt.Sprint("talk ", i))
	}
	ours := g.say(actionsBot, diffMarker+"one")
	if status, said := g.comment(t, diffMarker+"two"); status != 0 || ours.Body != diffMarker+"two" {
		t.Fatalf("status %d: %s", status, said)
	}
	if len(g.calls) != 4 || g.calls[2] != "GET "+fakeComments+"?per_page=100&page=3" {
		t.Errorf("calls: %q", g.calls)
	}
}

func TestActionCommentFails(t *testing.T) {
	t.Parallel()
	const gone = "::error::the comment is not written: "
	for name, test := range map[string]struct {
		prepare func(g *fakeGitHub)
		text    string
		env     []string
		status  int
		said    string
		written int
	}{
		"no right to write": {
			prepare: func(g *fakeGitHub) {
				g.fail["POST"], g.message = http.StatusForbidden, "Resource not accessible by integration"
			},
			said: "::warning::the comment is not written: the token may not",
		},
		"too many calls": {
			prepare: func(g *fakeGitHub) { g.fail["GET"], g.message = http.StatusForbidden, "You have exceeded\n::a limit" },
			status:  1, said: ": status 403: You have exceeded ::a limit\n",
		},
		"a wrong token": {env: []string{"GITHUB_TOKEN=other"}, status: 1, said: gone + "GET "},
		"no JSON":       {prepare: func(g *fakeGitHub) { g.fail["POST"] = http.StatusBadGateway }, status: 1, said: ": status 502: no message"},
		"nobody there":  {env: []string{"GITHUB_API_URL=http://127.0.0.1:1"}, status: 1, said: "1/repos/example/zones/issues/7/comments?per_page=100&page=1 failed"},
		"an update fails": {
			prepare: func(g *fakeGitHub) {
				g.say(actionsBot, diffMarker)
				g.fail["PATCH"], g.message = http.StatusNotFound, "Not Found"
			},
			status: 1, said: ": status 404: Not Found",
		},
		"a page that fails once": {
			prepare: func(g *fakeGitHub) { g.failOnce["GET"] = http.StatusServiceUnavailable },
			said:    "wrote the comment", written: 1,
		},
		"no pull request":  {env: []string{"PULL_REQUEST="}, status: 1, said: `::error::"" is no number of a pull request`},
		"no number":        {env: []string{"PULL_REQUEST=7/../8"}, status: 1, said: `::error::"7/../8" is no number`},
		"a text unmarked":  {text: "hello\n", status: 1, said: "::error::comment.md does not begin with a marker"},
		"a text not there": {text: "\n", status: 1, said: "does not begin with a marker"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := startGitHub(t)
			if test.prepare != nil {
				test.prepare(g)
			}
			text := test.text
			if text == "" {
				text = diffMarker + "one"
			}
			before := len(g.comments)
			status, said := g.comment(t, text, test.env...)
			if status != test.status || !strings.Contains(said, test.said) {
				t.Errorf("status %d, want %d with %q: %s", status, test.status, test.said, said)
			}
			if len(g.comments)-before != test.written {
				t.Errorf("%d comments were written, want %d", len(g.comments)-before, test.written)
			}
		})
	}
}
