package resolve

import (
	_ "embed" // for the world of Demo
	"strings"

	"github.com/miekg/dns"
)

//go:embed demo.zone
var demoWorld string

// Demo is the world behind the resolver "demo:", for a first try without a network:
// cdn.example.net, lb.example.net, v4only.example.net and a few more.
func Demo() *Memory {
	var records []dns.RR
	p := dns.NewZoneParser(strings.NewReader(demoWorld), "", "demo.zone")
	for rr, ok := p.Next(); ok; rr, ok = p.Next() {
		records = append(records, rr)
	}
	if err := p.Err(); err != nil {
		panic("aliasflat: internal error: " + err.Error())
	}
	m, err := NewMemory(records)
	if err != nil {
		panic("aliasflat: internal error: " + err.Error())
	}
	m.Name = string(SchemeDemo) + ":"
	return m
}
