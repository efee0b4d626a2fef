package resolve

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing/synctest"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// commandKind is what a script may say.
type commandKind struct {
	usage       string
	least, most int  // words behind the first; most 0 means any number
	expects     bool // it proves something
	block       bool // what it expects stands below it, and not in its last word
	run         func(*stage, *command) error
}

// commands is the language of scenarios. ADDR is an address of the network, where a server
// has port 53; NAME is absolute with or without the last dot; N may be a range, as 2, 2-5 or
// 2-, where chance or time has a part in it, and so may TIME.
var commands map[string]commandKind

func init() { //nolint:gochecknoinits // the table and what it calls refer to each other
	commands = map[string]commandKind{
		// The scenario is run once with each seed, from 1 on; what gets lost depends on it.
		"seeds": {usage: "seeds N", least: 1, most: 1, run: func(*stage, *command) error { return nil }},
		// A name server in the network, which answers from a world.
		"server": {usage: "server ADDR WORLD", least: 2, most: 2, run: (*stage).server},
		// The world of a server is another one from now on.
		"world": {usage: "world ADDR WORLD", least: 2, most: 2, run: (*stage).world},
		// The way to a server: latency=, jitter=, loss=, loss-to=, loss-from=, reorder=,
		// reorder-delay=, duplicate=, queue=, max-datagram=, black-hole, black-hole-udp,
		// black-hole-tcp, refuse, refuse-udp, refuse-tcp, reset-tcp; nothing makes it perfect.
		"link": {usage: "link ADDR|* [PROPERTY ...]", least: 1, run: (*stage).link},
		// A server goes wrong, as dnstest.ParseFault has it.
		"fault": {usage: "fault ADDR NAME|* TYPE|* FAULT", least: 4, run: (*stage).fault},
		// A server is right again.
		"right": {usage: "right ADDR", least: 1, most: 1, run: (*stage).right},
		// For each query N forged packets arrive before the reply, each with one field wrong.
		"forger": {usage: "forger N [id|name|type|class|case|qr|opcode ...]", least: 1, run: (*stage).forger},
		// The open TCP connections to a server are reset.
		"reset": {usage: "reset ADDR", least: 1, most: 1, run: (*stage).reset},
		// The resolver under test: a list of URLs, and query-timeout=, target-timeout=, rounds=,
		// sockets=, in-flight=, rate=; "probe" has the resolvers probed, "require-ad" takes only
		// what they have validated.
		"client": {usage: "client URL ... [OPTION=VALUE ...]", least: 1, run: (*stage).newClient},
		// The time for the lookups that follow ends so long from now.
		"run-timeout": {usage: "run-timeout TIME", least: 1, most: 1, run: (*stage).runTimeout},
		"wait":        {usage: "wait TIME", least: 1, most: 1, run: (*stage).wait},
		// One lookup, and what it comes to; see answerFacts.
		"lookup": {usage: "lookup NAME TYPE", least: 2, most: 2, expects: true, block: true, run: (*stage).lookup},
		// The same in two parts, with other commands in between.
		"begin":  {usage: "begin NAME TYPE", least: 2, most: 2, run: (*stage).begin},
		"answer": {usage: "answer NAME TYPE", least: 2, most: 2, expects: true, block: true, run: (*stage).answer},
		// One lookup that a second resolver has to confirm; what it took is both together.
		"confirm": {usage: "confirm NAME TYPE", least: 2, most: 2, expects: true, block: true, run: (*stage).confirm},
		// Many lookups at once, of names in which %d is 1 to N; see countAnswers.
		"lookups": {
			usage: "lookups n=N NAME TYPE,TYPE [in-flight=N] [cancel=TIME] [close=TIME]",
			least: 3, expects: true, block: true, run: (*stage).lookups,
		},
		// The lookups under way are called off.
		"cancel": {usage: "cancel", run: (*stage).cancelAll},
		// The client is closed, which takes no time worth mentioning.
		"close": {usage: "close", run: (*stage).close},
		// How many questions a server got so far.
		"asked": {usage: "asked ADDR NAME|* TYPE|* [udp|tcp] N", least: 4, most: 5, expects: true, run: (*stage).asked},
		// The questions a server got so far, one a line, in order.
		"queries": {usage: "queries ADDR", least: 1, most: 1, expects: true, block: true, run: (*stage).queries},
		// The most questions that a server got within some time.
		"peak": {usage: "peak ADDR TIME N", least: 3, most: 3, expects: true, run: (*stage).peak},
		// The client's sockets: how many are open or were opened, how many ports they had, how
		// many queries the busiest one carried, how many replies they had no room for, how many
		// forged packets they got.
		"sockets": {
			usage: "sockets ADDR|* udp|tcp open|opened|ports|most-queries|overflowed|forged N",
			least: 4, most: 4, expects: true, run: (*stage).sockets,
		},
	}
}

func address53(addr string) (string, error) {
	a, err := netip.ParseAddr(addr)
	return netip.AddrPortFrom(a, dnsPort).String(), err
}

func (st *stage) serverAt(addr string) (*dnstest.Server, string, error) {
	address, err := address53(addr)
	if err == nil && st.servers[address] == nil {
		err = fmt.Errorf("no server at %s", addr)
	}
	return st.servers[address], address, err
}

func (st *stage) server(c *command) error {
	address, err := address53(c.words[1])
	if err != nil {
		return err
	}
	if st.servers[address] != nil {
		return fmt.Errorf("there is a server at %s", c.words[1])
	}
	s := st.network.Start(st.t, address, "")
	st.servers[address] = s
	return st.setWorld(s, c.words[2])
}

func (st *stage) world(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err != nil {
		return err
	}
	return st.setWorld(s, c.words[2])
}

func (st *stage) setWorld(s *dnstest.Server, name string) error {
	text, ok := st.scenario.worlds[name]
	if !ok {
		return fmt.Errorf("no world %q", name)
	}
	return s.SetWorld(text)
}

func (st *stage) link(c *command) error {
	address := ""
	if c.words[1] != "*" {
		var err error
		if _, address, err = st.serverAt(c.words[1]); err != nil {
			return err
		}
	}
	var l dnstest.Link
	for _, word := range c.words[2:] {
		if err := setProperty(&l, word); err != nil {
			return err
		}
	}
	st.network.SetLink(address, l)
	return nil
}

func setProperty(l *dnstest.Link, word string) error {
	name, value, _ := strings.Cut(word, "=")
	var err error
	switch name {
	case "latency":
		l.Latency, err = time.ParseDuration(value)
	case "jitter":
		l.Jitter, err = time.ParseDuration(value)
	case "loss":
		l.LossTo, err = strconv.ParseFloat(value, 64)
		l.LossFrom = l.LossTo
	case "loss-to":
		l.LossTo, err = strconv.ParseFloat(value, 64)
	case "loss-from":
		l.LossFrom, err = strconv.ParseFloat(value, 64)
	case "reorder":
		l.Reorder, err = strconv.ParseFloat(value, 64)
	case "reorder-delay":
		l.ReorderDelay, err = time.ParseDuration(value)
	case "duplicate":
		l.Duplicate, err = strconv.ParseFloat(value, 64)
	case "queue":
		l.Queue, err = strconv.Atoi(value)
	case "max-datagram":
		l.MaxDatagram, err = strconv.Atoi(value)
	case "black-hole":
		l.BlackHoleUDP, l.BlackHoleTCP = true, true
	case "black-hole-udp":
		l.BlackHoleUDP = true
	case "black-hole-tcp":
		l.BlackHoleTCP = true
	case "refuse":
		l.RefuseUDP, l.RefuseTCP = true, true
	case "refuse-udp":
		l.RefuseUDP = true
	case "refuse-tcp":
		l.RefuseTCP = true
	case "reset-tcp":
		l.ResetTCP = true
	default:
		err = fmt.Errorf("unknown property %q of a link", name)
	}
	return err
}

// parseWhat reads NAME|* and TYPE|*, as "" and 0 for all.
func parseWhat(name, qtype string) (string, uint16, error) {
	if name == "*" {
		name = ""
	} else {
		n, err := zone.ParseName(name, zone.Root)
		if err != nil {
			return "", 0, err
		}
		name = n.String()
	}
	t, ok := dns.StringToType[qtype]
	if !ok && qtype != "*" {
		return "", 0, fmt.Errorf("unknown type %q", qtype)
	}
	return name, t, nil
}

func (st *stage) fault(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err != nil {
		return err
	}
	name, qtype, err := parseWhat(c.words[2], c.words[3])
	if err != nil {
		return err
	}
	f, err := dnstest.ParseFault(strings.Join(c.words[4:], " "))
	if err != nil {
		return err
	}
	s.Fault(name, qtype, f)
	st.faults = append(st.faults, scriptedFault{c, s, name, qtype})
	return nil
}

func (st *stage) right(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err == nil {
		s.ClearFaults()
	}
	return err
}

var forgedFields = map[string]dnstest.Field{
	"id": dnstest.ForgedID, "name": dnstest.ForgedName, "type": dnstest.ForgedType, "class": dnstest.ForgedClass,
	"case": dnstest.ForgedCase, "qr": dnstest.ForgedQR, "opcode": dnstest.ForgedOpcode,
}

func (st *stage) forger(c *command) error {
	n, err := strconv.Atoi(c.words[1])
	if err != nil {
		return err
	}
	f := dnstest.Forger{Count: n}
	for _, word := range c.words[2:] {
		field, ok := forgedFields[word]
		if !ok {
			return fmt.Errorf("unknown field %q", word)
		}
		f.Fields = append(f.Fields, field)
	}
	st.network.Forge(f)
	return nil
}

func (st *stage) reset(c *command) error {
	_, address, err := st.serverAt(c.words[1])
	if err == nil {
		st.network.Reset(address)
		synctest.Wait()
	}
	return err
}

func (st *stage) newClient(c *command) error {
	if st.client != nil {
		if err := st.closeClient(); err != nil {
			return err
		}
	}
	opts := Options{KeepAttempts: true}
	var urls []string
	for _, word := range c.words[1:] {
		name, value, isOption := strings.Cut(word, "=")
		var err error
		switch {
		case word == "probe":
			opts.Probe = true
		case word == "require-ad":
			opts.RequireAD = true
		case !isOption:
			urls = append(urls, word)
		case name == "query-timeout":
			opts.QueryTimeout, err = time.ParseDuration(value)
		case name == "target-timeout":
			opts.TargetTimeout, err = time.ParseDuration(value)
		case name == "rounds":
			opts.Rounds, err = strconv.Atoi(value)
		case name == "sockets":
			opts.Sockets, err = strconv.Atoi(value)
		case name == "in-flight":
			opts.InFlight, err = strconv.Atoi(value)
		case name == "rate":
			opts.Rate, err = strconv.ParseFloat(value, 64)
		default:
			err = fmt.Errorf("unknown option %q", name)
		}
		if err != nil {
			return err
		}
	}
	return st.open(urls, opts)
}

func (st *stage) runTimeout(c *command) error {
	d, err := time.ParseDuration(c.words[1])
	if err == nil {
		st.cancel()
		st.ctx, st.cancel = context.WithTimeout(st.t.Context(), d)
	}
	return err
}

func (st *stage) wait(c *command) error {
	d, err := time.ParseDuration(c.words[1])
	if err == nil {
		time.Sleep(d)
		synctest.Wait()
	}
	return err
}

func parseQuestion(name, qtype string) (Question, error) {
	n, err := zone.ParseName(name, zone.Root)
	if err != nil {
		return Question{}, err
	}
	t := dns.StringToType[qtype]
	if t != dns.TypeA && t != dns.TypeAAAA {
		return Question{}, fmt.Errorf("type %q is neither A nor AAAA", qtype)
	}
	return Question{Target: n, Type: t}, nil
}

func (st *stage) lookup(c *command) error {
	if err := st.begin(c); err != nil {
		return err
	}
	return st.answer(c)
}

// begun is a lookup under way.
type begun struct {
	question Question
	at       time.Time
	got      chan gotAnswer
	told     atomic.Int32
}

type gotAnswer struct {
	answer Answer
	at     time.Time
}

func (st *stage) begin(c *command) error {
	q, err := parseQuestion(c.words[1], c.words[2])
	if err != nil {
		return err
	}
	if st.client == nil {
		return errNoClient
	}
	b := &begun{question: q, at: time.Now(), got: make(chan gotAnswer, 9)}
	st.begun = append(st.begun, b)
	st.client.Start(st.ctx, q.Target, q.Type, func(a Answer) {
		b.told.Add(1)
		b.got <- gotAnswer{a, time.Now()}
	})
	st.client.Flush()
	return nil
}

// lookupsEnd is far behind any timeout: a lookup that has no answer by then never gets one.
const lookupsEnd = time.Hour

func (st *stage) answer(c *command) error {
	q, err := parseQuestion(c.words[1], c.words[2])
	if err != nil {
		return err
	}
	i := slices.IndexFunc(st.begun, func(b *begun) bool { return b.question == q })
	if i < 0 {
		return fmt.Errorf("no lookup of %s %s is under way", c.words[1], c.words[2])
	}
	b := st.begun[i]
	st.begun = slices.Delete(st.begun, i, i+1)
	timer := time.NewTimer(lookupsEnd)
	defer timer.Stop()
	var got gotAnswer
	select {
	case got = <-b.got:
	case <-timer.C:
		return fmt.Errorf("no answer within %s", lookupsEnd)
	}
	synctest.Wait()
	st.ended = append(st.ended, b)
	wrong, block := compare(answerFacts(&got.answer, got.at.Sub(b.at)), c.expect)
	st.expected(c, wrong, block)
	return nil
}

func (st *stage) confirm(c *command) error {
	q, err := parseQuestion(c.words[1], c.words[2])
	if err != nil {
		return err
	}
	if st.client == nil {
		return errNoClient
	}
	began := time.Now()
	a := st.client.Confirm(st.ctx, st.client.Lookup(st.ctx, q.Target, q.Type))
	took := time.Since(began)
	synctest.Wait()
	wrong, block := compare(answerFacts(&a, took), c.expect)
	st.expected(c, wrong, block)
	return nil
}

func (st *stage) cancelAll(*command) error {
	st.cancel()
	st.ctx, st.cancel = context.WithCancel(st.t.Context())
	return nil
}

func (st *stage) close(*command) error {
	if st.client == nil {
		return errNoClient
	}
	return st.closeClient()
}

func (st *stage) asked(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err != nil {
		return err
	}
	name, qtype, err := parseWhat(c.words[2], c.words[3])
	if err != nil {
		return err
	}
	transport := ""
	if len(c.words) == 6 {
		transport = c.words[4]
	}
	return st.number(c, countQueries(s, name, qtype, transport))
}

func countQueries(s *dnstest.Server, name string, qtype uint16, transport string) int {
	n := 0
	for _, q := range s.Queries() {
		if (name == "" || dns.CanonicalName(q.Name) == name) && (qtype == 0 || q.Type == qtype) &&
			(transport == "" || q.Transport == transport) {
			n++
		}
	}
	return n
}

func (st *stage) queries(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err != nil {
		return err
	}
	var facts []fact
	for _, q := range s.Queries() {
		text := fmt.Sprintf("%s %s", dns.CanonicalName(q.Name), dns.TypeToString[q.Type])
		if q.RD {
			text += " rd"
		}
		if q.EDNS {
			text += fmt.Sprintf(" edns=%d", q.UDPSize)
		}
		if q.Cookie != nil {
			text += fmt.Sprintf(" cookie=%d", len(q.Cookie))
		}
		facts = append(facts, fact{kind: q.Transport, text: text, always: true})
	}
	// The order counts across transports, so each line is compared as a whole.
	for i := range facts {
		facts[i] = fact{kind: "query", text: facts[i].line(), always: true}
	}
	wrong, block := compare(facts, c.expect)
	st.expected(c, wrong, block)
	return nil
}

func (st *stage) peak(c *command) error {
	s, _, err := st.serverAt(c.words[1])
	if err != nil {
		return err
	}
	window, err := time.ParseDuration(c.words[2])
	if err != nil {
		return err
	}
	return st.number(c, s.Peak(window))
}

func (st *stage) sockets(c *command) error {
	var address string
	if c.words[1] != "*" {
		var err error
		if _, address, err = st.serverAt(c.words[1]); err != nil {
			return err
		}
	}
	n := 0
	ports := map[uint16]bool{}
	for _, conn := range st.network.Conns() {
		if conn.Network != c.words[2] || address != "" && conn.RemoteAddr.String() != address {
			continue
		}
		switch c.words[3] {
		case "open":
			if conn.Open {
				n++
			}
		case "opened":
			n++
		case "ports":
			ports[conn.LocalAddr.Port()] = true
			n = len(ports)
		case "most-queries":
			n = max(n, conn.Queries)
		case "overflowed":
			n += conn.Overflowed
		case "forged":
			n += conn.Forged
		default:
			return fmt.Errorf("unknown word %q", c.words[3])
		}
	}
	return st.number(c, n)
}
