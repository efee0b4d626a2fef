package compile

import (
	"bytes"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// readKnown reads what is remembered, one question a line:
//
//	TARGET TYPE ADDRESSES [ttl=300] [seen=1h] [earlier=ADDRESSES ...]
//	    [missing=OUTCOME,AGE,NEGATIVE-TTL[,confirmed]] [gone] [held=ADDRESSES/GUARD/TIMES/AGE[/accepted]]
//
// Addresses are joined by commas, - is none, and times are how long ago something was.
func readKnown(t *testing.T, path string, text []byte, now time.Time) map[resolve.Question]*resolve.Known {
	t.Helper()
	all := map[resolve.Question]*resolve.Known{}
	for line := range bytes.Lines(text) {
		fields := strings.Fields(string(line))
		if len(fields) == 0 {
			continue
		}
		if len(fields) < 3 {
			t.Fatalf("%s: known line %q", path, line)
		}
		q := resolve.Question{Target: zone.MustParseName(fields[0]), Type: dns.StringToType[fields[1]]}
		known := &resolve.Known{Addresses: readAddresses(t, fields[2]), TTL: 300, Resolver: "file:world.zone"}
		for _, f := range fields[3:] {
			key, value, _ := strings.Cut(f, "=")
			if err := setKnown(t, known, key, value, now); err != nil {
				t.Fatalf("%s: known line %q: %v", path, line, err)
			}
		}
		all[q] = known
	}
	if len(all) == 0 {
		t.Fatalf("%s: known is empty", path)
	}
	return all
}

func setKnown(t *testing.T, known *resolve.Known, key, value string, now time.Time) error {
	t.Helper()
	switch key {
	case "ttl":
		ttl, err := strconv.ParseUint(value, 10, 32)
		known.TTL = uint32(ttl)
		return err
	case "seen":
		known.Seen = ago(t, now, value)
	case "since":
		known.Since = ago(t, now, value)
	case "earlier":
		known.Earlier = append(known.Earlier, readAddresses(t, value))
	case "gone":
		known.Gone = true
	case "missing":
		p := strings.Split(value, ",")
		ttl, err := strconv.ParseUint(p[2], 10, 32)
		outcome := map[string]resolve.Outcome{"NODATA": resolve.NoData, "NXDOMAIN": resolve.NXDomain}[p[0]]
		known.Missing = resolve.Missing{Outcome: outcome, First: ago(t, now, p[1]), Last: ago(t, now, p[1]), NegativeTTL: uint32(ttl), Confirmed: len(p) > 3}
		return err
	case "held":
		p := strings.Split(value, "/")
		times, err := strconv.Atoi(p[2])
		known.Held = resolve.Held{Addresses: readAddresses(t, p[0]), Guard: p[1], Times: times, First: ago(t, now, p[3]), Last: ago(t, now, p[3]), Accepted: len(p) > 4}
		return err
	default:
		return fmt.Errorf("key %q is unknown", key)
	}
	return nil
}

func ago(t *testing.T, now time.Time, value string) time.Time {
	t.Helper()
	d, err := time.ParseDuration(value)
	if err != nil {
		t.Fatal(err)
	}
	return now.Add(-d)
}

func readAddresses(t *testing.T, text string) []netip.Addr {
	t.Helper()
	if text == "-" {
		return nil
	}
	var list []netip.Addr
	for word := range strings.SplitSeq(text, ",") {
		a, err := netip.ParseAddr(word)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, a)
	}
	return list
}

// knownText is the reverse of readKnown.
func knownText(all map[resolve.Question]*resolve.Known, now time.Time) []byte {
	var lines []string
	for q, known := range all {
		b := &strings.Builder{}
		fmt.Fprintf(b, "%s %s %s ttl=%d", q.Target, dns.Type(q.Type), addressList(known.Addresses), known.TTL)
		if !known.Seen.IsZero() {
			fmt.Fprintf(b, " seen=%s", now.Sub(known.Seen))
		}
		if !known.Since.IsZero() {
			fmt.Fprintf(b, " since=%s", now.Sub(known.Since))
		}
		for _, set := range known.Earlier {
			fmt.Fprintf(b, " earlier=%s", addressList(set))
		}
		if m := known.Missing; m.Outcome != 0 {
			fmt.Fprintf(b, " missing=%s,%s,%d", m.Outcome, now.Sub(m.First), m.NegativeTTL)
			if m.Confirmed {
				b.WriteString(",confirmed")
			}
		}
		if known.Gone {
			b.WriteString(" gone")
		}
		if h := known.Held; h.Times > 0 {
			fmt.Fprintf(b, " held=%s/%s/%d/%s", addressList(h.Addresses), h.Guard, h.Times, now.Sub(h.Last))
			if h.Accepted {
				b.WriteString("/accepted")
			}
		}
		lines = append(lines, b.String()+"\n")
	}
	slices.Sort(lines)
	return []byte(strings.Join(lines, ""))
}

func addressList(list []netip.Addr) string {
	if len(list) == 0 {
		return "-"
	}
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
	}
	return strings.Join(words, ",")
}
