// Package primary serves zones to secondary name servers, as their hidden primary: AXFR (RFC
// 5936), IXFR (RFC 1995), NOTIFY (RFC 1996), all by TSIG (RFC 8945) and address, over TCP or TLS
// (RFC 9103), and a catalog of the zones (RFC 9432).
//
// Its promise: whoever asks sees one whole generation of a zone, or nothing. What goes out comes
// from values that never change, a serial never goes back, and who is not named in the [Setup]
// gets no octet of a zone.
//
// It reads no files of zones and decides nothing about what is in them: a [Zone] is handed in by
// [Server.Publish] when it is durable, and what UPDATE (RFC 2136) asks for is handed to an
// [Updater]. It answers no questions for the world.
package primary
