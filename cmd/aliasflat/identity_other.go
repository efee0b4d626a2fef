//go:build !unix

package main

import "os"

// identity is nothing that other systems have.
func identity(*os.File) (device, inode uint64, ok bool) { return 0, 0, false }
