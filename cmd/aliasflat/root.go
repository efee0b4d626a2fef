package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/term"

	"github.com/aliasflat/aliasflat/pkg/diag"
)

// app is what every command shares: the streams and the flags that hold
// everywhere. A command reads it after the flags were parsed.
type app struct {
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer

	quiet      bool
	verbose    int
	configFile string   // empty: look in the usual places
	format     string   // one of formats
	reportFile string   // empty: the report goes to the terminal only
	failOn     []string // of failOnWords
	noColor    bool

	warned  diag.List // about settings and flags, for the report
	started bool      // flags and arguments were right and a command began
}

var (
	formats     = []string{"text", "json", "github", "sarif"}
	failOnWords = []string{"warning", "stale"}
)

// markdownFormat is a form of the report that diff has beside formats.
const markdownFormat = "markdown"

// outcome is what came of a run. Several can be true at once; one exit status
// is made of them.
type outcome uint16

const (
	outcomeUsage   outcome = 1 << iota // flags or configuration are wrong
	outcomeSource                      // a source has errors, or warnings that count as such
	outcomeLocked                      // another process holds the lock
	outcomeGuarded                     // a guard holds changes back
	outcomeWorld                       // a target, the disk or a verification failed
	outcomeStale                       // written, with an ALIAS held past its time
	outcomeChanges                     // --check: the run would write
)

// status is the exit status: of all that happened, what the caller must know
// first. The order is the one that the README prints.
func (o outcome) status() int {
	switch {
	case o&outcomeUsage != 0:
		return 2
	case o&outcomeSource != 0:
		return 1
	case o&outcomeLocked != 0:
		return 6
	case o&outcomeGuarded != 0:
		return 5
	case o&outcomeWorld != 0:
		return 4
	case o&outcomeStale != 0:
		return 7
	case o&outcomeChanges != 0:
		return 3
	default:
		return 0
	}
}

// reportedError carries the outcome of a run whose report is printed already.
type reportedError struct {
	outcome outcome
	found   diag.List // what was printed of no zone
}

func (e reportedError) Error() string { return fmt.Sprintf("exit status %d", e.outcome.status()) }

// usageError is a mistake in flags, arguments or configuration.
type usageError struct {
	message string
	hint    string // may be empty
}

func (e usageError) Error() string { return e.message }

// run is the program without the process around it.
func run(args []string, stdin io.Reader, stdout, stderr io.Writer) int {
	a := &app{stdin: stdin, stdout: stdout, stderr: stderr}
	root := newRootCommand(a, args)
	root.SetArgs(args)
	root.SetIn(stdin)
	root.SetOut(stdout)
	root.SetErr(stderr)

	cmd, err := root.ExecuteC()
	return a.status(cmd, err)
}

// interruptedError carries the exit status for the signal that ended a run.
type interruptedError struct{ status int }

func (e interruptedError) Error() string { return "interrupted; nothing more was written" }

// interruptible lets a command run in a context that ends with the first
// signal. Commands that only print go without it, and a signal ends them as it
// ends any program.
func interruptible(run func(*cobra.Command, []string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ctx, end := untilSignal()
		defer end()
		cmd.SetContext(ctx)
		err := run(cmd, args)
		if status := signalStatus(ctx); err != nil && status != 0 {
			return interruptedError{status}
		}
		return err // a run that got to its end is no interrupted one
	}
}

// caughtSignal is why a context ended.
type caughtSignal struct{ os.Signal }

func (s caughtSignal) Error() string { return s.String() }

// untilSignal gives a context that ends with the first signal, which is its
// cause, and a function to call at the end. After the first signal the next one
// kills, as people expect of a program that seems to hang.
func untilSignal() (ctx context.Context, end func()) {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	var wg sync.WaitGroup
	wg.Go(func() {
		select {
		case s := <-signals:
			signal.Reset(os.Interrupt, syscall.SIGTERM)
			cancel(caughtSignal{s})
		case <-ctx.Done():
		}
	})
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		wg.Wait()
	}
}

// signalStatus is the exit status for the signal that ended a context, as
// shells count them, or 0.
func signalStatus(ctx context.Context) int {
	caught, ok := errors.AsType[caughtSignal](context.Cause(ctx))
	switch {
	case !ok:
		return 0
	case caught.Signal == os.Interrupt:
		return 130
	default:
		return 143
	}
}

// status prints an error that nobody has printed and gives the exit status.
func (a *app) status(cmd *cobra.Command, err error) int {
	var (
		interrupted interruptedError
		reported    reportedError
		usage       usageError
	)
	switch {
	case err == nil:
		return 0
	case errors.As(err, &interrupted):
		a.say("aliasflat: " + err.Error())
		return interrupted.status
	case errors.As(err, &reported):
		return reported.outcome.status()
	case errors.As(err, &usage):
		a.complain(cmd, usage)
		return outcomeUsage.status()
	case !a.started:
		a.complain(cmd, usageError{message: err.Error()})
		return outcomeUsage.status()
	default:
		a.say("aliasflat: " + err.Error())
		return outcomeWorld.status()
	}
}

func (a *app) complain(cmd *cobra.Command, err usageError) {
	a.say(cmd.CommandPath() + ": " + err.message)
	hint := err.hint
	if hint == "" {
		hint = fmt.Sprintf("%s --help lists what there is", cmd.CommandPath())
	}
	a.say("hint: " + hint)
}

// say prints one line for people. There is nobody to tell when even that fails.
func (a *app) say(line string) { _, _ = fmt.Fprintln(a.stderr, visible(line)) }

// command is one of the program, by its name.
type command struct {
	name string
	make func(a *app) *cobra.Command
}

// commands gives all of them, in the order of the help.
func commands() []command {
	return []command{
		{"compile", newCompileCommand},
		{"watch", newWatchCommand},
		{"demo", newDemoCommand},
		{"check", newCheckCommand},
		{"diff", newDiffCommand},
		{"serial", newSerialCommand},
		{"record", newRecordCommand},
		{"token", newTokenCommand},
		{"resolve", newResolveCommand},
		{"state", newStateCommand},
		{"accept", newAcceptCommand},
		{"status", newStatusCommand},
		{"events", newEventsCommand},
		{"refresh", newRefreshCommand},
		{"notify", newNotifyCommand},
		{"history", newHistoryCommand},
		{"why", newWhyCommand},
		{"doctor", newDoctorCommand},
		{"tsig", newTSIGCommand},
		{"init", newInitCommand},
		{"version", newVersionCommand},
		{"explain", newExplainCommand},
		{"man", func(*app) *cobra.Command { return newManCommand() }},
	}
}

// addCommands adds the command that the arguments name, or all where that is not said at once:
// to make all of them takes longer than most of them do.
func addCommands(root *cobra.Command, a *app, args []string) {
	for _, c := range commands() {
		if len(args) > 0 && args[0] == c.name && c.name != "man" {
			root.AddCommand(c.make(a))
			return
		}
	}
	for _, c := range commands() {
		root.AddCommand(c.make(a))
	}
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		if c.Name() == "completion" {
			c.Args, c.RunE = cobra.ArbitraryArgs, noCommand
		}
	}
}

// newRootCommand makes the program for arguments, of which it looks at the first alone.
func newRootCommand(a *app, args []string) *cobra.Command {
	root := &cobra.Command{
		Use:   "aliasflat",
		Short: "Replace the ALIAS records of a zone file by addresses",
		Long: `aliasflat reads a zone file with ALIAS records, finds the addresses of every
target, and writes a zone file with A and AAAA in their place that BIND, NSD and
Knot load. All else comes out as it was written.`,
		SilenceUsage:      true,
		SilenceErrors:     true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.start(cmd) },
		RunE:              noCommand,
	}
	flags := root.PersistentFlags()
	flags.SortFlags = false
	flags.BoolVarP(&a.quiet, "quiet", "q", false, "print errors only; with --fail-on warnings too")
	flags.CountVarP(&a.verbose, "verbose", "v", "say too which entries were made explicit")
	flags.StringVar(&a.configFile, "config", "", "read the configuration from `FILE`")
	flags.StringVar(&a.format, "format", "text", "`FORM` of the report: "+strings.Join(formats, ", "))
	flags.StringVar(&a.reportFile, "report", "", "write the report to `FILE`; the terminal gets it as text")
	flags.StringSliceVar(&a.failOn, "fail-on", nil,
		"fail on `WHAT` too: "+strings.Join(failOnWords, ", "))
	flags.BoolVar(&a.noColor, "no-color", false, "print without colors, as with NO_COLOR set")
	root.SetFlagErrorFunc(flagError)
	// The only error is that the flag is not there.
	_ = root.RegisterFlagCompletionFunc("format", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return formatsOf(cmd), cobra.ShellCompDirectiveNoFileComp
	})
	addCommands(root, a, args)
	return root
}

// start runs before each command: it takes the environment for flags that were
// not given and holds the shared flags to their words.
func (a *app) start(cmd *cobra.Command) error {
	var err error
	cmd.Root().PersistentFlags().VisitAll(func(f *pflag.Flag) {
		name := "ALIASFLAT_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := os.Getenv(name)
		if f.Changed || value == "" || err != nil {
			return
		}
		if setErr := f.Value.Set(value); setErr != nil {
			err = usageError{message: fmt.Sprintf("%s=%q: %v", name, value, setErr)}
		}
	})
	if err != nil {
		return err
	}
	forms := formatsOf(cmd)
	if !slices.Contains(forms, a.format) {
		return wordError("--format", a.format, forms)
	}
	for _, word := range a.failOn {
		if !slices.Contains(failOnWords, word) {
			return wordError("--fail-on", word, failOnWords)
		}
	}
	if err := a.reportFits(); err != nil {
		return err
	}
	a.started = true
	return nil
}

// formatsOf gives the forms of the report that a command has.
func formatsOf(cmd *cobra.Command) []string {
	if cmd.HasParent() && cmd.Parent().Name() == "token" {
		return []string{"text", "json"}
	}
	switch cmd.Name() {
	case "diff":
		return append(slices.Clone(formats), markdownFormat)
	case "doctor", "status", "events", "refresh", "history", "why":
		return []string{"text", "json"} // they have no places in files to mark
	case "demo":
		return []string{"text"} // it is for people
	}
	return formats
}

// failsOn tells whether --fail-on names the word.
func (a *app) failsOn(word string) bool { return slices.Contains(a.failOn, word) }

// finish prints the report to w, the stream of the command, and to the file of
// --report, and gives the error that makes the exit status. What --fail-on adds
// to the outcome is decided here.
func (a *app) finish(w io.Writer, r *report, o outcome) error {
	r.Diagnostics = append(a.warned, r.Diagnostics...)
	if a.failsOn("warning") && r.count(diag.Warning) > 0 {
		o |= outcomeSource
	}
	if a.failsOn("stale") && r.stale() {
		o |= outcomeStale
	}
	r.Exit = o.status()
	format := a.format
	if a.reportFile != "" {
		if err := a.writeReport(r); err != nil {
			return err
		}
		format = "text"
	}
	if err := r.render(w, format, a.look(w)); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	if o == 0 {
		return nil
	}
	return reportedError{outcome: o, found: r.Diagnostics}
}

func (a *app) writeReport(r *report) error {
	file, err := os.Create(a.reportFile)
	if err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	err = r.render(file, a.format, look{width: defaultWidth, quiet: a.quiet, warnings: len(a.failOn) > 0})
	if err := errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write the report %s: %w", a.reportFile, err)
	}
	return nil
}

// look decides how text is shown on w.
func (a *app) look(w io.Writer) look {
	l := look{width: defaultWidth, quiet: a.quiet, warnings: len(a.failOn) > 0, verbose: a.verbose > 0}
	file, isFile := w.(*os.File)
	terminal := isFile && term.IsTerminal(int(file.Fd()))
	if terminal {
		if width, _, err := term.GetSize(int(file.Fd())); err == nil && width > 0 {
			l.width = width
		}
	}
	l.color = colored(terminal, a.noColor, os.Getenv)
	return l
}

// colored follows no-color.org and the CLICOLOR convention; the flag and
// NO_COLOR win over CLICOLOR_FORCE.
func colored(terminal, noColor bool, getenv func(string) string) bool {
	force := getenv("CLICOLOR_FORCE")
	switch {
	case noColor || getenv("NO_COLOR") != "":
		return false
	case force != "" && force != "0":
		return true
	default:
		return terminal && getenv("TERM") != "dumb"
	}
}

// noCommand answers when the first word names no command.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return usageError{message: "no command was given"}
	}
	err := usageError{message: fmt.Sprintf("unknown command %q", args[0])}
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := diag.Near(args[0], names); near != "" {
		err.hint = fmt.Sprintf("did you mean %s %s?", cmd.CommandPath(), near)
	} else if info, statErr := os.Stat(args[0]); statErr == nil && !info.IsDir() && !cmd.HasParent() {
		err.hint = fmt.Sprintf("to flatten that file: %s compile %s", cmd.Name(), args[0])
	}
	return err
}

// flagError adds the flag that was probably meant.
func flagError(cmd *cobra.Command, err error) error {
	usage := usageError{message: err.Error()}
	var unknown *pflag.NotExistError
	if errors.As(err, &unknown) && len(unknown.GetSpecifiedName()) > 1 {
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		if near := diag.Near(unknown.GetSpecifiedName(), names); near != "" {
			usage.hint = fmt.Sprintf("did you mean --%s?", near)
		}
	}
	return usage
}

func wordError(flag, word string, words []string) error {
	err := usageError{message: fmt.Sprintf("%s takes %s, not %q", flag, strings.Join(words, ", "), word)}
	if near := diag.Near(word, words); near != "" {
		err.hint = fmt.Sprintf("did you mean %s?", near)
	}
	return err
}

// noArgs is the argument check of commands that take none.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{message: fmt.Sprintf("unexpected argument %q", args[0])}
	}
	return nil
}
