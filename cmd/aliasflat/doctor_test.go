package main

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func TestJudgeClock(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	after := func(d time.Duration) []stamp {
		return []stamp{{"the state", time.Time{}}, {"the output a.db", now.Add(d)}}
	}
	const good = "it is 2026-11-01T12:00:00Z, later than all that was written"
	tests := []struct {
		name   string
		built  time.Time
		stamps []stamp
		level  publish.Level
		want   string
	}{
		{"nothing is known", time.Time{}, nil, publish.Green, good},
		{"all is past", now.Add(-time.Hour), after(-time.Second), publish.Green, good},
		{"within the slack", now.Add(clockSlack), after(clockSlack), publish.Green, good},
		{"an output is later", now, after(clockSlack + time.Second), publish.Red, "it is 2026-11-01T12:00:00Z, and the output a.db was written at 2026-11-01T12:01:01Z"},
		{"set back ten years", now.AddDate(10, 0, 0), after(time.Hour), publish.Red, "it is 2026-11-01T12:00:00Z, before this program was made: 2036-11-01T12:00:00Z"},
	}
	for _, tt := range tests {
		f := judgeClock(now, tt.built, tt.stamps)
		if f.Level != tt.level || f.Message != tt.want || (f.Hint == "") != (f.Level == publish.Green) {
			t.Errorf("%s: %+v", tt.name, f)
		}
	}
}

// The answers of resolvers that a server for tests does not give by itself.
func TestJudgeResolver(t *testing.T) {
	t.Parallel()
	answer := func(o resolve.Outcome, detail string) resolve.Answer {
		return resolve.Answer{Target: zone.MustParseName("canary.invalid."), Outcome: o, Detail: detail}
	}
	tests := []struct {
		got   checked
		level publish.Level
		want  string
	}{
		{judgeCanary(&resolve.Examined{Canary: answer(resolve.NoData, "")}, false), publish.Yellow, "it has NODATA for canary.invalid., where NXDOMAIN with an SOA is right"},
		{judgeCanary(&resolve.Examined{Canary: answer(resolve.WeakNoData, "")}, false), publish.Yellow, "it has weak NODATA for canary.invalid., where NXDOMAIN with an SOA is right"},
		{judgeCanary(&resolve.Examined{Canary: answer(resolve.Failure, "SERVFAIL")}, false), publish.Yellow, "it has no answer for canary.invalid.: SERVFAIL"},
		{judgeCanary(&resolve.Examined{Canary: answer(resolve.NXDomain, "")}, false), publish.Green, "a name that cannot exist does not exist"},
		{judgeValidation(&resolve.Examined{Root: answer(resolve.NoData, ""), Validated: true}, false), publish.Yellow, "it says that it validates, and so can who changes a packet on the way"},
		{judgeValidation(&resolve.Examined{Root: answer(resolve.NoData, ""), Validated: true, Trusted: true}, true), publish.Green, "it validates"},
		{judgeValidation(&resolve.Examined{Root: answer(resolve.Failure, "SERVFAIL")}, true), publish.Red, "whether it validates could not be found out: SERVFAIL"},
		{judgeDNS64(&resolve.Examined{Pref64s: []netip.Prefix{netip.MustParsePrefix("2001:db8:64::/96")}}), publish.Yellow, "it makes AAAA records in 2001:db8:64::/96, which are not published"},
	}
	for _, tt := range tests {
		if tt.got.Level != tt.level || tt.got.Message != tt.want || (tt.got.Hint == "") != (tt.level == publish.Green) {
			t.Errorf("%+v, want %v %s", tt.got, tt.level, tt.want)
		}
		if (tt.got.Level == publish.Red) != (tt.got.outcome == outcomeWorld) {
			t.Errorf("%+v: outcome", tt.got)
		}
	}
}

func TestRenderChecks(t *testing.T) {
	t.Parallel()
	list := []checked{fine("clock", "good"), doubtful("resolver", "so\x1b[31mso", "mend it"), wrong("output", "bad", "write it")}
	for _, tt := range []struct {
		look look
		want string
	}{
		{look{}, "ok   clock: good\nwarn resolver: so\u241b[31mso\n     hint: mend it\nFAIL output: bad\n     hint: write it\n1 check ok, 1 warning, 1 error\n"},
		{look{quiet: true}, "FAIL output: bad\n     hint: write it\n"},
		{look{quiet: true, color: true}, "\x1b[31;1mFAIL\x1b[0;22m output: bad\n     \x1b[36mhint:\x1b[0m write it\n"},
	} {
		var b strings.Builder
		if err := renderChecks(&b, list, outcomeWorld, "text", tt.look); err != nil || b.String() != tt.want {
			t.Errorf("%q, want %q; %v", b.String(), tt.want, err)
		}
	}
}
