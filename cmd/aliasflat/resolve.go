package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"strings"

	"github.com/miekg/dns"
	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// resolveSchema names the form of the JSON that resolve prints.
const resolveSchema = "aliasflat/resolve/v1"

// resolveCommand is the work of aliasflat resolve.
type resolveCommand struct {
	*app
	lookupFlags

	trace bool
}

func newResolveCommand(a *app) *cobra.Command {
	c := &resolveCommand{app: a}
	cmd := &cobra.Command{
		Use:   "resolve NAME...",
		Short: "Explain what a target resolves to",
		Long: `resolve looks names up as compile does and prints the chain, the TTLs and the
addresses. It exits with 4 if a name has none.`,
		Example: `  aliasflat resolve cdn.example.net.
  aliasflat resolve --trace --resolver udp://192.0.2.53 cdn.example.net.`,
		RunE: interruptible(c.run),
	}
	c.add(cmd)
	cmd.Flags().BoolVar(&c.trace, "trace", false, "print every query and its answer")
	return cmd
}

func (c *resolveCommand) run(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{message: "no name was given", hint: cmd.CommandPath() + " cdn.example.net."}
	}
	conf, err := c.settings(c.stdout)
	if err != nil {
		return err
	}
	subnet, err := c.subnet(c.app, conf.Settings.ECS)
	if err != nil {
		return err
	}
	var questions []resolve.Question
	for _, arg := range args {
		name, err := zone.ParseName(arg, zone.Root)
		if err != nil {
			return usageError{message: err.Error()}
		}
		for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
			questions = append(questions, resolve.Question{Target: name, Type: qtype, Subnet: resolve.NewSubnet(subnet)})
		}
	}
	if _, err := c.apart(conf, "", nil, c.urls(conf)); err != nil {
		return err
	}
	lookup, policy, problems, err := c.open(conf, resolve.Options{Probe: true, KeepAttempts: true})
	if err != nil {
		return err
	}
	if problems.HasErrors() {
		return c.finish(c.stdout, &report{Diagnostics: problems}, outcomeSource)
	}
	defer lookup.Close()
	ctx, cancel := c.limit(cmd.Context(), conf)
	defer cancel()
	answers := resolve.All(ctx, lookup.Lookuper(), questions, 0, nil)
	for i := 0; i < len(answers); i += 2 {
		a, aaaa := &answers[i], &answers[i+1]
		if p := resolve.DNS64Of(aaaa, lookup.Pref64s(aaaa.Resolver)); p.IsValid() {
			*aaaa = resolve.SettleDNS64(a, *aaaa, p)
		}
		*a = policy.Check(a.Target, *a)
		*aaaa = policy.Check(aaaa.Target, *aaaa)
	}
	if err := cmd.Context().Err(); err != nil {
		return err
	}
	resolvers := report{Diagnostics: lookup.Problems()}
	if err := errors.Join(c.print(answers), resolvers.renderText(c.stderr, c.look(c.stderr))); err != nil {
		return err
	}
	for i := 0; i < len(answers); i += 2 {
		if answers[i].Outcome != resolve.Addresses && answers[i+1].Outcome != resolve.Addresses {
			return reportedError{outcome: outcomeWorld}
		}
	}
	return nil
}

func (c *resolveCommand) print(answers []resolve.Answer) error {
	if c.format == "json" {
		return c.printJSON(answers)
	}
	if c.format != "text" {
		return usageError{message: fmt.Sprintf("resolve prints text or json, not %s", c.format)}
	}
	var b strings.Builder
	for i := 0; i < len(answers); i += 2 {
		explain(&b, answers[i:i+2])
		if c.trace {
			trace(&b, answers[i:i+2])
		}
	}
	_, err := io.WriteString(c.stdout, b.String())
	return err
}

// explain prints the answers to both questions about one name.
func explain(b *strings.Builder, answers []resolve.Answer) {
	fmt.Fprintln(b, answers[0].Target)
	chain := answers[0].Chain
	if len(chain) == 0 {
		chain = answers[1].Chain
	}
	for _, l := range chain {
		fmt.Fprintf(b, "  %s %d %s %s\n", l.Owner, l.TTL, dns.TypeToString[l.Type], l.Target)
	}
	for _, a := range answers {
		typ := dns.TypeToString[a.Type]
		if a.Outcome != resolve.Addresses {
			why := a.Outcome.String()
			if a.Detail != "" {
				why += ": " + a.Detail
			}
			fmt.Fprintf(b, "  %s: %s\n", typ, visible(why))
			continue
		}
		fmt.Fprintf(b, "  %s: %s, TTL %d\n", typ, joinAddresses(a.Addresses), a.TTL)
		if a.SubnetUnused {
			fmt.Fprintf(b, "  %s: the client subnet was refused; these are for other clients\n", typ)
		}
	}
}

func joinAddresses(addrs []netip.Addr) string {
	words := make([]string, len(addrs))
	for i, a := range addrs {
		words[i] = a.String()
	}
	return strings.Join(words, ", ")
}

// trace prints every query, what came of it, and why the outcome is what it is.
func trace(b *strings.Builder, answers []resolve.Answer) {
	for i := range answers {
		a := &answers[i]
		for _, t := range a.Attempts {
			fmt.Fprintf(b, "  query %s %s to %s by %s: %s\n", t.Name, dns.TypeToString[t.Type], t.Resolver, t.Transport, visible(attemptResult(t)))
			for _, r := range t.Records {
				fmt.Fprintf(b, "    %s\n", visible(r))
			}
		}
		fmt.Fprintf(b, "  so %s: %s\n", dns.TypeToString[a.Type], visible(because(a)))
	}
}

// because tells what the outcome of a lookup rests on.
func because(a *resolve.Answer) string {
	by := ""
	if a.Resolver != "" {
		by = " by the word of " + a.Resolver
	}
	switch a.Outcome {
	case resolve.Addresses:
		var ttls []string
		for _, l := range a.Chain {
			ttls = append(ttls, fmt.Sprintf("%d of %s %s", l.TTL, dns.TypeToString[l.Type], l.Owner))
		}
		ttls = append(ttls, fmt.Sprintf("%d of %s %s", a.AddressTTL, dns.TypeToString[a.Type], a.Last))
		why := "addresses" + by + ", TTL "
		if len(ttls) > 1 {
			why += "the least of "
		}
		why += strings.Join(ttls, ", ")
		if a.Stale {
			why += "; they are stale (EDE 3), and no resolver knows better"
		}
		return why
	case resolve.NoData:
		return fmt.Sprintf("NODATA%s: %s exists without this type, an SOA proves it for %d seconds", by, a.Last, a.NegativeTTL)
	case resolve.NXDomain:
		return fmt.Sprintf("NXDOMAIN%s: %s does not exist, an SOA proves it for %d seconds", by, a.Last, a.NegativeTTL)
	case resolve.WeakNoData:
		return fmt.Sprintf("weak NODATA%s: no address at %s, and no SOA that proves there is none", by, a.Last)
	case resolve.Failure:
	}
	return fmt.Sprintf("failure%s: %s", by, a.Reason)
}

func attemptResult(t resolve.Attempt) string {
	var words []string
	if t.Rcode >= 0 {
		words = append(words, dns.RcodeToString[t.Rcode])
	}
	if t.Flags != "" {
		words[0] += " " + t.Flags
	}
	for _, e := range t.EDE {
		words = append(words, e.String())
	}
	if t.Err != "" {
		words = append(words, t.Err)
	}
	return fmt.Sprintf("%s, %.1f ms", strings.Join(words, ", "), float64(t.Duration.Microseconds())/1000)
}

type jsonAnswer struct {
	Name      string       `json:"name"`
	Type      string       `json:"type"`
	Outcome   string       `json:"outcome"`
	Detail    string       `json:"detail,omitempty"`
	Resolver  string       `json:"resolver,omitempty"`
	TTL       uint32       `json:"ttl"`
	Addresses []netip.Addr `json:"addresses"`
	Chain     []jsonLink   `json:"chain"`
}

type jsonLink struct {
	Owner  string `json:"owner"`
	Type   string `json:"type"`
	Target string `json:"target"`
	TTL    uint32 `json:"ttl"`
}

func (c *resolveCommand) printJSON(answers []resolve.Answer) error {
	out := struct {
		Schema  string       `json:"schema"`
		Answers []jsonAnswer `json:"answers"`
	}{Schema: resolveSchema}
	for _, a := range answers {
		j := jsonAnswer{
			Name: a.Target.String(), Type: dns.TypeToString[a.Type], Outcome: a.Outcome.String(), Detail: a.Detail,
			Resolver: a.Resolver, TTL: a.TTL, Addresses: append([]netip.Addr{}, a.Addresses...), Chain: []jsonLink{},
		}
		for _, l := range a.Chain {
			j.Chain = append(j.Chain, jsonLink{l.Owner.String(), dns.TypeToString[l.Type], l.Target.String(), l.TTL})
		}
		out.Answers = append(out.Answers, j)
	}
	e := json.NewEncoder(c.stdout)
	e.SetIndent("", "  ")
	return e.Encode(out)
}
