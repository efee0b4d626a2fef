package main

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/resolve"
)

// maxAgree is the most that --agree takes, as in the configuration.
const maxAgree = 16

// opinions settles how many resolvers have to agree, and which answers count.
func (f *lookupFlags) opinions(c *config.Config, to *compile.ResolverOptions) error {
	to.Agree = f.agreeing(c)
	if to.Agree < 1 || to.Agree > maxAgree {
		return usageError{message: fmt.Sprintf("--agree %d is not from 1 to %d", to.Agree, maxAgree)}
	}
	mode, fresh := c.AgreeMode, c.Fresh
	override(&mode, f.agreeMode)
	override(&fresh, f.fresh)
	switch mode {
	case "equal":
		to.AgreeMode = resolve.AgreeEqual
	case "overlap":
		to.AgreeMode = resolve.AgreeOverlap
	default:
		return wordError("--agree-mode", mode, []string{"equal", "overlap"})
	}
	switch fresh {
	case "cached":
	case "authoritative":
		to.Authoritative = true
	default:
		return wordError("--fresh", fresh, []string{"cached", "authoritative"})
	}
	to.RequireAD = f.requiresAD(c)
	to.Rate = c.Rate
	if f.rate != "" {
		rate, err := config.ParseRate(f.rate)
		if err != nil {
			return flagValueError("--rate", err)
		}
		to.Rate = rate
	}
	return nil
}

// agreeing is how many resolvers have to agree.
func (f *lookupFlags) agreeing(c *config.Config) int {
	if f.cmd.Flags().Changed("agree") {
		return f.agree
	}
	return c.Agree
}

// requiresAD tells whether answers have to be validated.
func (f *lookupFlags) requiresAD(c *config.Config) bool {
	if f.cmd.Flags().Changed("require-ad") {
		return f.requireAD
	}
	return c.RequireAD
}

func flagValueError(flag string, err error) error {
	return usageError{message: flag + " " + err.Error(), hint: config.Hint(err)}
}

// opinionHint is what to do where resolvers cannot be opened.
func opinionHint(err error) string {
	switch {
	case errors.Is(err, resolve.ErrFewResolvers):
		return "name more with --resolver, or lower --agree"
	case errors.Is(err, resolve.ErrInsecureResolver):
		return "--require-ad needs a resolver on this machine, as udp://127.0.0.1, or one with an encrypted transport"
	case errors.Is(err, compile.ErrNotValidated):
		return "--fresh cached takes validated answers, --require-ad=false fresh ones"
	}
	return resolverHint
}

// checkTimeout holds --timeout to what it takes.
func (f *lookupFlags) checkTimeout() error {
	if strings.HasPrefix(f.timeout, "-") {
		return usageError{message: fmt.Sprintf("--timeout %s is below 0", f.timeout)}
	}
	if f.timeout == "" {
		return nil
	}
	if _, err := config.ParseDuration(f.timeout); err != nil {
		return flagValueError("--timeout", err)
	}
	return nil
}

// subnet is the client subnet of --ecs, or else the configured one. A flag that
// tells too much is a warning of the report.
func (f *lookupFlags) subnet(a *app, configured netip.Prefix) (netip.Prefix, error) {
	if f.ecs == "" {
		return configured, nil
	}
	prefix, err := config.ParseSubnet(f.ecs)
	if err != nil {
		return prefix, flagValueError("--ecs", err)
	}
	if d := config.JudgeSubnet(prefix); d != nil {
		d.Span = diag.Span{Pos: diag.Pos{File: "--ecs"}}
		a.warned = append(a.warned, d)
	}
	return prefix, nil
}

// subnets settles for whom the targets of each source are looked up.
func (f *lookupFlags) subnets(a *app, jobs []*job) error {
	chosen, err := f.subnet(a, netip.Prefix{})
	if err != nil {
		return err
	}
	for _, j := range jobs {
		j.source.Subnet = j.settings.ECS
		if f.ecs != "" {
			j.source.Subnet = chosen
		}
	}
	return nil
}
