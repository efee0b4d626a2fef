//go:build !unix

package api

import (
	"context"
	"net"
)

// listenPrivate makes a socket with the rights of its folder.
func listenPrivate(ctx context.Context, path string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}
