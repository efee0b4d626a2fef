package main

import (
	"context"
	"fmt"
	"time"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// lookAtResolvers has every resolver tell of itself. What is wrong with one of
// several is a warning as long as enough others are left.
func (c *doctorCommand) lookAtResolvers(ctx context.Context, conf *config.Config, lookup *compile.Resolvers) []checked {
	var list []checked
	good := 0
	for _, text := range c.urls(conf) {
		if u, err := resolve.ParseURL(text); err == nil && u.InMemory() {
			good++
			list = append(list, fine("resolver "+u.String(), "its answers are at hand, and nobody is asked"))
		}
	}
	examined := lookup.Examine(ctx)
	for i := range examined {
		if e := &examined[i]; e.Answers() && e.Canary.Outcome != resolve.Addresses {
			good++
		}
	}
	spare := good >= max(1, c.agreeing(conf))
	for i := range examined {
		e := &examined[i]
		list = append(list, judgeReach(e, spare))
		if e.Answers() {
			list = append(list, judgeCanary(e, spare), judgeValidation(e, c.requiresAD(conf)), judgeDNS64(e))
		}
	}
	return list
}

// unlessSpare makes a warning of what is wrong with a resolver that is not
// needed.
func unlessSpare(l checked, spare bool) checked {
	if spare {
		l.Level = publish.Yellow
		l.Hint = "others are asked in its place; " + l.Hint
	}
	return l
}

func judgeReach(e *resolve.Examined, spare bool) checked {
	subject := "resolver " + e.Resolver
	if !e.Answers() {
		return unlessSpare(wrong(subject, "it does not answer: "+e.Canary.Detail, "--resolver, or resolvers in the configuration, names another"), spare)
	}
	return fine(subject, fmt.Sprintf("it answers, in %v", e.Took.Round(100*time.Microsecond)))
}

func judgeCanary(e *resolve.Examined, spare bool) checked {
	a := &e.Canary
	subject := "canary at " + e.Resolver
	switch a.Outcome {
	case resolve.NXDomain:
		return fine(subject, "a name that cannot exist does not exist")
	case resolve.Addresses:
		return unlessSpare(wrong(subject,
			fmt.Sprintf("it has %s for %s, which does not exist: it invents addresses, and is not used", joinAddresses(a.Addresses), a.Target),
			"name a resolver that tells the truth with --resolver"), spare)
	case resolve.Failure:
		return doubtful(subject, fmt.Sprintf("it has no answer for %s: %s", a.Target, a.Detail), "a target that is gone cannot be told from one that it does not find")
	case resolve.NoData, resolve.WeakNoData:
	}
	return doubtful(subject, fmt.Sprintf("it has %s for %s, where NXDOMAIN with an SOA is right", a.Outcome, a.Target), "a target that is gone cannot be told from one that has lost its addresses")
}

func judgeValidation(e *resolve.Examined, required bool) checked {
	subject := "DNSSEC at " + e.Resolver
	l := fine(subject, "it validates")
	switch {
	case e.Root.Outcome == resolve.Failure:
		l = doubtful(subject, "whether it validates could not be found out: "+e.Root.Detail, "it should answer for the root")
	case !e.Validated:
		l = doubtful(subject, "it does not validate: a forged answer would be published", "have it validate (BIND: dnssec-validation auto), or name a resolver that does")
	case !e.Trusted:
		return doubtful(subject, "it says that it validates, and so can who changes a packet on the way", "ask a resolver on this machine, or one over tls, https or quic")
	}
	if l.Level != publish.Green && required {
		l.Level, l.outcome = publish.Red, outcomeWorld
		l.Hint += "; require-ad takes validated answers alone"
	}
	return l
}

func judgeDNS64(e *resolve.Examined) checked {
	subject := "DNS64 at " + e.Resolver
	if len(e.Pref64s) == 0 {
		return fine(subject, "it makes no AAAA records")
	}
	return doubtful(subject, fmt.Sprintf("it makes AAAA records in %v, which are not published", e.Pref64s[0]), "a resolver without DNS64 shows the AAAA records that targets have")
}
