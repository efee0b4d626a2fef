//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
)

// maxMemory gives the largest resident set of a process that has ended.
func maxMemory(state *os.ProcessState) int64 {
	rusage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	// Darwin counts bytes, all others 1024 of them.
	if runtime.GOOS == "darwin" {
		return rusage.Maxrss
	}
	return rusage.Maxrss << 10
}
