package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/watch"
)

// The targets whose changes are followed.
const (
	movedTTL   = 2   // seconds
	movedSteps = 100 // at each of which some targets change
	stepTime   = 100 * time.Millisecond
)

// moved is a world whose targets change one after the other.
type moved struct {
	generation []int
	at         map[string]time.Time // by new address
}

func (m *moved) text() string {
	var b strings.Builder
	for i, g := range m.generation {
		fmt.Fprintf(&b, "t%d.example.net. %d IN AAAA %s\n", i, movedTTL, movedAddress(i, g))
	}
	return b.String()
}

// movedAddress is another one for each target and generation.
func movedAddress(i, generation int) string {
	return fmt.Sprintf("2001:db8:%x::%x", generation+1, i+1)
}

// latency measures how long behind the expiry of its TTL a change is published.
func (b *bench) latency(ctx context.Context, tb testing.TB, targets int) error {
	tb.Helper()
	dir := filepath.Join(b.dir, "latency")
	if err := os.MkdirAll(filepath.Join(dir, "zones"), 0o700); err != nil {
		return err
	}
	for from := 0; from < targets; from += perZone {
		var text strings.Builder
		fmt.Fprintf(&text, "$ORIGIN z%d.test.\n$TTL 300\n@ SOA ns.example.net. h 1 7200 900 1209600 300\n@ NS ns.example.net.\n", from)
		for i := from; i < min(targets, from+perZone); i++ {
			fmt.Fprintf(&text, "a%d ALIAS t%d.example.net. types=AAAA\n", i, i)
		}
		if err := os.WriteFile(filepath.Join(dir, "zones", fmt.Sprintf("z%d.test.zone", from)), []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	m := &moved{generation: make([]int, targets), at: map[string]time.Time{}}
	resolver := dnstest.Start(tb, m.text())
	d, err := b.startDaemon(ctx, dir, "", fmt.Sprintf("resolvers: [\"%s\"]\nrefresh-floor: 1s\nzones: [{source: zones/*.zone, output: \"out-{zone}.db\", guard: {change: 100%%, convergence: 0}}]\n", resolver.URL()))
	if err != nil {
		return err
	}
	late, err := m.follow(ctx, resolver, d)
	if err != nil {
		return errors.Join(err, d.stop(), errors.New(d.log.String()))
	}
	slices.Sort(late)
	at := func(part float64) float64 { return late[int(part*float64(len(late)-1))].Seconds() }
	_, err = fmt.Fprintf(b.out, "\nwatch, %d changes of %d targets with TTL %d s, published so long behind its expiry at most: median %.2f s, p99 %.2f s, worst %.2f s\n",
		len(late), targets, movedTTL, at(0.5), at(0.99), at(1))
	return errors.Join(err, d.stop())
}

var errAllSeen = errors.New("all changes were seen")

// follow changes every target once, and gives how long after its TTL each change was told.
func (m *moved) follow(ctx context.Context, resolver *dnstest.Server, d *daemon) ([]time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, movedSteps*stepTime+30*time.Second)
	defer cancel()
	told := map[string]time.Time{}
	listening := make(chan error, 1)
	go func() {
		listening <- d.client.Events(ctx, api.Following{Last: 0, Follow: true}, func(e *api.Event) error {
			if e.Kind == watch.KindChanged && len(e.To) == 1 {
				told[e.To[0].String()] = e.Time
			}
			if len(told) == len(m.generation) {
				return errAllSeen
			}
			return nil
		})
	}()
	if err := pause(ctx, time.Second); err != nil {
		return nil, err
	}
	each := max(1, len(m.generation)/movedSteps)
	for from := 0; from < len(m.generation); from += each {
		for i := from; i < min(len(m.generation), from+each); i++ {
			m.generation[i]++
		}
		now := time.Now()
		if err := resolver.SetWorld(m.text()); err != nil {
			return nil, err
		}
		for i := from; i < min(len(m.generation), from+each); i++ {
			m.at[movedAddress(i, m.generation[i])] = now
		}
		if err := pause(ctx, stepTime); err != nil {
			return nil, err
		}
	}
	if err := <-listening; !errors.Is(err, errAllSeen) {
		return nil, errors.Join(err, fmt.Errorf("%d of %d changes were told", len(told), len(m.generation)))
	}
	var late []time.Duration
	for address, changed := range m.at {
		late = append(late, told[address].Sub(changed)-movedTTL*time.Second)
	}
	return late, nil
}
