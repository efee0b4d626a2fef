package api

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
	"unicode/utf16"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const (
	// AuditName is the name of the audit log in the folder of the state.
	AuditName = "audit.jsonl"
	// SchemaAudit names the form of its lines.
	SchemaAudit = "aliasflat/audit/v1"

	maxAudit  = 16 << 20 // bytes of a file, from which on another one is begun
	auditKept = 4        // earlier files, of which .1 is the latest
)

// AuditLine is an edit as a line of the audit log.
type AuditLine struct {
	Schema  string        `json:"schema"`
	Time    time.Time     `json:"time"`
	Zone    string        `json:"zone"`
	View    string        `json:"view,omitempty"`
	File    string        `json:"file"`
	Who     string        `json:"who"` // the ID of a token, or the name of a key
	Via     string        `json:"via"`
	Peer    string        `json:"peer,omitempty"` // none over a Unix socket
	Changes []AuditChange `json:"changes,omitempty"`
	ETag    string        `json:"etag,omitempty"`  // of the file after the edit
	Error   string        `json:"error,omitempty"` // why it was refused
}

// AuditChange is one RRset before and after an edit.
type AuditChange struct {
	Owner  string      `json:"owner"`
	Type   string      `json:"type"`
	Before *AuditRRset `json:"before,omitempty"` // nil: it was not there
	After  *AuditRRset `json:"after,omitempty"`  // nil: it is not there any more
}

// AuditRRset is what an RRset has in each of its records.
type AuditRRset struct {
	TTL   uint32   `json:"ttl"`
	RDATA []string `json:"rdata"` // in presentation format
}

// AuditLog is a file with a line for each edit, which only its owner may read. Its methods may be
// called concurrently; no other process may write to it.
type AuditLog struct {
	path  string
	limit int64 // bytes

	mu sync.Mutex
}

// OpenAuditLog gives the audit log in a file, which need not be there. It is made with the first edit.
func OpenAuditLog(path string) *AuditLog { return &AuditLog{path: path, limit: maxAudit} }

// Write adds an edit. It is on disk when Write returns.
func (l *AuditLog) Write(a *Audit) error {
	text, err := json.Marshal(auditLine(a))
	if err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.append(append(plainText(text), '\n')); err != nil {
		return fmt.Errorf("audit log: %w", err)
	}
	return nil
}

func auditLine(a *Audit) *AuditLine {
	line := &AuditLine{
		Schema: SchemaAudit, Time: a.Time.UTC(), Zone: zoneName(a.Zone), View: a.View, File: a.Path,
		Who: a.Caller.Who, Via: a.Caller.Via, ETag: a.ETag,
	}
	if a.Caller.Peer.IsValid() {
		line.Peer = a.Caller.Peer.String()
	}
	if a.Err != nil {
		line.Error = a.Err.Error()
	}
	for i := range a.Difference {
		c := &a.Difference[i]
		set := c.RRset()
		line.Changes = append(line.Changes, AuditChange{
			Owner: set.Owner.String(), Type: zonefile.TypeName(set.Type), Before: auditRRset(c.Old), After: auditRRset(c.New),
		})
	}
	return line
}

func auditRRset(set *zone.RRset) *AuditRRset {
	if set == nil {
		return nil
	}
	out := &AuditRRset{TTL: set.TTL}
	for _, d := range set.RDATA {
		out.RDATA = append(out.RDATA, string(zonefile.AppendData(nil, set.Type, d)))
	}
	return out
}

// plainText writes whatever is not printable ASCII in a JSON text as an escape, so that a terminal
// on which somebody looks at the log shows what is there and does nothing else.
func plainText(text []byte) []byte {
	var b strings.Builder
	for _, c := range string(text) {
		switch {
		case c < 0x7f:
			b.WriteRune(c)
		case c > 0xffff:
			high, low := utf16.EncodeRune(c)
			fmt.Fprintf(&b, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&b, `\u%04x`, c)
		}
	}
	return []byte(b.String())
}

// append adds a line in one write. One that a crash has cut stays, and is ended. Where the file is
// too large and another one cannot be begun the line is added all the same, with an error.
func (l *AuditLog) append(line []byte) (err error) {
	full := l.rotateFull(int64(len(line)))
	file, size, err := l.open()
	if err != nil {
		return errors.Join(full, err)
	}
	defer func() { err = errors.Join(full, err, file.Close()) }()
	if size > 0 {
		last := make([]byte, 1)
		if _, err := file.ReadAt(last, size-1); err != nil {
			return err
		}
		if last[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if _, err := file.Write(line); err != nil {
		return errors.Join(err, file.Truncate(size)) // half a line is none
	}
	return file.Sync()
}

// open opens the file, or makes it.
func (l *AuditLog) open() (*os.File, int64, error) {
	const flags = os.O_RDWR | os.O_APPEND
	file, err := os.OpenFile(l.path, flags, 0)
	if errors.Is(err, fs.ErrNotExist) {
		file, err = os.OpenFile(l.path, flags|os.O_CREATE|os.O_EXCL, 0o600)
		if err == nil {
			err = errors.Join(ownAsFolder(file), syncFolder(filepath.Dir(l.path)))
		}
	}
	var size int64
	if err == nil {
		size, err = file.Seek(0, io.SeekEnd)
	}
	if err != nil && file != nil {
		err = errors.Join(err, file.Close())
	}
	return file, size, err
}

// rotateFull moves the file away where so many bytes more would be too many.
func (l *AuditLog) rotateFull(more int64) error {
	if info, err := os.Stat(l.path); err == nil && info.Size() > 0 && info.Size()+more > l.limit {
		return l.rotate()
	}
	return nil // whoever opens it tells what is wrong with it
}

// rotate moves each file to the next number; the last one goes.
func (l *AuditLog) rotate() error {
	name := func(n int) string {
		if n == 0 {
			return l.path
		}
		return fmt.Sprintf("%s.%d", l.path, n)
	}
	for n := auditKept - 1; n >= 0; n-- {
		if err := os.Rename(name(n), name(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
