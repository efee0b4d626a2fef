package config

import (
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
)

const dnsPort = 53

type writtenReload struct {
	Driver  string   `mapstructure:"driver"`
	Server  string   `mapstructure:"server"`
	Timeout string   `mapstructure:"timeout"`
	Command []string `mapstructure:"command"`
	View    string   `mapstructure:"view"`
}

// parseServer reads an address with or without a port.
func parseServer(text string) (string, error) {
	if at, err := netip.ParseAddrPort(text); err == nil && at.Port() != 0 {
		return at.String(), nil
	}
	if addr, err := netip.ParseAddr(text); err == nil {
		return netip.AddrPortFrom(addr, dnsPort).String(), nil
	}
	return "", valueError{message: fmt.Sprintf("%q is no address with a port", text), hint: "write it as 127.0.0.1:53 or [::1]:53"}
}

func checkServer(text string) error {
	_, err := parseServer(text)
	return err
}

// checkWait is the check of a duration that something is waited for.
func checkWait(text string) error {
	d, err := ParseDuration(text)
	if err == nil && d == 0 {
		err = valueError{message: "nothing is done in no time"}
	}
	return err
}

// deliver fills in what is done with the output, and refuses what does not go
// together.
func (in *inspector) deliver(prefix string, z *Zone, w *writtenZone) {
	z.Hooks = w.Hooks
	z.HookTimeout = wait(w.HookTimeout, publish.DefaultHookTimeout)
	z.Reload = publish.Reload{
		Driver:  publish.Driver(or(w.Reload.Driver, string(publish.DriverNone))),
		Timeout: wait(w.Reload.Timeout, publish.DefaultReloadTimeout),
		Command: w.Reload.Command,
		View:    w.Reload.View,
	}
	if w.Reload.Server != "" {
		z.Reload.Server, _ = parseServer(w.Reload.Server)
	} else if z.Reload.Driver != publish.DriverExec && z.Reload.Driver != publish.DriverNone {
		z.Reload.Server = publish.DefaultServer
	}
	at, written := in.places[prefix+".reload"]
	refuse := func(at diag.Span, message, hint string) { in.add(diag.CodeConfigZone, at, message, hint) }
	driver := z.Reload.Driver
	switch {
	case written && w.Reload.Driver == "" && (w.Reload.Server != "" || w.Reload.View != "" || len(w.Reload.Command) > 0 || w.Reload.Timeout != ""):
		refuse(at, "reload has no driver", "write reload: {driver: bind, ...}, or nsd, knot or exec")
	case driver == publish.DriverExec && len(w.Reload.Command) == 0:
		refuse(at, "reload: exec has no command", `write reload: {driver: exec, command: ["program", "argument"]}`)
	case w.Reload.View != "" && driver != publish.DriverBIND:
		refuse(in.places[prefix+".reload.view"], "reload: only bind has views", "")
	case z.Settings.Serial == "keep" && (driver == publish.DriverBIND || driver == publish.DriverNSD):
		place, own := in.places[prefix+".serial"]
		if !own || os.Getenv(envName("serial")) != "" {
			place = at
		}
		refuse(place, fmt.Sprintf("serial: keep does not go with reload: %s, which takes a change under a later serial only", driver),
			"keep is for servers that number the zone themselves, such as Knot with zonefile-load: difference-no-serial")
	}
	if z.Output != "" {
		return
	}
	if written && driver != publish.DriverNone {
		refuse(at, "reload needs an output, a file that the server reads", "")
	}
	if len(z.Hooks) > 0 && !w.Publish.any() {
		refuse(in.places[prefix+".hooks"], "hooks need an output, a file that was written", "")
	}
}

func wait(text string, otherwise time.Duration) time.Duration {
	if d, err := ParseDuration(text); err == nil {
		return d
	}
	return otherwise
}
