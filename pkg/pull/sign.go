package pull

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

const (
	fudge       = 300 // seconds that clocks may differ (RFC 8945 §10)
	mostBetween = 99  // messages without a signature between two that have one (RFC 8945 §5.3.1)
)

// pack makes the wire form of a request, signed with the key of the source.
func (s *Source) pack(m *dns.Msg) ([]byte, *verifier, error) {
	if s.Key == nil {
		wire, err := m.Pack()
		return wire, nil, err
	}
	provider := s.Key.Provider()
	m.SetTsig(s.Key.Name.String(), s.Key.Algorithm()+".", fudge, time.Now().Unix())
	wire, mac, err := dns.TsigGenerateWithProvider(m, provider, "", false)
	if err != nil {
		return nil, nil, err
	}
	v := &verifier{key: s.Key, provider: provider}
	v.mac, err = hex.DecodeString(mac)
	return wire, v, err
}

// verifier verifies the messages of one answer (RFC 8945 §5.3).
type verifier struct {
	key      *primary.Key
	provider dns.TsigProvider
	mac      []byte // of the request, then of the last message that was signed
	begun    bool   // one was
	pending  []byte // messages since then
	between  int    // how many these are
}

var errUnsigned = errors.New("its answer is not signed")

// take takes the next message.
func (v *verifier) take(m *message) error {
	if m.tsig == nil {
		switch {
		case !v.begun:
			return badSignature(errUnsigned)
		case v.between == mostBetween:
			return badSignature(fmt.Errorf("%d messages running are not signed", mostBetween+1))
		}
		v.between++
		v.pending = append(v.pending, m.wire...)
		return nil
	}
	t := m.tsig
	buf := binary.BigEndian.AppendUint16(nil, uint16(len(v.mac)))
	buf = append(append(buf, v.mac...), v.pending...)
	at := len(buf)
	buf = append(buf, m.wire[:m.signed]...)
	binary.BigEndian.PutUint16(buf[at:], t.OrigId)
	binary.BigEndian.PutUint16(buf[at+10:], binary.BigEndian.Uint16(buf[at+10:])-1)
	if v.begun {
		buf = binary.BigEndian.AppendUint16(appendTime(buf, t.TimeSigned), t.Fudge)
	} else {
		var err error
		if buf, err = appendVariables(buf, t); err != nil {
			return badSignature(err)
		}
	}
	if name, err := zone.ParseName(t.Hdr.Name, zone.Root); err != nil || name != v.key.Name {
		return badSignature(errors.New("its answer is signed with another key"))
	}
	if err := v.provider.Verify(buf, t); err != nil {
		return badSignature(errors.New("the signature of its answer is wrong"))
	}
	if off := time.Since(time.Unix(int64(t.TimeSigned), 0)); off.Abs() > time.Duration(t.Fudge)*time.Second {
		return badSignature(fmt.Errorf("its clock differs from ours by %s", off.Abs().Round(time.Second)))
	}
	mac, err := hex.DecodeString(t.MAC)
	if err != nil {
		return badSignature(err)
	}
	v.mac, v.begun, v.between, v.pending = mac, true, 0, v.pending[:0]
	return nil
}

// end tells whether the last message may be the last one: it has to be signed.
func (v *verifier) end() error {
	if v.between > 0 {
		return badSignature(errors.New("its last message is not signed"))
	}
	return nil
}

// badSignature is the error of an answer that anybody may have sent.
func badSignature(err error) *Error { return failure(diag.CodePullSignature, err) }

// appendVariables appends what of a TSIG record is signed with the first message.
func appendVariables(buf []byte, t *dns.TSIG) ([]byte, error) {
	name, err := zone.ParseName(t.Hdr.Name, zone.Root)
	if err != nil {
		return buf, err
	}
	algorithm, err := zone.ParseName(t.Algorithm, zone.Root)
	if err != nil {
		return buf, err
	}
	other, err := hex.DecodeString(t.OtherData)
	if err != nil {
		return buf, err
	}
	buf = append(buf, name.Wire()...)
	buf = binary.BigEndian.AppendUint16(buf, dns.ClassANY)
	buf = binary.BigEndian.AppendUint32(buf, 0)
	buf = append(buf, algorithm.Wire()...)
	buf = binary.BigEndian.AppendUint16(appendTime(buf, t.TimeSigned), t.Fudge)
	buf = binary.BigEndian.AppendUint16(buf, t.Error)
	buf = binary.BigEndian.AppendUint16(buf, uint16(len(other)))
	return append(buf, other...), nil
}

// appendTime appends seconds since 1970 in 48 bits.
func appendTime(buf []byte, seconds uint64) []byte {
	buf = binary.BigEndian.AppendUint16(buf, uint16(seconds>>32))
	return binary.BigEndian.AppendUint32(buf, uint32(seconds))
}
