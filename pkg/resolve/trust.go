package resolve

// trust is how much an answer tells, from least to most.
type trust uint8

const (
	trustNone   trust = iota // silence, or an end from our side
	trustFailed              // a resolver answered that it cannot tell
	trustWeak                // nothing is there, but nothing proves it, or it is stale
	trustStale               // addresses that the resolver could not refresh
	trustKnown               // fresh and proven
)

func (a *Answer) trust() trust {
	switch {
	case a.Outcome == Failure:
		if a.Reason.silence() {
			return trustNone
		}
		return trustFailed
	case a.Outcome == WeakNoData:
		return trustWeak
	case a.Stale && a.Outcome == Addresses:
		return trustStale
	case a.Stale:
		return trustWeak
	}
	return trustKnown
}

// silence tells whether a failure is that of nobody having said anything.
func (r Reason) silence() bool {
	return r == ReasonTimeout || r == ReasonNetwork || r == ReasonCanceled
}

// Known tells whether an answer settles its question, so that no other resolver needs to be
// asked: it is fresh, and proves itself.
func (a *Answer) Known() bool { return a.trust() == trustKnown }

// TellsMore tells whether an answer is to be preferred to another one to the same question:
// one that is known to one that is not, stale addresses to an empty answer without proof, that
// to a failure, and the word of a resolver that answered to the silence of another.
func (a *Answer) TellsMore(b *Answer) bool { return a.trust() > b.trust() }
