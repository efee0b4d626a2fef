package publish

import (
	"os"
	"syscall"
	"unsafe"
)

// largePage is the size of a large page on most processors. Where it is
// another, only the beginning of a buffer is less well placed.
const largePage = 2 << 20

// LargePages asks the kernel for large pages behind memory that nobody has
// used yet. Each page costs a fault when it is touched first: in pages of
// 4 KiB, the faults of a large zone take about as long as a third of all else,
// and more in a virtual machine. It is a wish that changes no result.
//
// Pages at both ends that reach beyond the memory are left as they are, so
// that no more memory is taken than is used.
func LargePages(memory []byte) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(memory)))
	end := start + uintptr(len(memory))
	first, last := (start+page-1)&^(page-1), end&^(page-1)
	if first >= last {
		return
	}
	_ = syscall.Madvise(memory[first-start:last-start], syscall.MADV_HUGEPAGE) // a kernel without them goes on with small ones
}

// newBuffer makes a buffer; a large one begins with a large page.
func newBuffer(size int) []byte {
	if size < 4*largePage {
		return make([]byte, size)
	}
	buf := make([]byte, size+largePage)
	skip := int(-uintptr(unsafe.Pointer(unsafe.SliceData(buf))) % largePage)
	return buf[skip : skip+size : skip+size]
}
