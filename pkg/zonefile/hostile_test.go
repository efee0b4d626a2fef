package zonefile

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Bounds of a hostile source. The time leaves room for a slow machine and the
// race detector; what it excludes is work that grows with the square.
const (
	hostileTime  = time.Minute
	hostileSize  = 256 << 20 // bytes of memory, the source included
	hostileFound = 100       // diagnostics
)

const hostileHead = "$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\nns A 192.0.2.1\n"

// hostile is a source that was made to take long or much.
type hostile struct {
	name string
	text func() []byte
	code diag.Code // of an error that must be among those found; empty: it is a good zone
}

func repeated(s string, n int) func() []byte {
	return func() []byte { return append([]byte(hostileHead), strings.Repeat(s, n)...) }
}

func numberedLines(format string, n int) func() []byte {
	return func() []byte {
		text := bytes.NewBufferString(hostileHead)
		for i := range n {
			fmt.Fprintf(text, format, i)
		}
		return text.Bytes()
	}
}

var hostiles = []hostile{
	{"a million open parentheses on one line", repeated("(", 1e6), diag.CodeUnclosedParen},
	{"a million open parentheses, one a line", repeated("(\n", 1e6), diag.CodeUnclosedParen},
	{"$TTL that opens a parenthesis, many times", repeated("$TTL (\n", 5e5), diag.CodeUnclosedParen},
	{"unknown control entries inside each other's parentheses", func() []byte {
		return []byte(hostileHead + strings.Repeat("$a (\n", 2e5) + strings.Repeat(")", 2e5))
	}, diag.CodeUnknownDirective},
	{"$INCLUDE that opens a parenthesis, many times", repeated("$INCLUDE (\n", 3e5), diag.CodeUnclosedParen},
	{"a million records that open a parenthesis", repeated("a A ( 192.0.2.1\n", 1e6), diag.CodeUnclosedParen},
	{"a million closing parentheses", repeated(")\n", 1e6), diag.CodeUnopenedParen},
	{"a million open quotes", repeated("a TXT \"\n", 1e6), diag.CodeUnclosedQuote},
	{"a million backslashes", repeated(`\`, 1e6), diag.CodeLabelTooLong},
	{"a quote of a million continued lines", repeated("\"\\\n", 1e6), diag.CodeUnknownType},
	{"a field of 64 MiB", repeated("a", 64<<20), diag.CodeLabelTooLong},
	{"a million fields", repeated("a A 192.0.2.1 ", 1e6), diag.CodeExtraText},
	{"a comment of 300 KB", func() []byte { return []byte(hostileHead + "a A 192.0.2.2 ;" + strings.Repeat("x", 300e3) + "\n") }, ""},
	{"a million records at one owner name", numberedLines("a TYPE65280 \\# 4 %08x\n", 1e6), diag.CodeRRsetTooBig},
	{"a million duplicates", repeated("a A 192.0.2.2\n", 1e6), ""},
	{"all types at one owner name", numberedLines("a TYPE%d \\# 0\n", 1e5), diag.CodeMetaType},
	{"a million errors", repeated("a A 192.0.2.300\n", 1e6), diag.CodeBadAddress},
	{"a million kinds of errors", repeated("a A x\na MX 1\na b c\n\"\n(\n$X\n$TTL x\n$INCLUDE x\na\\ \n", 1e5), diag.CodeUnknownType},
	{"a hundred thousand ALIAS entries", numberedLines("a%d ALIAS cdn.example.net.\n", 1e5), ""},
	{"$GENERATE over all numbers", repeated("$GENERATE 1-2147483647 h$ A 192.0.2.1\n", 1), diag.CodeGenerateLimit},
	{"ten thousand $GENERATE over all numbers", repeated("$GENERATE 1-2147483647 h$ A 192.0.2.1\n", 1e4), diag.CodeGenerateLimit},
	{"a thousand $GENERATE within the limit", repeated("$GENERATE 1-65536 h$ A 192.0.2.1\n", 1e3), diag.CodeGenerateLimit},
	{"$GENERATE of long records", repeated("$GENERATE 1-65536 h$ TXT "+strings.Repeat("${0,127}", 30)+"\n", 20), diag.CodeGenerateLimit},
	{"a $TTL on every line", repeated("$TTL 60\na A 192.0.2.2\n", 3e5), ""},
	{"an $ORIGIN on every line", numberedLines("$ORIGIN o%d.example.org.\na A 192.0.2.2\n", 3e5), ""},
	{"blank lines", repeated("\n", 16<<20), ""},
	{"zero bytes", repeated("\x00", 16<<20), diag.CodeLabelTooLong},
	{"an $INCLUDE of nothing, many times", repeated("$INCLUDE nothing\n", 1e5), diag.CodeIncludeMissing},
}

// hostileName carries the name of a case to the process that reads it.
const hostileName = "ALIASFLAT_HOSTILE"

// TestHostile reads each hostile source in a process of its own, whose memory
// the kernel counts.
func TestHostile(t *testing.T) {
	if name := os.Getenv(hostileName); name != "" {
		readHostile(t, name)
		return
	}
	if raceDetector {
		t.Skip("what a source may take is held in ordinary runs")
	}
	t.Parallel()
	for _, h := range hostiles {
		t.Run(strings.ReplaceAll(h.name, " ", "-"), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHostile$", "-test.timeout="+hostileTime.String())
			cmd.Env = append(os.Environ(), hostileName+"="+h.name)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%.3000s", err, out)
			}
			if !bytes.Contains(out, []byte("PASS")) {
				t.Fatalf("read nothing: %s", out)
			}
		})
	}
}

// readHostile reads the source of a case and looks at what it took.
func readHostile(t *testing.T, name string) {
	t.Helper()
	i := slices.IndexFunc(hostiles, func(h hostile) bool { return h.name == name })
	if i < 0 {
		t.Fatalf("no case %q", name)
	}
	h := hostiles[i]
	text := h.text()
	FindOrigin("zone", text)
	z := Read("zone", text, Options{Origin: zone.MustParseName("example.org."), Includes: fstest.MapFS{}, IncludeRoot: "."})
	if n := len(z.Found); n > hostileFound {
		t.Errorf("%d diagnostics", n)
	}
	for _, d := range z.Found {
		if size := len(d.Message) + len(d.Hint) + len(d.Source); size > 10000 {
			t.Errorf("diagnostic of %d bytes", size)
		}
	}
	found := slices.ContainsFunc(z.Found, func(d *diag.Diagnostic) bool { return d.Severity == diag.Error && d.Code == h.code })
	if found != (h.code != "") || z.Found.HasErrors() != (h.code != "") {
		t.Errorf("want an error %q, found:\n%s", h.code, listing(z.Found))
	}
	if !z.Found.HasErrors() {
		z.Rewrite(Rewrite{Aliases: make([][]byte, len(z.Aliases()))})
	}
	runtime.KeepAlive(z)
	if peak, known := peakMemory(t); known && peak > hostileSize && !raceDetector {
		t.Errorf("%d MiB of memory at the most", peak>>20)
	}
}

// peakMemory gives the most memory that the process had, where the system
// tells.
func peakMemory(t *testing.T) (peak int, known bool) {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if errors.Is(err, fs.ErrNotExist) {
		return 0, false
	}
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10, true
		}
	}
	t.Fatal("no VmHWM in the status of the process")
	return 0, false
}

// TestHostileIncludes reads includes that are none, through the root a program
// would open.
func TestHostileIncludes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outside := filepath.Join(dir, "secret")
	writeFile(t, outside, []byte("secret A 192.0.2.2\n"))
	inside := filepath.Join(dir, "zones")
	for _, d := range []string{inside, filepath.Join(inside, "folder")} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(outside, filepath.Join(inside, "link")); err != nil {
		t.Fatal(err)
	}
	if err := exec.Command("mkfifo", filepath.Join(inside, "fifo")).Run(); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(inside, "self"), []byte("$INCLUDE self\n"))
	writeFile(t, filepath.Join(inside, "ping"), []byte("$INCLUDE pong\n"))
	writeFile(t, filepath.Join(inside, "pong"), []byte("$INCLUDE ./folder/../ping\n"))
	for i := range maxIncludeDepth + 1 {
		writeFile(t, filepath.Join(inside, fmt.Sprintf("deep%d", i)), fmt.Appendf(nil, "$INCLUDE deep%d\n", i+1))
	}
	writeFile(t, filepath.Join(inside, fmt.Sprintf("deep%d", maxIncludeDepth+1)), nil)
	root, err := os.OpenRoot(inside)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, c := range []struct {
		name string
		code diag.Code
	}{
		{"link", diag.CodeIncludeOutside},
		{"../secret", diag.CodeIncludeOutside},
		{"folder/../../secret", diag.CodeIncludeOutside},
		{outside, diag.CodeIncludeOutside},
		{"/etc/passwd", diag.CodeIncludeOutside},
		{inside + "/../secret", diag.CodeIncludeOutside},
		{"fifo", diag.CodeIncludeRefused},
		{"folder", diag.CodeIncludeRefused},
		{".", diag.CodeIncludeOutside},
		{"nothing", diag.CodeIncludeMissing},
		{"self", diag.CodeIncludeCycle},
		{"ping", diag.CodeIncludeCycle},
		{"zone", diag.CodeIncludeCycle},
		{"deep0", diag.CodeIncludeDepth},
	} {
		z := Read("zone", []byte(hostileHead+"$INCLUDE "+c.name+"\n"), Options{
			Origin: zone.MustParseName("example.org."), Includes: root.FS(), IncludeRoot: inside, Path: "zone",
		})
		if c.name == "zone" {
			writeFile(t, filepath.Join(inside, "zone"), []byte(hostileHead+"$INCLUDE zone\n"))
			z = Read("zone", []byte(hostileHead+"$INCLUDE zone\n"), Options{
				Origin: zone.MustParseName("example.org."), Includes: root.FS(), IncludeRoot: inside, Path: "zone",
			})
		}
		if len(z.Found) != 1 || z.Found[0].Code != c.code {
			t.Errorf("$INCLUDE %s: want one error %q, found:\n%s", c.name, c.code, listing(z.Found))
		}
		if text := listing(z.Found); strings.Contains(text, "192.0.2.2") || strings.Contains(text, "root:") {
			t.Errorf("$INCLUDE %s: a file outside is quoted:\n%s", c.name, text)
		}
	}
}

// TestHostileFan has each of sixteen files include the next one twice: what is
// read doubles with each, and the bound on it must hold.
func TestHostileFan(t *testing.T) {
	t.Parallel()
	files := fstest.MapFS{}
	for i := range 16 {
		next := fmt.Sprintf("$INCLUDE f%d\n", i+1)
		files[fmt.Sprintf("f%d", i)] = &fstest.MapFile{Data: []byte(strings.Repeat(next, 40))}
	}
	files["f16"] = &fstest.MapFile{Data: bytes.Repeat([]byte("; x\n"), 100)}
	start := time.Now()
	z := Read("zone", []byte(hostileHead+"$INCLUDE f0\n"), Options{Origin: zone.MustParseName("example.org."), Includes: files, IncludeRoot: "."})
	if took := time.Since(start); took > hostileTime {
		t.Errorf("took %s", took)
	}
	if !z.Found.HasErrors() || len(z.Found) > hostileFound {
		t.Errorf("want an error and a bounded number, found:\n%s", listing(z.Found))
	}
}
