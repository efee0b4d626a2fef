// Program lego has lego's provider for PowerDNS put the record of a DNS-01 challenge (RFC 8555
// §8.4) into a zone, or take it out again, as lego does when it asks for a certificate. It is for
// tests.
//
//	PDNS_API_URL=http://127.0.0.1:8053 PDNS_API_KEY=KEY lego present|cleanup RESOLVER DOMAIN KEY-AUTHORIZATION
//
// RESOLVER, host:port, tells in which zone a domain is.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/providers/dns/pdns"
)

// limit ends a run that hangs.
const limit = time.Minute

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 4 {
		return errors.New("usage: lego present|cleanup RESOLVER DOMAIN KEY-AUTHORIZATION")
	}
	options := dns01.NewOptions()
	options.RecursiveNameservers = []string{args[1]}
	dns01.SetDefaultClient(dns01.NewClient(options))
	provider, err := pdns.NewDNSProvider()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	switch args[0] {
	case "present":
		return provider.Present(ctx, args[2], "", args[3])
	case "cleanup":
		return provider.CleanUp(ctx, args[2], "", args[3])
	}
	return fmt.Errorf("there is no %q: present and cleanup are", args[0])
}
