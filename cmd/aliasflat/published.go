package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// publishedFlags are the flags that say what was published last, where it is
// not the output that does.
type publishedFlags struct {
	serialFrom string
	against    string
}

func (f *publishedFlags) add(cmd *cobra.Command) {
	f.addSerialFrom(cmd)
	cmd.Flags().StringVar(&f.against, "against", "", "compare with `WHAT` is published: a FILE, one of the source's name in DIR/, or axfr://SERVER[:PORT][/ZONE] (default: what the output holds)")
}

func (f *publishedFlags) addSerialFrom(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.serialFrom, "serial-from", "", "take the serial that `SERVER` serves, dns://HOST[:PORT], as published too")
}

// compared settles what each job is compared with. A preview of something that
// nothing tells of is refused.
func (f *publishedFlags) compared(jobs []*job, preview bool) error {
	if f.serialFrom != "" {
		if _, err := publish.ParseServer(f.serialFrom, publish.SchemeDNS); err != nil {
			return usageError{message: "--serial-from: " + err.Error(), hint: "as in --serial-from dns://192.0.2.1"}
		}
	}
	transfer := strings.Contains(f.against, "://")
	folder := !transfer && f.against != "" && isFolder(f.against)
	for _, j := range jobs {
		override(&j.asked, f.serialFrom)
		if j.output != "-" {
			j.last = j.output
		}
		switch {
		case transfer:
			s, err := publish.ParseServer(f.against, publish.SchemeAXFR)
			if err != nil {
				return usageError{message: "--against: " + err.Error(), hint: "as in --against axfr://192.0.2.1/example.com, or the name of a file"}
			}
			if !s.Zone.IsZero() && len(jobs) > 1 {
				return usageError{message: fmt.Sprintf("--against names one zone for %d sources", len(jobs)), hint: "leave the zone out: " + strings.TrimSuffix(f.against, s.Zone.String())}
			}
			j.against = f.against
		case folder:
			j.against = filepath.Join(f.against, j.baseName(filepath.Base))
		case f.against != "" && len(jobs) > 1:
			return usageError{message: fmt.Sprintf("--against names one file for %d sources", len(jobs)), hint: "name a folder with --against DIR/"}
		default:
			j.against = f.against
		}
		if preview && j.last == "" && j.against == "" {
			return usageError{message: "nothing tells what is published of " + j.path, hint: "name the file with -o or --against, or the server with --against axfr://SERVER"}
		}
	}
	return nil
}

// published finds what was published last, once the source is read: in the
// file or on the server that it is compared with, and under which serial, the
// latest of those that anybody tells.
func (j *job) published(ctx context.Context) {
	if len(j.problems) > 0 {
		return
	}
	j.source.Remembers = j.output != "-"
	if j.last != "" {
		j.publishedOutput()
	}
	own := j.source.Published
	if j.against != "" {
		j.compareWith(ctx, own)
	}
	j.ask(ctx)
}

// publishedOutput is publishedFile for the output itself.
func (j *job) publishedOutput() {
	j.publishedFile()
	if p := j.source.Published; p != nil {
		j.shown = &p.Serial
	}
}

// compareWith has the result compared with what --against names. What is held is that of the
// output all the same, if there is one.
func (j *job) compareWith(ctx context.Context, own *compile.Published) {
	j.source.Published = nil
	if own != nil {
		// Its records are not compared, and it has to be an output all the same.
		if _, err := j.summarize(zonefile.Options{Origin: j.zoneName(nil), For: j.source.For}); err != nil {
			j.blocked(err)
		}
	}
	if strings.Contains(j.against, "://") {
		j.transferred(ctx)
	} else {
		j.last = j.against
		j.comparedFile()
	}
	if own == nil {
		return
	}
	if p := j.source.Published; p != nil {
		p.Last = own.Last
	}
	j.later(own.Serial, "the output "+j.output)
}

// ask asks the server for its serial where one is named, and takes it as
// published too.
func (j *job) ask(ctx context.Context) {
	if j.asked == "" || len(j.problems) > 0 {
		return
	}
	server, _ := publish.ParseServer(j.asked, publish.SchemeDNS) // it was checked where it was written
	name, ok := j.knownName()
	if !ok {
		return
	}
	serial, err := publish.ServedSerial(ctx, server.Addr, name)
	if err != nil {
		j.unknown(err)
		return
	}
	j.served = &serial
	j.later(serial, j.asked)
}

// comparedFile is publishedFile for a file that must be there.
func (j *job) comparedFile() {
	j.publishedFile()
	if j.source.Published == nil && len(j.problems) == 0 {
		j.unknown(fmt.Errorf("--against %s: no zone is there", j.last))
	}
}

// transferred gets the published zone from its server.
func (j *job) transferred(ctx context.Context) {
	server, _ := publish.ParseServer(j.against, publish.SchemeAXFR) // it was checked with the flags
	name, ok := j.knownName()
	if !ok {
		return
	}
	if !server.Zone.IsZero() && server.Zone != name {
		j.unknown(fmt.Errorf("--against names zone %s, the source is %s", server.Zone, name))
		return
	}
	text, err := publish.Transfer(ctx, server.Addr, name, publish.TransferLimits{})
	if err != nil {
		j.unknown(err)
		return
	}
	j.old, j.last = text, j.against
	options := j.oldOptions(name)
	old, ok := zonefile.Summarize(j.against, text, options).Summary()
	if !ok {
		j.unknown(fmt.Errorf("transfer %s from %s: the SOA cannot be read", name, server.Addr))
		return
	}
	j.source.Published = &compile.Published{
		Serial: old.Serial,
		Same: func(_ *zonefile.Text, content zonefile.Content) (bool, error) {
			return compile.SameContent(old, content, func() (*zonefile.Zone, error) {
				return zonefile.Read(j.against, text, options), nil
			})
		},
		Gone: func(draft *zonefile.Text, content zonefile.Content) (int, int, error) {
			return compile.Gone(int64(len(text)), draft, content, func() (zonefile.Summary, error) { return old, nil }, func() (before, latest *zonefile.Zone, err error) {
				return zonefile.Read(j.against, text, options), zonefile.Read(j.against, draft.Bytes(), options), nil
			})
		},
	}
}

// later takes a serial as published where it is later than the one known. What
// was published under it is not known then, so the records count as changed.
func (j *job) later(serial zone.Serial, whose string) {
	p := j.source.Published
	switch {
	case p == nil:
		j.source.Published = &compile.Published{
			Serial: serial,
			Same:   func(*zonefile.Text, zonefile.Content) (bool, error) { return false, nil },
		}
	case serial.Incomparable(p.Serial):
		j.refuse(diag.CodeSerialOrder, fmt.Errorf("serial %d of %s is exactly 2^31 away from the published serial %d: neither is the later one", serial, whose, p.Serial),
			fmt.Sprintf("aliasflat serial plan --from %d --to %d shows the way to one serial for both", serial, p.Serial))
	case serial.After(p.Serial):
		next := *p
		next.Serial = serial
		next.Same = func(draft *zonefile.Text, content zonefile.Content) (bool, error) {
			_, err := p.Same(draft, content) // what is no output must not be overwritten all the same
			return false, err
		}
		j.source.Published = &next
	}
}

// knownName is the zone name, once the source is read.
func (j *job) knownName() (zone.Name, bool) {
	name := j.source.Origin
	if name.IsZero() {
		name = zonefile.FindOrigin(j.path, j.source.Text)
	}
	if name.IsZero() {
		j.unknown(errors.New("the source does not tell the zone name, so no server can be asked"))
		return name, false
	}
	return name, true
}

// oldOptions say how a published zone is read: what is in it counts, whether or
// not it would be published again.
func (j *job) oldOptions(name zone.Name) zonefile.Options {
	return zonefile.Options{
		Origin: name, For: j.source.For, CheckNames: diag.Warning, GenerateLimit: j.source.GenerateLimit,
		StripDNSSEC: j.source.StripDNSSEC, Advise: publish.LargePages,
	}
}

// unknown says that what is published could not be found out.
func (j *job) unknown(err error) {
	j.refuse(diag.CodePublishedUnknown, err, "nothing is written: its serial might not be later than the published one")
}

func (j *job) refuse(code diag.Code, err error, hint string) {
	j.outcome |= outcomeWorld
	j.problems = append(j.problems, &diag.Diagnostic{
		Severity: diag.Error, Code: code, Err: err,
		Span: diag.Span{Pos: diag.Pos{File: j.path}}, Message: err.Error(), Hint: hint,
	})
}
