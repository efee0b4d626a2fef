package main

import (
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
)

// A tally tells whether two zones have the same address records, in whatever
// order, without holding the zones.
type tally struct {
	a, aaaa int
	sum     uint64 // of the hashes of owner name and address
}

func (t *tally) add(owner string, address netip.Addr) {
	if address.Is6() {
		t.aaaa++
	} else {
		t.a++
	}
	h := fnv.New64a()
	_, _ = fmt.Fprint(h, owner, " ", address) // a hash takes everything
	t.sum += h.Sum64()
}

// tallied is the tally of the zone of [zonegen.Aliases] with addresses in place
// of ALIAS.
func tallied(aliases int) tally {
	var t tally
	t.add("ns."+zonegen.Origin, netip.AddrFrom4([4]byte{192, 0, 2, 1}))
	for n := range aliases {
		for _, address := range zonegen.TargetAddresses(n) {
			t.add(zonegen.AliasOwner(n), address)
		}
	}
	return t
}

// flattened is an error unless a zone file, or what dig prints of a transfer,
// has the addresses of all targets in place of the ALIAS records.
func flattened(file string, aliases int) error {
	in, err := os.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	var got tally
	parser := dns.NewZoneParser(in, "", file)
	for record, ok := parser.Next(); ok; record, ok = parser.Next() {
		var octets []byte
		switch record := record.(type) {
		case *dns.A:
			octets = record.A.To4()
		case *dns.AAAA:
			octets = record.AAAA.To16()
		default:
			continue
		}
		address, _ := netip.AddrFromSlice(octets)
		got.add(record.Header().Name, address)
	}
	if err := parser.Err(); err != nil {
		return err
	}
	want := tallied(aliases)
	switch {
	case got.a != want.a || got.aaaa != want.aaaa:
		return fmt.Errorf("it has %d A and %d AAAA records, want %d and %d", got.a, got.aaaa, want.a, want.aaaa)
	case got.sum != want.sum:
		return errors.New("its addresses are not those of the targets")
	}
	return nil
}
