//go:build !linux

package publish

// LargePages does nothing: only Linux has to be asked for large pages.
func LargePages([]byte) {}

// newBuffer makes a buffer.
func newBuffer(size int) []byte { return make([]byte, size) }
