package pipeline

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/dnstest"
	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

const editableZone = "$ORIGIN example.com.\n$TTL 300 ; five minutes\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\nwww A 192.0.2.1 ; by hand\n"

// startDashboard starts a daemon with an editable zone, and gives where it listens for HTTP and a
// token for everything, as the README makes one.
func startDashboard(t *testing.T, resolver, more string) (d *running, dir, at, token string) {
	t.Helper()
	dir = t.TempDir()
	put(t, dir, "example.com.zone", editableZone)
	put(t, dir, "aliasflat.yaml", "state: state\nresolvers: [\""+resolver+"\"]\nrefresh-floor: 1s\n"+more+"zones:\n  - {source: example.com.zone, output: example.com.db, editable: true}\n")
	d = startWatch(t, dir)
	listens := regexp.MustCompile(`HTTP at ([0-9.:]+)`)
	until(t, "the port", func() bool { return listens.MatchString(d.log.String()) })
	command := strings.Fields(here(t, shown(t, "sh dashboard"), "aliasflat token", "token"))
	out, err := program(t, dir, command...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return d, dir, listens.FindStringSubmatch(d.log.String())[1], strings.TrimSpace(string(out))
}

// Somebody logs in, adds an ALIAS at the apex, looks at what it would be, saves it, and sees its
// addresses come and the time run; everything on the way can be used by everybody.
func TestDashboard(t *testing.T) {
	t.Parallel()
	world := func(last int) string {
		return fmt.Sprintf("cdn.example.net. 3000 IN CNAME edge.example.org.\nedge.example.org. 90 IN A 192.0.2.%d\nedge.example.org. 90 IN AAAA 2001:db8::%d\n", last, last)
	}
	resolver := dnstest.Start(t, world(80))
	d, dir, at, token := startDashboard(t, resolver.URL(), "listen: {http: \"127.0.0.1:0\"}\n")
	b := startBrowser(t)

	b.do(t, "open", chromedp.Navigate("http://"+at+"/"))
	b.click(t, "Zones in detail")
	b.has(t, "Token")
	b.look(t, "login")
	b.fill(t, "#token", "af_wrong")
	b.click(t, "Log in")
	b.has(t, "This is no token")
	b.accessible(t, "a login that fails")
	b.fill(t, "#token", token)
	b.click(t, "Log in")
	b.has(t, "example.com")
	b.look(t, "zones")
	b.click(t, "example.com")
	b.has(t, "This zone has no ALIAS records")
	b.click(t, "Add an ALIAS")
	b.fill(t, "#target", "cdn .example.net")
	b.look(t, "form")
	b.click(t, "See what would change")
	b.has(t, "is no parameter")
	b.accessible(t, "a form with a mistake")
	b.fill(t, "#target", "cdn.example.net")
	b.fill(t, "#ttl", "1h")
	b.click(t, "See what would change")
	b.has(t, "What would change")
	b.has(t, "192.0.2.80")
	b.has(t, "2001:db8::80")
	b.look(t, "preview")
	if text := read(t, dir, "example.com.zone"); text != editableZone {
		t.Errorf("a preview has written:\n%s", text)
	}
	b.click(t, "Save")
	b.has(t, "It is written")
	b.has(t, "cdn.example.net CNAME edge.example.org")
	b.has(t, "Latest changes")
	var first, later string
	const countdown = "#aliases ~ div time[data-until]"
	b.do(t, "see the time", chromedp.Text(countdown, &first, chromedp.ByQuery))
	until(t, "the time runs", func() bool {
		b.do(t, "see the time", chromedp.Text(countdown, &later, chromedp.ByQuery))
		return first != later
	})
	want := strings.Replace(editableZone, "www A", "@ 3600 ALIAS cdn.example.net.\nwww A", 1)
	if text := read(t, dir, "example.com.zone"); text != want {
		t.Errorf("the source is\n%s", text)
	}
	// The page follows by itself what the target does, and what somebody else has asked for.
	if err := resolver.SetWorld(world(90)); err != nil {
		t.Fatal(err)
	}
	if out, err := program(t, dir, "refresh", "--state", "state", "cdn.example.net").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	b.has(t, "2001:db8::90")
	b.click(t, "Refresh now")
	b.has(t, "2 targets are asked again")
	b.look(t, "zone")
	b.click(t, "Delete")
	b.has(t, "What would change")
	b.look(t, "delete")
	b.click(t, "Delete")
	b.has(t, "It is written")
	if text := read(t, dir, "example.com.zone"); text != editableZone {
		t.Errorf("it is not as it was before:\n%s", text)
	}
	b.do(t, "see the records", chromedp.Navigate("http://"+at+"/dashboard/zones/example.com./records"))
	b.has(t, "192.0.2.1")
	b.look(t, "records")
	b.click(t, "Log out")
	b.has(t, "Token")
	if err := d.stop(t); err != nil {
		t.Error(err)
	}
	if strings.Contains(d.log.String(), token) {
		t.Error("the token is in the log")
	}
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// Without JavaScript everything can be done that is more than looking at a clock.
func TestDashboardWithoutScripts(t *testing.T) {
	t.Parallel()
	resolver := dnstest.Start(t, "cdn.example.net. 300 IN A 192.0.2.80\n")
	d, dir, at, token := startDashboard(t, resolver.URL(), "listen: {http: \"127.0.0.1:0\"}\n")
	b := startBrowser(t)
	b.do(t, "without scripts", chromedp.ActionFunc(func(ctx context.Context) error {
		return emulation.SetScriptExecutionDisabled(true).Do(ctx)
	}), chromedp.Navigate("http://"+at+"/dashboard/"))
	steps := func(what string, actions ...chromedp.Action) { b.do(t, what, actions...) }
	steps("log in", chromedp.SendKeys("#token", token, chromedp.ByQuery), chromedp.Submit("#token", chromedp.ByQuery), chromedp.WaitVisible("a[href$='/zones/example.com.']", chromedp.ByQuery))
	steps("open the zone", chromedp.Click("a[href$='/zones/example.com.']", chromedp.ByQuery), chromedp.WaitVisible("a[href$='/alias']", chromedp.ByQuery))
	steps("open the form", chromedp.Click("a[href$='/alias']", chromedp.ByQuery), chromedp.WaitVisible("#target", chromedp.ByQuery))
	steps("look", chromedp.SendKeys("#target", "cdn.example.net", chromedp.ByQuery), chromedp.Click("button[value=preview]", chromedp.ByQuery), chromedp.WaitVisible("button[value=save]", chromedp.ByQuery))
	steps("save", chromedp.Click("button[value=save]", chromedp.ByQuery), chromedp.WaitVisible(".notice.good", chromedp.ByQuery))
	if text := read(t, dir, "example.com.zone"); !strings.Contains(text, "ALIAS cdn.example.net.") {
		t.Errorf("the source is\n%s", text)
	}
	until(t, "the addresses", func() bool {
		var text string
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		defer cancel()
		if err := chromedp.Run(ctx, chromedp.Reload(), chromedp.Text("main", &text, chromedp.ByQuery)); err != nil {
			t.Fatal(err)
		}
		return strings.Contains(text, "192.0.2.80")
	})
	if err := d.stop(t); err != nil {
		t.Error(err)
	}
}

// The story of the first five minutes: a zone file that is editable, an ALIAS by the call that the
// README shows, which a browser shows and NSD answers, and which follows its target.
func TestFiveMinutes(t *testing.T) {
	t.Parallel()
	world := func(last int) string {
		return fmt.Sprintf("cdn.example.net. 1 IN A 192.0.2.%d\ncdn.example.net. 1 IN AAAA 2001:db8::%d\n", last, last)
	}
	resolver := dnstest.Start(t, world(80))
	feeds := func(nsd string) string {
		return "listen: {http: \"127.0.0.1:0\", dns: \"127.0.0.1:0\"}\nsecondaries:\n  - {address: \"" + nsd + "\", key: none}\n"
	}
	d, dir, at, token := startDashboard(t, resolver.URL(), feeds("127.0.0.9:53"))
	port := regexp.MustCompile(`DNS at 127\.0\.0\.1:([0-9]+)`).FindStringSubmatch(d.log.String())
	if port == nil {
		t.Fatalf("nothing is served:\n%s", d.log)
	}
	secondary := judge.Secondary{
		Program: "nsd", Host: "127.0.0.3", Primary: "127.0.0.1:" + port[1],
		Config: "zone:\n    name: \"example.com\"\n    allow-notify: 127.0.0.1 NOKEY\n    outgoing-interface: 127.0.0.3\n    request-xfr: 127.0.0.1@" + port[1] + " NOKEY\n",
	}
	nsd := secondary.Start(t)
	put(t, dir, "aliasflat.yaml", here(t, read(t, dir, "aliasflat.yaml"), "127.0.0.9:53", nsd.Addr))
	if err := d.cmd.Process.Signal(syscall.SIGHUP); err != nil {
		t.Fatal(err)
	}
	until(t, "NSD has the zone", func() bool { return serves(t, nsd, "www.example.com.", "192.0.2.1") })

	b := startBrowser(t)
	b.do(t, "open", chromedp.Navigate("http://"+at+"/dashboard/"))
	b.fill(t, "#token", token)
	b.click(t, "Log in")
	b.has(t, "example.com")
	b.click(t, "example.com")
	b.has(t, "This zone has no ALIAS records")

	// The README's call, on this machine.
	call := here(t, shown(t, "sh provider"), "http://127.0.0.1:8053", "http://"+at, "aliasflat token", "\"$ALIASFLAT\" token")
	curl := exec.CommandContext(t.Context(), "sh", "-ec", call)
	curl.Dir, curl.Env = dir, append(os.Environ(), "ALIASFLAT="+program(t, dir).Path)
	out, err := curl.CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"status":"success"`) || !strings.Contains(string(out), `"type":"ALIAS"`) {
		t.Fatalf("%v: %s", err, out)
	}
	both := func(last int) {
		t.Helper()
		b.has(t, fmt.Sprint("192.0.2.", last))
		b.has(t, fmt.Sprint("2001:db8::", last))
		until(t, fmt.Sprint("NSD answers with ", last), func() bool {
			aaaa := nsd.Query(t, "example.com.", dns.TypeAAAA).Answer
			return serves(t, nsd, "example.com.", fmt.Sprint("192.0.2.", last)) && len(aaaa) == 1 && strings.HasSuffix(aaaa[0].String(), fmt.Sprint("2001:db8::", last))
		})
	}
	both(80)
	until(t, "the page shows that NSD follows", func() bool {
		var state string
		b.do(t, "see the secondary", chromedp.Text("[data-live=secondaries]", &state, chromedp.ByQuery))
		return strings.Contains(state, nsd.Addr) && strings.Contains(state, "current")
	})
	b.look(t, "five-minutes-before")
	if err := resolver.SetWorld(world(90)); err != nil {
		t.Fatal(err)
	}
	both(90)
	b.look(t, "five-minutes-after")
	if err := d.stop(t); err != nil {
		t.Error(err)
	}
}
