//go:build !linux

package judge

import "os/exec"

// endWithParent needs Linux; elsewhere the cleanups have to do.
func endWithParent(*exec.Cmd) {}
