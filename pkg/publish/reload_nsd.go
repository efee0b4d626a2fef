package publish

import "context"

// nsd is the driver for NSD. What it rests on was measured with 4.6: nsd-control
// reload ends with 0 and "ok" whether or not the file loads, zonestatus does not
// tell, and a zone that does not load is answered with SERVFAIL from then on.
// A file that is gone leaves the old zone as it is.
type nsd struct{ *reloading }

func (n *nsd) tool() *program {
	return &program{args: n.command("nsd-control", "reload", n.zoneArgument())}
}

func (n *nsd) look(ctx context.Context) (word, error) { return n.ask(ctx), nil }

func (n *nsd) ask(ctx context.Context) word { return askSOA(ctx, n.Reload.Server, n.Zone) }

// progress is unknown: NSD tells with SERVFAIL that a load failed.
func (n *nsd) progress(context.Context, string, error) progress { return unknown }
