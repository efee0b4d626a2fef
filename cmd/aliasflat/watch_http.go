package main

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/status"
)

// exposed refuses an address to which tokens would come over the network as they are: whoever
// sees one on its way has it.
func (c *watchCommand) exposed(listen *config.Listen, jobs []*job) error {
	if listen.HTTP == "" || status.Loopback(listen.HTTP) || c.insecure && c.public {
		return nil
	}
	for _, j := range jobs {
		if j.editable {
			return usageError{
				message: "listen.http: " + listen.HTTP + " can be reached from other machines, and " + j.path + " is editable: tokens would be sent in the clear",
				hint:    "listen.https encrypts, a Unix socket or loopback is for this machine; or say --public-http --insecure-http",
			}
		}
	}
	return nil
}

// listenHTTP opens what the daemon is looked at and edited by over HTTP.
func (c *watchCommand) listenHTTP(ctx context.Context, s *served, listen *config.Listen) error {
	add := func(at string, public bool, encrypted *tls.Config) error {
		l, err := status.Listen(ctx, at, public)
		if public, ok := errors.AsType[*status.PublicError](err); ok {
			return usageError{message: "listen.http: " + public.Error(), hint: "put a proxy with a password before it, name it as listen.https with tls, or say --public-http"}
		}
		if err != nil {
			return err
		}
		s.http = append(s.http, status.Listener{Listener: l, TLS: encrypted})
		return nil
	}
	if listen.HTTP != "" {
		if err := add(listen.HTTP, c.public, nil); err != nil {
			return err
		}
	}
	if listen.HTTPS != "" {
		if err := add(listen.HTTPS, true, c.encrypted()); err != nil {
			return err
		}
	}
	if listen.Socket == "" {
		return nil
	}
	if filepath.Clean(listen.Socket) == filepath.Clean(s.socket.Path()) {
		return usageError{message: "listen.http: " + listen.Socket + " is the control socket", hint: "give it a path of its own"}
	}
	socket, err := api.ListenShared(ctx, listen.Socket)
	if errors.Is(err, publish.ErrLocked) {
		return c.finish(c.stderr, &report{Diagnostics: diag.List{problemHeld(listen.Socket, err)}}, outcomeLocked)
	}
	if err != nil {
		return err
	}
	s.shared = socket
	s.http = append(s.http, status.Listener{Listener: socket.Listener()})
	return nil
}

// encrypted is TLS with the certificate in use, which a reload replaces.
func (c *watchCommand) encrypted() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.certificate.Load(), nil },
	}
}
