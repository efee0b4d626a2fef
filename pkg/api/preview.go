package api

import (
	"context"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Preview looks a target up as it is now, for an ALIAS that is not published yet: its A and its
// AAAA records, judged as those of a published one. It asks the resolvers, so it is for those
// who may name the target in an ALIAS; see [Grant.AllowsTarget].
type Preview func(ctx context.Context, target zone.Name) []resolve.Answer
