package dnstest

import "github.com/miekg/dns"

// answerSubnet gives the client subnet back with the scope of the answer (RFC 7871 §7.2.1).
func (o *occasion) answerSubnet(opt *dns.OPT) {
	subnet := o.query.Subnet
	if !subnet.IsValid() || !o.fault.ECS && !o.bySubnet {
		return
	}
	scope := o.scope
	if o.fault.ECS {
		scope = o.fault.ECSScope
		if scope == 0 {
			scope = subnet.Bits()
		}
	}
	family := uint16(1)
	if subnet.Addr().Is6() {
		family = 2
	}
	opt.Option = append(opt.Option, &dns.EDNS0_SUBNET{
		Code:          dns.EDNS0SUBNET,
		Family:        family,
		SourceNetmask: uint8(subnet.Bits()),
		SourceScope:   uint8(scope),
		Address:       subnet.Addr().AsSlice(),
	})
}
