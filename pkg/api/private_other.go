//go:build !unix

package api

import (
	"context"
	"net"
	"os"
)

// listenPrivate makes a socket with the rights of its folder.
func listenPrivate(ctx context.Context, path string) (net.Listener, error) {
	return (&net.ListenConfig{}).Listen(ctx, "unix", path)
}

// shareWithFolder has nothing to do: sockets there have the rights of their folder.
func shareWithFolder(string) error { return nil }

// ownAsFolder has nothing to do: files there have the rights of their folder.
func ownAsFolder(*os.File) error { return nil }

// syncFolder has nothing to do: folders cannot be synced there.
func syncFolder(string) error { return nil }
