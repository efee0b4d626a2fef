package watch

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// A secondary that cannot be reached is told of at once, as one that lags when it has been so for
// long, and what came to nothing is counted.
func TestFollowsAndLags(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	nobody := netip.MustParseAddrPort(l.Addr().String())
	l.Close()
	var mu sync.Mutex
	var told []Event
	p, err := NewPrimary(primary.Options{Listen: []string{"127.0.0.1:0"}, Limits: primary.Limits{Lag: 50 * time.Millisecond}}, primary.Setup{
		Zones: []primary.ZoneSetup{{Name: servedName, Secondaries: []primary.Secondary{{Address: nobody, Unsigned: true}}}},
	}, func(e Event) {
		mu.Lock()
		defer mu.Unlock()
		told = append(told, e)
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	text := "@ 300 SOA ns.example.net. h.example.net. 7 300 60 86400 60\n@ 300 NS ns.example.net.\n"
	if err := p.Publish(zonefile.Summarize("zone", []byte(text), zonefile.Options{Origin: servedName})); err != nil {
		t.Fatal(err)
	}
	find := func(kind Kind) (e Event, ok bool) {
		mu.Lock()
		defer mu.Unlock()
		if i := slices.IndexFunc(told, func(e Event) bool { return e.Kind == kind }); i >= 0 {
			return told[i], true
		}
		return Event{}, false
	}
	var lags Event
	for deadline := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var ok bool
		if lags, ok = find(KindLags); ok {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("told: %+v", told)
		}
	}
	if lags.Severity != diag.Error || lags.Zone != servedName || lags.NewSerial != 7 || !strings.HasPrefix(lags.Message, "secondary "+nobody.String()+" has not served it for ") {
		t.Errorf("%+v", lags)
	}
	if fails, ok := find(KindFollows); !ok || fails.Severity != diag.Warning || !strings.HasPrefix(fails.Message, "secondary "+nobody.String()+": ") || !strings.HasSuffix(fails.Message, "connection refused") {
		t.Errorf("%+v", fails)
	}
	f := p.Serving()[0].Secondaries[0]
	if f.Address != nobody || f.Failures == 0 || f.Lag <= 0 || f.Known || f.Current || !strings.HasSuffix(f.Problem, "connection refused") {
		t.Errorf("%+v", f)
	}
	if f.Lags() || !(&Follower{Lag: LagAlarm}).Lags() {
		t.Error("whether somebody has to look after it")
	}
}
