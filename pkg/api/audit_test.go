package api

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// auditLines reads the lines of a file.
func auditLines(t *testing.T, path string) []AuditLine {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []AuditLine
	for text := range bytes.Lines(text) {
		var line AuditLine
		if err := json.Unmarshal(text, &line); err != nil {
			t.Fatalf("%s: %q: %v", path, text, err)
		}
		lines = append(lines, line)
	}
	return lines
}

func TestAuditLogHasEachEdit(t *testing.T) {
	path := filepath.Join(t.TempDir(), AuditName)
	log := OpenAuditLog(path)
	r, _, source := editable(t, recordsText)
	r.Audit = func(a Audit) {
		if err := log.Write(&a); err != nil {
			t.Error(err)
		}
	}
	c := everything
	c.Peer = netip.MustParseAddrPort("127.0.0.1:4711")
	z := r.Zones()[0]
	if _, err := r.Edit(t.Context(), &c, &Edit{Zone: z, Changes: set("example.com.", "ALIAS", "web.example.org."), DryRun: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("a dry run is in the log")
	}
	out, err := r.Edit(t.Context(), &c, &Edit{Zone: z, Changes: set("example.com.", "ALIAS", "web.example.org.")})
	if err != nil {
		t.Fatal(err)
	}
	hostile := "x\n\u202e<script>\x1b[2J"
	if _, err := r.Edit(t.Context(), &c, &Edit{Zone: z, Changes: set("www.example.com.", "A", hostile)}); err == nil {
		t.Fatal("a hostile address was taken")
	}
	if _, err := r.Edit(t.Context(), &c, &Edit{Zone: z, Changes: set("www.example.com.", "TXT", `"\027[2J"`)}); err != nil {
		t.Fatal(err)
	}
	lines := auditLines(t, path)
	if len(lines) != 3 {
		t.Fatalf("%d lines", len(lines))
	}
	got, err := json.Marshal(lines[0].Changes)
	want := `[{"owner":"example.com.","type":"ALIAS","before":{"ttl":3600,"rdata":["cdn.example.net."]},"after":{"ttl":3600,"rdata":["web.example.org."]}}]`
	if err != nil || string(got) != want {
		t.Errorf("changes %s, %v", got, err)
	}
	first := lines[0]
	first.Changes, first.Time = nil, time.Time{}
	made := AuditLine{
		Schema: SchemaAudit, Zone: "example.com", File: source, Who: "test", Via: "test", Peer: "127.0.0.1:4711", ETag: out.After.ETag,
	}
	if fmt.Sprint(first) != fmt.Sprint(made) || time.Since(lines[0].Time) > time.Minute {
		t.Errorf("line %+v at %v, want %+v", first, lines[0].Time, made)
	}
	if lines[1].Error == "" || lines[1].Changes != nil || lines[1].ETag != "" {
		t.Errorf("refused: %+v", lines[1])
	}
	if lines[2].Changes[0].Before != nil || lines[2].Changes[0].After == nil {
		t.Errorf("added: %+v", lines[2])
	}
	text, _ := os.ReadFile(path)
	for _, b := range text {
		if b != '\n' && (b < ' ' || b > '~') || b == '<' {
			t.Fatalf("byte %q in %s", b, text)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// What is written in the log stays as it is, and comes back as it was.
func TestAuditLogEscapes(t *testing.T) {
	path := filepath.Join(t.TempDir(), AuditName)
	log := OpenAuditLog(path)
	for _, text := range []string{"\u202e\u2028\x7f\u0085", "\U0001f600\U0010ffff", "\xff\x00\r\n\"\\", "é"} {
		if err := log.Write(&Audit{Zone: apex, Err: errors.New(text)}); err != nil {
			t.Fatal(err)
		}
		lines := auditLines(t, path)
		if got, want := lines[len(lines)-1].Error, strings.ToValidUTF8(text, "\ufffd"); got != want {
			t.Errorf("%q is read as %q", want, got)
		}
	}
}

func TestAuditLogRotates(t *testing.T) {
	path := filepath.Join(t.TempDir(), AuditName)
	log := OpenAuditLog(path)
	log.limit = 1000
	edit := func(n int) *Audit {
		return &Audit{Zone: apex, Path: strings.Repeat("x", 300), Err: fmt.Errorf("%d", n)}
	}
	const edits = 20
	for n := range edits {
		if err := log.Write(edit(n)); err != nil {
			t.Fatal(err)
		}
	}
	// Two lines fit into a file, so the last ten are in five files.
	next := edits
	for n := range auditKept + 1 {
		name := path
		if n > 0 {
			name += fmt.Sprintf(".%d", n)
		}
		lines := auditLines(t, name)
		next -= len(lines)
		for i, l := range lines {
			if l.Error != fmt.Sprint(next+i) {
				t.Errorf("%s: line %d is of edit %s", name, i, l.Error)
			}
		}
		if len(lines) != 2 {
			t.Errorf("%s has %d lines", name, len(lines))
		}
	}
	if found, _ := filepath.Glob(path + "*"); len(found) != auditKept+1 {
		t.Errorf("files %v", found)
	}
	// A line that is larger than a file may be is a file of its own.
	log.limit = 10
	for range 2 {
		if err := log.Write(edit(99)); err != nil {
			t.Fatal(err)
		}
		if lines := auditLines(t, path); len(lines) != 1 || lines[0].Error != "99" {
			t.Errorf("lines %+v", lines)
		}
	}
}

func TestAuditLogAfterACrash(t *testing.T) {
	path := filepath.Join(t.TempDir(), AuditName)
	if err := os.WriteFile(path, []byte(`{"schema":"aliasflat/au`), 0o600); err != nil {
		t.Fatal(err)
	}
	log := OpenAuditLog(path)
	for range 2 {
		if err := log.Write(&Audit{Zone: apex}); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(path)
	if lines := strings.Split(string(text), "\n"); err != nil || len(lines) != 4 || !json.Valid([]byte(lines[1])) || !json.Valid([]byte(lines[2])) || lines[3] != "" {
		t.Errorf("the log has %q, %v", text, err)
	}
}

func TestAuditLogFails(t *testing.T) {
	dir := t.TempDir()
	taken := filepath.Join(dir, "taken")
	if err := os.Mkdir(taken, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{taken, filepath.Join(dir, "missing", AuditName)} {
		if err := OpenAuditLog(path).Write(&Audit{Zone: apex}); err == nil || !strings.HasPrefix(err.Error(), "audit log: ") {
			t.Errorf("%s: %v", path, err)
		}
	}
	// Where the file cannot be moved away it grows, and that is told.
	path := filepath.Join(dir, AuditName)
	log := OpenAuditLog(path)
	log.limit = 10
	if err := log.Write(&Audit{Zone: apex}); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(path+".4", "full"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path+".3", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := log.Write(&Audit{Zone: apex}); err == nil {
		t.Error("a file was moved over a folder")
	}
	if lines := auditLines(t, path); len(lines) != 2 {
		t.Errorf("%d lines", len(lines))
	}
	if runtime.GOOS == "linux" {
		if err := OpenAuditLog("/dev/full").Write(&Audit{Zone: apex}); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("a full disk: %v", err)
		}
	}
}

func TestAuditLogConcurrently(t *testing.T) {
	path := filepath.Join(t.TempDir(), AuditName)
	log := OpenAuditLog(path)
	const writers, edits = 4, 10
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			for range edits {
				if err := log.Write(&Audit{Zone: zone.MustParseName("example.org."), Err: errors.New(strings.Repeat("y", 5000))}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if lines := auditLines(t, path); len(lines) != writers*edits {
		t.Errorf("%d lines", len(lines))
	}
}
