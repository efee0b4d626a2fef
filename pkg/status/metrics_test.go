package status

import (
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/aliasflat/aliasflat/pkg/watch"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// scrape reads the metrics as Prometheus does.
func scrape(t *testing.T, o Options) (string, map[string]*dto.MetricFamily) {
	t.Helper()
	reply, text := ask(t, o, "/metrics")
	if reply.StatusCode != http.StatusOK || reply.Header.Get("Content-Type") != string(expfmt.NewFormat(expfmt.TypeTextPlain)) &&
		!strings.HasPrefix(reply.Header.Get("Content-Type"), "text/plain; version=0.0.4; charset=utf-8") {
		t.Fatalf("%d %v", reply.StatusCode, reply.Header)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return text, families
}

// value finds a value by its labels, as in zone=example.com,view=.
func value(f *dto.MetricFamily, labels string) (float64, bool) {
	for _, m := range f.GetMetric() {
		var list []string
		for _, l := range m.GetLabel() {
			list = append(list, l.GetName()+"="+l.GetValue())
		}
		if strings.Join(list, ",") == labels {
			return m.GetGauge().GetValue() + m.GetCounter().GetValue(), true
		}
	}
	return 0, false
}

// What promtool check metrics says is what this linter says.
func TestMetricsKeepTheConventions(t *testing.T) {
	text, families := scrape(t, options())
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		// The client library has it under this name, and so have dashboards.
		if p.Metric != "go_memstats_mallocs_total" {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
	if len(families) < 30 {
		t.Errorf("%d metrics", len(families))
	}
}

func TestMetricsOfZones(t *testing.T) {
	_, families := scrape(t, options())
	const com, net, org = "view=,zone=example.com", "view=in\"side\\\n,zone=example.net", "view=,zone=example.org"
	sorted := func(labels string) string { // as they are written
		view, name, _ := strings.Cut(labels, ",zone=")
		return "zone=" + name + "," + view
	}
	for _, c := range []struct {
		metric, labels string
		want           float64
	}{
		{"aliasflat_zone_serial", sorted(com), 2026112201},
		{"aliasflat_zone_aliases", sorted(com), 3},
		{"aliasflat_zone_targets", sorted(com), 6},
		{"aliasflat_zone_changes_total", sorted(com), 5},
		{"aliasflat_zone_attempts_total", sorted(com), 9},
		{"aliasflat_zone_failing", sorted(com), 0},
		{"aliasflat_zone_staleness_seconds", sorted(com), 0},
		{"aliasflat_zone_held", sorted(net), 1},
		{"aliasflat_zone_stale", sorted(net), 1},
		{"aliasflat_zone_guarded", sorted(net), 1},
		{"aliasflat_zone_failing", sorted(org), 1},
		{"aliasflat_zone_published", sorted(org), 1},
		{"aliasflat_zone_published", "zone=zones/unnamed.zone,view=", 0},
		{"aliasflat_zone_published", "zone=.,view=", 0},
		{"aliasflat_zone_failures_total", sorted(org) + ",code=target-servfail", 4},
		{"aliasflat_zone_problems", sorted(org) + ",severity=error", 1},
		{"aliasflat_zone_problems", sorted(org) + ",severity=warning", 1},
		{"aliasflat_lookups_total", "outcome=addresses", 100},
		{"aliasflat_lookups_total", "outcome=failure", 1},
		{"aliasflat_primary_serial", "zone=example.com", 2026112201},
		{"aliasflat_primary_transfers_total", "zone=example.com,kind=whole", 4},
		{"aliasflat_primary_transfers_total", "zone=example.com,kind=incremental", 30},
		{"aliasflat_primary_transfers_total", "zone=example.com,kind=cut", 1},
		{"aliasflat_primary_refusals_total", "rcode=REFUSED", 3},
		{"aliasflat_secondary_serial", "zone=example.com,secondary=192.0.2.54:53", 2026112201},
		{"aliasflat_secondary_lag_seconds", "zone=example.com,secondary=192.0.2.54:53", 0},
		{"aliasflat_secondary_lag_seconds", "zone=example.com,secondary=192.0.2.55:53", 75},
		{"aliasflat_secondary_failures_total", "zone=example.com,secondary=192.0.2.55:53", 6},
		{"aliasflat_pull_serial", "zone=pulled.example,view=", 7},
		{"aliasflat_pull_expired", "zone=pulled.example,view=", 1},
		{"aliasflat_pull_failing", "zone=pulled.example,view=", 1},
		{"aliasflat_pull_checks_total", "zone=pulled.example,view=", 9},
		{"aliasflat_pull_failures_total", "zone=pulled.example,view=", 4},
		{"aliasflat_pull_transfers_total", "zone=pulled.example,view=,kind=whole", 2},
		{"aliasflat_pull_transfers_total", "zone=pulled.example,view=,kind=incremental", 1},
		{"aliasflat_targets", "", 12},
		{"aliasflat_targets_failing", "", 2},
		{"aliasflat_lookups_in_flight", "", 1},
		{"aliasflat_config_last_reload_successful", "", 1},
		{"aliasflat_build_info", "version=1.2.3,commit=abc,goversion=" + runtime.Version(), 1},
	} {
		if got, ok := value(families[c.metric], c.labels); !ok || got != c.want {
			t.Errorf("%s{%s}: %v %v, want %v", c.metric, c.labels, got, ok, c.want)
		}
	}
	if got, ok := value(families["aliasflat_zone_staleness_seconds"], sorted(net)); !ok || got < 3600 || got > 3700 {
		t.Errorf("staleness: %v %v", got, ok)
	}
	now := float64(time.Now().Unix())
	for _, c := range []struct {
		metric, labels string
		after          float64
	}{
		{"aliasflat_zone_last_success_timestamp_seconds", sorted(com), 0},
		{"aliasflat_zone_last_change_timestamp_seconds", sorted(com), -90},
		{"aliasflat_zone_next_refresh_timestamp_seconds", sorted(com), 30},
		{"aliasflat_scheduler_last_beat_timestamp_seconds", "", 0},
		{"aliasflat_start_time_seconds", "", -26 * 3600},
	} {
		if got, ok := value(families[c.metric], c.labels); !ok || got < now+c.after-60 || got > now+c.after+60 {
			t.Errorf("%s{%s}: %v %v, want about %v", c.metric, c.labels, got, ok, now+c.after)
		}
	}
}

// What is not known has no value, rather than one that looks like one.
func TestMetricsOfWhatIsNotKnown(t *testing.T) {
	_, families := scrape(t, options())
	for metric, labels := range map[string]string{
		"aliasflat_zone_serial":                         "zone=.,view=",
		"aliasflat_zone_last_attempt_timestamp_seconds": "zone=.,view=",
		"aliasflat_zone_last_success_timestamp_seconds": "zone=example.org,view=",
		"aliasflat_zone_staleness_seconds":              "zone=example.org,view=", // held, of an age that is not known
	} {
		if got, ok := value(families[metric], labels); ok {
			t.Errorf("%s{%s}: %v", metric, labels, got)
		}
	}
	if _, families := scrape(t, Options{Snapshot: func() *watch.Snapshot { return nil }}); families["go_goroutines"] == nil || families["aliasflat_targets"] != nil {
		t.Error("before the daemon has begun")
	}
}

// Two zones with the same labels, which a configuration cannot have, must not cost all metrics.
func TestMetricsHaveNoValueTwice(t *testing.T) {
	s := someZones()
	s.Zones = append(s.Zones, s.Zones[0])
	_, families := scrape(t, Options{Snapshot: func() *watch.Snapshot { return s }})
	if n := len(families["aliasflat_zone_serial"].GetMetric()); n != 4 {
		t.Errorf("%d serials", n)
	}
}

func TestMetricsOfTheProcess(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("there is no /proc")
	}
	_, families := scrape(t, options())
	now := float64(time.Now().Unix())
	for _, c := range []struct {
		metric   string
		min, max float64
	}{
		{"process_cpu_seconds_total", 0, 3600},
		{"process_open_fds", 3, 10_000},
		{"process_max_fds", 3, 1e12},
		{"process_resident_memory_bytes", 1 << 20, 1 << 32},
		{"process_virtual_memory_bytes", 1 << 20, 1 << 45},
		{"process_start_time_seconds", now - 3600, now + 60},
		{"go_goroutines", 1, 1000},
		{"go_memstats_alloc_bytes", 1, 1 << 32},
	} {
		got, ok := value(families[c.metric], "")
		if !ok || got < c.min || got > c.max {
			t.Errorf("%s: %v %v, want %v to %v", c.metric, got, ok, c.min, c.max)
		}
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	for _, text := range []string{"", "plain", `a"b`, `a\b`, "a\nb", "a\xffb", "ü"} {
		e := &exposition{}
		e.metric("m", gauge, "M.")
		e.sample("m", 1, "l", text)
		parser := expfmt.NewTextParser(model.UTF8Validation)
		families, err := parser.TextToMetricFamilies(strings.NewReader(e.String()))
		if err != nil {
			t.Errorf("%q: %v", text, err)
			continue
		}
		if _, ok := value(families["m"], "l="+strings.ToValidUTF8(text, "\uFFFD")); !ok {
			t.Errorf("%q is read as %v", text, families["m"])
		}
	}
}

func BenchmarkScrape(b *testing.B) {
	s := someZones()
	s.Zones = nil
	for i := range 1000 {
		z := someZones().Zones[0]
		z.Name = zone.MustParseName(fmt.Sprintf("zone%d.example.", i))
		s.Zones = append(s.Zones, z)
	}
	for b.Loop() {
		e := &exposition{}
		e.daemon(s)
		e.zones(s, time.Now())
	}
}
