package zone

// Serial is the SERIAL field of an SOA record.
//
// Serials live on a circle of 2³² values (RFC 1982), so they have no total
// order: use [Serial.After], never < or >.
type Serial uint32

// After tells whether s is later than other. Two serials exactly 2³¹ apart
// have no order (RFC 1982 §3.2): neither is after the other.
func (s Serial) After(other Serial) bool {
	d := s - other
	return d != 0 && d < 1<<31
}

// Incomparable tells whether the two serials are exactly 2³¹ apart.
func (s Serial) Incomparable(other Serial) bool { return s-other == 1<<31 }

// Next is the serial one later than s, leaving out 0, which some secondaries
// take for "no serial".
func (s Serial) Next() Serial {
	if s+1 == 0 {
		return 1
	}
	return s + 1
}
