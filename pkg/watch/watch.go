// Package watch publishes zones again and again: when the shortest TTL of a target has run
// out, when a source has changed, and when somebody asks for it.
//
// It decides when what is done. What is done, reading, publishing and remembering a zone, is
// the work of a [Host].
package watch
