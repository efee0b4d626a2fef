package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

func newExplainCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "explain [CODE...]",
		Short: "Explain the code in brackets at the end of a message",
		Long: `explain says what a code means, why it matters and what to do about it.
Without a CODE it lists all of them.`,
		Example: `  aliasflat explain alias-sibling`,
		ValidArgsFunction: func(_ *cobra.Command, _ []string, start string) ([]string, cobra.ShellCompDirective) {
			var codes []string
			for _, info := range diag.Codes {
				if strings.HasPrefix(string(info.Code), start) {
					codes = append(codes, string(info.Code)+"\t"+info.Title)
				}
			}
			return codes, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(_ *cobra.Command, args []string) error {
			infos := diag.Codes
			if len(args) > 0 {
				infos = nil
			}
			for _, arg := range args {
				info, err := findCode(arg)
				if err != nil {
					return err
				}
				infos = append(infos, info)
			}
			switch {
			case a.format == "json":
				return explainJSON(a.stdout, infos)
			case len(args) == 0:
				return listCodes(a.stdout)
			default:
				return explainText(a.stdout, infos)
			}
		},
	}
}

// findCode takes a code as it stands in a message, brackets and all.
func findCode(arg string) (diag.Info, error) {
	word := strings.ToLower(strings.Trim(arg, "[]"))
	if info, ok := diag.Lookup(diag.Code(word)); ok {
		return info, nil
	}
	err := usageError{
		message: fmt.Sprintf("unknown code %q", arg),
		hint:    "aliasflat explain lists all codes",
	}
	var codes, parts []string
	for _, info := range diag.Codes {
		codes = append(codes, string(info.Code))
		if word != "" && strings.Contains(string(info.Code), word) {
			parts = append(parts, string(info.Code))
		}
	}
	if near := diag.Near(word, codes); near != "" {
		err.hint = fmt.Sprintf("did you mean %s?", near)
	} else if len(parts) == 1 {
		err.hint = fmt.Sprintf("did you mean %s?", parts[0])
	} else if n := len(parts) - 1; n > 0 {
		err.hint = fmt.Sprintf("there are %s and %s", strings.Join(parts[:n], ", "), parts[n])
	}
	return diag.Info{}, err
}

func explainText(w io.Writer, infos []diag.Info) error {
	var text strings.Builder
	for i, info := range infos {
		if i > 0 {
			text.WriteString("\n")
		}
		fmt.Fprintf(&text, "%s (%s): %s\n\n%s\n", info.Code, info.Severity, info.Title, strings.TrimSpace(info.Text))
	}
	_, err := io.WriteString(w, text.String())
	return err
}

func listCodes(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, info := range diag.Codes {
		fmt.Fprintf(table, "%s\t%s\t%s\n", info.Code, info.Severity, info.Title)
	}
	return table.Flush()
}

func explainJSON(w io.Writer, infos []diag.Info) error {
	type entry struct {
		Code     diag.Code `json:"code"`
		Severity string    `json:"severity"`
		Title    string    `json:"title"`
		Text     string    `json:"text"`
	}
	entries := make([]entry, 0, len(infos))
	for _, info := range infos {
		entries = append(entries, entry{info.Code, info.Severity.String(), info.Title, strings.TrimSpace(info.Text)})
	}
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(entries)
}
