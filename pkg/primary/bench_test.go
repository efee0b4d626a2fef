package primary

import (
	"bytes"
	"encoding/binary"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
	"github.com/aliasflat/aliasflat/pkg/internal/zonegen"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// benchRecords is how many records the zone of the benchmarks has.
const benchRecords = 1_000_000

func benchText(b *testing.B) []byte {
	b.Helper()
	var text bytes.Buffer
	if err := zonegen.Plain(&text, benchRecords, benchRecords/1000); err != nil {
		b.Fatal(err)
	}
	return text.Bytes()
}

func benchZone(b *testing.B, text []byte) *Zone {
	b.Helper()
	read := zonefile.Summarize("zone", text, zonefile.Options{Origin: example})
	builder := NewBuilder(example)
	builder.Grow(read.Count)
	read.EachRecord(func(owner []byte, typ uint16, ttl uint32, rdata []byte) {
		if err := builder.Add(owner, typ, ttl, rdata); err != nil {
			b.Fatal(err)
		}
	})
	z, err := builder.Zone()
	if err != nil {
		b.Fatal(err)
	}
	return z
}

// drain transfers a zone, and counts what comes until the SOA stands there again.
func drain(b *testing.B, addr string, request []byte, records int) (octets int) {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(request))), request...)); err != nil {
		b.Fatal(err)
	}
	buf := make([]byte, 2+1<<16)
	for records > 0 {
		if _, err := io.ReadFull(c, buf[:2]); err != nil {
			b.Fatal(err)
		}
		m := buf[2 : 2+binary.BigEndian.Uint16(buf)]
		if _, err := io.ReadFull(c, m); err != nil {
			b.Fatal(err)
		}
		if m[3]&15 != 0 {
			b.Fatalf("it answers %s", dns.RcodeToString[int(m[3]&15)])
		}
		records -= int(binary.BigEndian.Uint16(m[6:]))
		octets += len(m)
	}
	return octets
}

// BenchmarkTransfer is AXFR of a large zone to a client that drains it, from this server, without
// a signature and with one, and from others that have the same zone.
func BenchmarkTransfer(b *testing.B) {
	text := benchText(b)
	file := filepath.Join(b.TempDir(), "zone")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	z := benchZone(b, text)
	records := z.Records() + 1
	st := setup(b, example)
	st.Zones[0].Access = append(st.Zones[0].Access, Access{From: loop, Unsigned: true})
	s := start(b, Options{}, st)
	s.publish(b, z)
	unsigned, err := axfr(example).Pack()
	if err != nil {
		b.Fatal(err)
	}
	k := testKey(b)
	signed, _, err := dns.TsigGenerateWithProvider(sign(axfr(example)), keyring{k.Name: &k}, "", false)
	if err != nil {
		b.Fatal(err)
	}
	zones := map[string]string{"example.com": file}
	named, knot, nsd := judge.StartNamed(b, zones), judge.StartKnot(b, zones), judge.StartNSD(b, zones)
	for _, server := range []*judge.Server{named, knot, nsd} {
		loaded(b, server)
	}
	for _, c := range []struct {
		name, addr string
		request    []byte
	}{
		{"primary", s.addr, unsigned},
		{"primary-tsig", s.addr, signed},
		{"named", named.Addr, unsigned},
		{"knotd", knot.Addr, unsigned},
		{"nsd", nsd.Addr, unsigned},
	} {
		b.Run(c.name, func(b *testing.B) {
			octets := 0
			for b.Loop() {
				octets = drain(b, c.addr, c.request, records)
			}
			b.ReportMetric(float64(octets)/float64(records), "B/record")
			b.ReportMetric(float64(records)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
		})
	}
}

// loaded waits until a server has the zone, which takes a while.
func loaded(b *testing.B, server *judge.Server) {
	b.Helper()
	ticker := time.NewTicker(200 * time.Millisecond)
	defer ticker.Stop()
	for range 1500 {
		answer, err := dns.Exchange(new(dns.Msg).SetQuestion("example.com.", dns.TypeSOA), server.Addr)
		if err == nil && answer.Rcode == dns.RcodeSuccess && len(answer.Answer) > 0 {
			return
		}
		<-ticker.C
	}
	b.Fatalf("%s does not load the zone", server.Name)
}

// BenchmarkIncremental is IXFR after one changed RRset, in zones of two sizes, and what it costs
// to publish that.
func BenchmarkIncremental(b *testing.B) {
	text := benchText(b)
	small := text[:bytes.LastIndexByte(text[:len(text)/100], '\n')+1]
	for name, text := range map[string][]byte{"large": text, "small": small} {
		z := benchZone(b, text)
		next := func(z *Zone, i int) *Zone {
			set := RRset{Owner: []byte(zone.MustParseName("www.example.com").Wire()), Type: dns.TypeA, TTL: 60, RDATA: [][]byte{[]byte("\xc0\x00\x02" + string(rune(i%100)))}}
			latest, err := z.Replace(z.Serial().Next(), []RRset{set})
			if err != nil {
				b.Fatal(err)
			}
			return latest
		}
		s := start(b, Options{}, setup(b, example))
		s.publish(b, z)
		b.Run(name+"/publish", func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				z = next(z, i)
				s.publish(b, z)
			}
		})
		k := testKey(b)
		b.Run(name+"/transfer", func(b *testing.B) {
			octets := 0
			for b.Loop() {
				m := sign(ixfr(example, uint32(z.Serial()-1)))
				request, _, err := dns.TsigGenerateWithProvider(m, keyring{k.Name: &k}, "", false)
				if err != nil {
					b.Fatal(err)
				}
				octets = drain(b, s.addr, request, 5)
			}
			b.ReportMetric(float64(octets), "B/transfer")
		})
		s.stop()
	}
}

// BenchmarkMemory is what a zone takes beside its text.
func BenchmarkMemory(b *testing.B) {
	text := benchText(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	var z *Zone
	for b.Loop() {
		z = benchZone(b, text)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	b.ReportMetric((float64(after.HeapAlloc)-float64(before.HeapAlloc))/float64(z.Records()), "heap-B/record")
	b.ReportMetric(float64(len(z.messages)), "messages")
	runtime.KeepAlive(text)
}
