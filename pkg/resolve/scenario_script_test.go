package resolve

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/tools/txtar"
)

// scenario is one file of testdata/scenario: a script, and behind it the worlds that its
// servers answer from. The table of commands in scenario_commands_test.go says what a script
// may hold.
//
// The first line says in a sentence what the scenario shows. Other lines that begin with #
// are remarks; one of the form "# R12" or "# R12, R22" names rows of the table of threats.
// A command stands on one line; what is expected of it stands below, indented.
type scenario struct {
	file     string
	about    string
	rows     []string
	lines    []string // of the script
	commands []command
	worlds   map[string]string
	archive  *txtar.Archive
}

// command is one line of a script.
type command struct {
	line   int      // from 1
	words  []string // the first one is the name of the command
	text   string   // all of it
	expect []string
	first  int // line of the first expectation; where one belongs if there is none
}

// parseScenario reads a file. Its errors name file and line.
func parseScenario(file string, data []byte) (*scenario, error) {
	archive := txtar.Parse(data)
	s := &scenario{file: file, archive: archive, worlds: map[string]string{}}
	s.lines = strings.Split(strings.TrimRight(string(archive.Comment), "\n"), "\n")
	about, ok := strings.CutPrefix(s.lines[0], "# ")
	if !ok || !strings.HasSuffix(about, ".") {
		return nil, s.errorf(1, "the first line is a sentence behind #")
	}
	s.about = about
	var problems []error
	for i, text := range s.lines[1:] {
		if err := s.parseLine(i+2, text); err != nil {
			problems = append(problems, err)
		}
	}
	expects := false
	for _, c := range s.commands {
		expects = expects || commands[c.words[0]].expects
	}
	if !expects {
		problems = append(problems, s.errorf(1, "nothing is expected"))
	}
	for _, f := range archive.Files {
		if _, twice := s.worlds[f.Name]; twice {
			problems = append(problems, s.errorf(1, "two worlds %q", f.Name))
		}
		s.worlds[f.Name] = string(f.Data)
		used := slices.ContainsFunc(s.commands, func(c command) bool {
			return (c.words[0] == "server" || c.words[0] == "world") && slices.Contains(c.words[2:], f.Name)
		})
		if !used {
			problems = append(problems, s.errorf(1, "no server has the world %q", f.Name))
		}
	}
	return s, errors.Join(problems...)
}

func (s *scenario) parseLine(line int, text string) error {
	switch trimmed := strings.TrimSpace(text); {
	case trimmed == "":
		return nil
	case strings.HasPrefix(trimmed, "#"):
		s.rows = append(s.rows, rowsIn(strings.TrimSpace(trimmed[1:]))...)
		return nil
	case text[0] == ' ' || text[0] == '\t':
		if len(s.commands) == 0 || !commands[s.commands[len(s.commands)-1].words[0]].block {
			return s.errorf(line, "nothing to expect here")
		}
		c := &s.commands[len(s.commands)-1]
		c.expect = append(c.expect, strings.Join(strings.Fields(text), " "))
		if c.first+len(c.expect)-1 != line {
			return s.errorf(line, "an expectation that is not right below its command")
		}
		return nil
	}
	words := strings.Fields(text)
	known, ok := commands[words[0]]
	switch n := len(words) - 1; {
	case !ok:
		return s.errorf(line, "unknown word %q", words[0])
	case n < known.least, known.most > 0 && n > known.most:
		return s.errorf(line, "use: %s", known.usage)
	}
	s.commands = append(s.commands, command{line: line, words: words, text: text, first: line + 1})
	return nil
}

// rowsIn gives the rows of the table of threats that a remark consists of, or nothing.
func rowsIn(remark string) []string {
	var rows []string
	for word := range strings.SplitSeq(remark, ", ") {
		digits, ok := strings.CutPrefix(word, "R")
		if _, err := strconv.Atoi(digits); !ok || err != nil {
			return nil
		}
		rows = append(rows, word)
	}
	return rows
}

func (s *scenario) errorf(line int, format string, args ...any) error {
	return fmt.Errorf("%s:%d: %s", s.file, line, fmt.Sprintf(format, args...))
}

// rewrite gives the file with other expectations, by index of the command.
func (s *scenario) rewrite(blocks map[int][]string) []byte {
	var out []string
	next := 0 // line of s.lines that is not yet copied
	for i, c := range s.commands {
		block, ok := blocks[i]
		if !ok {
			continue
		}
		if !commands[c.words[0]].block { // the last word is what is expected
			out = append(out, s.lines[next:c.line-1]...)
			out = append(out, strings.TrimSuffix(c.text, c.words[len(c.words)-1])+block[0])
			next = c.line
			continue
		}
		out = append(out, s.lines[next:c.line]...)
		for _, text := range block {
			out = append(out, "    "+text)
		}
		next = c.line + len(c.expect)
	}
	out = append(out, s.lines[next:]...)
	rewritten := *s.archive
	rewritten.Comment = []byte(strings.Join(out, "\n") + "\n\n")
	return txtar.Format(&rewritten)
}

// span is a number or a stretch of numbers, as in "3", "3-5" and "3-".
type span struct{ least, most int }

func parseSpan(text string) (span, error) {
	return parseStretch(text, strconv.Atoi)
}

func (s span) holds(n int) bool { return s.least <= n && n <= s.most }

// stretch is the same of time.
type stretch struct{ least, most time.Duration }

func parseTime(text string) (stretch, error) {
	s, err := parseStretch(text, func(text string) (int, error) {
		d, err := time.ParseDuration(text)
		return int(d), err
	})
	return stretch{time.Duration(s.least), time.Duration(s.most)}, err
}

func (s stretch) holds(d time.Duration) bool { return s.least <= d && d <= s.most }

func parseStretch(text string, parse func(string) (int, error)) (span, error) {
	first, last, isRange := strings.Cut(text, "-")
	least, err := parse(first)
	if err != nil {
		return span{}, err
	}
	switch {
	case !isRange:
		return span{least, least}, nil
	case last == "":
		return span{least, math.MaxInt}, nil
	}
	most, err := parse(last)
	if err == nil && most < least {
		err = fmt.Errorf("%s ends before it begins", text)
	}
	return span{least, most}, err
}

// isRange tells whether an expectation leaves room, so that no run may rewrite it.
func isRange(text string) bool {
	if strings.Contains(text, "|") {
		return true
	}
	last := text[strings.LastIndexByte(text, ' ')+1:]
	if s, err := parseSpan(last); err == nil {
		return s.least != s.most
	}
	s, err := parseTime(last)
	return err == nil && s.least != s.most
}
