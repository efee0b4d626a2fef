package dnstest

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/miekg/dns"
)

// CookieMode is what a server does about DNS cookies (RFC 7873).
type CookieMode uint8

// The modes of [Behavior].
const (
	CookiesNone     CookieMode = iota // the option is unknown
	CookiesOffered                    // each reply to a client cookie has a server cookie
	CookiesRequired                   // and BADCOOKIE over UDP to one without a valid server cookie
	CookiesWrong                      // the client cookie comes back wrong
	CookiesOmitted                    // as CookiesNone, whatever other behaviors say
)

const (
	clientCookieSize = 8
	serverCookieSize = 16 // as in RFC 9018 §4; others from 8 to 32 are no cookies of ours
	minServerCookie  = 8
	maxServerCookie  = 32
	cookieLifetime   = time.Hour
	cookieSkew       = 5 * time.Minute
)

// cookieOctets is what a COOKIE option holds.
func cookieOctets(o *dns.EDNS0_COOKIE) []byte {
	octets, err := hex.DecodeString(o.Cookie)
	if err != nil {
		panic("dnstest: " + err.Error()) // the library made the digits
	}
	return octets
}

// answerEDNS gives the reply its OPT record with the options that the server has for the
// query. It is false where the reply is done with that.
func (o *occasion) answerEDNS(r, m *dns.Msg) bool {
	if r.IsEdns0() == nil {
		return true
	}
	opt := m.SetEdns0(dns.DefaultMsgSize, o.query.DO).IsEdns0()
	if r.IsEdns0().Version() != 0 {
		m.Rcode = dns.RcodeBadVers // RFC 6891 §6.1.3
		return false
	}
	o.answerSubnet(opt)
	mode := o.fault.Cookies
	if o.query.Cookie == nil || mode == CookiesNone || mode == CookiesOmitted {
		return true
	}
	size := len(o.query.Cookie)
	if size != clientCookieSize && (size < clientCookieSize+minServerCookie || size > clientCookieSize+maxServerCookie) {
		m.Rcode = dns.RcodeFormatError // RFC 7873 §5.2.2
		return false
	}
	client, server := o.query.Cookie[:clientCookieSize], o.query.Cookie[clientCookieSize:]
	reply := append([]byte(nil), client...)
	if mode == CookiesWrong {
		reply[0] ^= 0x55
	}
	reply = append(reply, o.serverCookie(client, uint32(o.query.Time.Unix()))...)
	opt.Option = append(opt.Option, &dns.EDNS0_COOKIE{Code: dns.EDNS0COOKIE, Cookie: hex.EncodeToString(reply)})
	if mode == CookiesRequired && o.query.Transport == "udp" && !o.validCookie(client, server) {
		m.Rcode = dns.RcodeBadCookie
		return false
	}
	return true
}

// serverCookie is laid out as RFC 9018 §4 has it. The hash in it is another one, which is
// the server's own affair.
func (o *occasion) serverCookie(client []byte, now uint32) []byte {
	cookie := append([]byte{1, 0, 0, 0}, binary.BigEndian.AppendUint32(nil, now)...)
	hash := hmac.New(sha256.New, o.server.secret)
	for _, part := range [][]byte{client, cookie, o.query.LocalAddr.Addr().AsSlice()} {
		hash.Write(part) // a hash takes everything
	}
	return append(cookie, hash.Sum(nil)[:serverCookieSize-len(cookie)]...)
}

// validCookie tells whether a server cookie is one that this server gave this client and not
// too old.
func (o *occasion) validCookie(client, server []byte) bool {
	if len(server) != serverCookieSize {
		return false
	}
	at := binary.BigEndian.Uint32(server[4:])
	// Serial number arithmetic, as RFC 9018 §4.3 has it.
	age := time.Duration(int32(uint32(o.query.Time.Unix())-at)) * time.Second
	return hmac.Equal(server, o.serverCookie(client, at)) && age <= cookieLifetime && age >= -cookieSkew
}
