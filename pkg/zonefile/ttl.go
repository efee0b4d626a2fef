package zonefile

// MaxTTL is the largest TTL (RFC 2181 §8).
const MaxTTL = 1<<31 - 1

// ttlStatus is what a token is when read as a TTL.
type ttlStatus uint8

const (
	notTTL    ttlStatus = iota // something else
	ttlOK                      // a TTL
	ttlTooBig                  // it has the form of a TTL but is above MaxTTL
)

// parseTTL reads a TTL: a number of seconds, or numbers with the units w, d, h,
// m and s in any order and letter case, which add up. A number without a unit
// stands alone: 1h30 is no TTL.
func parseTTL(tok []byte) (ttl uint32, status ttlStatus) {
	v, status := parsePeriod(tok)
	if status == ttlOK && v > MaxTTL {
		return 0, ttlTooBig
	}
	return uint32(v), status
}

// parsePeriod reads what parseTTL reads, up to 2³²-1: the timers of an SOA
// have all 32 bits. A token of more than 63 bytes is none, as in BIND.
func parsePeriod(tok []byte) (seconds uint64, status ttlStatus) {
	if len(tok) == 0 || len(tok) > 63 {
		return 0, notTTL
	}
	var n, sum uint64
	tooBig, digits := false, 0
	for _, c := range tok {
		if d := c - '0'; d <= 9 {
			digits++
			if n = n*10 + uint64(d); n > 1<<32-1 {
				n, tooBig = 1<<32-1, true
			}
			continue
		}
		unit := unitSeconds(c)
		if unit == 0 || digits == 0 {
			return 0, notTTL
		}
		sum += n * unit
		n, digits = 0, 0
	}
	if digits > 0 {
		if sum != 0 {
			return 0, notTTL
		}
		sum = n
	}
	if tooBig || sum > 1<<32-1 {
		return 0, ttlTooBig
	}
	return sum, ttlOK
}

// unitSeconds is the length of a unit, or 0 if the letter is none.
func unitSeconds(c byte) uint64 {
	switch c {
	case 'w', 'W':
		return 7 * 24 * 3600
	case 'd', 'D':
		return 24 * 3600
	case 'h', 'H':
		return 3600
	case 'm', 'M':
		return 60
	case 's', 'S':
		return 1
	default:
		return 0
	}
}
