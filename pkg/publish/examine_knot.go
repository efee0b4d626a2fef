package publish

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
)

func (k *knot) reach() *program { return &program{args: k.command("knotc", "status")} }

func (k *knot) reached(said string) (string, bool) {
	if !strings.Contains(said, "Running") {
		return "", false
	}
	return "Knot DNS answers", true
}

// knotSettings are the items of a zone that were written, in the zone or in its
// template.
type knotSettings map[string]string

func (s knotSettings) or(item, otherwise string) string {
	if value, ok := s[item]; ok {
		return value
	}
	return otherwise
}

// add takes the lines of knotc conf-read, of which an item that is there already
// wins.
func (s knotSettings) add(said string) {
	for line := range strings.Lines(said) {
		key, value, ok := strings.Cut(strings.TrimSpace(line), " = ")
		_, item, inner := strings.Cut(key, "].")
		if _, have := s[item]; ok && inner && !have {
			s[item] = strings.Trim(value, `"`)
		}
	}
}

// settings reads how the server has a zone. Where the zone names no template,
// that of the name default holds, if there is one.
func (k *knot) settings(ctx context.Context) (knotSettings, error) {
	s := knotSettings{}
	said, err := k.runLook(ctx, k.command("knotc", "--", "conf-read", "zone["+k.zoneArgument()+"]"))
	if err != nil {
		return nil, err
	}
	s.add(said)
	said, err = k.runLook(ctx, k.command("knotc", "--", "conf-read", "template["+s.or("template", "default")+"]"))
	if err != nil && !strings.Contains(said, "invalid identifier") {
		return nil, err
	}
	s.add(said)
	return s, nil
}

func (k *knot) fit(ctx context.Context, _ *examined) (found []Finding, more bool) {
	subject := k.subject()
	said, err := k.runLook(ctx, k.command("knotc", "--", "zone-status", k.zoneArgument()))
	if err != nil {
		hint := fmt.Sprintf("write - domain: %s with file: %s, zonefile-sync: -1, zonefile-load: difference and journal-content: all below zone: in knot.conf", k.zoneArgument(), followed(k.File))
		return []Finding{red(subject, err.Error(), hint)}, false
	}
	if strings.Contains(said, "role: slave") || strings.Contains(said, "role: secondary") {
		return []Finding{red(subject, "Knot has it as secondary, and takes no file of it", "take master away from the zone there")}, false
	}
	s, err := k.settings(ctx)
	if err != nil {
		return []Finding{yellow(subject, "how Knot has it could not be found out: "+err.Error(), "it should have zonefile-sync: -1 and zonefile-load: difference")}, true
	}
	if other, ok := k.readsFile("Knot", s.file()); !ok {
		found = append(found, other)
	}
	return append(found, k.judgeSync(s), k.judgeLoad(s)), true
}

// file is the zone file, empty where it has a pattern.
func (s knotSettings) file() string {
	file := s.or("file", "")
	if file == "" || strings.Contains(file, "%") {
		return ""
	}
	if filepath.IsAbs(file) {
		return file
	}
	if storage := s.or("storage", ""); filepath.IsAbs(storage) {
		return filepath.Join(storage, file)
	}
	return ""
}

// judgeSync looks whether knotd writes into the output: it does when the zone is
// not what the file has any more, because it signs it or numbers it itself.
func (k *knot) judgeSync(s knotSettings) Finding {
	subject, sync := k.subject(), s.or("zonefile-sync", "0")
	const write = "write zonefile-sync: -1 into the zone or its template"
	switch {
	case sync == "-1":
		return green(subject, "Knot does not write into the output (zonefile-sync: -1)")
	case s.or("zonefile-load", "whole") == "difference-no-serial" || s.or("dnssec-signing", "off") == "on":
		return red(subject, fmt.Sprintf("Knot writes what it serves into the output (zonefile-sync: %s), and that is not what aliasflat wrote", sync), write)
	}
	return yellow(subject, fmt.Sprintf("Knot may write into the output (zonefile-sync: %s)", sync), write)
}

// judgeLoad looks what knotd makes of a new file.
func (k *knot) judgeLoad(s knotSettings) Finding {
	subject, load := k.subject(), s.or("zonefile-load", "whole")
	has := "Knot has zonefile-load: " + load
	const write = "write zonefile-load: difference and journal-content: all"
	switch {
	case load == "none":
		return red(subject, has+": it never reads the output", write)
	case load == "difference-no-serial" && !k.SelfNumbered:
		return yellow(subject, has+": it numbers the zone itself, and its serials may pass those of the output", "write serial: keep for the zone into aliasflat.yaml, or zonefile-load: difference there")
	case load != "difference-no-serial" && k.SelfNumbered:
		return yellow(subject, has+" with serial: keep: a change without a new serial in the source reaches no secondary", "write zonefile-load: difference-no-serial and journal-content: all there, or take serial: keep away")
	case load == "whole":
		return yellow(subject, has+": secondaries transfer the whole zone at every change", write)
	}
	return green(subject, has+": secondaries transfer what changed")
}
