package api

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"

	"github.com/aliasflat/aliasflat/pkg/publish"
)

// SocketName is the name of the socket in the folder of the state, where no other place is
// configured.
const SocketName = "control.sock"

// maxSocketPath is how long the path of a socket may be, in bytes: the least of what the
// systems take.
const maxSocketPath = 103

// Socket is a socket by which a daemon is asked. One daemon has it at a time.
type Socket struct {
	path     string
	listener net.Listener
	lock     *publish.Lock
}

// Listen makes the socket, which only its owner may open, and its folder where there is none.
// A socket that a dead daemon has left is replaced. That of a living one is an error that is
// [publish.ErrLocked], and mostly a [*publish.LockedError].
func Listen(ctx context.Context, path string) (*Socket, error) {
	return takeSocket(ctx, "control socket", path, 0o700)
}

// ListenShared makes a socket for HTTP as Listen does, which the group of its folder may open
// too: mode 0660. A folder that it makes is for that group as well.
func ListenShared(ctx context.Context, path string) (*Socket, error) {
	s, err := takeSocket(ctx, "listen.http", path, 0o750)
	if err != nil {
		return nil, err
	}
	if err := shareWithFolder(path); err != nil {
		return nil, errors.Join(fmt.Errorf("listen.http %s: %w", path, err), s.Close())
	}
	return s, nil
}

// takeSocket makes a socket that only its owner may open.
func takeSocket(ctx context.Context, what, path string, folder fs.FileMode) (*Socket, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("%s %s: the path has %d bytes, and a socket takes no more than %d", what, path, len(path), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), folder); err != nil {
		return nil, fmt.Errorf("%s: %w", what, err)
	}
	// Who has the lock is alive, whether it answers or not. Without it two daemons that begin
	// together would take each other's socket for one that is left over.
	lock, err := publish.TakeLock(ctx, path+".held", 0)
	var held *publish.LockedError
	switch {
	case errors.As(err, &held):
		held.Path = path
		return nil, held
	case err != nil:
		return nil, fmt.Errorf("%s %s: %w", what, path, err)
	}
	listener, err := listen(ctx, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s %s: %w", what, path, err), lock.Release())
	}
	return &Socket{path: path, listener: listener, lock: lock}, nil
}

// Listener is where the connections come in.
func (s *Socket) Listener() net.Listener { return s.listener }

// listen replaces what is left of a dead daemon.
func listen(ctx context.Context, path string) (net.Listener, error) {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	case info.Mode().Type() != fs.ModeSocket:
		return nil, errors.New("something else than a socket is there")
	default:
		if conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path); err == nil {
			return nil, errors.Join(publish.ErrLocked, conn.Close()) // of some other program
		}
		if err := os.Remove(path); err != nil {
			return nil, err
		}
	}
	return listenPrivate(ctx, path)
}

// Path is where the socket is.
func (s *Socket) Path() string { return s.path }

// Close removes the socket.
func (s *Socket) Close() error {
	err := s.listener.Close()
	if errors.Is(err, net.ErrClosed) {
		err = nil
	}
	return errors.Join(err, s.lock.Release())
}
