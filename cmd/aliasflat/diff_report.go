package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// The forms that show differences. A line of a record begins with its sign,
// which is what makes diff blocks colored wherever they are shown.

// writeChanges writes the lines of a zone's changes.
func (c *change) writeChanges(b *strings.Builder, p paint) {
	c.lines(func(line string) {
		switch {
		case !p.on:
			b.WriteString(line)
		case line[0] == '+':
			b.WriteString(p.come.Sprint(line))
		default:
			b.WriteString(p.gone.Sprint(line))
		}
		b.WriteByte('\n')
	})
}

// jsonChange is one RRset that changes.
type jsonChange struct {
	Owner string     `json:"owner"`
	Type  string     `json:"type"`
	Old   *jsonRRset `json:"old"` // null: it is added
	New   *jsonRRset `json:"new"` // null: it is removed
}

type jsonRRset struct {
	TTL   uint32   `json:"ttl"`
	RDATA []string `json:"rdata"`
}

// json is the changes of a zone; nil where nobody asked for them.
func (c *change) json() []jsonChange {
	if c == nil {
		return nil
	}
	list := make([]jsonChange, 0, len(c.difference))
	for i := range c.difference {
		d := &c.difference[i]
		about := d.RRset()
		list = append(list, jsonChange{
			Owner: about.Owner.String(), Type: zonefile.TypeName(about.Type), Old: jsonRecords(d.Old), New: jsonRecords(d.New),
		})
	}
	return list
}

func jsonRecords(set *zone.RRset) *jsonRRset {
	if set == nil {
		return nil
	}
	out := &jsonRRset{TTL: set.TTL}
	for _, d := range set.RDATA {
		out.RDATA = append(out.RDATA, string(zonefile.AppendData(nil, set.Type, d)))
	}
	return out
}

const (
	// markdownMarker is the first line, by which a comment is found again.
	markdownMarker = "<!-- aliasflat/diff -->"
	// markdownLimit is how many bytes the text has about: GitHub takes comments of
	// 65,536 characters.
	markdownLimit = 60_000
)

// renderMarkdown writes the text of a comment.
func (r *report) renderMarkdown(w io.Writer, l look) error {
	var b strings.Builder
	b.WriteString(markdownMarker + "\n")
	for i := range r.Zones {
		z := &r.Zones[i]
		if line := z.summary(); line != "" {
			b.WriteString("\n**" + codeSpan(visible(line)) + "**\n")
		}
		if z.Changes != nil && len(z.Changes.difference) > 0 {
			z.Changes.writeMarkdown(&b)
		}
	}
	r.writeFindings(&b, l)
	if r.Plan != "" {
		b.WriteString("\nplan `" + r.Plan + "`\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// writeMarkdown writes the changes of a zone as a block, as far as there is
// room. A line of it never ends the block, since it begins with a sign.
func (c *change) writeMarkdown(b *strings.Builder) {
	b.WriteString("\n```diff\n")
	left := 0
	c.lines(func(line string) {
		if left > 0 || b.Len()+len(line) > markdownLimit {
			left++
			return
		}
		b.WriteString(line + "\n")
	})
	b.WriteString("```\n")
	if left > 0 {
		fmt.Fprintf(b, "\n%s left out: they do not fit into a comment\n", plural(left, "line"))
	}
}

// writeFindings writes the diagnostics, errors alone where it is to be quiet.
func (r *report) writeFindings(b *strings.Builder, l look) {
	var text strings.Builder
	for _, d := range r.all() {
		if l.shows(d) {
			writeDiagnostic(&text, d, look{width: defaultWidth}, newPaint(false))
		}
	}
	if text.Len() == 0 {
		return
	}
	list := text.String()
	if room := max(markdownLimit-b.Len(), 1000); len(list) > room {
		list = list[:strings.LastIndexByte(list[:room], '\n')+1] + "and more\n"
	}
	fence := strings.Repeat("`", max(3, longestRun(list, '`')+1))
	b.WriteString("\n" + fence + "\n" + list + fence + "\n")
}

// longestRun is the greatest number of one byte in a row.
func longestRun(s string, c byte) int {
	longest, run := 0, 0
	for i := range len(s) {
		if s[i] != c {
			run = 0
			continue
		}
		run++
		longest = max(longest, run)
	}
	return longest
}

// codeSpan is a line as code, in which nothing is markup, a mention or a link.
func codeSpan(s string) string {
	fence := strings.Repeat("`", longestRun(s, '`')+1)
	if len(fence) > 1 {
		s = " " + s + " " // the blanks are not shown, and keep the fences apart from the text
	}
	return fence + s + fence
}
