// Package pull keeps copies of zones that other primaries have: it asks for their serials,
// transfers what has moved (RFC 5936, RFC 1995), signed where there is a key (RFC 8945), and
// writes each zone into a file of ours that is read like any other source.
//
// Its promise is that the file is always a whole zone that the primary has sent: whatever goes
// wrong with a transfer leaves the last one as it is.
//
// It does not flatten, and it serves nothing. DNSSEC records are kept as they came: whoever reads
// the file decides about them, as for every signed source.
package pull

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Source is a zone of another primary.
type Source struct {
	Zone    zone.Name
	Primary netip.AddrPort
	Key     *primary.Key // that requests and answers are signed with; nil: they are not
	File    string       // where the copy is kept; empty: there is none
}

// String names the source as diagnostics do, as in axfr://192.0.2.1/example.com.
func (s *Source) String() string { return URL(s.Primary, s.Zone) }

const dnsPort = 53

// URL is how a zone of a primary is written, without its key.
func URL(address netip.AddrPort, name zone.Name) string {
	host := address.Addr().String()
	if address.Addr().Is6() {
		host = "[" + host + "]"
	}
	if address.Port() != dnsPort {
		host += fmt.Sprintf(":%d", address.Port())
	}
	return "axfr://" + host + "/" + plainName(name)
}

func plainName(name zone.Name) string {
	if name.IsRoot() {
		return "."
	}
	return strings.TrimSuffix(name.String(), ".")
}

// maxFileName is how long the name of a file of a copy may be; those that are longer end in a
// checksum.
const maxFileName = 200

// FileIn gives the file of a folder in which the copy of a zone is kept. It goes by all that
// decides what is transferred, so that the copy from one primary is never compared with the
// serials of another one, and whoever sees its name knows where it came from.
func FileIn(folder string, address netip.AddrPort, name, key zone.Name) string {
	text := fmt.Sprintf("%s@%s", plainName(name), address.Addr())
	if address.Port() != dnsPort {
		text += fmt.Sprintf("#%d", address.Port())
	}
	if !key.IsZero() {
		text += "," + plainName(key)
	}
	text = escapeFile(text)
	if len(text) > maxFileName {
		sum := sha256.Sum256([]byte(text))
		text = fmt.Sprintf("%s-%x", text[:maxFileName-17], sum[:8])
	}
	return filepath.Join(folder, text+".zone")
}

// escapeFile writes as %XX what file names had better not have.
func escapeFile(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		switch {
		case 'a' <= c && c <= 'z', '0' <= c && c <= '9', strings.IndexByte(".-_@#,", c) >= 0:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// Limits bound what a primary may send, and when it is asked. The zero value of a field means the
// default.
type Limits struct {
	Records int           // of a transfer; 0 means 10,000,000
	Bytes   int           // of the messages of a transfer; 0 means 512 MiB
	Message time.Duration // until a message is there as a whole; 0 means 30 s
	Long    time.Duration // for a whole transfer; 0 means 1 h
	// IXFRFrom is the size of a copy from which on only what has changed is asked for; 0 means
	// 64 KiB. Smaller ones are transferred whole.
	IXFRFrom int64

	LeastRefresh, MostRefresh time.Duration // REFRESH is held within; 0 means 30 s and 1 day
	LeastRetry, MostRetry     time.Duration // RETRY is held within; 0 means 10 s and 1 h
	LeastExpire, MostExpire   time.Duration // EXPIRE is held within; 0 means 1 h and 1 year
	First                     time.Duration // until a zone is tried again of which there is no copy, twice as long each time up to MostFirst; 0 means 5 s
	MostFirst                 time.Duration // 0 means 5 min
	Apart                     time.Duration // between two checks that NOTIFY asks for; 0 means 500 ms
	Transfers                 int           // checks and transfers of one primary at once; 0 means 8
}

func (l Limits) filled() Limits {
	fill(&l.Records, 10_000_000)
	fill(&l.Bytes, 512<<20)
	fill(&l.Message, 30*time.Second)
	fill(&l.Long, time.Hour)
	fill(&l.IXFRFrom, 64<<10)
	fill(&l.LeastRefresh, 30*time.Second)
	fill(&l.MostRefresh, 24*time.Hour)
	fill(&l.LeastRetry, 10*time.Second)
	fill(&l.MostRetry, time.Hour)
	fill(&l.LeastExpire, time.Hour)
	fill(&l.MostExpire, 365*24*time.Hour)
	fill(&l.First, 5*time.Second)
	fill(&l.MostFirst, 5*time.Minute)
	fill(&l.Apart, 500*time.Millisecond)
	fill(&l.Transfers, 8)
	return l
}

func fill[T int | int64 | time.Duration](value *T, otherwise T) {
	if *value == 0 {
		*value = otherwise
	}
}

// Error is why a zone could not be checked or transferred. What was kept of it is as before.
type Error struct {
	Code diag.Code
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

func failure(code diag.Code, err error) *Error { return &Error{Code: code, Err: err} }

func broken(format string, args ...any) *Error {
	return failure(diag.CodePullBroken, fmt.Errorf(format, args...))
}

// refusal is what a primary says that does not give what it was asked for.
func refusal(rcode int, t *dns.TSIG) *Error {
	text := dns.RcodeToString[rcode]
	if text == "" {
		text = fmt.Sprintf("RCODE %d", rcode)
	}
	if t != nil && t.Error != 0 {
		return failure(diag.CodePullSignature, fmt.Errorf("it answers %s (%s)", text, dns.RcodeToString[int(t.Error)]))
	}
	return failure(diag.CodePullRefused, fmt.Errorf("it answers %s", text))
}
