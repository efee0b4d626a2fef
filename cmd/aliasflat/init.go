package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/examples"
)

// initCommand is the work of aliasflat init.
type initCommand struct {
	*app

	what      map[string]*bool // by flag, of initWords
	secondary string           // for which one of several
	primary   string           // under which address it finds this one
	output    string           // where it goes; empty: to standard output
}

// Words of what is printed.
const (
	initBIND    = "bind"
	initNSD     = "nsd"
	initKnot    = "knot"
	initSystemd = "systemd"
	initGitHub  = "github"
)

var initWords = []string{initBIND, initNSD, initKnot, initSystemd, initGitHub}

func newInitCommand(a *app) *cobra.Command {
	c := &initCommand{app: a, what: map[string]*bool{}}
	cmd := &cobra.Command{
		Use:   "init [SOURCE...]",
		Short: "Print configurations to begin with, here and at secondaries",
		Long: `init prints a configuration to begin with: of zones in a folder where they are named,
and else of a machine on which aliasflat is a service. With a flag it prints the part
of a secondary's configuration by which it follows the zones that are served here
(listen.dns and secondaries), the unit of systemd, or a workflow of GitHub Actions.
It prints no secret: SECRET stands for the text of the key's file. With -o it writes
a new file, and overwrites none.`,
		Example: `  aliasflat init example.com.zone -o aliasflat.yaml
  aliasflat init --bind
  aliasflat init --knot --secondary 192.0.2.54 --primary 192.0.2.1:5353
  aliasflat init --systemd -o /etc/systemd/system/aliasflat.service`,
		Args: cobra.ArbitraryArgs,
		RunE: c.run,
	}
	flags := cmd.Flags()
	for _, f := range []struct{ word, help string }{
		{initBIND, "print what a secondary with BIND has in named.conf"},
		{initNSD, "print what a secondary with NSD has in nsd.conf"},
		{initKnot, "print what a secondary with Knot has in knot.conf"},
		{initSystemd, "print the unit for aliasflat watch"},
		{initGitHub, "print a workflow that reviews and publishes zones"},
	} {
		c.what[f.word] = flags.Bool(f.word, false, f.help)
	}
	flags.StringVar(&c.secondary, "secondary", "", "print it for the secondary at `ADDRESS`, which the configuration lists (default: for all, where they follow the same)")
	flags.StringVar(&c.primary, "primary", "", "`ADDRESS[:PORT]` under which secondaries find this primary (default: listen.dns)")
	flags.StringVarP(&c.output, "output", "o", "", "write to `FILE`, which is not there yet")
	return cmd
}

func (c *initCommand) run(cmd *cobra.Command, sources []string) error {
	var words []string
	for _, word := range initWords {
		if *c.what[word] {
			words = append(words, word)
		}
	}
	if len(words) > 1 {
		return usageError{message: fmt.Sprintf("--%s and --%s do not go together", words[0], words[1]), hint: "print one after the other"}
	}
	word := strings.Join(words, "")
	if word != "" && len(sources) > 0 {
		return usageError{message: fmt.Sprintf("--%s takes no sources, but %q", word, sources[0]), hint: "the configuration names the zones"}
	}
	text, err := c.text(cmd, word, sources)
	if err != nil {
		return err
	}
	if c.output == "" {
		_, err = fmt.Fprint(c.stdout, text)
		return err
	}
	switch err = writeNew(c.output, text, 0o644); {
	case errors.Is(err, fs.ErrExist):
		return usageError{message: c.output + " is there already, and is not overwritten", hint: "name another file, or none to have it printed"}
	case err != nil:
		return fmt.Errorf("write what begins: %w", err)
	}
	return nil
}

// text is what a word of the flags asks for.
func (c *initCommand) text(cmd *cobra.Command, word string, sources []string) (string, error) {
	switch word {
	case initBIND, initNSD, initKnot:
		f, err := c.following(cmd)
		if err != nil {
			return "", err
		}
		return map[string]func() string{initBIND: f.bind, initNSD: f.nsd, initKnot: f.knot}[word](), nil
	}
	if c.secondary != "" || c.primary != "" {
		return "", usageError{message: "--secondary and --primary are for --bind, --nsd and --knot"}
	}
	switch {
	case word == initSystemd:
		return examples.Unit, nil
	case word == initGitHub:
		return examples.Workflow, nil
	case len(sources) == 0:
		return examples.Configuration, nil
	}
	return c.start(sources)
}

// start is a configuration to begin with that names sources.
func (c *initCommand) start(sources []string) (string, error) {
	var zones strings.Builder
	for _, source := range sources {
		if info, err := os.Stat(source); err != nil || info.IsDir() {
			hint := "it is the file of a zone that was to begin with"
			for _, word := range initWords {
				if source == word {
					hint = "what is printed is said by flags, as in aliasflat init --" + word
				}
			}
			return "", usageError{message: source + " is no file", hint: hint}
		}
		path, err := c.seenFromOutput(source)
		if err != nil {
			return "", err
		}
		zones.WriteString(strings.Replace(examples.StartZones, "example.com.zone", yamlText(filepath.ToSlash(path)), 1))
	}
	return strings.Replace(examples.Start, examples.StartZones, zones.String(), 1), nil
}

// seenFromOutput is the path of a source as a file at the output names it.
func (c *initCommand) seenFromOutput(source string) (string, error) {
	if filepath.IsAbs(source) {
		return source, nil
	}
	path, err := filepath.Abs(source)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", source, err)
	}
	dir, err := filepath.Abs(filepath.Dir(c.output))
	if err != nil {
		return "", fmt.Errorf("find %s: %w", c.output, err)
	}
	return filepath.Rel(dir, path)
}

// yamlText is a text as a value in YAML, in quotes where it is not plain.
func yamlText(text string) string {
	if isPlain(text) {
		return text
	}
	return strconv.Quote(text)
}

// isPlain tells whether a text is of letters, digits and a few signs that mean nothing in YAML.
func isPlain(text string) bool {
	for i := range len(text) {
		c := text[i]
		if lower := c | 0x20; (lower < 'a' || lower > 'z') && (c < '0' || c > '9') && strings.IndexByte("._/-", c) < 0 {
			return false
		}
	}
	return text != "" && text[0] != '-' && text[0] != '.'
}
