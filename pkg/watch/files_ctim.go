//go:build linux || openbsd || dragonfly || solaris

package watch

import (
	"io/fs"
	"syscall"
)

// changeTimes tells that files have a change time, which nobody can set.
const changeTimes = true

// changeOf gives the change time of a file, as Unix time in nanoseconds, and its inode.
func changeOf(info fs.FileInfo) (changed int64, inode uint64) {
	if s, ok := info.Sys().(*syscall.Stat_t); ok {
		return s.Ctim.Nano(), s.Ino
	}
	return 0, 0
}
