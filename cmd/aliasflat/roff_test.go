package main

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// Every character of the text comes out as itself, and none as a request.
func TestWriteManPage(t *testing.T) {
	cmd := &cobra.Command{
		Use:     "tool WORD",
		Short:   `Say "it" \ print`,
		Long:    "tool says it.\n.so is no request, nor is\n'this' one, ~ or ^.\n\n  code\n  more\n\nThe `end`.",
		Example: "  tool \\n",
		Run:     func(*cobra.Command, []string) {},
	}
	cmd.Flags().StringP("file", "f", "", "read `FILE`")
	cmd.Flags().Bool("secret", false, "not for people")
	cmd.Flags().Bool("old", false, "not for long")
	for _, err := range []error{cmd.Flags().MarkHidden("secret"), cmd.Flags().MarkDeprecated("old", "gone")} {
		if err != nil {
			t.Fatal(err)
		}
	}
	var got bytes.Buffer
	writeManPage(&got, cmd, time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC))
	want := `.TH "TOOL" 1 "2026\-11\-01" aliasflat "aliasflat manual"
.SH NAME
tool \- Say "it" \(rs print
.SH SYNOPSIS
.nh
.B tool WORD [flags]
.SH DESCRIPTION
tool says it.
\&.so is no request, nor is
\(aqthis\(aq one, \(ti or \(ha.
.PP
.nf
  code
  more
.fi
.PP
The \(gaend\(ga.
.SH "OPTIONS"
.TP
\fB\-f\fR, \fB\-\-file\fR \fIFILE\fR
read FILE
.TP
\fB\-h\fR, \fB\-\-help\fR
help for tool
.SH EXAMPLES
.nf
  tool \(rsn
.fi
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Error(diff)
	}
}
