package main

import (
	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/publish"
)

// checkCommand is the work of aliasflat check.
type checkCommand struct {
	*app
	sourceFlags
}

func newCheckCommand(a *app) *cobra.Command {
	c := &checkCommand{app: a}
	cmd := &cobra.Command{
		Use:   "check [SOURCE...]",
		Short: "Read and check zone files without a network",
		Long: `check reads zone files as compile does, checks syntax, records, ALIAS rules and
targets inside the zones of the run, and asks no resolver. Of a zone that is pulled
(axfr://) it reads the copy that was kept. It writes nothing but its report, to
standard output.`,
		Example: `  aliasflat check example.com.zone
  aliasflat check --for any --fail-on warning zones/*.zone
  aliasflat check --format github zones/*.zone`,
		RunE: interruptible(c.run),
	}
	c.add(cmd)
	return cmd
}

func (c *checkCommand) run(cmd *cobra.Command, args []string) error {
	conf, err := c.settings(c.stdout)
	if err != nil {
		return err
	}
	jobs, err := c.jobs(cmd, conf, args)
	if err != nil {
		return err
	}
	if err := c.pulls(c.stdout, conf, keptIn(conf), false, jobs); err != nil {
		return err
	}
	files, err := c.apart(conf, "", jobs, nil)
	if err != nil {
		return err
	}
	roots := roots{}
	defer roots.close()
	sources := make([]compile.Source, 0, len(jobs))
	text := 0
	for _, j := range jobs {
		j.load(c.stdin, roots)
		sources = append(sources, j.source)
		text += len(j.source.Text)
	}
	saveMemory(text)
	rep := &report{}
	var o outcome
	results := compile.Run(cmd.Context(), sources, compile.Options{Advise: publish.LargePages})
	if err := files.includesApart(jobs); err != nil {
		return err
	}
	for i, j := range jobs {
		z := zoneReport(j, &results[i])
		if len(j.problems) > 0 {
			z.Diagnostics = j.problems
		}
		if z.Diagnostics.HasErrors() {
			o |= outcomeSource
		}
		z.OldSerial = nil
		rep.Zones = append(rep.Zones, z)
	}
	return c.finish(c.stdout, rep, o)
}
