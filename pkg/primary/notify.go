package primary

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// How long one exchange with a secondary may take.
const (
	udpWait = time.Second
	tcpWait = 3 * time.Second
)

// What a secondary can answer that is of no use.
var (
	errAhead    = errors.New("it serves a later serial")
	errNoAnswer = errors.New("no answer")
	errNoSOA    = errors.New("its answer has no SOA")
)

// work does one task.
func (f *follower) work(ctx context.Context, t *task) result {
	z := f.server.Generation(t.name)
	if z == nil {
		return result{err: fmt.Errorf("serve %s: %w", t.name, ErrNotConfigured)}
	}
	if t.notify {
		_, silent, err := f.exchange(ctx, f.notification(z))
		return result{silent: silent, err: err}
	}
	query := new(dns.Msg).SetQuestion(t.name.String(), dns.TypeSOA)
	query.RecursionDesired = false
	answer, silent, err := f.exchange(ctx, query)
	if err != nil {
		return result{silent: silent, err: err}
	}
	for _, rr := range answer.Answer {
		if soa, ok := rr.(*dns.SOA); ok && strings.EqualFold(soa.Hdr.Name, query.Question[0].Name) {
			return result{serial: zone.Serial(soa.Serial)}
		}
	}
	return result{err: errNoSOA}
}

// notification is NOTIFY with the SOA (RFC 1996 §3.7), signed.
func (f *follower) notification(z *Zone) *dns.Msg {
	m := new(dns.Msg).SetNotify(z.name.String())
	m.Answer = z.rrs(z.search(nil), dns.TypeSOA)
	if k := f.server.rules.Load().ring[f.secondary.Key]; k != nil {
		m.SetTsig(k.Name.String(), k.algorithm.text+".", fudge, f.server.options.Now().Unix())
	}
	return m
}

// exchange asks over UDP, and over TCP where no answer comes, or it is cut short or a refusal.
// silent tells that there was none at all.
func (f *follower) exchange(ctx context.Context, m *dns.Msg) (answer *dns.Msg, silent bool, err error) {
	address := f.secondary.Address.String()
	for _, network := range [...]string{"udp", "tcp"} {
		client := dns.Client{Net: network, Timeout: udpWait, TsigProvider: currentRing{f.server}}
		if network == "tcp" {
			client.Timeout = tcpWait
		}
		// Each exchange signs anew, and the library leaves its signature in the message.
		answer, _, err = client.ExchangeContext(ctx, m.Copy(), address)
		// Knot answers questions about catalog zones over TCP alone.
		if err == nil && (answer.Truncated || answer.Rcode == dns.RcodeRefused) {
			continue
		}
		if err == nil || !isNetError(err) || ctx.Err() != nil {
			break
		}
	}
	switch {
	case err != nil && isNetError(err):
		return nil, true, plainError(err)
	case err != nil && answer == nil:
		return nil, false, err
	case answer.Rcode != dns.RcodeSuccess: // with its error, as that of a signature
		return nil, false, fmt.Errorf("it answers %s", dns.RcodeToString[answer.Rcode])
	case err != nil:
		return nil, false, fmt.Errorf("its answer: %w", err)
	}
	return answer, false, nil
}

func isNetError(err error) bool {
	var failed net.Error
	return errors.As(err, &failed)
}

// plainError names a timeout without the addresses of the sockets.
func plainError(err error) error {
	var failed net.Error
	if errors.As(err, &failed) && failed.Timeout() {
		return errNoAnswer
	}
	return err
}

// Notify has the secondaries of zones told of what is served, whether it has changed or not. A
// name that is not served is passed over.
func (s *Server) Notify(names ...zone.Name) {
	s.followers.mu.Lock()
	defer s.followers.mu.Unlock()
	for _, f := range s.followers.list {
		f.mu.Lock()
		for _, name := range names {
			if fl := f.zones[name]; fl != nil && s.Generation(name) != nil {
				if fl.reached {
					fl.reached = false
				}
				f.tell(fl)
			}
		}
		f.mu.Unlock()
	}
}

// Status tells of every zone that is set up, in canonical order, the catalog among them.
func (s *Server) Status() []Status {
	rules := s.rules.Load()
	list := make([]Status, 0, len(rules.zones))
	at := make(map[zone.Name]int, len(rules.zones))
	for name, z := range rules.zones {
		st := Status{Name: name}
		if g := z.served.current.Load(); g != nil {
			st.Loaded, st.Serial, st.Since = true, g.zone.serial, g.since
			st.Records, st.Size, st.Differences = g.zone.records, g.zone.size, len(g.steps)
		}
		list = append(list, st)
	}
	slices.SortFunc(list, func(a, b Status) int { return a.Name.Compare(b.Name) })
	for i := range list {
		at[list[i].Name] = i
	}
	s.followers.mu.Lock()
	defer s.followers.mu.Unlock()
	for _, f := range s.followers.list {
		f.mu.Lock()
		for name, fl := range f.zones {
			if i, ok := at[name]; ok {
				list[i].Secondaries = append(list[i].Secondaries, fl.status(f.secondary))
			}
		}
		f.mu.Unlock()
	}
	for i := range list {
		slices.SortFunc(list[i].Secondaries, func(a, b SecondaryStatus) int {
			return cmp.Or(a.Address.Compare(b.Address))
		})
	}
	return list
}

func (fl *following) status(s Secondary) SecondaryStatus {
	return SecondaryStatus{
		Address: s.Address, Serial: fl.serial, Known: fl.known, Asked: fl.asked, Reached: fl.reached,
		Behind: fl.since, Notified: fl.notified, Failures: fl.failures, Err: fl.err,
	}
}
