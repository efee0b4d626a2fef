package resolve

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
)

var errNoClient = errors.New("there is no client")

// stage is one run of a scenario, in a bubble of its own.
type stage struct {
	t        *testing.T
	scenario *scenario
	network  *dnstest.Network
	servers  map[string]*dnstest.Server // by IP:port
	faults   []scriptedFault
	client   *Client
	ctx      context.Context //nolint:containedctx // what "cancel" ends; it lives as long as the stage
	cancel   context.CancelFunc
	begun    []*begun
	ended    []*begun

	problems []string
	blocks   map[int][]string // expectations that would be right, by index of the command
	current  int              // index of the command
}

// scriptedFault is a fault, to be sure that something met it.
type scriptedFault struct {
	command *command
	server  *dnstest.Server
	name    string
	qtype   uint16
}

// perform runs a scenario in the bubble it is called in, and gives what went against the
// expectations and the blocks of expectations that would be right.
func perform(t *testing.T, s *scenario, seed uint64) (problems []string, blocks map[int][]string) {
	t.Helper()
	st := &stage{
		t: t, scenario: s, network: dnstest.NewNetwork(seed),
		servers: map[string]*dnstest.Server{}, blocks: map[int][]string{},
	}
	st.ctx, st.cancel = context.WithCancel(t.Context())
	for i := range s.commands {
		c := &s.commands[i]
		st.current = i
		if err := commands[c.words[0]].run(st, c); err != nil {
			st.problem(c.line, err.Error())
			break // what follows has lost its ground
		}
	}
	st.end()
	return st.problems, st.blocks
}

func (st *stage) problem(line int, text string) {
	st.problems = append(st.problems, st.scenario.errorf(line, "%s", text).Error())
}

// end closes what is left and looks for what should not be there.
func (st *stage) end() {
	st.cancel()
	last := st.scenario.commands[len(st.scenario.commands)-1].line
	if st.client != nil {
		if err := st.closeClient(); err != nil {
			st.problem(last, err.Error())
		}
	}
	synctest.Wait()
	for _, b := range st.begun {
		st.problem(last, "nothing is expected of the lookup of "+b.question.Target.String())
	}
	for _, b := range slices.Concat(st.begun, st.ended) {
		if n := b.told.Load(); n != 1 {
			st.problem(last, fmt.Sprintf("the lookup of %s was answered %d times", b.question.Target, n))
		}
	}
	for _, conn := range st.network.Conns() {
		if conn.Open {
			st.problem(last, fmt.Sprintf("a %s socket to %s is left open", conn.Network, conn.RemoteAddr))
		}
	}
	if len(st.problems) > 0 {
		return
	}
	for _, f := range st.faults {
		if countQueries(f.server, f.name, f.qtype, "") == 0 {
			st.problem(f.command.line, "nothing met this fault")
		}
	}
}

// open makes the client. It dials as the system does: for so long as a query may take.
func (st *stage) open(urls []string, opts Options) error {
	timeout := opts.withDefaults().QueryTimeout
	opts.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		return st.network.Dial(ctx, network, address)
	}
	c, err := New(urls, opts)
	st.client = c
	return err
}

// closeTime is how long Close may take: nobody waits for a server.
const closeTime = 200 * time.Millisecond

func (st *stage) closeClient() error {
	began := time.Now()
	st.client.Close()
	if took := time.Since(began); took > closeTime {
		return fmt.Errorf("closing the client took %s", took)
	}
	return nil
}

// number compares a number with the last word of a command.
func (st *stage) number(c *command, n int) error {
	want := c.words[len(c.words)-1]
	s, err := parseSpan(want)
	if err != nil {
		return err
	}
	if !s.holds(n) {
		st.problem(c.line, fmt.Sprintf("got %d, want %s", n, want))
		if s.least == s.most {
			st.blocks[st.current] = []string{strconv.Itoa(n)}
		}
	}
	return nil
}

// expected takes note of what was wrong.
func (st *stage) expected(c *command, wrong, block []string) {
	switch {
	case len(c.expect) == 0:
		st.problem(c.line, "nothing is expected of this")
	case len(wrong) > 0:
		st.problem(c.line, strings.Join(append([]string{c.text}, wrong...), "\n    "))
	}
	st.blocks[st.current] = block
}

// lookups runs many at once through All.
func (st *stage) lookups(c *command) error {
	if st.client == nil {
		return errNoClient
	}
	n, inFlight := 0, 0
	var questions []Question
	for _, word := range c.words[1:] {
		name, value, isOption := strings.Cut(word, "=")
		var err error
		switch {
		case !isOption:
		case name == "n":
			n, err = strconv.Atoi(value)
		case name == "in-flight":
			inFlight, err = strconv.Atoi(value)
		case name == "cancel", name == "close":
			var after time.Duration
			after, err = time.ParseDuration(value)
			end := st.cancel
			if name == "close" {
				end = func() { st.client.Close() }
			}
			timer := time.AfterFunc(after, end)
			defer timer.Stop()
		default:
			err = fmt.Errorf("unknown option %q", name)
		}
		if err != nil {
			return err
		}
	}
	for i := range n {
		for qtype := range strings.SplitSeq(c.words[3], ",") {
			q, err := parseQuestion(strings.ReplaceAll(c.words[2], "%d", strconv.Itoa(i+1)), qtype)
			if err != nil {
				return err
			}
			questions = append(questions, q)
		}
	}
	if len(questions) == 0 {
		return fmt.Errorf("use: %s", commands["lookups"].usage)
	}
	began := time.Now()
	answers := All(st.ctx, st.client, questions, inFlight, nil)
	took := time.Since(began)
	synctest.Wait()
	if st.ctx.Err() != nil {
		st.ctx, st.cancel = context.WithCancel(st.t.Context())
	}
	st.judgeMany(c, st.countAnswers(answers, began), took)
	return nil
}

// countAnswers gives what can be expected of many answers:
//
//	addresses N, NODATA N, NXDOMAIN N, failure REASON N ...   each kind that came up
//	wrong N           answers with other addresses than some server has for the name
//	took TIME         only looked at where it is expected, as all below
//	attempts N        the most of one answer
//	by URL N          answers that are the word of this resolver
func (st *stage) countAnswers(answers []Answer, began time.Time) map[string]int {
	counts := map[string]int{}
	for i := range answers {
		a := &answers[i]
		kind := a.Outcome.String()
		if a.Outcome == Failure {
			kind += " " + a.Reason.String()
		}
		counts[kind]++
		if a.Outcome == Addresses && !st.isTrue(a, began) {
			counts["wrong"]++
		}
		if a.Resolver != "" {
			counts["by "+a.Resolver]++
		}
		counts["attempts"] = max(counts["attempts"], len(a.Attempts))
	}
	return counts
}

// isTrue tells whether some server really has the addresses of an answer, at the beginning
// of a run or at its end.
func (st *stage) isTrue(a *Answer, began time.Time) bool {
	for s := range maps.Values(st.servers) {
		for _, at := range []time.Time{began, time.Now()} {
			if slices.Equal(s.Truth(a.Target.String(), a.Type, at), a.Addresses) {
				return true
			}
		}
	}
	return false
}

func (st *stage) judgeMany(c *command, counts map[string]int, took time.Duration) {
	var expect []string
	var wrong, block []string
	for _, text := range c.expect {
		rest, isTime := strings.CutPrefix(text, "took ")
		if !isTime {
			expect = append(expect, text)
			continue
		}
		block = append(block, text)
		if !fits(took.String(), rest) {
			wrong = append(wrong, "got  took "+took.String(), "want "+text)
		}
	}
	moreWrong, moreBlock := compareCounts(counts, expect, "by", "attempts")
	st.expected(c, append(wrong, moreWrong...), append(moreBlock, block...))
}
