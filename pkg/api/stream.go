package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/aliasflat/aliasflat/pkg/watch"
)

// patience is how long a reader may take nothing of what it is sent.
const patience = 10 * time.Second

// spool writes an export to a file beside the store, which goes when it is closed.
func (s *server) spool() (*spooled, error) {
	file, err := os.CreateTemp(filepath.Dir(s.Store.Path()), "export-*.tmp")
	if err != nil {
		return nil, err
	}
	_ = os.Remove(file.Name()) // where an open file can be removed, not even a kill leaves it
	if err := s.Store.Export(file); err != nil {
		return nil, errors.Join(err, (&spooled{file}).Close())
	}
	return &spooled{file}, nil
}

// spooled is a temporary file.
type spooled struct{ *os.File }

// Close removes it.
func (f *spooled) Close() error {
	err := f.File.Close()
	_ = os.Remove(f.Name()) // it is gone already on most systems
	return err
}

// patient lets a request take as long as it does.
func patient(w http.ResponseWriter) error {
	control := http.NewResponseController(w)
	// That the time to read a request is over ends its context, although it was read long ago.
	return errors.Join(control.SetReadDeadline(time.Time{}), control.SetWriteDeadline(time.Time{}))
}

// copyPatiently sends a file to who takes some of it again and again.
func copyPatiently(w http.ResponseWriter, file io.Reader) error {
	control := http.NewResponseController(w)
	piece := make([]byte, 256<<10)
	for {
		n, err := file.Read(piece)
		if n > 0 {
			if err := control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
				return err
			}
			if _, err := w.Write(piece[:n]); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// events sends the last events, and with follow those that come, as JSON lines.
func (s *server) events(w http.ResponseWriter, r *http.Request) {
	if s.Feed == nil {
		fail(w, http.StatusNotFound, "the daemon keeps no events")
		return
	}
	next := s.Feed.Next()
	last, ok := number(w, r, "last", next)
	if !ok {
		return
	}
	from, ok := number(w, r, "from", next-min(last, next))
	if !ok {
		return
	}
	if err := patient(w); err != nil {
		fail(w, http.StatusInternalServerError, err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/jsonl")
	follow := r.FormValue("follow") == "true"
	reader := &feedReader{feed: s.Feed, next: from, fresh: r.FormValue("from") == ""}
	for {
		events, more := reader.read()
		var text []byte
		for _, e := range events {
			line, err := marshal(e)
			if err != nil {
				return
			}
			text = append(text, line...)
		}
		if send(w, text) != nil || !follow {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}

// feedReader reads a feed from a number on, as fast as somebody takes it.
type feedReader struct {
	feed  *watch.Feed
	next  uint64
	fresh bool // nobody was there to miss events that are not kept any more
	lost  uint64
}

// read gives the events that there are. The first that is given behind some that were lost tells
// how many those are. more is closed when there is another one.
func (r *feedReader) read() (events []*Event, more <-chan struct{}) {
	list, number, more := r.feed.From(r.next)
	if number > r.next && !r.fresh {
		r.lost += number - r.next
	}
	r.next, r.fresh = number+uint64(len(list)), false
	for i := range list {
		events = append(events, EventForm(&list[i], number+uint64(i)))
	}
	if len(events) > 0 {
		events[0].Lost, r.lost = r.lost, 0
	}
	return events, more
}

// send has somebody take a piece of a stream, who may not be slower than patience.
func send(w http.ResponseWriter, text []byte) error {
	control := http.NewResponseController(w)
	if err := control.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := w.Write(text); err != nil {
		return err
	}
	return control.Flush()
}
