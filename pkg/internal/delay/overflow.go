package delay

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
)

// socketTable is where Linux tells of every UDP socket over IPv4, one a line,
// the local address in the second field and the packets that it had no room for
// in the last one (proc(5)).
const socketTable = "/proc/net/udp"

// overflowed tells how many packets a socket had no room for; 0 where the
// system does not say.
func overflowed(conn *net.UDPConn) int {
	table, err := os.ReadFile(socketTable)
	if err != nil {
		return 0
	}
	port := conn.LocalAddr().(*net.UDPAddr).Port //nolint:errcheck // A UDP socket has a UDP address.
	return lostAt(string(table), port)
}

// lostAt finds the socket of a port on 127.0.0.1 in a socket table.
func lostAt(table string, port int) int {
	local := fmt.Sprintf("0100007F:%04X", port) // as on a little-endian machine
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != local {
			continue
		}
		if lost, err := strconv.Atoi(fields[len(fields)-1]); err == nil {
			return lost
		}
	}
	return 0
}
