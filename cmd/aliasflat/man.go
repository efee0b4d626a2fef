package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
)

// manDate stands on the pages unless SOURCE_DATE_EPOCH gives another: the same
// binary writes the same pages, today and tomorrow.
var manDate = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)

func newManCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man DIR",
		Short:   "Write the manual pages into a folder",
		Example: `  aliasflat man /usr/local/share/man/man1`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{message: fmt.Sprintf("man takes one folder, not %d arguments", len(args))}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			date := manDate
			if epoch := os.Getenv("SOURCE_DATE_EPOCH"); epoch != "" {
				seconds, err := strconv.ParseInt(epoch, 10, 64)
				if err != nil {
					return usageError{message: fmt.Sprintf("SOURCE_DATE_EPOCH=%q is no number of seconds", epoch)}
				}
				date = time.Unix(seconds, 0).UTC()
			}
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			return writeManPages(cmd.Root(), date, args[0])
		},
	}
}

// writeManPages writes the page of the command and those of the commands below.
func writeManPages(cmd *cobra.Command, date time.Time, folder string) error {
	var page bytes.Buffer
	writeManPage(&page, cmd, date)
	file := filepath.Join(folder, manName(cmd)+".1")
	if err := os.WriteFile(file, page.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write manual page: %w", err)
	}
	for _, c := range manChildren(cmd) {
		if err := writeManPages(c, date, folder); err != nil {
			return err
		}
	}
	return nil
}
