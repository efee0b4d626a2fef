//go:build !linux

package status

// process adds nothing: other systems have no /proc.
func (e *exposition) process() {}
