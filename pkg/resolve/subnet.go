package resolve

import (
	"bytes"
	"context"
	"net/netip"
	"unique"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Lengths of client subnets beyond which they tell more about a network than a server needs
// to know (RFC 7871 §11.1).
const (
	MaxSubnet4 = 24
	MaxSubnet6 = 56
)

// Subnet is for whom a target is looked up: a client subnet (RFC 7871), which servers may
// give other addresses than the resolver's own network. The zero Subnet says nothing.
//
// It is comparable and as small as a pointer, for the many questions of a run.
type Subnet struct {
	prefix unique.Handle[netip.Prefix]
}

// NewSubnet makes a client subnet of a prefix. Bits beyond the prefix are set to zero, and
// the zero Prefix gives the zero Subnet.
func NewSubnet(p netip.Prefix) Subnet {
	if !p.IsValid() {
		return Subnet{}
	}
	return Subnet{unique.Make(p.Masked())}
}

// Prefix is the subnet as a prefix; the zero Prefix for the zero Subnet.
func (s Subnet) Prefix() netip.Prefix {
	if s == (Subnet{}) {
		return netip.Prefix{}
	}
	return s.prefix.Value()
}

// SubnetLookuper is a Lookuper whose answers may depend on for whom is asked. For gives one
// that asks for a subnet and shares all else; it starts nothing that would have to be closed.
type SubnetLookuper interface {
	Lookuper
	For(subnet Subnet) Lookuper
}

// vantage is a client that asks for a subnet.
type vantage struct {
	*Client

	subnet Subnet
}

var (
	_ Starter        = vantage{}
	_ SubnetLookuper = vantage{}
)

// For gives a Lookuper that says in each query for which subnet it asks.
func (c *Client) For(subnet Subnet) Lookuper { return vantage{c, subnet} }

// Lookup is [Client.Lookup] for the subnet.
func (v vantage) Lookup(ctx context.Context, target zone.Name, qtype uint16) Answer {
	return v.lookUp(ctx, Question{Target: target, Subnet: v.subnet, Type: qtype})
}

// Start is [Client.Start] for the subnet.
func (v vantage) Start(ctx context.Context, target zone.Name, qtype uint16, done func(Answer)) {
	v.start(ctx, Question{Target: target, Subnet: v.subnet, Type: qtype}, done)
}

// subnetScope is where the scope stands in a client subnet option (RFC 7871 §6).
const subnetScope = 3

// judgeSubnet holds the client subnet option of a reply against that of the query: all but the
// scope has to come back (RFC 7871 §7.3). A reply without the option is one of a server that
// does not know it.
func (q *query) judgeSubnet(m *message) *failure {
	sent, got := q.subnet(), m.subnet
	switch {
	case len(sent) == 0 || got == nil:
		return nil
	case len(got) != len(sent), !bytes.Equal(got[:subnetScope], sent[:subnetScope]), !bytes.Equal(got[subnetScope+1:], sent[subnetScope+1:]):
		return failuref(ReasonMalformed, "the client subnet in the reply is another than that in the query")
	case int(got[subnetScope]) > maxScope(sent[1]):
		return failuref(ReasonMalformed, "the client subnet in the reply has a scope of %d bits", got[subnetScope])
	}
	return nil
}

// maxScope is how long a prefix of an address family can be.
func maxScope(family byte) int {
	if family == family4 {
		return 32
	}
	return 128
}
