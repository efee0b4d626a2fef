package api

import (
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"
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
	control := http.NewResponseController(w)
	w.Header().Set("Content-Type", "application/jsonl")
	follow := r.FormValue("follow") == "true"
	for first := true; ; first = false {
		list, number, more := s.Feed.From(from)
		lost := number - min(number, from)
		if first && r.FormValue("from") == "" {
			lost = 0 // nobody was there to miss them
		}
		err := control.SetWriteDeadline(time.Now().Add(patience))
		for i := 0; i < len(list) && err == nil; i++ {
			form := EventForm(&list[i], number+uint64(i))
			form.Lost, lost = lost, 0
			var line []byte
			if line, err = marshal(form); err == nil {
				_, err = w.Write(line)
			}
		}
		from = number + uint64(len(list))
		if err != nil || control.Flush() != nil || !follow {
			return
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		}
	}
}
