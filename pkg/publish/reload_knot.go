package publish

import (
	"context"
	"strings"
)

// knot is the driver for Knot DNS. What it rests on was measured with 3.2: with
// -b knotc waits for the load and ends with 1 where it failed, and knotd goes on
// with the old zone. What knotd itself says of a zone has its name in brackets,
// as in "error: [example.com] (failed)"; a knotc that did not reach it ends with
// 1 too and names no zone.
type knot struct{ *reloading }

func (k *knot) tool() *program {
	return &program{args: k.command("knotc", "-b", "--", "zone-reload", k.zoneArgument())}
}

func (k *knot) look(ctx context.Context) (word, error) { return k.ask(ctx), nil }

func (k *knot) ask(ctx context.Context) word { return askSOA(ctx, k.Reload.Server, k.Zone) }

func (k *knot) progress(_ context.Context, said string, toolErr error) progress {
	_, about, found := strings.Cut(strings.ToLower(said), "error: ["+strings.TrimSuffix(strings.ToLower(k.Zone.String()), "."))
	if toolErr == nil || !found {
		return unknown
	}
	for _, other := range []string{"no such zone", "timeout", "not allowed", "not permitted"} {
		if strings.Contains(about, other) {
			return unknown
		}
	}
	return loadFailed
}
