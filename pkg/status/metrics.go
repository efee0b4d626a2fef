package status

import (
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strconv"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

// metrics answers a scrape. The labels are bounded: zones and views are those of the
// configuration, outcomes and codes are words of the program.
func (s *server) metrics(w http.ResponseWriter, _ *http.Request) {
	e := &exposition{}
	e.metric("aliasflat_build_info", gauge, "The release that runs; always 1.")
	e.sample("aliasflat_build_info", 1, "version", s.Version, "commit", s.Commit, "goversion", runtime.Version())
	if snapshot := s.Snapshot(); snapshot != nil {
		e.daemon(snapshot)
		e.zones(snapshot, time.Now())
	}
	s.denials(e)
	e.goRuntime()
	e.process()
	w.Header().Set("Content-Type", metricsType)
	w.Header().Set("Content-Length", strconv.Itoa(e.Len()))
	_, _ = e.WriteTo(w) // who is gone meanwhile cannot be told
}

// denials are requests that nobody looked into.
func (s *server) denials(e *exposition) {
	const name = "aliasflat_http_denied_total"
	counts := map[string]uint64{}
	if s.Denied != nil {
		maps.Copy(counts, s.Denied())
	}
	counts["host"] = s.misplaced.Load()
	e.metric(name, counter, "Requests over HTTP that were denied: for another host, of a page of another origin, or by their token.")
	for _, reason := range slices.Sorted(maps.Keys(counts)) {
		e.sample(name, float64(counts[reason]), "reason", reason)
	}
}

func (e *exposition) daemon(s *watch.Snapshot) {
	e.one("aliasflat_start_time_seconds", gauge, "When the daemon began, in seconds since 1970.", moment(s.Started))
	if !s.Beat.IsZero() {
		e.one("aliasflat_scheduler_last_beat_timestamp_seconds", gauge, "When the scheduler was alive last, in seconds since 1970.", moment(s.Beat))
	}
	e.one("aliasflat_config_last_reload_successful", gauge, "Whether the newest configuration was taken in.", truth(s.Problem == ""))
	if !s.Loaded.IsZero() {
		e.one("aliasflat_config_last_reload_success_timestamp_seconds", gauge, "When a configuration was taken in last, in seconds since 1970.", moment(s.Loaded))
	}
	e.one("aliasflat_targets", gauge, "Distinct questions that are asked again and again.", float64(s.Targets))
	e.one("aliasflat_targets_failing", gauge, "Those of them whose last lookup failed.", float64(s.Failing))
	e.one("aliasflat_lookups_in_flight", gauge, "Lookups that are under way.", float64(s.InFlight))
	const lookups = "aliasflat_lookups_total"
	e.metric(lookups, counter, "Lookups by what came of them.")
	for _, l := range []struct {
		outcome string
		count   uint64
	}{
		{"addresses", s.Lookups.Addresses},
		{"nodata", s.Lookups.NoData},
		{"nxdomain", s.Lookups.NXDomain},
		{"weak", s.Lookups.Weak},
		{"failure", s.Lookups.Failures},
	} {
		e.sample(lookups, float64(l.count), "outcome", l.outcome)
	}
	e.resolvers(s.Resolvers)
	e.serving(s.Serving)
	if len(s.Serving) > 0 {
		e.metric("aliasflat_primary_refusals_total", counter, "Requests that the primary has refused, by the code they got.")
		for _, code := range slices.Sorted(maps.Keys(s.Refusals)) {
			e.sample("aliasflat_primary_refusals_total", float64(s.Refusals[code]), "rcode", code)
		}
	}
}

// serving is what secondaries are served, and how they follow. Zones and secondaries are those
// of the configuration, so that the labels are bounded.
func (e *exposition) serving(list []watch.Serving) {
	if len(list) == 0 {
		return
	}
	name := func(s *watch.Serving) string { return zoneName(&watch.Zone{Name: s.Zone}) }
	e.metric("aliasflat_primary_serial", gauge, "The serial that secondaries are served.")
	for i := range list {
		if s := &list[i]; s.Loaded {
			e.sample("aliasflat_primary_serial", float64(s.Serial), "zone", name(s))
		}
	}
	e.metric("aliasflat_primary_transfers_total", counter, "Transfers of the zone: whole, of what has changed, and cut short.")
	for i := range list {
		s := &list[i]
		e.sample("aliasflat_primary_transfers_total", float64(s.Whole), "zone", name(s), "kind", "whole")
		e.sample("aliasflat_primary_transfers_total", float64(s.Incremental), "zone", name(s), "kind", "incremental")
		e.sample("aliasflat_primary_transfers_total", float64(s.Cut), "zone", name(s), "kind", "cut")
	}
	for _, m := range []struct {
		name string
		kind kind
		help string
		of   func(f *watch.Follower) (value float64, known bool)
	}{
		{"aliasflat_secondary_serial", gauge, "The serial that the secondary served when it was asked last.", func(f *watch.Follower) (float64, bool) { return float64(f.Serial), f.Known }},
		{"aliasflat_secondary_lag_seconds", gauge, "For how long it has not served what is served here; 0 while it does.", func(f *watch.Follower) (float64, bool) { return f.Lag.Seconds(), true }},
		{"aliasflat_secondary_failures_total", counter, "Attempts to tell or to ask it that came to nothing.", func(f *watch.Follower) (float64, bool) { return float64(f.Failures), true }},
	} {
		e.metric(m.name, m.kind, m.help)
		for i := range list {
			for j := range list[i].Secondaries {
				f := &list[i].Secondaries[j]
				if v, known := m.of(f); known {
					e.sample(m.name, v, "zone", name(&list[i]), "secondary", f.Address.String())
				}
			}
		}
	}
}

// resolvers are those of the configuration, so that the label is bounded.
func (e *exposition) resolvers(list []resolve.Health) {
	for _, m := range []struct {
		name string
		kind kind
		help string
		of   func(h *resolve.Health) float64
	}{
		{"aliasflat_resolver_up", gauge, "Whether the resolver answers, as far as is known.", func(h *resolve.Health) float64 { return truth(h.Up && !h.Invents) }},
		{"aliasflat_resolver_invents", gauge, "Whether it gives addresses to names that cannot exist, and is not used for that.", func(h *resolve.Health) float64 { return truth(h.Invents) }},
		{"aliasflat_resolver_down_seconds", gauge, "For how long it has been silent; 0 while it answers.", func(h *resolve.Health) float64 { return h.Down.Seconds() }},
		{"aliasflat_resolver_round_trip_seconds", gauge, "How long its answers take, smoothed.", func(h *resolve.Health) float64 { return h.RoundTrip.Seconds() }},
		{"aliasflat_resolver_queries_answered_total", counter, "Queries that it has replied to.", func(h *resolve.Health) float64 { return float64(h.Answered) }},
		{"aliasflat_resolver_queries_silent_total", counter, "Queries that it has not replied to.", func(h *resolve.Health) float64 { return float64(h.Silent) }},
	} {
		if len(list) == 0 {
			return
		}
		e.metric(m.name, m.kind, m.help)
		for i := range list {
			e.sample(m.name, m.of(&list[i]), "resolver", list[i].Resolver)
		}
	}
}

// zoneMetric is a metric with one value for each zone, or none of some.
type zoneMetric struct {
	name string
	kind kind
	help string
	of   func(z *watch.Zone) (value float64, known bool)
}

// at gives the value of a metric that is a time.
func at(t time.Time) (float64, bool) {
	if t.IsZero() {
		return 0, false
	}
	return moment(t), true
}

func zoneMetrics(now time.Time) []zoneMetric {
	always := func(f func(z *watch.Zone) float64) func(z *watch.Zone) (float64, bool) {
		return func(z *watch.Zone) (float64, bool) { return f(z), true }
	}
	return []zoneMetric{
		{
			"aliasflat_zone_last_attempt_timestamp_seconds", gauge, "When the zone was compiled last, in seconds since 1970.",
			func(z *watch.Zone) (float64, bool) { return at(z.LastAttempt) },
		},
		{
			"aliasflat_zone_last_success_timestamp_seconds", gauge, "When the zone was compiled last without an error, and is published so, in seconds since 1970.",
			func(z *watch.Zone) (float64, bool) { return at(z.LastSuccess) },
		},
		{
			"aliasflat_zone_last_change_timestamp_seconds", gauge, "When the zone was published last under a new serial, in seconds since 1970.",
			func(z *watch.Zone) (float64, bool) { return at(z.LastChange) },
		},
		{
			"aliasflat_zone_next_refresh_timestamp_seconds", gauge, "When the first of its targets is asked again, in seconds since 1970.",
			func(z *watch.Zone) (float64, bool) { return at(z.NextRefresh) },
		},
		{
			"aliasflat_zone_staleness_seconds", gauge, "How long ago the oldest addresses that are held were seen last; 0 where none are held.",
			func(z *watch.Zone) (float64, bool) { return staleness(z, now) },
		},
		{
			"aliasflat_zone_failing", gauge, "Whether the last attempt failed, so that what was published before stands.",
			always(func(z *watch.Zone) float64 { return truth(z.Phase == watch.PhaseFailing) }),
		},
		{
			"aliasflat_zone_held", gauge, "Whether last good addresses are held.",
			always(func(z *watch.Zone) float64 { return truth(z.Held) }),
		},
		{
			"aliasflat_zone_stale", gauge, "Whether addresses are held past max-stale.",
			always(func(z *watch.Zone) float64 { return truth(z.Stale) }),
		},
		{
			"aliasflat_zone_guarded", gauge, "Whether a guard holds something back.",
			always(func(z *watch.Zone) float64 { return truth(z.Guarded) }),
		},
		{
			"aliasflat_zone_published", gauge, "Whether anything of the zone is published.",
			always(func(z *watch.Zone) float64 { return truth(z.Published) }),
		},
		{
			"aliasflat_zone_serial", gauge, "The serial that is published.",
			func(z *watch.Zone) (float64, bool) { return float64(z.Serial), z.Published },
		},
		{
			"aliasflat_zone_aliases", gauge, "ALIAS entries of the zone.",
			always(func(z *watch.Zone) float64 { return float64(z.Aliases) }),
		},
		{
			"aliasflat_zone_targets", gauge, "Distinct questions of the zone.",
			always(func(z *watch.Zone) float64 { return float64(z.Targets) }),
		},
		{
			"aliasflat_zone_changes_total", counter, "Publications of the zone under a new serial.",
			always(func(z *watch.Zone) float64 { return float64(z.Changes) }),
		},
		{
			"aliasflat_zone_attempts_total", counter, "How often the zone was compiled.",
			always(func(z *watch.Zone) float64 { return float64(z.Attempts) }),
		},
	}
}

// staleness is not known where the age of what is held is not.
func staleness(z *watch.Zone, now time.Time) (float64, bool) {
	switch {
	case !z.Oldest.IsZero():
		return max(0, now.Sub(z.Oldest).Seconds()), true
	default:
		return 0, !z.Held
	}
}

func (e *exposition) zones(s *watch.Snapshot, now time.Time) {
	zones := distinct(s.Zones)
	for _, m := range zoneMetrics(now) {
		e.metric(m.name, m.kind, m.help)
		for _, z := range zones {
			if value, known := m.of(z.Zone); known {
				e.labeled(m.name, value, z.labels)
			}
		}
	}
	e.pulled(zones)
	const failures, problems = "aliasflat_zone_failures_total", "aliasflat_zone_problems"
	e.metric(failures, counter, "Attempts that an error kept from being published, by its code.")
	for _, z := range zones {
		for _, code := range slices.Sorted(maps.Keys(z.Failures)) {
			e.labeled(failures, float64(z.Failures[code]), z.labels+","+joinLabels("code", string(code)))
		}
	}
	e.metric(problems, gauge, "Problems that the last attempt found, by severity.")
	for _, z := range zones {
		for _, severity := range []diag.Severity{diag.Error, diag.Warning} {
			e.labeled(problems, float64(z.Problems.Count(severity)), z.labels+","+joinLabels("severity", severity.String()))
		}
	}
}

// pulled is how sources are transferred from other primaries.
func (e *exposition) pulled(zones []labeledZone) {
	zones = slices.DeleteFunc(slices.Clone(zones), func(z labeledZone) bool { return z.Pulled == nil })
	if len(zones) == 0 {
		return
	}
	for _, m := range []struct {
		name string
		kind kind
		help string
		of   func(p *pull.Status) (value float64, known bool)
	}{
		{"aliasflat_pull_serial", gauge, "The serial of the copy of a zone that is pulled.", func(p *pull.Status) (float64, bool) { return float64(p.Serial), p.Known }},
		{"aliasflat_pull_last_check_timestamp_seconds", gauge, "When its primary was last known to have what is kept, in seconds since 1970.", func(p *pull.Status) (float64, bool) { return at(p.Checked) }},
		{"aliasflat_pull_expires_timestamp_seconds", gauge, "When the copy is too old unless its primary answers, in seconds since 1970.", func(p *pull.Status) (float64, bool) { return at(p.Expires) }},
		{"aliasflat_pull_expired", gauge, "Whether the copy is older than its EXPIRE; what is published stands.", func(p *pull.Status) (float64, bool) { return truth(p.Expired), true }},
		{"aliasflat_pull_failing", gauge, "Whether the last check or transfer failed.", func(p *pull.Status) (float64, bool) { return truth(p.Failed > 0), true }},
		{"aliasflat_pull_checks_total", counter, "How often its primary was asked.", func(p *pull.Status) (float64, bool) { return float64(p.Checks), true }},
		{"aliasflat_pull_failures_total", counter, "Checks and transfers that failed.", func(p *pull.Status) (float64, bool) { return float64(p.Failures), true }},
	} {
		e.metric(m.name, m.kind, m.help)
		for _, z := range zones {
			if value, known := m.of(z.Pulled); known {
				e.labeled(m.name, value, z.labels)
			}
		}
	}
	const transfers = "aliasflat_pull_transfers_total"
	e.metric(transfers, counter, "Transfers from its primary: whole, and of what has changed.")
	for _, z := range zones {
		e.labeled(transfers, float64(z.Pulled.Whole), z.labels+","+joinLabels("kind", "whole"))
		e.labeled(transfers, float64(z.Pulled.Incremental), z.labels+","+joinLabels("kind", "incremental"))
	}
}

// labeledZone is a zone with the labels of its metrics.
type labeledZone struct {
	*watch.Zone

	labels string
}

// distinct leaves out the zones that another one before them has the labels of: a page that
// gives a value twice is refused as a whole.
func distinct(zones []watch.Zone) []labeledZone {
	seen := map[string]bool{}
	var list []labeledZone
	for i := range zones {
		labels := joinLabels("zone", zoneName(&zones[i]), "view", zones[i].View)
		if !seen[labels] {
			seen[labels] = true
			list = append(list, labeledZone{&zones[i], labels})
		}
	}
	return list
}
