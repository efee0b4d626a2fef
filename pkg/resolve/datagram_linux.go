package resolve

import (
	"cmp"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// batchConn moves many datagrams of a connected UDP socket in one system call. The socket has
// one peer, and the kernel passes on what comes from there alone, so there are no addresses.
type batchConn struct {
	raw      syscall.RawConn
	segments bool // the kernel cuts datagrams out of one that is longer (UDP_SEGMENT)
}

// datagram is what recvmmsg and sendmmsg know of one (struct mmsghdr).
type datagram struct {
	header unix.Msghdr
	length uint32
}

// receiving is what recvmmsg writes to: made once, for the room never moves.
type receiving struct {
	datagrams [batchLen]datagram
	buffers   [batchLen]unix.Iovec
	call      func(fd uintptr) bool // the one for RawConn.Read, which has no result of its own
	offered   int
	got       int
	err       error
}

// sending is what sendmmsg reads from.
type sending struct {
	datagrams [batchLen]datagram
	buffers   [batchLen]unix.Iovec
	lengths   [batchLen]segmentLength
	firsts    [batchLen]int // by datagram: its first buffer
	call      func(fd uintptr) bool
	from, end int
	err       error
}

// segmentLength is the control message that has the kernel cut a datagram into several.
type segmentLength struct {
	head   unix.Cmsghdr
	octets uint16
	_      [6]byte // the kernel counts in words
}

func newBatchConn(c *net.UDPConn) *batchConn {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil // closed, as whoever sends or receives finds out
	}
	b := &batchConn{raw: raw}
	// Kernels before Linux 4.18, and what only looks like Linux, do not know the option.
	_ = raw.Control(func(fd uintptr) {
		_, err := unix.GetsockoptInt(int(fd), unix.IPPROTO_UDP, unix.UDP_SEGMENT)
		b.segments = err == nil
	})
	return b
}

// receive waits for datagrams and appends them to packets.
func (b *batchConn) receive(in *inbox, packets [][]byte) ([][]byte, error) {
	r := &in.batch
	if r.call == nil {
		r.init(in)
	}
	// Each datagram that is offered costs, filled or not.
	r.offered = min(2*r.got+4, batchLen)
	if err := b.raw.Read(r.call); err != nil {
		return packets, err
	}
	if r.err != nil {
		return packets, r.err
	}
	for i := range r.got {
		packets = append(packets, in.room[i][:r.datagrams[i].length])
	}
	return packets, nil
}

func (r *receiving) init(in *inbox) {
	for i := range r.datagrams {
		r.buffers[i].Base = &in.room[i][0]
		r.buffers[i].SetLen(packetBuffer)
		r.datagrams[i].header.Iov = &r.buffers[i]
		r.datagrams[i].header.SetIovlen(1)
	}
	r.call = r.receive
}

// receive tells whether the call is over: false has it made again once there is something.
func (r *receiving) receive(fd uintptr) bool {
	n, errno := manyDatagrams(unix.SYS_RECVMMSG, fd, r.datagrams[:r.offered])
	if errno == unix.EAGAIN {
		return false
	}
	r.got, r.err = n, nil
	if errno != 0 {
		r.got, r.err = 0, os.NewSyscallError("recvmmsg", errno)
	}
	return true
}

// send sends what is in the outbox, in any order.
func (b *batchConn) send(o *outbox) error {
	s := &o.batch
	if s.call == nil {
		s.init()
	}
	list := o.datagrams[:o.n]
	if b.segments {
		slices.SortFunc(list[o.repeated:], func(a, b []byte) int { return cmp.Compare(len(b), len(a)) })
	}
	for i, d := range list {
		s.buffers[i].Base = &d[0]
		s.buffers[i].SetLen(len(d))
	}
	for sent := 0; ; {
		alone := o.n
		if b.segments {
			alone = o.repeated
		}
		s.arrange(list, sent, alone)
		if err := b.raw.Write(s.call); err != nil {
			return err
		}
		if !b.segments || !refusesSegments(s.err) {
			return s.err
		}
		b.segments, sent = false, s.firsts[s.from]
	}
}

// arrange makes datagrams of the buffers from one on. Those that stand before alone, or have
// nobody of their length, stay what they are; the others are cut out of longer ones, in which
// the last may be shorter. So many pass the kernel's layers at the cost of one.
func (s *sending) arrange(list [][]byte, from, alone int) {
	s.from, s.end = 0, 0
	for from < len(list) {
		end, length := from+1, len(list[from])
		if from >= alone {
			for end < len(list) && len(list[end]) == length {
				end++
			}
			end = min(end+1, len(list))
		}
		h := &s.datagrams[s.end].header
		h.Iov = &s.buffers[from]
		h.SetIovlen(end - from)
		h.Control = nil
		h.SetControllen(0)
		if end-from > 1 {
			c := &s.lengths[s.end]
			c.octets = uint16(length)
			h.Control = (*byte)(unsafe.Pointer(c))
			h.SetControllen(unix.CmsgSpace(2))
		}
		s.firsts[s.end] = from
		s.end++
		from = end
	}
}

// refusesSegments tells whether datagrams may pass one by one that the kernel, or the network
// device of the way, does not cut out of one.
func refusesSegments(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EMSGSIZE) || errors.Is(err, unix.EOPNOTSUPP)
}

func (s *sending) init() {
	for i := range s.lengths {
		head := &s.lengths[i].head
		head.Level, head.Type = unix.IPPROTO_UDP, unix.UDP_SEGMENT
		head.SetLen(unix.CmsgLen(2))
	}
	s.call = s.send
}

// send tells whether all is sent, or failed.
func (s *sending) send(fd uintptr) bool {
	for s.from < s.end {
		n, errno := manyDatagrams(unix.SYS_SENDMMSG, fd, s.datagrams[s.from:s.end])
		if errno == unix.EAGAIN {
			return false
		}
		if errno != 0 {
			s.err = os.NewSyscallError("sendmmsg", errno)
			return true
		}
		s.from += n
	}
	s.err = nil
	return true
}

// manyDatagrams calls recvmmsg or sendmmsg, and gives how many there were. It never waits, so
// the scheduler is not told: it would give the processor to another thread in the middle of a
// long batch, and take it back afterwards.
func manyDatagrams(trap, fd uintptr, list []datagram) (int, syscall.Errno) {
	for {
		n, _, errno := unix.RawSyscall6(trap, fd, uintptr(unsafe.Pointer(&list[0])), uintptr(len(list)), unix.MSG_DONTWAIT, 0, 0)
		if errno != unix.EINTR {
			return int(n), errno
		}
	}
}
