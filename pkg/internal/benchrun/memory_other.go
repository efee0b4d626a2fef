//go:build !unix

package main

import "os"

// maxMemory is 0 where the system does not tell.
func maxMemory(*os.ProcessState) int64 { return 0 }
