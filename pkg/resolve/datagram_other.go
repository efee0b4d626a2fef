//go:build !linux

package resolve

import "net"

// batchConn is nil: here a system call moves one datagram.
type batchConn struct{}

type (
	receiving struct{}
	sending   struct{}
)

func newBatchConn(*net.UDPConn) *batchConn { return nil }

func (*batchConn) receive(_ *inbox, packets [][]byte) ([][]byte, error) {
	return packets, net.ErrClosed
}

func (*batchConn) send(*outbox) error { return net.ErrClosed }
