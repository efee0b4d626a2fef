package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// httpTime is how long a script waits for an answer that it wants.
const httpTime = 20 * time.Second

var httpAt = regexp.MustCompile(`HTTP at ([0-9.]+:[0-9]+)`)

// askHTTP asks the process that was started, where it says that it listens, with the token in the
// file token, and writes the answer to the file answer. A text that the answer has to hold is
// waited for.
func askHTTP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 {
		ts.Fatalf("usage: http STATUS METHOD PATH [has=TEXT] [body=TEXT] [HEADER: VALUE...]")
	}
	var want, content string
	header := http.Header{}
	for _, arg := range args[3:] {
		if text, ok := strings.CutPrefix(arg, "has="); ok {
			want = text
		} else if text, ok := strings.CutPrefix(arg, "body="); ok {
			content = text
			header.Set("Content-Type", "application/json")
		} else {
			name, value, _ := strings.Cut(arg, ": ")
			header.Set(name, value)
		}
	}
	if secret, err := os.ReadFile(ts.MkAbs("token")); err == nil {
		header.Set("Authorization", "Bearer "+strings.TrimSpace(string(secret)))
	}
	for deadline := time.Now().Add(httpTime); ; time.Sleep(20 * time.Millisecond) {
		status, text := answerOf(ts, args[1], args[2], content, header)
		if strconv.Itoa(status) == args[0] && bytes.Contains(text, []byte(want)) {
			ts.Check(os.WriteFile(ts.MkAbs("answer"), text, 0o644))
			return
		}
		if want == "" || time.Now().After(deadline) {
			ts.Fatalf("status %d: %s", status, text)
		}
	}
}

// answerOf sends one request. A stream is read up to the end of its first event.
func answerOf(ts *testscript.TestScript, method, path, content string, header http.Header) (status int, text []byte) {
	log, err := os.ReadFile(runningOf(ts, true).log)
	ts.Check(err)
	at := httpAt.FindSubmatch(log)
	if at == nil {
		ts.Fatalf("it does not say that it listens for HTTP")
	}
	ctx, cancel := context.WithTimeout(context.Background(), httpTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+string(at[1])+path, strings.NewReader(content))
	ts.Check(err)
	r.Header = header.Clone()
	reply, err := http.DefaultClient.Do(r)
	ts.Check(err)
	defer func() { _ = reply.Body.Close() }() // nothing was sent
	if reply.Header.Get("Content-Type") != "text/event-stream" {
		text, err = io.ReadAll(reply.Body)
		ts.Check(err)
		return reply.StatusCode, text
	}
	piece := make([]byte, 1<<12)
	for !bytes.Contains(text, []byte("\ndata: ")) || !bytes.HasSuffix(text, []byte("\n\n")) {
		n, err := reply.Body.Read(piece)
		ts.Check(err)
		text = append(text, piece[:n]...)
	}
	return reply.StatusCode, text
}
