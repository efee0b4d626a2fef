package primary

import (
	"crypto/hmac"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Key is a TSIG key. However it is printed, its secret does not appear.
type Key struct {
	Name      zone.Name
	algorithm *algorithm
	secret    []byte
}

// algorithm is one of those that keys may have.
type algorithm struct {
	text string
	wire []byte
	hash func() hash.Hash
}

var algorithms = [...]*algorithm{
	{"hmac-sha256", []byte("\x0bhmac-sha256\x00"), sha256.New},
	{"hmac-sha384", []byte("\x0bhmac-sha384\x00"), sha512.New384},
	{"hmac-sha512", []byte("\x0bhmac-sha512\x00"), sha512.New},
}

// leastSecret is how many octets a secret has at least: what no search finds.
const leastSecret = 16

// NewKey makes a key of a secret in base64, as key files of name servers have it. The algorithm
// is hmac-sha256, hmac-sha384 or hmac-sha512; older ones are refused. No error shows the secret.
func NewKey(name zone.Name, algorithmName, secret string) (Key, error) {
	k := Key{Name: name}
	for _, a := range algorithms {
		if strings.EqualFold(strings.TrimSuffix(algorithmName, "."), a.text) {
			k.algorithm = a
		}
	}
	if name.IsZero() {
		return Key{}, errors.New("a TSIG key has a name")
	}
	if k.algorithm == nil {
		return Key{}, fmt.Errorf("key %s: algorithm %q is none of hmac-sha256, hmac-sha384 and hmac-sha512", name, algorithmName)
	}
	var err error
	if k.secret, err = base64.StdEncoding.DecodeString(strings.TrimSpace(secret)); err != nil {
		return Key{}, fmt.Errorf("key %s: the secret is no base64", name)
	}
	if len(k.secret) < leastSecret {
		return Key{}, fmt.Errorf("key %s: the secret has %d octets, and at least %d are needed", name, len(k.secret), leastSecret)
	}
	return k, nil
}

// Algorithm is the algorithm as it is written, without a final dot.
func (k Key) Algorithm() string {
	if k.algorithm == nil {
		return ""
	}
	return k.algorithm.text
}

// String gives name and algorithm.
func (k Key) String() string { return k.Name.String() + " (" + k.Algorithm() + ")" }

// GoString is as String.
func (k Key) GoString() string { return k.String() }

// Format is as String whatever the verb.
func (k Key) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(k.String())) }

// MarshalText is as String.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// Provider signs and verifies messages with the key alone.
func (k Key) Provider() dns.TsigProvider { return keyring{k.Name: &k} }

// keyring is keys by their names. It verifies requests, and signs and verifies what followers
// are asked.
type keyring map[zone.Name]*Key

var _ dns.TsigProvider = keyring(nil)

// What can be wrong with the size of a MAC (RFC 8945 §5.2.2.1).
var (
	errMACSize   = errors.New("a MAC of a size that the algorithm cannot have")
	errTruncated = errors.New("a truncated MAC")
)

// leastMAC is the shortest MAC that is one at all, in octets.
const leastMAC = 10

// find gives the key that a TSIG record names; the algorithm is part of the name.
func (ring keyring) find(t *dns.TSIG) (*Key, error) {
	name, err := zone.ParseName(t.Hdr.Name, zone.Root)
	if err != nil {
		return nil, dns.ErrSecret
	}
	k := ring[name]
	if k == nil {
		return nil, dns.ErrSecret
	}
	if !strings.EqualFold(strings.TrimSuffix(t.Algorithm, "."), k.algorithm.text) {
		return nil, dns.ErrKeyAlg
	}
	return k, nil
}

// Generate gives the MAC of what is to be signed.
func (ring keyring) Generate(msg []byte, t *dns.TSIG) ([]byte, error) {
	k, err := ring.find(t)
	if err != nil {
		return nil, err
	}
	mac := hmac.New(k.algorithm.hash, k.secret)
	mac.Write(msg)
	return mac.Sum(nil), nil
}

// Verify compares the MAC of a TSIG record with that of what was signed. The library looks at
// the time only behind it.
func (ring keyring) Verify(msg []byte, t *dns.TSIG) error {
	want, err := ring.Generate(msg, t)
	if err != nil {
		return err
	}
	got, err := hex.DecodeString(t.MAC)
	switch {
	case err != nil || len(got) > len(want) || len(got) < max(leastMAC, len(want)/2):
		return errMACSize
	case !hmac.Equal(got, want[:len(got)]):
		return dns.ErrSig
	case len(got) < len(want):
		return errTruncated
	}
	return nil
}

// fudge is how many seconds clocks may differ (RFC 8945 §10).
const fudge = 300

// signer signs the messages of one answer (RFC 8945 §5.3).
type signer struct {
	key   *Key
	id    uint16
	mac   []byte // of the request, then of the message before
	begun bool
	hash  hash.Hash
}

// newSigner signs the answer to a request that was verified.
func newSigner(k *Key, id uint16, t *dns.TSIG) *signer {
	mac, _ := hex.DecodeString(t.MAC) // it was verified
	return &signer{key: k, id: id, mac: mac, hash: hmac.New(k.algorithm.hash, k.secret)}
}

// tsigExtra is what a TSIG record says beyond the MAC.
type tsigExtra struct {
	time  uint64 // seconds since 1970
	code  uint16 // an extended error
	other []byte
}

// sign appends the TSIG record to a message.
func (s *signer) sign(msg []byte, x tsigExtra) []byte {
	s.hash.Reset()
	var head [8]byte
	binary.BigEndian.PutUint16(head[:], uint16(len(s.mac)))
	s.hash.Write(head[:2])
	s.hash.Write(s.mac)
	s.hash.Write(msg)
	var buf [2*zone.MaxNameLen + 32]byte
	variables := buf[:0]
	if s.begun {
		variables = appendTime(variables, x.time)
		variables = binary.BigEndian.AppendUint16(variables, fudge)
	} else {
		variables = append(variables, s.key.Name.Wire()...)
		variables = binary.BigEndian.AppendUint16(variables, dns.ClassANY)
		variables = binary.BigEndian.AppendUint32(variables, 0)
		variables = append(variables, s.key.algorithm.wire...)
		variables = appendTime(variables, x.time)
		variables = binary.BigEndian.AppendUint16(variables, fudge)
		variables = binary.BigEndian.AppendUint16(variables, x.code)
		variables = binary.BigEndian.AppendUint16(variables, uint16(len(x.other)))
		variables = append(variables, x.other...)
	}
	s.hash.Write(variables)
	s.mac, s.begun = s.hash.Sum(s.mac[:0]), true
	return appendTSIG(msg, s.key.Name.Wire(), s.key.algorithm.wire, s.mac, x)
}

// appendTSIG appends a TSIG record to a message and counts it.
func appendTSIG(msg []byte, name string, algorithmName, mac []byte, x tsigExtra) []byte {
	id := binary.BigEndian.Uint16(msg)
	binary.BigEndian.PutUint16(msg[10:], binary.BigEndian.Uint16(msg[10:])+1)
	msg = append(msg, name...)
	msg = binary.BigEndian.AppendUint16(msg, dns.TypeTSIG)
	msg = binary.BigEndian.AppendUint16(msg, dns.ClassANY)
	msg = binary.BigEndian.AppendUint32(msg, 0)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(algorithmName)+16+len(mac)+len(x.other)))
	msg = append(msg, algorithmName...)
	msg = appendTime(msg, x.time)
	msg = binary.BigEndian.AppendUint16(msg, fudge)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(mac)))
	msg = append(msg, mac...)
	msg = binary.BigEndian.AppendUint16(msg, id)
	msg = binary.BigEndian.AppendUint16(msg, x.code)
	msg = binary.BigEndian.AppendUint16(msg, uint16(len(x.other)))
	return append(msg, x.other...)
}

// appendTime appends seconds since 1970 in 48 bits.
func appendTime(dst []byte, seconds uint64) []byte {
	dst = binary.BigEndian.AppendUint16(dst, uint16(seconds>>32))
	return binary.BigEndian.AppendUint32(dst, uint32(seconds))
}

func seconds(t time.Time) uint64 { return uint64(t.Unix()) }
