package watch

import (
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Snapshot is what the daemon knows at one moment. Whoever gets one may share it with others
// and must not write to it.
type Snapshot struct {
	Time     time.Time // when it was taken
	Started  time.Time
	Loaded   time.Time // when the configuration was taken in last
	Problem  string    // why a newer configuration was not; empty: there is none
	Ready    bool      // every zone was tried once
	Beat     time.Time // when the scheduler was last alive; one that is old has hung
	Zones    []Zone    // in the order of the configuration
	Targets  int       // distinct questions that are asked again and again
	Failing  int       // of those, whose last lookup failed
	InFlight int       // lookups under way
	Lookups  Lookups

	Resolvers []resolve.Health // in their order; those that are no world in memory

	Serving  []Serving         // what the primary serves, in canonical order; nil: there is none
	Refusals map[string]uint64 // requests that it has refused, by the code they got; shared, never written to
}

// Lookups counts the lookups since the start by what came of them.
type Lookups struct {
	Addresses, NoData, NXDomain, Weak, Failures uint64
}

// Phase is where a zone stands.
type Phase uint8

// The phases, from bad to good.
const (
	PhaseStarting  Phase = iota // nothing was tried yet
	PhaseFailing                // the last attempt failed; what was published before stands
	PhaseHolding                // published, but some of it is held at its last good addresses
	PhasePublished              // what is published is what source and targets say
)

// String gives the phase as one word.
func (p Phase) String() string {
	return [...]string{"starting", "failing", "holding", "published"}[p]
}

// Zone is what the daemon knows of one zone.
type Zone struct {
	Name   zone.Name // the zero Name: the source does not tell it
	View   string
	Source string
	File   string       // that is read and watched for Source; empty: that is one itself
	Pulled *pull.Status // how Source is transferred; nil: it is a file
	Output string
	Phase  Phase

	Serial      zone.Serial // that is published
	Published   bool        // Serial is known
	Aliases     int         // ALIAS entries
	Targets     int         // distinct questions
	LastAttempt time.Time   // when it was compiled last; zero: never
	LastSuccess time.Time   // when it was compiled last without an error, and is published so
	LastChange  time.Time   // when it was published last under a new serial by this daemon; zero: never
	NextRefresh time.Time   // when the first of its targets is asked again; zero: it has none
	Oldest      time.Time   // when the held addresses that are oldest were last seen; zero: none is held, or their age is not known

	Changes  uint64 // publications under a new serial since the start
	Attempts uint64
	Failures map[diag.Code]uint64 // attempts that an error of a code kept from being published; shared, never written to
	Held     bool
	Stale    bool // held past max-stale
	Guarded  bool
	Problems diag.List // of the last attempt
}

// file is what is read of a zone.
func (z *Zone) file() string {
	if z.File != "" {
		return z.File
	}
	return z.Source
}

// Target is what the daemon knows of one question.
type Target struct {
	Question resolve.Question
	Answer   *resolve.Answer // the last one; nil: it was not asked yet
	Asked    time.Time       // when that came
	Due      time.Time       // when it is asked again; zero: it is being asked
	Failed   int             // failures running
	Zones    []int           // indexes in [Snapshot.Zones]
}
