package judge

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// failing stands in for a test that is meant to fail.
type failing struct{ testing.TB }

type fatal string

func (f failing) Fatal(args ...any)                 { panic(fatal(fmt.Sprint(args...))) }
func (f failing) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

// message gives what a function said when it failed its test.
func message(t *testing.T, call func(testing.TB)) (said string) {
	t.Helper()
	defer func() {
		text, ok := recover().(fatal)
		if !ok {
			t.Error("it does not fail")
		}
		said = string(text)
	}()
	call(failing{t})
	return ""
}

func TestFailures(t *testing.T) {
	good, bad := zoneFile(t, tiny), zoneFile(t, broken)
	gone := make(chan struct{})
	close(gone)
	ended := &Server{Addr: "127.0.0.1:1", Name: "nsd", log: new(Buffer), exited: gone}
	for want, call := range map[string]func(testing.TB){
		"no-such-tool is not installed: run make deps": func(tb testing.TB) { tb.Helper(); findTool(tb, "no-such-tool") },
		"named-compilezone refuses":                    func(tb testing.TB) { tb.Helper(); NamedCompile(tb, "example.com", bad) },
		"nsd-checkzone refuses":                        func(tb testing.TB) { tb.Helper(); NSDPrint(tb, "example.com", bad) },
		"ldns-read-zone refuses":                       func(tb testing.TB) { tb.Helper(); LDNSRead(tb, bad) },
		"no such file or directory":                    func(tb testing.TB) { tb.Helper(); NSDCheck(tb, "example.com", "/no/such/folder/zone") },
		"nsd does not serve example.com: it has ended": func(tb testing.TB) { tb.Helper(); ended.WaitReady(tb, "example.com") },
		"nsd: ask for example.com A":                   func(tb testing.TB) { tb.Helper(); ended.Query(tb, "example.com", dns.TypeA) },
		"nsd: transfer example.com":                    func(tb testing.TB) { tb.Helper(); ended.Transfer(tb, "example.com") },
		"false is not started as a secondary": func(tb testing.TB) {
			tb.Helper()
			(&Secondary{Program: "false", Primary: "127.0.0.1:1"}).Start(tb)
		},
		"missing port in address": func(tb testing.TB) { tb.Helper(); (&Secondary{Program: "nsd", Primary: "127.0.0.1"}).Start(tb) },
		"load-zone example.com": func(tb testing.TB) {
			tb.Helper()
			StartPowerDNSAPI(tb, map[string]string{"example.com": "/no/such/folder/zone"}, "key")
		},
		"false does not start: it has ended\nfalse: exit status 1": func(tb testing.TB) {
			tb.Helper()
			start(tb, "false", map[string]string{"example.com": good}, nsdConfig)
		},
	} {
		if said := message(t, call); !strings.Contains(said, want) {
			t.Errorf("it says %q, want %q", said, want)
		}
	}
}

func TestRefusedTransfer(t *testing.T) {
	server := StartNSD(t, map[string]string{"example.com": zoneFile(t, tiny)})
	said := message(t, func(tb testing.TB) { tb.Helper(); server.Transfer(tb, "example.net") })
	if !strings.Contains(said, "nsd: transfer example.net: ") {
		t.Errorf("it says %q", said)
	}
}

func TestCopyOfProgram(t *testing.T) {
	program := findTool(t, "true")
	twin := copyProgram(t, program)
	want, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(twin)
	if err != nil || string(got) != string(want) || filepath.Base(twin) != "true" {
		t.Errorf("%s: %d of %d bytes, %v", twin, len(got), len(want), err)
	}
	info, err := os.Stat(twin)
	if err != nil || info.Mode()&0o100 == 0 {
		t.Errorf("%v, %v", info, err)
	}
}
