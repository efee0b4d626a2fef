package api

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	maxStreams = 32 // that are followed at once
	heartbeat  = 15 * time.Second
)

// events sends what happens in the zones that the caller may see, as server-sent events.
func (n *native) events(w http.ResponseWriter, r *http.Request, c *Caller) error {
	if n.Feed == nil {
		return refuse(http.StatusNotFound, "the daemon keeps no events")
	}
	reader, err := n.follow(r)
	if err != nil {
		return err
	}
	select {
	case n.streams <- struct{}{}:
		defer func() { <-n.streams }()
	default:
		return refuse(http.StatusServiceUnavailable, "%d streams are followed already", maxStreams)
	}
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return nil
	}
	if err := patient(w); err != nil {
		return err
	}
	n.stream(w, r, c, reader)
	return nil
}

// follow settles where a stream begins: behind the event that the reader has seen last, or with
// some that were before.
func (n *native) follow(r *http.Request) (*feedReader, error) {
	next := n.Feed.Next()
	if text := r.Header.Get("Last-Event-ID"); text != "" {
		last, err := strconv.ParseUint(text, 10, 63)
		if err != nil {
			return nil, refuse(http.StatusBadRequest, "Last-Event-ID: %q is no number", text)
		}
		if last >= next {
			return &feedReader{feed: n.Feed}, nil // of another run of the daemon: all of this one is new
		}
		return &feedReader{feed: n.Feed, next: last + 1}, nil
	}
	last, err := numberOf(r, "last", 0)
	if err != nil {
		return nil, err
	}
	return &feedReader{feed: n.Feed, next: next - min(last, next), fresh: true}, nil
}

// stream sends events until somebody has had enough, or may not see them any more.
func (n *native) stream(w http.ResponseWriter, r *http.Request, c *Caller, reader *feedReader) {
	beat := time.NewTicker(n.heartbeat)
	defer beat.Stop()
	text := []byte(": aliasflat\n\n") // so that the reader knows at once that it is heard
	var lost uint64
	for {
		events, more := reader.read()
		for _, e := range events {
			lost += e.Lost
			if !c.maySee(e) {
				continue
			}
			e.Lost, lost = lost, 0
			line, err := marshal(e)
			if err != nil {
				return
			}
			text = append(fmt.Appendf(text, "id: %d\nevent: %s\ndata: %s", e.Number, e.Kind, line), '\n')
		}
		if len(text) > 0 && send(w, text) != nil {
			return
		}
		text = text[:0]
		select {
		case <-more:
		case <-beat.C:
			text = append(text, ": still here\n\n"...)
			now, err := n.caller(r)
			if err != nil || !now.Grant.Allows(ScopeRead, zone.Name{}) {
				return // the token is revoked, or its time is over
			}
			c = now
		case <-r.Context().Done():
			return
		}
	}
}

// maySee tells whether a caller may see an event. One that is of no zone may tell of any.
func (c *Caller) maySee(e *Event) bool {
	if e.Zone == "" {
		return c.seesAll()
	}
	name, err := zone.ParseName(e.Zone, zone.Root)
	return err == nil && c.Grant.Allows(ScopeRead, name)
}
