package zonefile

import "encoding/binary"

// Fields of a LOC in wire form (RFC 1876 §2).
const (
	locEquator  = 1 << 31  // latitude and longitude 0, in thousandths of a second
	locSeaLevel = 10000000 // altitude 0, in centimeters above 100 km below the sea
	locDegree   = 3600000  // thousandths of a second
)

// location reads a LOC: latitude, longitude, altitude, and up to three sizes
// (RFC 1876 §3).
func (r *rdataReader) location() *Fault {
	latitude, fault := r.angle(90, 'N', 'S')
	if fault != nil {
		return fault
	}
	longitude, fault := r.angle(180, 'E', 'W')
	if fault != nil {
		return fault
	}
	tok, fault := r.bare(fieldLocation)
	if fault != nil {
		return fault
	}
	altitude, ok := centimeters(tok)
	if !ok || altitude < -locSeaLevel || altitude > 1<<32-1-locSeaLevel {
		return r.badField(fieldLocation, tok)
	}
	sizes := [3]byte{0x12, 0x16, 0x13} // 1 m, 10 km, 10 m
	for i := range sizes {
		if r.next == len(r.tokens) {
			break
		}
		if tok, fault = r.bare(fieldLocation); fault != nil {
			return fault
		}
		size, ok := centimeters(tok)
		if !ok || tok[0] == '-' || size >= 9000000100 {
			return r.badField(fieldLocation, tok)
		}
		sizes[i] = locSize(size)
	}
	r.dst = append(r.dst, 0, sizes[0], sizes[1], sizes[2])
	r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(locEquator+latitude))
	r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(locEquator+longitude))
	r.dst = binary.BigEndian.AppendUint32(r.dst, uint32(locSeaLevel+altitude))
	return nil
}

// angle reads degrees, minutes and seconds, the last two optional, and the
// direction; in thousandths of a second, negative for the second direction.
func (r *rdataReader) angle(limit int, positive, negative byte) (int, *Fault) {
	sum := 0
	for part := 0; ; part++ {
		tok, fault := r.bare(fieldLocation)
		if fault != nil {
			return 0, fault
		}
		if part > 0 && len(tok) == 1 && (tok[0] == positive || tok[0] == negative) {
			if tok[0] == negative {
				sum = -sum
			}
			return sum, nil
		}
		v, ok := 0, false
		switch part {
		case 0:
			var degrees uint64
			degrees, ok = decimal(tok, uint64(limit))
			v = int(degrees) * locDegree
		case 1:
			var minutes uint64
			minutes, ok = decimal(tok, 59)
			v = int(minutes) * 60000
		case 2:
			v, ok = fixedPoint(tok, 3)
			ok = ok && v < 60000
		}
		if sum += v; !ok || sum > limit*locDegree {
			return 0, r.badField(fieldLocation, tok)
		}
	}
}

// fixedPoint reads digits with up to places digits after a point, as an
// integer of the last place. One of the two parts may be empty.
func fixedPoint(b []byte, places int) (int, bool) {
	v, seen, after := 0, false, -1
	for _, c := range b {
		if c == '.' && after < 0 {
			after = 0
			continue
		}
		d := c - '0'
		if d > 9 || after >= places || v > 1<<40 {
			return 0, false
		}
		seen = true
		v = v*10 + int(d)
		if after >= 0 {
			after++
		}
	}
	for range places - max(after, 0) {
		v *= 10
	}
	return v, seen
}

// centimeters reads meters with up to two places and perhaps an m at the end.
func centimeters(b []byte) (int, bool) {
	sign := 1
	if len(b) > 0 && b[0] == '-' {
		sign, b = -1, b[1:]
	}
	if n := len(b); n > 0 && b[n-1] == 'm' {
		b = b[:n-1]
	}
	v, ok := fixedPoint(b, 2)
	return sign * v, ok
}

// locSize packs centimeters as one digit and a power of ten, rounded down.
func locSize(centimeters int) byte {
	power := 0
	for centimeters > 9 {
		centimeters /= 10
		power++
	}
	return byte(centimeters<<4 | power)
}

// appendLocation prints a LOC.
func appendLocation(dst, b []byte) []byte {
	dst = appendAngle(dst, int64(binary.BigEndian.Uint32(b[4:]))-locEquator, 'N', 'S')
	dst = appendAngle(dst, int64(binary.BigEndian.Uint32(b[8:]))-locEquator, 'E', 'W')
	dst = appendMeters(dst, int64(binary.BigEndian.Uint32(b[12:]))-locSeaLevel)
	for _, size := range b[1:4] {
		v := int64(size >> 4)
		for range size & 15 {
			v *= 10
		}
		dst = appendMeters(append(dst, ' '), v)
	}
	return dst
}

func appendAngle(dst []byte, v int64, positive, negative byte) []byte {
	direction := positive
	if v < 0 {
		v, direction = -v, negative
	}
	dst = append(appendDecimal(dst, uint64(v/locDegree)), ' ')
	dst = append(appendDecimal(dst, uint64(v/60000%60)), ' ')
	dst = append(appendDecimal(dst, uint64(v/1000%60)), '.')
	return append(dst, byte('0'+v/100%10), byte('0'+v/10%10), byte('0'+v%10), ' ', direction, ' ')
}

func appendMeters(dst []byte, v int64) []byte {
	if v < 0 {
		dst, v = append(dst, '-'), -v
	}
	dst = append(appendDecimal(dst, uint64(v/100)), '.')
	return append(dst, byte('0'+v/10%10), byte('0'+v%10), 'm')
}

// checkLocation tells whether octets are a LOC of version 0.
func checkLocation(b []byte) bool {
	if len(b) < 16 || b[0] != 0 {
		return false
	}
	for _, size := range b[1:4] {
		if size != 0 && (size&15 > 9 || size>>4 > 9 || size>>4 == 0) {
			return false
		}
	}
	latitude := int64(binary.BigEndian.Uint32(b[4:])) - locEquator
	longitude := int64(binary.BigEndian.Uint32(b[8:])) - locEquator
	return max(latitude, -latitude) <= 90*locDegree && max(longitude, -longitude) <= 180*locDegree
}
