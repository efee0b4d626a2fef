//go:build unix

package main

import (
	"os"
	"runtime"
	"syscall"
	"time"
)

// maxMemory gives the largest resident set of a process that has ended.
func maxMemory(state *os.ProcessState) int64 {
	rusage, ok := state.SysUsage().(*syscall.Rusage)
	if !ok {
		return 0
	}
	return inBytes(rusage.Maxrss)
}

// ownUsage gives the CPU time and the largest resident set of this process.
func ownUsage() (cpu time.Duration, memory int64) {
	var rusage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &rusage); err != nil {
		return 0, 0
	}
	return time.Duration(rusage.Utime.Nano() + rusage.Stime.Nano()), inBytes(rusage.Maxrss)
}

func inBytes(maxrss int64) int64 {
	// Darwin counts bytes, all others 1024 of them.
	if runtime.GOOS == "darwin" {
		return maxrss
	}
	return maxrss << 10
}
