//go:build !race

package zonefile

const raceDetector = false
