//go:build race

package zonefile

// The race detector keeps several bytes of its own for each byte of memory, so
// bounds on memory are held in ordinary runs alone.
const raceDetector = true
