package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/state"
)

// stateCommand is the work of aliasflat state and the commands below it.
type stateCommand struct {
	*app
	controlFlags

	lower bool // of import alone
	under bool // of forget alone
}

func newStateCommand(a *app) *cobra.Command {
	c := &stateCommand{app: a}
	cmd := &cobra.Command{
		Use:   "state",
		Short: "Export, import and forget what is remembered between runs",
		Long: `state looks after what runs remember for each other: the last good answers, the
serials that were published, and the history of changes. It is in a folder that
--state names, or the key state of the configuration. Where aliasflat watch has it
open, export and forget go through the daemon.`,
		Args: cobra.ArbitraryArgs,
		RunE: noCommand,
	}
	c.add(cmd.PersistentFlags())
	cmd.AddCommand(c.exportCommand(), c.importCommand(), c.forgetCommand())
	return cmd
}

func (c *stateCommand) exportCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "export",
		Short: "Print all that is remembered as JSON lines",
		Long: `export prints a header and then one JSON object a line for each answer, TTL
estimate, zone and change. The same state gives the same bytes. Its messages go to
standard error.`,
		Example: `  aliasflat state export --state /var/lib/aliasflat > state.jsonl`,
		Args:    noArgs,
		RunE:    interruptible(func(cmd *cobra.Command, _ []string) error { return c.export(cmd) }),
	}
}

func (c *stateCommand) importCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "import [FILE]",
		Short: "Take in what export printed",
		Long: `import takes in what export printed, from FILE or standard input. What was
remembered of the same questions, links and zones is replaced; all else stays. A
line that is wrong, or that would set a serial back, keeps all of it out.`,
		Example: `  aliasflat state import --state /var/lib/aliasflat state.jsonl`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return usageError{message: fmt.Sprintf("import takes one file, not %d", len(args))}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.take(append(args, "-")[0]) },
	}
	cmd.Flags().BoolVar(&c.lower, "lower-serials", false, "let serials go back")
	return cmd
}

func (c *stateCommand) forgetCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "forget NAME...",
		Short: "Forget zones and targets",
		Long: `forget drops the serials of a zone, and the answers and TTL estimates of a target,
by their names. The next run finds them new: for a zone it takes its output for the
last one that was published, and for a target nothing stands in when it fails. The
history of changes stays.`,
		Example: `  aliasflat state forget --state /var/lib/aliasflat cdn.example.net
  aliasflat state forget --under example.net`,
		RunE: interruptible(c.forget),
	}
	cmd.Flags().BoolVar(&c.under, "under", false, "forget all below the names too")
	return cmd
}

func (c *stateCommand) export(cmd *cobra.Command) error {
	r, _, err := c.reach(cmd.Context(), c.stderr, state.Options{ReadOnly: true})
	switch {
	case err != nil:
		return err
	case r.daemon != nil:
		return failed(r.daemon.Export(cmd.Context(), c.stdout))
	default:
		return errors.Join(r.store.Export(c.stdout), r.close())
	}
}

func (c *stateCommand) take(file string) error {
	in := c.stdin
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return fmt.Errorf("import the state: %w", err)
		}
		defer f.Close()
		in = f
	} else {
		file = "<stdin>"
	}
	s, list, err := c.open(c.stdout, state.Options{})
	if err != nil {
		return err
	}
	n, err := s.Import(in, state.ImportOptions{Lower: c.lower, Now: time.Now()})
	err = errors.Join(err, s.Close())
	var lines state.LineErrors
	switch {
	case errors.As(err, &lines):
		return c.finish(c.stdout, &report{Diagnostics: append(list, importProblems(file, lines)...)}, outcomeSource)
	case err != nil:
		return err
	}
	return c.done(list, fmt.Sprintf("imported %s, %s, %s, %s",
		counted(n.Known, "answer"), counted(n.Estimates, "TTL estimate"), counted(n.Zones, "zone"), counted(n.Changes, "change")))
}

func (c *stateCommand) forget(cmd *cobra.Command, args []string) error {
	given, err := names(args, usageError{message: "no name was given", hint: cmd.CommandPath() + " example.com"})
	if err != nil {
		return err
	}
	r, list, err := c.reach(cmd.Context(), c.stdout, state.Options{Existing: true})
	if err != nil {
		return err
	}
	var sum *api.Forgotten
	if r.daemon != nil {
		sum, err = r.daemon.Forget(cmd.Context(), given, c.under)
	} else {
		sum, err = api.Forget(r.store, given, c.under)
		err = errors.Join(err, r.close())
	}
	if err != nil {
		return failed(unknown(err))
	}
	return c.done(list, fmt.Sprintf("forgot %s, %s, %s",
		counted(sum.Zones, "zone"), counted(sum.Answers, "answer"), counted(sum.Estimates, "TTL estimate")))
}

// counted is a number with its word.
func counted(n int, word string) string {
	if n != 1 {
		word += "s"
	}
	return fmt.Sprintf("%d %s", n, word)
}

// done prints the report, and in words what was done.
func (c *stateCommand) done(list diag.List, words string) error {
	if err := c.finish(c.stdout, &report{Diagnostics: list}, 0); err != nil {
		return err
	}
	if c.quiet || c.format != "text" && c.reportFile == "" {
		return nil
	}
	_, err := io.WriteString(c.stdout, words+"\n")
	return err
}

// errDaemon says that a daemon has the state open, and answers.
var errDaemon = errors.New("a daemon has the state")

// open opens the state that flags or configuration name, with what there is to say of it. What
// keeps it from being opened is printed to w.
func (c *stateCommand) open(w io.Writer, o state.Options) (*state.Store, diag.List, error) {
	conf, err := c.settings(w)
	if err != nil {
		return nil, nil, err
	}
	return c.openAt(w, conf, c.stateDir(conf), o, func() bool { return false })
}

// openAt opens the state in a folder. One that another process has open is errDaemon where that
// answers.
func (c *stateCommand) openAt(w io.Writer, conf *config.Config, dir string, o state.Options, answers func() bool) (*state.Store, diag.List, error) {
	if dir == "" {
		return nil, nil, usageError{message: "no state was named", hint: "--state names its folder, or the key state of the configuration"}
	}
	if _, err := c.apart(conf, dir, nil, nil); err != nil {
		return nil, nil, err
	}
	s, err := state.Open(dir, o)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil, usageError{message: fmt.Sprintf("there is no state in %s", dir), hint: "--state names the folder of one"}
	}
	if errors.Is(err, state.ErrLocked) && answers() {
		return nil, nil, errDaemon
	}
	if err != nil {
		d, outcome := stateProblem(err)
		if d == nil {
			return nil, nil, err
		}
		return nil, nil, c.finish(w, &report{Diagnostics: diag.List{d}}, outcome)
	}
	var list diag.List
	if d, _ := stateProblem(s.Problem()); d != nil {
		list = append(list, d)
	}
	return s, list, nil
}

// stateProblem is what there is to say of an error of a state, and what comes of it; nil where
// the error says all. A damaged state is a warning where it was put aside.
func stateProblem(err error) (*diag.Diagnostic, outcome) {
	var (
		locked  *state.LockedError
		corrupt *state.CorruptError
		version *state.VersionError
	)
	d := &diag.Diagnostic{Severity: diag.Error, Err: err}
	switch {
	case errors.As(err, &locked):
		d.Code, d.Span.File, d.Message = diag.CodeStateLocked, locked.Path, "another process has the state open"
		d.Hint = "wait until it is done"
		if locked.PID != 0 {
			d.Message = fmt.Sprintf("process %d has the state open", locked.PID)
			d.Hint = fmt.Sprintf("wait until it is done; ps -fp %d shows what it is", locked.PID)
		}
		return d, outcomeLocked
	case errors.As(err, &corrupt):
		d.Code, d.Span.File, d.Message = diag.CodeStateCorrupt, corrupt.Path, "the state is damaged: "+corrupt.Why
		if corrupt.Aside == "" {
			d.Hint = "a command that writes to it puts it aside and begins an empty one"
			return d, outcomeWorld
		}
		d.Severity = diag.Warning
		d.Hint = fmt.Sprintf("it was put aside as %s, and an empty one begun; what is published is learned from the outputs", corrupt.Aside)
		return d, 0
	case errors.As(err, &version):
		d.Code, d.Span.File = diag.CodeStateVersion, version.Path
		d.Message = fmt.Sprintf("the state has format version %d, and this release knows none above %d", version.Version, state.Version)
		d.Hint = "it is left as it is; use the release that wrote it, or another folder"
		return d, outcomeWorld
	}
	return nil, 0
}

// importProblems are the lines of an import that cannot be taken in.
func importProblems(file string, lines state.LineErrors) diag.List {
	var list diag.List
	for _, e := range lines {
		d := &diag.Diagnostic{
			Severity: diag.Error, Code: diag.CodeStateImport, Err: e, Message: e.Message,
			Span: diag.Span{Pos: diag.Pos{File: file, Line: e.Line, Column: 1}},
			Hint: "nothing was taken in",
		}
		if errors.Is(e, state.ErrSerialLower) {
			d.Code, d.Hint = diag.CodeStateSerial, "--lower-serials lets it go back; nothing was taken in"
		}
		list = append(list, d)
	}
	return list
}
