// Command aliasflat replaces the ALIAS records of a zone file by the addresses
// of their targets, so that any name server loads it.
//
// The commands here turn flags and configuration into the options of the
// packages below pkg, and print what those found. They decide nothing about DNS.
package main

import "os"

func main() {
	os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
