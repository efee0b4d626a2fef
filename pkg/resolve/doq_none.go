//go:build nodoq

package resolve

import "context"

// This build has no DNS over QUIC; [ParseURL] refuses its scheme.
const (
	haveDoQ = false
	doqForm = ""
)

func newDoQ(context.Context, *host, Options) exchanger {
	panic("aliasflat: internal error: this build has no DNS over QUIC")
}
