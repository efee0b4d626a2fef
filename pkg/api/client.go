package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"syscall"
	"time"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	clientTime = 30 * time.Second // for a request that is answered at once
	maxReply   = 256 << 20        // bytes, of one document
)

// ErrNoDaemon says that nobody answers on a control socket.
var ErrNoDaemon = errors.New("no daemon answers")

// Client asks and steers a daemon. Its methods may be called concurrently. Their errors are
// [ErrNoDaemon] where there is none, and an [*Error] where it refuses.
type Client struct {
	socket string
	http   http.Client
}

// NewClient gives a client for the socket at a path. It does not connect yet.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}
	// Each request has a connection of its own, so that none is left over.
	return &Client{socket: socket, http: http.Client{Transport: &http.Transport{DialContext: dial, DisableKeepAlives: true}}}
}

// Socket is the path of the socket.
func (c *Client) Socket() string { return c.socket }

// Status gives the state of the daemon and its zones.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	return get[Status](ctx, c, "/v1/status", nil)
}

// Targets gives the questions of a zone; view is empty where it has none.
func (c *Client) Targets(ctx context.Context, name zone.Name, view string) (*Targets, error) {
	return get[Targets](ctx, c, "/v1/targets", url.Values{"name": {name.String()}, "view": {view}})
}

// History gives the changes of a zone, an owner name or a target, newest first, at most limit
// of them; 0 means all.
func (c *Client) History(ctx context.Context, name zone.Name, limit int) (*History, error) {
	return get[History](ctx, c, "/v1/history", url.Values{"name": {name.String()}, "limit": {strconv.Itoa(limit)}})
}

// Why tells what led to what is published for a name.
func (c *Client) Why(ctx context.Context, name zone.Name) (*Why, error) {
	return get[Why](ctx, c, "/v1/why", url.Values{"name": {name.String()}})
}

// Refresh has zones and targets asked again now.
func (c *Client) Refresh(ctx context.Context, names []zone.Name) (*Refreshed, error) {
	return post[Refreshed](ctx, c, "/v1/refresh", &Request{Names: texts(names)})
}

// Notify has the secondaries of zones told of what they are served.
func (c *Client) Notify(ctx context.Context, names []zone.Name) (*Notified, error) {
	return post[Notified](ctx, c, "/v1/notify", &Request{Names: texts(names)})
}

// Reload has the configuration taken in anew, and waits for that as long as ctx lasts.
func (c *Client) Reload(ctx context.Context) (*Reloaded, error) {
	return document[Reloaded](ctx, c, http.MethodPost, "/v1/reload", nil)
}

// Accept lets through what guards hold back, see [Accept].
func (c *Client) Accept(ctx context.Context, names []zone.Name) (*Accepted, error) {
	return post[Accepted](ctx, c, "/v1/accept", &Request{Names: texts(names)})
}

// Forget forgets zones and targets, see [Forget].
func (c *Client) Forget(ctx context.Context, names []zone.Name, under bool) (*Forgotten, error) {
	return post[Forgotten](ctx, c, "/v1/forget", &Request{Names: texts(names), Under: under})
}

// Export writes all that is remembered, as [state.Store.Export] does.
func (c *Client) Export(ctx context.Context, w io.Writer) error {
	body, err := c.do(ctx, http.MethodGet, "/v1/export", nil)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, body)
	return errors.Join(c.wrap(err), body.Close())
}

// Following says which events are wanted.
type Following struct {
	Last   int  // how many of those that were; 0 means none, below 0 all that are kept
	Follow bool // those that come too, until ctx ends or the daemon does
}

// Events gives events to each, oldest first, and ends with an error of it. That the daemon
// ends is no error.
func (c *Client) Events(ctx context.Context, f Following, each func(*Event) error) error {
	query := url.Values{"follow": {strconv.FormatBool(f.Follow)}}
	if f.Last >= 0 {
		query.Set("last", strconv.Itoa(f.Last))
	}
	body, err := c.do(ctx, http.MethodGet, "/v1/events?"+query.Encode(), nil)
	if err != nil {
		return err
	}
	defer func() { _ = body.Close() }() // nothing was sent
	in := json.NewDecoder(body)
	for {
		var e Event
		switch err := in.Decode(&e); {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, io.EOF), f.Follow && errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return c.wrap(err)
		}
		if err := each(&e); err != nil {
			return err
		}
	}
}

func texts(names []zone.Name) []string {
	var list []string
	for _, n := range names {
		list = append(list, n.String())
	}
	return list
}

func get[T any](ctx context.Context, c *Client, path string, query url.Values) (*T, error) {
	ctx, cancel := context.WithTimeout(ctx, clientTime)
	defer cancel()
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return document[T](ctx, c, http.MethodGet, path, nil)
}

func post[T any](ctx context.Context, c *Client, path string, body *Request) (*T, error) {
	text, err := json.Marshal(body)
	if err != nil {
		return nil, c.wrap(err)
	}
	ctx, cancel := context.WithTimeout(ctx, clientTime)
	defer cancel()
	return document[T](ctx, c, http.MethodPost, path, text)
}

func document[T any](ctx context.Context, c *Client, method, path string, text []byte) (*T, error) {
	body, err := c.do(ctx, method, path, text)
	if err != nil {
		return nil, err
	}
	var out T
	err = json.NewDecoder(io.LimitReader(body, maxReply)).Decode(&out)
	if err := errors.Join(err, body.Close()); err != nil {
		return nil, c.wrap(err)
	}
	return &out, nil
}

// do sends a request and gives the body of a reply that is none of an error.
func (c *Client) do(ctx context.Context, method, path string, text []byte) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://aliasflat"+path, bytes.NewReader(text))
	if err != nil {
		return nil, c.wrap(err)
	}
	if len(text) > 0 {
		r.Header.Set("Content-Type", "application/json")
	}
	reply, err := c.http.Do(r)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%w at %s", ErrNoDaemon, c.socket)
	case err != nil:
		return nil, c.wrap(err)
	case reply.StatusCode == http.StatusOK:
		return reply.Body, nil
	}
	refused := &Error{Status: reply.StatusCode}
	err = json.NewDecoder(io.LimitReader(reply.Body, maxBody)).Decode(refused)
	_ = reply.Body.Close() // nothing was sent
	if err != nil || refused.Message == "" {
		refused.Message = reply.Status // it is of some other program
	}
	return nil, c.wrap(refused)
}

// wrap says whom an error is of.
func (c *Client) wrap(err error) error {
	if err == nil {
		return nil
	}
	if inner, ok := errors.AsType[*url.Error](err); ok {
		err = inner.Err // the rest of it is a made-up URL
	}
	return fmt.Errorf("daemon at %s: %w", c.socket, err)
}
