package zonefile

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/miekg/dns"
)

const flattenedOutput = `$ORIGIN example.com.
@ 300 IN SOA ns1 hostmaster 1 7200 900 1209600 300
; ALIAS cdn.example.net.
example.com. 60 IN A 198.51.100.1
example.com. 60 IN A 198.51.100.2
example.com. 60 IN AAAA 2001:db8::1
www 300 IN A 192.0.2.9
; ALIAS gone.example.net. of off.example.com. has no addresses
; ALIAS two.example.net. ; the author's ; ALIAS words
a\032b.example.com. 30 IN A 198.51.100.3
next.example.com. 30 IN A 192.0.2.4
; ALIAS relative
x.example.com. 30 IN A 192.0.2.5
; ALIAS merged.example.net. and 192.0.2.7, 2001:db8::7 ; the author's words
merged.example.com. 30 IN A 192.0.2.7
merged.example.com. 30 IN A 198.51.100.8
merged.example.com. 30 IN AAAA 2001:db8::7
; ALIAS three.example.net.
; ALIAS four.example.net.
four.example.com. 30 IN A 198.51.100.4
; ALIAS raised.example.net. ttl-min=300 and 192.0.2.8 ; ttl-min=900
raised.example.com. 300 IN A 192.0.2.8
raised.example.com. 200 IN A 198.51.100.5
raised.example.com. 301 IN AAAA 2001:db8::5
; ALIAS odd.example.net. ttl-min=5000000000
odd.example.com. 60 IN A 198.51.100.6
`

func flattenedOf(t *testing.T, r io.Reader) string {
	t.Helper()
	var b strings.Builder
	err := FindFlattened(r, func(f Flattened) {
		fmt.Fprintf(&b, "%s %s %s %d %s", f.Owner, f.Target, dns.Type(f.Type), f.TTL, f.Address)
		if f.Raised {
			b.WriteString(" raised")
		}
		if f.Own {
			b.WriteString(" own")
		}
		b.WriteByte('\n')
		if !strings.Contains(flattenedOutput, "\n"+f.Comment+"\n") || !strings.Contains(f.Comment, f.Target.String()) {
			t.Errorf("%s %s: the comment is %q", f.Owner, f.Target, f.Comment)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestFindFlattened(t *testing.T) {
	const want = `example.com. cdn.example.net. A 60 198.51.100.1
example.com. cdn.example.net. A 60 198.51.100.2
example.com. cdn.example.net. AAAA 60 2001:db8::1
off.example.com. gone.example.net. None 0 invalid IP
a\032b.example.com. two.example.net. A 30 198.51.100.3
merged.example.com. merged.example.net. A 30 192.0.2.7 own
merged.example.com. merged.example.net. A 30 198.51.100.8
merged.example.com. merged.example.net. AAAA 30 2001:db8::7 own
four.example.com. four.example.net. A 30 198.51.100.4
raised.example.com. raised.example.net. A 300 192.0.2.8 raised own
raised.example.com. raised.example.net. A 200 198.51.100.5 raised
raised.example.com. raised.example.net. AAAA 301 2001:db8::5
odd.example.com. odd.example.net. A 60 198.51.100.6
`
	filler := strings.Repeat("filler 300 IN TXT \"; ALIAS no.example.net.\"\n", flattenedChunk/32)
	for name, text := range map[string]string{
		"unix":  flattenedOutput,
		"dos":   strings.ReplaceAll(flattenedOutput, "\n", "\r\n"),
		"cut":   strings.TrimSuffix(flattenedOutput, "\n"),
		"long":  filler + flattenedOutput + filler,
		"first": strings.TrimPrefix(flattenedOutput, flattenedOutput[:strings.Index(flattenedOutput, "; ALIAS")]),
	} {
		if got := flattenedOf(t, strings.NewReader(text)); got != want {
			t.Errorf("%s:\n%s", name, got)
		}
		if got := flattenedOf(t, iotest.HalfReader(iotest.DataErrReader(strings.NewReader(text)))); got != want {
			t.Errorf("%s, in pieces:\n%s", name, got)
		}
	}
	if got := flattenedOf(t, iotest.OneByteReader(strings.NewReader(flattenedOutput))); got != want {
		t.Errorf("byte by byte:\n%s", got)
	}
	if err := FindFlattened(iotest.ErrReader(io.ErrUnexpectedEOF), func(Flattened) {}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("an error of the file gives %v", err)
	}
}

// TestFindFlattenedLong finds a block that is longer than what is read at once.
func TestFindFlattenedLong(t *testing.T) {
	line := "example.com. 60 IN A 198.51.100.1\n"
	n := 3*flattenedChunk/len(line) + 1
	text := "; ALIAS cdn.example.net.\n" + strings.Repeat(line, n) + "x 60 IN A 192.0.2.1\n"
	got := 0
	if err := FindFlattened(strings.NewReader(text), func(Flattened) { got++ }); err != nil || got != n {
		t.Errorf("%d of %d records, %v", got, n, err)
	}
}
