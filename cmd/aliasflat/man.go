package main

import (
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

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
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("write manual pages: %w", err)
			}
			header := &doc.GenManHeader{Section: "1", Manual: "aliasflat manual"}
			// The same binary writes the same pages: without SOURCE_DATE_EPOCH,
			// which the generator reads itself, the date would be today's.
			if os.Getenv("SOURCE_DATE_EPOCH") == "" {
				header.Date = new(time.Time)
				*header.Date = time.Date(2026, time.November, 1, 0, 0, 0, 0, time.UTC)
			}
			if err := doc.GenManTree(cmd.Root(), header, args[0]); err != nil {
				return fmt.Errorf("write manual pages into %s: %w", args[0], err)
			}
			return nil
		},
	}
}
