package resolve

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// fact is one thing that can be expected of an answer, on a line of its own. Several facts
// of a kind come in an order that counts.
type fact struct {
	kind   string
	text   string // behind the kind
	always bool   // has to be expected; others are looked at where the script asks for them
}

func (f fact) line() string { return strings.TrimSpace(f.kind + " " + f.text) }

// answerFacts is all that a script may expect of an answer:
//
//	addresses A B ...                   one of these five is always there
//	NODATA, weak NODATA, NXDOMAIN
//	failure REASON
//	detail TEXT                         of a failure, or of a disagreement
//	ttl N, negative-ttl N               where it is not 0
//	link OWNER TYPE TARGET TTL          for each link of the chain
//	stale                               EDE 3
//	confirmed                           by a second resolver
//	by URL                              whose word it is
//	took TIME                           only looked at where it is expected, as all below
//	attempts N
//	attempt TRANSPORT URL NAME TYPE RCODE [WHY NOT USED]
func answerFacts(a *Answer, took time.Duration) []fact {
	var facts []fact
	add := func(kind, text string) { facts = append(facts, fact{kind, text, true}) }
	switch a.Outcome {
	case Addresses:
		add("addresses", joinAddrs(a.Addresses))
		add("ttl", strconv.Itoa(int(a.TTL)))
	case WeakNoData:
		add("weak", "NODATA")
	case NoData, NXDomain:
		add(a.Outcome.String(), "")
		add("negative-ttl", strconv.Itoa(int(a.NegativeTTL)))
	case Failure:
		add("failure", a.Reason.String())
	}
	if a.Detail != "" {
		add("detail", a.Detail)
	}
	for _, l := range a.Chain {
		add("link", fmt.Sprintf("%s %s %s %d", l.Owner, dns.TypeToString[l.Type], l.Target, l.TTL))
	}
	if a.Stale {
		add("stale", "")
	}
	if a.Confirmed {
		add("confirmed", "")
	}
	if a.Resolver != "" {
		add("by", a.Resolver)
	}
	facts = append(facts, fact{kind: "took", text: took.String()}, fact{kind: "attempts", text: strconv.Itoa(len(a.Attempts))})
	for _, at := range a.Attempts {
		rcode := "silence"
		if at.Rcode >= 0 {
			rcode = rcodeName(at.Rcode)
		}
		text := fmt.Sprintf("%s %s %s %s %s%s %s", at.Transport, at.Resolver, at.Name, dns.TypeToString[at.Type], rcode, edeOf(at), at.Err)
		facts = append(facts, fact{kind: "attempt", text: strings.TrimSpace(text)})
	}
	return facts
}

func joinAddrs(addrs []netip.Addr) string {
	texts := make([]string, len(addrs))
	for i, a := range addrs {
		texts[i] = a.String()
	}
	return strings.Join(texts, " ")
}

// compare holds facts against what is expected. It gives what is wrong, and the block of
// expectations that would be right: ranges stay as they are, and so does time.
func compare(facts []fact, expect []string) (wrong, block []string) {
	want := map[string][]string{}
	for _, text := range expect {
		kind, rest, _ := strings.Cut(text, " ")
		want[kind] = append(want[kind], rest)
	}
	var kinds []string
	got := map[string][]fact{}
	for _, f := range facts {
		if got[f.kind] == nil {
			kinds = append(kinds, f.kind)
		}
		got[f.kind] = append(got[f.kind], f)
	}
	for _, kind := range kinds {
		if want[kind] == nil && !got[kind][0].always {
			continue
		}
		same := len(want[kind]) == len(got[kind])
		for i := 0; same && i < len(got[kind]); i++ {
			same = fits(got[kind][i].text, want[kind][i])
		}
		keep := same || kind == "took" || slices.ContainsFunc(want[kind], isRange)
		for _, f := range got[kind] {
			if !same {
				wrong = append(wrong, "got  "+f.line())
			}
			if !keep {
				block = append(block, f.line())
			}
		}
		for _, text := range want[kind] {
			if !same {
				wrong = append(wrong, "want "+fact{kind: kind, text: text}.line())
			}
			if keep {
				block = append(block, fact{kind: kind, text: text}.line())
			}
		}
	}
	for _, text := range expect {
		if kind, _, _ := strings.Cut(text, " "); got[kind] == nil {
			wrong = append(wrong, "want "+text)
		}
	}
	return wrong, block
}

// fits tells whether a text is the one expected, or one of several with | between them, or
// lies in the range expected.
func fits(got, want string) bool {
	if slices.Contains(strings.Split(want, "|"), got) {
		return true
	}
	if n, err := strconv.Atoi(got); err == nil {
		s, err := parseSpan(want)
		return err == nil && s.holds(n)
	}
	if d, err := time.ParseDuration(got); err == nil {
		s, err := parseTime(want)
		return err == nil && s.holds(d)
	}
	return false
}

// compareCounts does the same for numbers of things by kind; kinds beginning with a word in
// optional are looked at only where they are expected.
func compareCounts(counts map[string]int, expect []string, optional ...string) (wrong, block []string) {
	seen := map[string]bool{}
	for _, text := range expect {
		at := max(strings.LastIndexByte(text, ' '), 0)
		kind := text[:at]
		seen[kind] = true
		s, err := parseSpan(strings.TrimSpace(text[at:]))
		switch {
		case err == nil && s.holds(counts[kind]):
			block = append(block, text)
			continue
		case err == nil && s.least != s.most:
			block = append(block, text)
		case counts[kind] != 0:
			block = append(block, fmt.Sprintf("%s %d", kind, counts[kind]))
		}
		wrong = append(wrong, fmt.Sprintf("got  %s %d", kind, counts[kind]), "want "+text)
	}
	for _, kind := range slices.Sorted(maps.Keys(counts)) {
		first, _, _ := strings.Cut(kind, " ")
		if seen[kind] || counts[kind] == 0 || slices.Contains(optional, first) {
			continue
		}
		text := fmt.Sprintf("%s %d", kind, counts[kind])
		block = append(block, text)
		wrong = append(wrong, "got  "+text)
	}
	return wrong, block
}

// edeOf is the extended errors of an attempt as they stand behind its rcode.
func edeOf(a Attempt) string { return (&message{ede: a.EDE}).edeText() }
