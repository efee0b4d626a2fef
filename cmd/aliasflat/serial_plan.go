package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// serialPlan is the way of one zone from one serial to another.
type serialPlan struct {
	*zoneSerial
	from, to zone.Serial
	steps    []zone.Serial
}

// parseSerial reads the serial of a flag.
func parseSerial(flag, text string) (zone.Serial, error) {
	policy, err := zone.ParsePolicy(text)
	if err != nil || policy.Style != zone.SerialNumber {
		return 0, usageError{message: fmt.Sprintf("%s takes a serial from 1 to 4294967295, not %q", flag, text)}
	}
	return policy.Number, nil
}

// showSteps prints the way of each zone.
func (c *serialCommand) showSteps(list []zoneSerial) error {
	plans := make([]serialPlan, 0, len(list))
	for i := range list {
		p, err := c.steps(&list[i])
		if err != nil {
			return err
		}
		plans = append(plans, p)
	}
	if c.format == "json" {
		return c.printSteps(plans)
	}
	var b strings.Builder
	for i := range plans {
		p := &plans[i]
		p.write(&b, c.flagsOf([]string{"compile"})+c.sourceOf(p.job))
	}
	_, err := io.WriteString(c.stdout, visibleLines(b.String()))
	return err
}

// steps finds the way of one zone.
func (c *serialCommand) steps(z *zoneSerial) (serialPlan, error) {
	p := serialPlan{zoneSerial: z}
	var err error
	if p.to, err = parseSerial("--to", c.to); err != nil {
		return p, err
	}
	switch {
	case c.from != "":
		if p.from, err = parseSerial("--from", c.from); err != nil {
			return p, err
		}
	case z.last != nil:
		p.from = *z.last
	default:
		return p, usageError{
			message: "nothing tells which serial secondaries have of " + displayName(z.name),
			hint:    "name it with --from, the published file with -o, or the server with --serial-from",
		}
	}
	if p.steps, err = zone.Steps(p.from, p.to); err != nil {
		return p, usageError{message: "--to: " + err.Error()}
	}
	return p, nil
}

// write prints one way: what to publish, and what to wait for. args are those of compile.
func (p *serialPlan) write(b *strings.Builder, args string) {
	name := displayName(p.name)
	switch len(p.steps) {
	case 0:
		fmt.Fprintf(b, "%s: serial %d is published\n", name, p.to)
	case 1:
		fmt.Fprintf(b, "%s: serial %d is later than %d (RFC 1982): 1 step\n", name, p.to, p.from)
	default:
		fmt.Fprintf(b, "%s: serial %d is not later than %d (RFC 1982): %d steps round the circle\n", name, p.to, p.from, len(p.steps))
	}
	for i, serial := range p.steps {
		fmt.Fprintf(b, "%d. publish serial %d\n     aliasflat compile --serial %d%s\n", i+1, serial, serial, args)
		fmt.Fprintf(b, "   wait until every secondary serves it\n     dig +nssearch %s\n     dig +norecurse +short SOA %[1]s @SECONDARY\n", shellWord(name))
	}
	// Compile lets a later serial of the source out as it is.
	if p.source != p.to && !p.to.After(p.source) {
		fmt.Fprintf(b, "%d. write serial %d into %s in place of %d, which is not before it\n", len(p.steps)+1, p.to, p.job.source.Name, p.source)
	}
}

type jsonPlans struct {
	Schema string     `json:"schema"`
	Zones  []jsonPlan `json:"zones"`
}

type jsonPlan struct {
	Name  string        `json:"name"`
	From  zone.Serial   `json:"from"`
	To    zone.Serial   `json:"to"`
	Steps []zone.Serial `json:"steps"`
}

func (c *serialCommand) printSteps(plans []serialPlan) error {
	out := jsonPlans{Schema: serialSchema, Zones: []jsonPlan{}}
	for i := range plans {
		p := &plans[i]
		out.Zones = append(out.Zones, jsonPlan{displayName(p.name), p.from, p.to, append([]zone.Serial{}, p.steps...)})
	}
	return writeJSON(c.stdout, out)
}
