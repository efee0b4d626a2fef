package resolve

import (
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// manyOctets is how much memory large pages are worth a system call for.
const manyOctets = 4 << 20

// largePages asks the kernel for large pages behind answers that nobody has touched yet: each
// page costs a fault when it is touched first, which in a virtual machine takes as long as a
// lookup. It is a wish that changes no result.
func largePages(answers []Answer) {
	page := uintptr(os.Getpagesize())
	start := uintptr(unsafe.Pointer(unsafe.SliceData(answers)))
	size := uintptr(len(answers)) * unsafe.Sizeof(Answer{})
	if size < manyOctets {
		return
	}
	skip := -start % page // what of a page belongs to others stays as it is
	memory := unsafe.Slice((*byte)(unsafe.Add(unsafe.Pointer(unsafe.SliceData(answers)), skip)), (size-skip)&^(page-1))
	_ = unix.Madvise(memory, unix.MADV_HUGEPAGE) // a kernel without them goes on with small ones
}
