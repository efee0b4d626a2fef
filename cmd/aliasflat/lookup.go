package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// lookupFlags are the flags that say who is asked, and what is believed.
type lookupFlags struct {
	cmd          *cobra.Command
	resolvers    []string
	timeout      string
	agree        int
	agreeMode    string
	requireAD    bool
	fresh        string
	ecs          string
	rate         string
	maxAddresses int
	allowNet     []string
	denyNet      []string
}

func (f *lookupFlags) add(cmd *cobra.Command) {
	f.cmd = cmd
	flags := cmd.Flags()
	flags.StringSliceVar(&f.resolvers, "resolver", nil, "ask `URL`: udp://, tcp://, tls://, https://, quic://, system, file:ANSWERS or demo: (repeatable, in this order; default system)")
	flags.StringVar(&f.timeout, "timeout", "", "give up after `TIME`, as in 30s or 1h30m (default: as long as it takes)")
	flags.IntVar(&f.agree, "agree", 0, "publish only what `N` resolvers agree about (default 1)")
	flags.StringVar(&f.agreeMode, "agree-mode", "", "`HOW` resolvers agree: equal, or overlap where they share a pool, and the first one's addresses count (default equal)")
	flags.BoolVar(&f.requireAD, "require-ad", false, "take only answers that the resolver has validated (DNSSEC); it is on this machine or encrypted")
	flags.StringVar(&f.fresh, "fresh", "", "`WHOSE` answers count: cached, of resolvers, or authoritative, of the target's own servers (default cached)")
	flags.StringVar(&f.ecs, "ecs", "", "ask on behalf of clients in `NET`, as in 198.51.100.0/24 (default: nobody)")
	flags.StringVar(&f.rate, "rate", "", "send one resolver `N` queries a second at most (default auto)")
	flags.IntVar(&f.maxAddresses, "max-addresses", 0, "let a target have `N` addresses of one type (default 64, at most 100)")
	flags.StringSliceVar(&f.allowNet, "allow-net", nil, "publish addresses in `NET`[@NAME] that are refused otherwise, for targets at or below NAME (repeatable)")
	flags.StringSliceVar(&f.denyNet, "deny-net", nil, "refuse addresses in `NET`[@NAME], for targets at or below NAME (repeatable)")
}

const resolverHint = "--resolver takes udp://ADDRESS, tcp://ADDRESS, tls://ADDRESS#NAME, https://NAME/dns-query, quic://ADDRESS#NAME, system, file:ANSWERS or demo:"

// policyOf says which addresses are published.
func (f *lookupFlags) policyOf(c *config.Config) (resolve.Policy, error) {
	policy := resolve.Policy{Allow: c.AllowNet, Deny: c.DenyNet, MaxAddresses: c.MaxAddresses}
	if f.maxAddresses != 0 {
		policy.MaxAddresses = f.maxAddresses
	}
	if policy.MaxAddresses < 0 || policy.MaxAddresses > resolve.HardMaxAddresses {
		return policy, usageError{message: fmt.Sprintf("--max-addresses %d is not from 1 to %d", policy.MaxAddresses, resolve.HardMaxAddresses)}
	}
	for _, list := range []struct {
		flag  string
		words []string
		to    *[]resolve.NetRule
	}{{"--allow-net", f.allowNet, &policy.Allow}, {"--deny-net", f.denyNet, &policy.Deny}} {
		for _, word := range list.words {
			rule, err := resolve.ParseNetRule(word)
			if err != nil {
				return policy, netError(list.flag, err)
			}
			*list.to = append(*list.to, rule)
		}
	}
	return policy, nil
}

// open opens the resolvers and the policy for their answers.
func (f *lookupFlags) open(c *config.Config, options resolve.Options) (*compile.Resolvers, resolve.Policy, diag.List, error) {
	policy, err := f.policyOf(c)
	if err != nil {
		return nil, policy, nil, err
	}
	if err := f.checkTimeout(); err != nil {
		return nil, policy, nil, err
	}
	if f.resolvers != nil && len(f.resolvers) == 0 {
		return nil, policy, nil, usageError{message: "--resolver is empty", hint: resolverHint}
	}
	opinions := compile.ResolverOptions{Options: options, Policy: policy}
	if err := f.opinions(c, &opinions); err != nil {
		return nil, policy, nil, err
	}
	r, problems, err := compile.OpenResolvers(f.urls(c), opinions, os.ReadFile)
	if err != nil {
		return nil, policy, nil, usageError{message: err.Error(), hint: opinionHint(err)}
	}
	return r, policy, problems, nil
}

// urls are the resolvers that are asked; none means those of the system.
func (f *lookupFlags) urls(c *config.Config) []string {
	if len(f.resolvers) > 0 {
		return f.resolvers
	}
	return c.Resolvers
}

// netError is what is wrong with a word of --allow-net or --deny-net.
func netError(flag string, err error) error {
	wrong := usageError{message: flag + " " + err.Error()}
	if rule, ok := errors.AsType[*resolve.NetRuleError](err); ok {
		wrong.hint = rule.Hint
	}
	return wrong
}

// limit bounds a run in time.
func (f *lookupFlags) limit(ctx context.Context, c *config.Config) (context.Context, context.CancelFunc) {
	timeout := c.Timeout
	if f.timeout != "" {
		timeout, _ = config.ParseDuration(f.timeout) // open has checked it
	}
	if timeout <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, timeout)
}
