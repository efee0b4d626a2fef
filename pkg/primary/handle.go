package primary

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net/netip"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// request is a request of an address that some rule knows.
type request struct {
	server    *Server
	w         dns.ResponseWriter
	msg       *dns.Msg
	client    netip.AddrPort
	network   string
	encrypted *tls.ConnectionState // nil: it came in the clear
	tsig      *dns.TSIG            // nil: it is not signed
	key       zone.Name            // that it is signed with rightly; the zero Name: with none
	signer    *signer              // of the answer; nil: that is not signed
	edns      *dns.OPT             // nil: it has none
}

// problem is why a request does not get what it asks for.
type problem struct {
	rcode  int
	code   uint16 // of the TSIG record
	reason string
}

// handle answers one request.
func (s *Server) handle(w dns.ResponseWriter, m *dns.Msg) {
	r := &request{server: s, w: w, msg: m, client: addrPort(w.RemoteAddr())}
	if stater, ok := w.(dns.ConnectionStater); ok {
		r.encrypted = stater.ConnectionState()
	}
	r.network = networkName(isUDP(w), r.encrypted != nil)
	rules := s.rules.Load()
	if p := r.read(rules); p != nil {
		r.refuse(p)
		return
	}
	if p := r.answer(rules); p != nil {
		r.refuse(p)
	}
}

func isUDP(w dns.ResponseWriter) bool { return w.RemoteAddr().Network() == "udp" }

func (r *request) overUDP() bool { return r.network == "udp" }

// read judges the form of a request, and then its signature (RFC 8945 §5.2).
func (r *request) read(rules *rules) *problem {
	m := r.msg
	signatures := 0
	for _, section := range [...][]dns.RR{m.Answer, m.Ns, m.Extra} {
		for _, rr := range section {
			switch rr := rr.(type) {
			case *dns.TSIG:
				signatures++
			case *dns.OPT:
				if r.edns != nil {
					return &problem{rcode: dns.RcodeFormatError, reason: "it has two OPT records"}
				}
				r.edns = rr
			}
		}
	}
	tsig := m.IsTsig()
	if signatures > 1 || signatures == 1 && tsig == nil {
		return &problem{rcode: dns.RcodeFormatError, reason: "its TSIG record is not the last record"}
	}
	r.tsig = tsig
	if tsig != nil {
		if p := r.verified(rules, r.w.TsigStatus()); p != nil {
			return p
		}
	}
	switch {
	case !r.server.serves(m.Opcode, rules):
		return &problem{rcode: dns.RcodeNotImplemented, reason: "opcode " + dns.OpcodeToString[m.Opcode] + " is not served"}
	case len(m.Question) != 1:
		return &problem{rcode: dns.RcodeFormatError, reason: "it has not one question"}
	case r.edns != nil && r.edns.Version() != 0:
		return &problem{rcode: dns.RcodeBadVers, reason: "its version of EDNS is not known"}
	}
	return nil
}

// serves tells whether requests with an opcode are taken at all.
func (s *Server) serves(opcode int, rules *rules) bool {
	switch opcode {
	case dns.OpcodeQuery:
		return true
	case dns.OpcodeNotify:
		return len(rules.sources) > 0
	case dns.OpcodeUpdate:
		return len(rules.updates) > 0 && s.options.Updater != nil
	}
	return false
}

// verified takes the result of looking at the signature.
func (r *request) verified(rules *rules, status error) *problem {
	key, err := rules.ring.find(r.tsig)
	if err == nil && (status == nil || errors.Is(status, dns.ErrTime) || errors.Is(status, errTruncated)) {
		r.signer = newSigner(key, r.msg.Id, r.tsig)
	}
	not := func(code uint16, reason string) *problem {
		return &problem{rcode: dns.RcodeNotAuth, code: code, reason: reason}
	}
	switch {
	case err != nil || errors.Is(status, dns.ErrSecret) || errors.Is(status, dns.ErrKeyAlg):
		return not(dns.RcodeBadKey, "its key is not known")
	case status == nil:
		r.key = key.Name
		return nil
	case errors.Is(status, dns.ErrSig):
		return not(dns.RcodeBadSig, "its signature is wrong")
	case errors.Is(status, dns.ErrTime):
		return not(dns.RcodeBadTime, "its clock differs from ours")
	case errors.Is(status, errTruncated):
		return not(dns.RcodeBadTrunc, "its signature is truncated")
	}
	return &problem{rcode: dns.RcodeFormatError, reason: "its TSIG record cannot be used"}
}

// answer gives a request of the right form what it asks for.
func (r *request) answer(rules *rules) *problem {
	q := r.msg.Question[0]
	switch {
	case r.encrypted != nil && r.encrypted.NegotiatedProtocol != alpn:
		return refused("it comes over TLS, and not as DNS")
	case r.msg.Opcode == dns.OpcodeUpdate:
		return r.update(rules)
	case q.Qclass != dns.ClassINET:
		return refused("its class is not IN")
	}
	name, err := zone.ParseName(q.Name, zone.Root)
	if err != nil {
		return &problem{rcode: dns.RcodeFormatError, reason: "its name is none"}
	}
	if r.msg.Opcode == dns.OpcodeNotify {
		return r.notified(rules, name)
	}
	transfers := q.Qtype == dns.TypeAXFR || q.Qtype == dns.TypeIXFR
	served, zr := rules.enclosing(name)
	if zr == nil || transfers && served != name {
		return refused("the zone is not served here")
	}
	lookup, transfer := zr.may(r.client.Addr(), r.key)
	if !lookup || transfers && !transfer {
		return refused(r.unwelcome(transfers, lookup))
	}
	g := zr.served.current.Load()
	switch {
	case g == nil:
		return &problem{rcode: dns.RcodeServerFailure, reason: "the zone is not loaded"}
	case transfers:
		return r.transfer(g)
	}
	r.lookup(g.zone, name)
	return nil
}

func refused(reason string) *problem { return &problem{rcode: dns.RcodeRefused, reason: reason} }

// notified takes NOTIFY for a zone from its primary (RFC 1996 §3.11), which is only a hint to ask
// that: what it says of the serial is not looked at.
func (r *request) notified(rules *rules, name zone.Name) *problem {
	list := rules.sources[name]
	switch {
	case len(list) == 0:
		return &problem{rcode: dns.RcodeNotAuth, reason: "the zone is not pulled from anywhere"}
	case r.msg.Question[0].Qtype != dns.TypeSOA:
		return refused("it tells of another type than SOA")
	}
	z := zoneRules{access: list}
	if told, _ := z.may(r.client.Addr(), r.key); !told {
		for i := range list {
			if list[i].From.Contains(r.client.Addr().WithZone("")) {
				return refused(r.unwelcome(false, false))
			}
		}
		return refused("its address is not that of the primary of the zone")
	}
	r.server.options.Observer.notified(name, r.client)
	m := new(dns.Msg).SetReply(r.msg)
	m.Authoritative = true
	r.reply(m, 0)
	return nil
}

// unwelcome says why nobody with this address and key may have what is asked for.
func (r *request) unwelcome(transfers, lookup bool) string {
	switch {
	case r.key.IsZero():
		return "it is not signed"
	case transfers && lookup:
		return "it may look up, and not transfer"
	}
	return "its address may not use its key here"
}

// refuse answers with an error, and tells of it.
func (r *request) refuse(p *problem) {
	r.tell(p)
	m := new(dns.Msg).SetReply(r.msg)
	m.Rcode = p.rcode
	r.reply(m, p.code)
}

// tell tells of a request that does not get what it asks for.
func (r *request) tell(p *problem) {
	refusal := Refusal{Client: r.client, Network: r.network, Update: r.msg.Opcode == dns.OpcodeUpdate, Rcode: p.rcode, Error: p.code, Reason: p.reason}
	if len(r.msg.Question) > 0 {
		refusal.Name, refusal.Type = r.msg.Question[0].Name, r.msg.Question[0].Qtype
	}
	if r.tsig != nil {
		refusal.Key = r.tsig.Hdr.Name
	}
	r.server.options.Observer.refused(refusal)
}

// Octets of answers over UDP. One that is not signed is never much longer than its question
// may be, whoever forges its address.
const (
	plainUDP  = dns.MinMsgSize
	signedUDP = 1232
)

// reply sends an answer that is one message.
func (r *request) reply(m *dns.Msg, code uint16) {
	if r.edns != nil {
		m.SetEdns0(signedUDP, false)
	}
	m.Compress = true
	if r.overUDP() {
		limit := plainUDP
		if r.signer != nil && r.edns != nil {
			limit = min(signedUDP, max(plainUDP, int(r.edns.UDPSize())))
		}
		m.Truncate(limit - r.signatureLen())
	}
	wire, err := m.Pack()
	if err != nil {
		r.server.options.Observer.problem(err)
		return
	}
	_, _ = r.w.Write(r.signed(wire, code)) // a client that has gone is no concern of ours
}

// signatureLen is about how many octets the TSIG record of an answer takes.
func (r *request) signatureLen() int {
	if r.tsig == nil {
		return 0
	}
	return len(r.tsig.Hdr.Name) + len(r.tsig.Algorithm) + 64 + 32
}

// signed appends the TSIG record that an answer has. With an unknown key, or a wrong signature,
// there is one without a MAC (RFC 8945 §5.3.2).
func (r *request) signed(wire []byte, code uint16) []byte {
	if r.tsig == nil || code == 0 && r.signer == nil {
		return wire
	}
	x := tsigExtra{time: seconds(r.server.options.Now()), code: code}
	if r.signer != nil {
		if code == dns.RcodeBadTime { // RFC 8945 §5.2.3
			x.other = appendTime(nil, x.time)
			x.time = r.tsig.TimeSigned
		}
		return r.signer.sign(wire, x)
	}
	name, err := zone.ParseName(r.tsig.Hdr.Name, zone.Root)
	if err != nil {
		return wire
	}
	algorithmName, err := zone.ParseName(r.tsig.Algorithm, zone.Root)
	if err != nil {
		return wire
	}
	return appendTSIG(wire, name.Wire(), []byte(algorithmName.Wire()), nil, x)
}

// questionWire gives the question of a request as it was asked, letter case and all.
func (r *request) questionWire(apex []byte) []byte {
	q := r.msg.Question[0]
	wire := make([]byte, len(apex)+4)
	if n, err := dns.PackDomainName(q.Name, wire, 0, nil, false); err != nil || n != len(apex) {
		copy(wire, apex)
	}
	binary.BigEndian.PutUint16(wire[len(apex):], q.Qtype)
	binary.BigEndian.PutUint16(wire[len(apex)+2:], q.Qclass)
	return wire
}
