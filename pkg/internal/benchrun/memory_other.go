//go:build !unix

package main

import (
	"os"
	"time"
)

// maxMemory is 0 where the system does not tell.
func maxMemory(*os.ProcessState) int64 { return 0 }

// ownUsage is 0 where the system does not tell.
func ownUsage() (cpu time.Duration, memory int64) { return 0, 0 }
