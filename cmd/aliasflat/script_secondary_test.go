package main

import (
	"net"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
	"github.com/rogpeppe/go-internal/testscript"
)

// The key that the secondary of a script has, and every script that feeds it.
const (
	scriptKey    = "xfr."
	scriptSecret = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="
)

// scriptSecondary is a name server that transfers what it is told of, from the daemon whose log
// says where that serves.
type scriptSecondary struct {
	log string

	mu    sync.Mutex
	zones map[string][]dns.RR
	deaf  bool
}

type secondaryKey struct{}

var servedAt = regexp.MustCompile(`DNS at (127\.0\.0\.1:[0-9]+)`)

func startSecondary(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, neg, args, 1, "secondary LOG")
	s, ok := ts.Value(secondaryKey{}).(*scriptSecondary)
	if !ok {
		ts.Fatalf("no secondary can be started")
	}
	s.log, s.zones = ts.MkAbs(args[0]), map[string][]dns.RR{}
	udp, err := net.ListenPacket("udp", "127.0.0.1:0")
	ts.Check(err)
	server := &dns.Server{PacketConn: udp, Handler: dns.HandlerFunc(s.handle), TsigSecret: map[string]string{scriptKey: scriptSecret}}
	server.MsgAcceptFunc = func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.ActivateAndServe() // it ends with the script
	}()
	ts.Defer(func() {
		udp.Close()
		<-ended
	})
	ts.Setenv("SECONDARY", udp.LocalAddr().String())
}

// primary is where the daemon of the log serves.
func (s *scriptSecondary) primary() string {
	text, err := os.ReadFile(s.log)
	if err != nil {
		return ""
	}
	all := servedAt.FindAllSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return string(all[len(all)-1][1])
}

// handle takes NOTIFY, and answers questions for an SOA. NOTIFY that is not signed is refused.
func (s *scriptSecondary) handle(w dns.ResponseWriter, m *dns.Msg) {
	reply := new(dns.Msg).SetReply(m)
	name := m.Question[0].Name
	s.mu.Lock()
	deaf, records := s.deaf, s.zones[name]
	s.mu.Unlock()
	switch {
	case deaf:
		return
	case m.Opcode == dns.OpcodeNotify && (m.IsTsig() == nil || w.TsigStatus() != nil):
		reply.Rcode = dns.RcodeRefused
	case m.Opcode == dns.OpcodeNotify:
		s.transfer(name)
	case len(records) > 0:
		reply.Authoritative, reply.Answer = true, records[:1]
	default:
		reply.Rcode = dns.RcodeServerFailure
	}
	if t := m.IsTsig(); t != nil {
		reply.SetTsig(scriptKey, dns.HmacSHA256, 300, time.Now().Unix())
	}
	_ = w.WriteMsg(reply) // the daemon asks again
}

// transfer takes a zone as a whole.
func (s *scriptSecondary) transfer(name string) {
	m := new(dns.Msg).SetAxfr(name)
	m.SetTsig(scriptKey, dns.HmacSHA256, 300, time.Now().Unix())
	t := &dns.Transfer{TsigSecret: map[string]string{scriptKey: scriptSecret}}
	envelopes, err := t.In(m, s.primary())
	if err != nil {
		return
	}
	var records []dns.RR
	for e := range envelopes {
		if e.Error != nil {
			return
		}
		records = append(records, e.RR...)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.zones[name] = records
}

func secondaryDeaf(ts *testscript.TestScript, neg bool, args []string) {
	usage(ts, false, args, 0, "[!] secondary-deaf")
	s, _ := ts.Value(secondaryKey{}).(*scriptSecondary)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = !neg
}

// secondaryHas waits until the secondary has a zone, under a serial and with a text in it where
// these are given.
func secondaryHas(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: secondary-has ZONE [SERIAL [TEXT...]]")
	}
	s, _ := ts.Value(secondaryKey{}).(*scriptSecondary)
	var text string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		s.mu.Lock()
		records := s.zones[dns.Fqdn(args[0])]
		s.mu.Unlock()
		var b strings.Builder
		for _, rr := range records {
			b.WriteString(rr.String() + "\n")
		}
		if text = b.String(); text != "" && hasAll(records, text, args[1:]) {
			return
		}
	}
	ts.Fatalf("the secondary has of %s:\n%s", args[0], text)
}

func hasAll(records []dns.RR, text string, want []string) bool {
	for i, w := range want {
		soa, ok := records[0].(*dns.SOA)
		if i == 0 && (!ok || strconv.Itoa(int(soa.Serial)) != w) || i > 0 && !strings.Contains(text, w) {
			return false
		}
	}
	return true
}

// primaryGives waits until the daemon that the secondary follows answers a question that is not
// signed with a code, and with a text where one is given. Without one there is nothing in the answer.
func primaryGives(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: primary-gives RCODE NAME TYPE [TEXT]")
	}
	s, _ := ts.Value(secondaryKey{}).(*scriptSecondary)
	m := new(dns.Msg).SetQuestion(dns.Fqdn(args[1]), dns.StringToType[args[2]])
	client := dns.Client{Timeout: time.Second}
	if args[2] == "AXFR" {
		client.Net = "tcp"
	}
	var answer *dns.Msg
	var err error
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if answer, _, err = client.Exchange(m, s.primary()); err != nil || dns.RcodeToString[answer.Rcode] != args[0] {
			continue
		}
		if len(args) == 3 && len(answer.Answer)+len(answer.Ns) == 0 || len(args) == 4 && strings.Contains(answer.String(), args[3]) {
			return
		}
	}
	ts.Fatalf("the daemon answers %v\n%v", err, answer)
}
