//go:build unix

package api

import (
	"context"
	"net"
	"syscall"
)

// listenPrivate makes a socket with mode 0600. It never has another one, not even for the
// moment that a change of it would take.
func listenPrivate(ctx context.Context, path string) (net.Listener, error) {
	old := syscall.Umask(0o177)
	defer syscall.Umask(old)
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}
