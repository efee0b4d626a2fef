package publish

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

func (b *bind) reach() *program { return &program{args: b.command("rndc", "status")} }

func (b *bind) reached(said string) (string, bool) {
	version, ok := statusLine(said, "version")
	if !ok {
		return "", false
	}
	version, _, _ = strings.Cut(version, " (")
	return version + " answers", true
}

// statusLine finds the value of a line of rndc.
func statusLine(text, key string) (string, bool) {
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(strings.TrimSpace(line), key+": "); ok {
			return value, true
		}
	}
	return "", false
}

func (b *bind) fit(ctx context.Context, s *examined) (found []Finding, more bool) {
	subject := b.subject()
	said, err := b.runLook(ctx, b.words("zonestatus"))
	if err != nil {
		hint := fmt.Sprintf("write zone \"%s\" { type primary; file \"%s\"; ixfr-from-differences yes; }; into named.conf", b.zoneArgument(), followed(b.File))
		return []Finding{red(subject, err.Error(), hint)}, false
	}
	if kind, _ := statusLine(said, "type"); kind != "primary" && kind != "master" {
		return []Finding{red(subject, fmt.Sprintf("BIND has it as %s, and takes no file of it", kind), "it must be type primary there")}, false
	}
	file, _ := statusLine(said, "files")
	file, _, _ = strings.Cut(file, ", ") // what it includes follows
	if other, ok := b.readsFile("BIND", file); !ok {
		found = append(found, other)
	}
	switch st := parseStatus(said); {
	case st.dynamic && !st.inline:
		d := problemDynamic(b.reloading)
		return append(found, red(subject, d.Message, d.Hint)), true
	case st.inline:
		return append(found, green(subject, "BIND signs it inline under serials of its own; that of the file counts here")), true
	}
	return append(found, b.differences(s)), true
}

// differences tells whether named makes incremental transfers possible.
func (b *bind) differences(s *examined) Finding {
	subject := b.subject()
	const write = "write ixfr-from-differences yes; into the zone or into options"
	conf, err := s.conf()
	if err != nil {
		return yellow(subject, "whether ixfr-from-differences is on could not be found out: "+err.Error(), "as a user who may read named.conf doctor sees it; "+write)
	}
	on, found := makesDifferences(conf, b.Zone, b.Reload.View)
	switch {
	case !found:
		return yellow(subject, "whether ixfr-from-differences is on could not be found out: named.conf does not have the zone", write)
	case !on:
		return yellow(subject, "ixfr-from-differences is off: secondaries transfer the whole zone at every change", write)
	}
	return green(subject, "ixfr-from-differences is on: secondaries transfer what changed")
}

var (
	errNoConf     = errors.New("rndc status does not name the configuration file")
	errConfRemote = errors.New("named runs on another machine")
)

// configuration reads the configuration of named, by the file that it names
// itself, on the machine where the command of the reload runs rndc.
func (b *bind) configuration(ctx context.Context, status string) ([]clause, error) {
	file, ok := statusLine(status, "configuration file")
	if !ok {
		return nil, errNoConf
	}
	words := b.command("rndc")
	at := slices.IndexFunc(words, func(w string) bool { return filepath.Base(w) == "rndc" })
	if at < 0 || elsewhere(words[at+1:]) {
		return nil, errConfRemote
	}
	tool := "named-checkconf"
	if beside := filepath.Join(filepath.Dir(words[at]), tool); at == 0 && filepath.IsAbs(words[at]) {
		if _, err := exec.LookPath(beside); err == nil {
			tool = beside
		}
	}
	p := &program{args: append(slices.Clone(words[:at]), tool, "-px", file), grace: examineGrace, most: examineSpace}
	ctx, cancel := context.WithTimeout(ctx, examineTime)
	defer cancel()
	said, err := p.run(ctx)
	if err != nil {
		return nil, errors.New(oneLine(p.failure(said, err)))
	}
	return parseNamedConf(said)
}

// elsewhere tells whether arguments of rndc name a server on another machine.
func elsewhere(args []string) bool {
	for i, arg := range args {
		server, ok := strings.CutPrefix(arg, "-s")
		if ok && server == "" && i+1 < len(args) {
			server = args[i+1]
		}
		if !ok || server == "localhost" {
			continue
		}
		if addr, err := netip.ParseAddr(server); err != nil || !addr.IsLoopback() {
			return true
		}
	}
	return false
}
