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

// Socket is the control socket of a daemon. One daemon has it at a time.
type Socket struct {
	path     string
	listener net.Listener
	lock     *publish.Lock
}

// Listen makes the socket, which only its owner may open, and its folder where there is none.
// A socket that a dead daemon has left is replaced. That of a living one is an error that is
// [publish.ErrLocked], and mostly a [*publish.LockedError].
func Listen(ctx context.Context, path string) (*Socket, error) {
	if len(path) > maxSocketPath {
		return nil, fmt.Errorf("control socket %s: the path has %d bytes, and a socket takes no more than %d", path, len(path), maxSocketPath)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
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
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	listener, err := listen(ctx, path)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("control socket %s: %w", path, err), lock.Release())
	}
	return &Socket{path: path, listener: listener, lock: lock}, nil
}

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
