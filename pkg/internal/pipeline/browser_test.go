package pipeline

import (
	"context"
	_ "embed" // what looks for pages that some people cannot use
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe-core/axe.min.js
var axe string

// browser is a headless Chromium with one page open.
type browser struct {
	ctx   context.Context //nolint:containedctx // it is how chromedp names a page
	shots string          // folder of the pictures
}

// startBrowser starts Chromium, which ends with the test.
func startBrowser(t *testing.T) *browser {
	t.Helper()
	needPrograms(t, "chromium")
	// What Chromium starts may write for a moment after it has ended.
	profile, err := os.MkdirTemp("", "chromium") //nolint:usetesting // T.TempDir fails where it is not empty at once
	if err != nil {
		t.Fatal(err)
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.UserDataDir(profile),
		chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	ctx, end := chromedp.NewExecAllocator(t.Context(), options...)
	ctx, shut := chromedp.NewContext(ctx)
	b := &browser{ctx: ctx, shots: os.Getenv("ALIASFLAT_SCREENSHOTS")}
	if b.shots == "" {
		b.shots = t.ArtifactDir()
	} else if err := os.MkdirAll(b.shots, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = chromedp.Cancel(ctx) // it may have ended
		shut()
		end()
		until(t, "what Chromium leaves is removed", func() bool { return os.RemoveAll(profile) == nil })
	})
	// The first run starts the program, which lives as long as its context does.
	if err := chromedp.Run(ctx, chromedp.EmulateViewport(1200, 900)); err != nil {
		t.Fatal(err)
	}
	return b
}

// do has the page do something, within a minute.
func (b *browser) do(t *testing.T, what string, actions ...chromedp.Action) {
	t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Run(ctx, actions...); err != nil {
		var text string
		_ = chromedp.Run(b.ctx, chromedp.Text("body", &text, chromedp.ByQuery)) // it is for the message alone
		t.Fatalf("%s: %v, on a page with\n%s", what, err, text)
	}
}

// has waits until the page shows a text. A page that comes in place of another one is none for a
// moment.
func (b *browser) has(t *testing.T, text string) {
	t.Helper()
	shown := ""
	defer func() {
		if t.Failed() {
			t.Logf("the page is\n%s", shown)
		}
	}()
	until(t, "see "+text, func() bool {
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		defer cancel()
		_ = chromedp.Run(ctx, chromedp.Evaluate("document.body.innerText", &shown)) // it is tried again
		return strings.Contains(shown, text)
	})
}

// fill writes into a field.
func (b *browser) fill(t *testing.T, field, text string) {
	t.Helper()
	b.do(t, "fill "+field, chromedp.WaitVisible(field, chromedp.ByQuery), chromedp.Clear(field, chromedp.ByQuery), chromedp.SendKeys(field, text, chromedp.ByQuery))
}

// click clicks on a link or button by its text.
func (b *browser) click(t *testing.T, text string) {
	t.Helper()
	way := `//a[starts-with(normalize-space(.), "` + text + `")] | //button[starts-with(normalize-space(.), "` + text + `")]`
	b.do(t, "click "+text, chromedp.Click(way, chromedp.BySearch, chromedp.NodeVisible))
}

// look looks at the page in all its forms: it makes pictures of them, and finds nothing that keeps
// somebody from using it.
func (b *browser) look(t *testing.T, name string) {
	t.Helper()
	for _, form := range []struct {
		name, scheme  string
		width, height int64
	}{{"light", "light", 1200, 900}, {"dark", "dark", 1200, 900}, {"narrow", "light", 390, 844}} {
		scheme := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: form.scheme}})
		var picture []byte
		b.do(t, "look", chromedp.EmulateViewport(form.width, form.height), scheme, chromedp.FullScreenshot(&picture, 100))
		if err := os.WriteFile(filepath.Join(b.shots, name+"-"+form.name+".png"), picture, 0o600); err != nil {
			t.Fatal(err)
		}
		b.accessible(t, name+", "+form.name)
		var wide bool
		b.do(t, "measure", chromedp.Evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth", &wide))
		if wide {
			t.Errorf("%s, %s: the page is wider than the window", name, form.name)
		}
	}
	b.do(t, "be wide again", chromedp.EmulateViewport(1200, 900))
}

// accessible runs axe-core on the page.
func (b *browser) accessible(t *testing.T, name string) {
	t.Helper()
	var found struct {
		Passes     int
		Violations []struct {
			ID, Help string
			Nodes    []struct {
				HTML string `json:"html"`
			}
		}
	}
	const run = `axe.run().then(r => ({passes: r.passes.length, violations: r.violations}))`
	await := func(p *runtime.EvaluateParams) *runtime.EvaluateParams { return p.WithAwaitPromise(true) }
	b.do(t, "judge", chromedp.Evaluate(axe+";0", nil), chromedp.Evaluate(run, &found, await))
	if found.Passes < 5 {
		t.Errorf("%s: axe looked at nothing: %d rules", name, found.Passes)
	}
	for _, v := range found.Violations {
		var nodes []string
		for _, n := range v.Nodes {
			nodes = append(nodes, n.HTML)
		}
		t.Errorf("%s: %s: %s\n%s", name, v.ID, v.Help, strings.Join(nodes, "\n"))
	}
}
