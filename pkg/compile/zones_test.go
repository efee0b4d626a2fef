package compile

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"golang.org/x/tools/txtar"

	"github.com/aliasflat/aliasflat/pkg/alias"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/flatten"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

var update = flag.Bool("update", false, "write what came out into testdata/zones; read it before it is committed")

// zonesDir holds the cases. A case is an archive of these files:
//
//	in.zone, in2.zone ...   the sources of one run
//	world.zone              the DNS outside; see readFaults for its faults
//	flags                   how to compile, one setting a line; see zoneCase.set
//	published.db            what in.zone published last
//	known                   what is remembered of questions; see readKnown
//	want.zone, want2.zone   the outputs; a source that nothing is written for has none
//	want.diag               what is reported, without the lines of the source
//	want.known              what is to be remembered, where there is a known
//
// Any other file is there for $INCLUDE.
const zonesDir = "../../testdata/zones"

// zonesNow is the time of all cases unless a flag names another.
var zonesNow = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

// zoneCase is one archive as understood.
type zoneCase struct {
	path        string
	archive     *txtar.Archive
	files       map[string][]byte
	sources     []Source
	world       resolve.Lookuper
	known       map[resolve.Question]*resolve.Known
	distrust    string
	force       bool
	preview     bool
	policy      resolve.Policy
	now         time.Time
	visibleEnds bool
	noIncludes  bool
	forgets     bool
	skipKnot    bool
}

// loadZoneCases reads all archives; none is a failure.
func loadZoneCases(t *testing.T) []*zoneCase {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(zonesDir, "*.txtar"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Fatalf("no case in %s", zonesDir)
	}
	cases := make([]*zoneCase, len(paths))
	for i, path := range paths {
		cases[i] = loadZoneCase(t, path)
	}
	return cases
}

func loadZoneCase(t *testing.T, path string) *zoneCase {
	t.Helper()
	archive, err := txtar.ParseFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := &zoneCase{path: path, archive: archive, files: map[string][]byte{}, now: zonesNow}
	for _, f := range archive.Files {
		c.files[f.Name] = f.Data
	}
	var flags []string
	for line := range strings.Lines(string(c.files["flags"])) {
		if line = strings.TrimSpace(line); line != "" {
			flags = append(flags, line)
		}
	}
	c.visibleEnds = slices.Contains(flags, "visible-ends")
	if c.visibleEnds {
		for name, data := range c.files {
			if !strings.HasPrefix(name, "want") {
				c.files[name] = realEnds(data)
			}
		}
	}
	includes := fstest.MapFS{}
	for name, data := range c.files {
		includes[name] = &fstest.MapFile{Data: data}
	}
	for n := 1; ; n++ {
		name := sourceName(n)
		text, ok := c.files[name]
		if !ok {
			break
		}
		c.sources = append(c.sources, Source{
			Name: name, Text: text, Includes: includes, IncludeRoot: "zones", IncludePath: name,
			Settings: alias.Settings{MaxStale: alias.DefaultMaxStale},
		})
	}
	if len(c.sources) == 0 {
		t.Fatalf("%s has no in.zone", path)
	}
	for _, line := range flags {
		if err := c.set(line); err != nil {
			t.Fatalf("%s: flag %q: %v", path, line, err)
		}
	}
	c.finishSources(t)
	c.world = readWorld(t, path, c.files["world.zone"])
	if text, ok := c.files["known"]; ok {
		c.known = readKnown(t, path, text, c.now)
	}
	return c
}

// finishSources settles what depends on several flags.
func (c *zoneCase) finishSources(t *testing.T) {
	t.Helper()
	for i := range c.sources {
		s := &c.sources[i]
		s.Remembers = !c.forgets
		if c.noIncludes {
			s.Includes = nil
		}
		if text := c.files["published.db"]; i == 0 && text != nil {
			s.Published = publishedAs(t, s.Origin, "published.db", text)
		}
	}
}

// publishedAs gives a text as what was published last, in the way the compile
// command does.
func publishedAs(t *testing.T, origin zone.Name, name string, text []byte) *Published {
	t.Helper()
	old := zonefile.Summarize(name, text, zonefile.Options{Origin: origin})
	summary, ok := old.Summary()
	if !ok {
		t.Fatalf("%s has no serial: %v", name, old.Found)
	}
	lastGood, err := LastOf(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return &Published{
		Serial: summary.Serial,
		Same: func(draft *zonefile.Text, content zonefile.Content) (bool, error) {
			slow, err := SameContent(summary, content, func() (*zonefile.Zone, error) {
				return zonefile.Read(name, text, zonefile.Options{Origin: origin}), nil
			})
			if same, known, _ := draft.SameRecords(bytes.NewReader(text)); known && same != slow {
				t.Errorf("%s compared as bytes has the same records: %v, as records: %v", name, same, slow)
			}
			return slow, err
		},
		Last: lastGood,
		Gone: func(draft *zonefile.Text, content zonefile.Content) (int, int, error) {
			return Gone(int64(len(text)), draft, content, nil, func() (*zonefile.Zone, *zonefile.Zone, error) {
				options := zonefile.Options{Origin: origin}
				return zonefile.Read(name, text, options), zonefile.Read(name, draft.Bytes(), options), nil
			})
		},
	}
}

// set takes one flag: key=value for all sources, or FILE: key=value for one.
func (c *zoneCase) set(line string) error {
	sources := c.sources
	if name, rest, ok := strings.Cut(line, ": "); ok {
		i := slices.IndexFunc(sources, func(s Source) bool { return s.Name == name })
		if i < 0 {
			return fmt.Errorf("no source %s", name)
		}
		sources, line = sources[i:i+1], rest
	}
	key, value, _ := strings.Cut(line, "=")
	done, err := c.setRun(key, value)
	if done || err != nil {
		return err
	}
	for i := range sources {
		if err := setSource(&sources[i], key, value); err != nil {
			return err
		}
	}
	return nil
}

// setRun takes a flag of the whole run.
func (c *zoneCase) setRun(key, value string) (done bool, err error) {
	var rule resolve.NetRule
	switch key {
	case "visible-ends": // ^M stands for a carriage return, ^D at the end of a file for no line end
	case "no-includes":
		c.noIncludes = true
	case "forgets": // there is no place for what is published
		c.forgets = true
	case "force":
		c.force = true
	case "preview":
		c.preview = true
	case "distrust": // the value is the reason
		c.distrust = value
	case "skip-knot": // the value is the reason
		c.skipKnot = true
	case "now":
		c.now, err = time.Parse(time.RFC3339, value)
	case "max-addresses":
		c.policy.MaxAddresses, err = strconv.Atoi(value)
	case "allow-net":
		rule, err = resolve.ParseNetRule(value)
		c.policy.Allow = append(c.policy.Allow, rule)
	case "deny-net":
		rule, err = resolve.ParseNetRule(value)
		c.policy.Deny = append(c.policy.Deny, rule)
	default:
		return false, nil
	}
	return true, err
}

// setSource takes a flag of a source.
func setSource(s *Source, key, value string) (err error) {
	switch key {
	case "include-root":
		s.IncludeRoot = value
	case "origin":
		s.Origin, err = zone.ParseName(value, zone.Root)
	case "name":
		s.Name = value
	case "view":
		s.View = value
	case "for":
		s.For, err = zonefile.ParseServers(value)
	case "serial":
		s.Serial, err = zone.ParsePolicy(value)
	case "style":
		s.Style = map[string]Style{"canonical": StyleCanonical}[value]
	case "check-names":
		s.CheckNames = map[string]diag.Severity{"warn": diag.Warning}[value]
	case "strip-dnssec":
		s.StripDNSSEC = true
	case "confirm":
		guards := flatten.DefaultGuards
		guards.Confirm, err = strconv.Atoi(value)
		s.Guards = &guards
	case "generate-limit":
		s.GenerateLimit, err = strconv.Atoi(value)
	default:
		return s.Settings.Set(key, value)
	}
	return err
}

// sourceName is in.zone, in2.zone, in3.zone and so on; wantName goes with it.
func sourceName(n int) string { return numbered("in", n) }

func wantName(n int) string { return numbered("want", n) }

func numbered(word string, n int) string {
	if n == 1 {
		return word + ".zone"
	}
	return word + strconv.Itoa(n) + ".zone"
}

// realEnds and visibleEnds turn line ends that an archive cannot hold, or that
// an editor would not show, into text and back.
func realEnds(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("^M"), []byte("\r"))
	if rest, ok := bytes.CutSuffix(data, []byte("^D\n")); ok {
		return rest
	}
	return data
}

func visibleEnds(data []byte) []byte {
	data = bytes.ReplaceAll(data, []byte("\r"), []byte("^M"))
	if len(data) > 0 && data[len(data)-1] != '\n' {
		data = append(data, "^D\n"...)
	}
	return data
}

// faultyWorld answers some questions itself and leaves the others to a world
// of records.
type faultyWorld struct {
	faults map[resolve.Question]resolve.Answer
	rest   *resolve.Memory
}

func (w *faultyWorld) Lookup(ctx context.Context, target zone.Name, qtype uint16) resolve.Answer {
	a, ok := w.faults[resolve.Question{Target: target, Type: qtype}]
	if !ok {
		return w.rest.Lookup(ctx, target, qtype)
	}
	if a.Outcome == 0 {
		odd := w.rest.Lookup(ctx, target, qtype)
		odd.Stale, odd.SubnetUnused, odd.Authoritative = a.Stale, a.SubnetUnused, false
		return odd
	}
	return a
}

// readWorld reads the records of a world and its faults, which stand in
// comments: "; fault NAME TYPE KIND", with * for both types.
func readWorld(t *testing.T, path string, text []byte) resolve.Lookuper {
	t.Helper()
	records, problems := zonefile.Records("world.zone", text)
	if problems.HasErrors() {
		t.Fatalf("%s: %v", path, problems.Err())
	}
	memory, err := resolve.NewMemory(records)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	memory.Name = "file:world.zone"
	w := &faultyWorld{faults: map[resolve.Question]resolve.Answer{}, rest: memory}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 2 || fields[0] != ";" || fields[1] != "fault" {
			continue
		}
		if len(fields) != 5 {
			t.Fatalf("%s: %q is not: ; fault NAME TYPE KIND", path, line)
		}
		name, err := zone.ParseName(fields[2], zone.Root)
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		types := []uint16{dns.StringToType[fields[3]]}
		if fields[3] == "*" {
			types = []uint16{dns.TypeA, dns.TypeAAAA}
		}
		for _, qtype := range types {
			a, ok := faultAnswer(fields[4])
			if !ok {
				t.Fatalf("%s: fault %q is unknown", path, fields[4])
			}
			a.Target, a.Type, a.Last, a.Resolver = name, qtype, name, memory.Name
			w.faults[resolve.Question{Target: name, Type: qtype}] = a
		}
	}
	return w
}

// faultAnswer is the answer that a kind of fault stands for, with the words
// that a client finds for it.
func faultAnswer(kind string) (resolve.Answer, bool) {
	switch kind {
	case "nodata":
		return resolve.Answer{Outcome: resolve.NoData, NegativeTTL: 300}, true
	case "weak-nodata":
		return resolve.Answer{Outcome: resolve.WeakNoData}, true
	case "nxdomain":
		return resolve.Answer{Outcome: resolve.NXDomain, NegativeTTL: 300}, true
	case "stale":
		return resolve.Answer{Stale: true}, true
	case "nodata-confirmed":
		return resolve.Answer{Outcome: resolve.NoData, NegativeTTL: 300, Confirmed: true}, true
	case "nxdomain-confirmed":
		return resolve.Answer{Outcome: resolve.NXDomain, NegativeTTL: 300, Confirmed: true}, true
	case "cached": // its TTL may be counted down
		return resolve.Answer{}, true
	case "subnet-refused":
		return resolve.Answer{SubnetUnused: true}, true
	}
	failures := map[string]struct {
		reason resolve.Reason
		detail string
	}{
		"servfail":        {resolve.ReasonServfail, "SERVFAIL, EDE 6 DNSSEC Bogus"},
		"refused":         {resolve.ReasonRefused, "REFUSED"},
		"rcode":           {resolve.ReasonRcode, "NOTIMP"},
		"timeout":         {resolve.ReasonTimeout, "no answer within 2s"},
		"network":         {resolve.ReasonNetwork, "connection refused"},
		"malformed":       {resolve.ReasonMalformed, "NXDOMAIN with addresses"},
		"no-soa":          {resolve.ReasonNoSOA, "NXDOMAIN without SOA"},
		"lame":            {resolve.ReasonLame, "a referral instead of an answer"},
		"loop":            {resolve.ReasonLoop, "the chain is a loop: a.example.net. -> b.example.net. -> a.example.net."},
		"chain-too-long":  {resolve.ReasonChainTooLong, "the chain has more than 16 links"},
		"name-too-long":   {resolve.ReasonNameTooLong, "the DNAME at example.net. makes a name of more than 255 octets"},
		"truncated":       {resolve.ReasonTruncated, "the answer is cut short over TCP too"},
		"blocked":         {resolve.ReasonBlocked, "NXDOMAIN, EDE 15 Blocked"},
		"stale-nxdomain":  {resolve.ReasonStale, "NXDOMAIN, EDE 19 Stale NXDOMAIN Answer"},
		"bad-resolver":    {resolve.ReasonBadResolver, "the resolver has 192.0.2.66 for x.invalid., which does not exist"},
		"canceled":        {resolve.ReasonCanceled, "the time for the run is over"},
		"refused-address": {resolve.ReasonRefusedAddress, ""},
		"certificate":     {resolve.ReasonCertificate, "the certificate expired on 2026-01-31"},
		"http":            {resolve.ReasonHTTP, "HTTP status 404 Not Found"},
		"disagree":        {resolve.ReasonDisagree, "the resolvers do not agree: udp://192.0.2.53 has 192.0.2.1; udp://198.51.100.53 has none"},
		"not-validated":   {resolve.ReasonNotValidated, "the answer is not validated: its AD bit is clear"},
		"no-server":       {resolve.ReasonNoServer, "no authoritative server of example.net. has an answer: 192.0.2.54 REFUSED"},
		"not-locked":      {resolve.ReasonNotLocked, "not in the lock file zone.db.lock"},
	}
	f, ok := failures[kind]
	return resolve.Answer{Outcome: resolve.Failure, Reason: f.reason, Detail: f.detail}, ok
}

// compiled runs the case, with sources changed as told.
func (c *zoneCase) compiled(t *testing.T, change func(*Source)) []Result {
	t.Helper()
	sources := slices.Clone(c.sources)
	if change != nil {
		for i := range sources {
			change(&sources[i])
		}
	}
	return Run(t.Context(), sources, Options{
		Lookup: c.world, Policy: c.policy, Now: c.now, Force: c.force, Preview: c.preview,
		Known:    func(q resolve.Question) *resolve.Known { return c.known[q] },
		Distrust: func() string { return c.distrust },
	})
}

// diagText is what the terminal shows of the results, without the lines of
// the sources, and then what was made explicit.
func diagText(results []Result) string {
	var b strings.Builder
	for i := range results {
		for _, d := range results[i].Problems.Sorted() {
			fmt.Fprintf(&b, "%s: %s: %s [%s]\n", d.Span, d.Severity, d.Message, d.Code)
			for _, n := range d.Related {
				fmt.Fprintf(&b, "%s: %s\n", n.Span, n.Message)
			}
			if d.Hint != "" {
				fmt.Fprintf(&b, "hint: %s\n", d.Hint)
			}
		}
		for _, n := range results[i].Explicit {
			fmt.Fprintf(&b, "%s: %s\n", n.Span, n.Message)
		}
	}
	return b.String()
}

func TestZones(t *testing.T) {
	for _, c := range loadZoneCases(t) {
		t.Run(strings.TrimSuffix(filepath.Base(c.path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			results := c.compiled(t, nil)
			got := map[string][]byte{}
			if text := diagText(results); text != "" {
				got["want.diag"] = []byte(text)
			}
			known := map[resolve.Question]*resolve.Known{}
			for i := range results {
				if r := &results[i]; r.OK() {
					got[wantName(i+1)] = r.Text.Bytes()
					maps.Copy(known, r.Remember())
				}
			}
			if len(known) > 0 && c.known != nil {
				got["want.known"] = knownText(known, c.now)
			}
			if c.visibleEnds {
				for name, data := range got {
					got[name] = visibleEnds(data)
				}
			}
			if *update {
				c.write(t, got)
			} else {
				c.compare(t, got)
			}
			c.checkAgain(t, results)
		})
	}
}

// compare holds what came out against what the case wants.
func (c *zoneCase) compare(t *testing.T, got map[string][]byte) {
	t.Helper()
	for name, data := range c.files {
		if strings.HasPrefix(name, "want") && got[name] == nil {
			t.Errorf("%s is not there; it should be:\n%s", name, data)
		}
	}
	for name, data := range got {
		if diff := cmp.Diff(string(c.files[name]), string(data)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// write puts what came out into the archive.
func (c *zoneCase) write(t *testing.T, got map[string][]byte) {
	t.Helper()
	c.archive.Files = slices.DeleteFunc(c.archive.Files, func(f txtar.File) bool { return strings.HasPrefix(f.Name, "want") })
	for i := range c.sources {
		if data, ok := got[wantName(i+1)]; ok {
			c.archive.Files = append(c.archive.Files, txtar.File{Name: wantName(i + 1), Data: data})
		}
	}
	if data, ok := got["want.known"]; ok {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: "want.known", Data: data})
	}
	if data, ok := got["want.diag"]; ok {
		c.archive.Files = append(c.archive.Files, txtar.File{Name: "want.diag", Data: data})
	}
	if err := os.WriteFile(c.path, txtar.Format(c.archive), 0o644); err != nil {
		t.Fatal(err)
	}
}

// silent is the world for a text without ALIAS: nothing is asked.
type silent struct{ t *testing.T }

func (s silent) Lookup(_ context.Context, target zone.Name, qtype uint16) resolve.Answer {
	s.t.Errorf("%s %s is asked for a zone without ALIAS", target, dns.TypeToString[qtype])
	return resolve.Answer{Target: target, Type: qtype, Outcome: resolve.Failure}
}

// checkAgain holds the results against the promises that every output keeps:
// the same bytes each time, the bytes themselves when compiled again, and the
// records that were meant.
func (c *zoneCase) checkAgain(t *testing.T, results []Result) {
	t.Helper()
	second := c.compiled(t, nil)
	for i := range results {
		r := &results[i]
		if r.OK() != second[i].OK() {
			t.Fatalf("%s: written once, and not the other time", c.sources[i].Name)
		}
		if !r.OK() {
			if !r.Problems.HasErrors() {
				t.Errorf("%s: nothing is written, and no error says why", c.sources[i].Name)
			}
			continue
		}
		if r.Problems.HasErrors() != (r.Stale || r.Guarded && !c.preview) {
			t.Errorf("%s: written with errors: %v, stale: %v, guarded: %v", c.sources[i].Name, r.Problems.HasErrors(), r.Stale, r.Guarded)
		}
		text := r.Text.Bytes()
		if !bytes.Equal(text, second[i].Text.Bytes()) {
			t.Errorf("%s: two runs give different bytes", c.sources[i].Name)
		}
		c.checkOutput(t, &c.sources[i], r, text)
	}
	for i := range results {
		if results[i].OK() {
			c.askJudges(t, i, &results[i])
		}
	}
}

// checkOutput reads an output again.
func (c *zoneCase) checkOutput(t *testing.T, s *Source, r *Result, text []byte) {
	t.Helper()
	if n := len(zonefile.Read("out.zone", text, zonefile.Options{Origin: r.Name, CheckNames: s.CheckNames}).Aliases()); n > 0 {
		t.Errorf("%d ALIAS are left in the output", n)
	}
	again := *s
	again.Name, again.Text, again.Origin, again.Settings = "out.zone", text, r.Name, alias.Settings{}
	again.Includes, again.IncludeRoot, again.IncludePath = nil, "", ""
	again.Serial, again.Remembers = zone.Policy{}, true
	for _, published := range []*Published{nil, publishedAs(t, r.Name, "out.zone", text)} {
		again.Published = published
		got := Run(t.Context(), []Source{again}, Options{Lookup: silent{t}, Now: c.now})[0]
		switch {
		case !got.OK():
			t.Errorf("the output cannot be compiled again:\n%s", diagText([]Result{got}))
		case !bytes.Equal(got.Text.Bytes(), text):
			t.Errorf("the output compiled again is another (-first +second):\n%s", cmp.Diff(string(text), string(got.Text.Bytes())))
		case published != nil && got.Changed:
			t.Error("the output is said to differ from itself")
		}
	}
	meant := publish.Meant{Origin: r.Name, Content: r.Content, Serial: r.Serial, For: s.For, Strip: s.StripDNSSEC}
	if err := publish.VerifyText(meant, text); err != nil {
		t.Error(err)
	}
}

// askJudges lets name servers read an output, its canonical form, and what is
// made of the same source for all of them.
func (c *zoneCase) askJudges(t *testing.T, i int, r *Result) {
	t.Helper()
	s := &c.sources[i]
	j := judging{t: t, dir: t.TempDir(), origin: r.Name.String(), lenient: s.CheckNames == diag.Warning}
	source := j.named("source.db", r.Text.Bytes())
	canonical := c.compiled(t, func(s *Source) { s.Style = StyleCanonical })[i]
	if !canonical.OK() {
		t.Errorf("nothing is written in canonical style:\n%s", diagText([]Result{canonical}))
	} else if diff := cmp.Diff(source, j.named("canonical.db", canonical.Text.Bytes())); diff != "" {
		t.Errorf("BIND reads other records in canonical style (-source +canonical):\n%s", diff)
	}
	everywhere := c.compiled(t, func(s *Source) { s.For = zonefile.AnyServer })[i]
	if !everywhere.OK() {
		if !saysPortable(everywhere.Problems) {
			t.Errorf("not for all servers, and no server is named:\n%s", diagText([]Result{everywhere}))
		}
		return
	}
	if diff := cmp.Diff(source, j.named("any.db", everywhere.Text.Bytes())); diff != "" {
		t.Errorf("BIND reads other records in what is for all servers (-bind +any):\n%s", diff)
	}
	j.others("any.db", c.skipKnot)
}

// saysPortable tells whether an error is about a server other than BIND.
func saysPortable(problems diag.List) bool {
	return slices.ContainsFunc(problems, func(d *diag.Diagnostic) bool {
		return d.Severity == diag.Error && (strings.Contains(d.Message, "NSD") || strings.Contains(d.Message, "Knot"))
	})
}

// reportedElsewhere are the codes that no source can bring about, each with
// where it is tested.
var reportedElsewhere = map[diag.Code]string{
	diag.CodePublishedUnknown:  "cmd/aliasflat: servers that do not tell what they serve",
	diag.CodePlanDiffers:       "cmd/aliasflat: plans that are old",
	diag.CodeConfigSyntax:      "pkg/config",
	diag.CodeConfigUnknownKey:  "pkg/config",
	diag.CodeConfigValue:       "pkg/config",
	diag.CodeConfigZone:        "pkg/config",
	diag.CodeConfigPrivacy:     "pkg/config",
	diag.CodeConfigServe:       "pkg/config",
	diag.CodeConfigSecret:      "pkg/config",
	diag.CodeLockSyntax:        "cmd/aliasflat",
	diag.CodeLockDiffers:       "cmd/aliasflat",
	diag.CodeStateLocked:       "cmd/aliasflat",
	diag.CodeStateCorrupt:      "cmd/aliasflat",
	diag.CodeStateVersion:      "cmd/aliasflat",
	diag.CodeStateImport:       "cmd/aliasflat",
	diag.CodeStateSerial:       "cmd/aliasflat",
	diag.CodeStateUnusable:     "cmd/aliasflat",
	diag.CodeOutputEdited:      "cmd/aliasflat",
	diag.CodeLocked:            "cmd/aliasflat",
	diag.CodeReloadDynamic:     "pkg/publish",
	diag.CodePushFailed:        "pkg/publish",
	diag.CodePushUnconfirmed:   "pkg/publish",
	diag.CodePushConflict:      "pkg/publish",
	diag.CodePushOthers:        "pkg/publish",
	diag.CodeReloadSerial:      "pkg/publish",
	diag.CodeReloadUnconfirmed: "pkg/publish",
	diag.CodeReloadFailed:      "pkg/publish",
	diag.CodeReloadWithdrawn:   "pkg/publish",
	diag.CodeHookFailed:        "pkg/publish",
	diag.CodeServeFailed:       "cmd/aliasflat",
	diag.CodeEditText:          "pkg/zonefile: edits of a source",
	diag.CodeEditSOA:           "pkg/zonefile: edits of a source",
	diag.CodeEditIncluded:      "pkg/zonefile: edits of a source",
	diag.CodeEditMeaning:       "pkg/zonefile: edits of a source",
	diag.CodeEditCheck:         "pkg/zonefile: edits of a source",
	diag.CodeEditChanged:       "cmd/aliasflat: edits of a source that changes",
	diag.CodePullUnreachable:   "pkg/pull",
	diag.CodePullRefused:       "pkg/pull",
	diag.CodePullSignature:     "pkg/pull",
	diag.CodePullBroken:        "pkg/pull",
	diag.CodePullSerial:        "pkg/pull",
	diag.CodePullExpired:       "pkg/pull",
	diag.CodePullPending:       "cmd/aliasflat",
	diag.CodeUnreadable:        "cmd/aliasflat: files that cannot be read",
	diag.CodeUnwritable:        "cmd/aliasflat: outputs that cannot be written",
}

// TestZonesCodes wants a case for each code.
func TestZonesCodes(t *testing.T) {
	cases := loadZoneCases(t)
	for _, info := range diag.Codes {
		_, elsewhere := reportedElsewhere[info.Code]
		found := slices.ContainsFunc(cases, func(c *zoneCase) bool {
			return bytes.Contains(c.files["want.diag"], []byte(" ["+string(info.Code)+"]\n"))
		})
		if found == elsewhere {
			t.Errorf("%s: there is a case: %v; it is tested elsewhere: %v", info.Code, found, elsewhere)
		}
	}
}
