package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"
)

const (
	maxOutput = 64 << 10        // bytes of a program's output that go into a message
	grace     = 5 * time.Second // between SIGTERM and SIGKILL
	drain     = time.Second     // for output that a program has left behind
)

// program is a run of somebody else's program: an argument list, never a shell,
// in a process group of its own that ends with it.
type program struct {
	args  []string
	env   []string // beside what every program gets
	stdin []byte
	grace time.Duration // between SIGTERM and SIGKILL; 0 means 5 seconds
	most  int64         // bytes of output that are kept; 0 means 64 KiB
}

// kept are the variables that programs inherit. The rest is left out, so that a
// program does the same from cron as from a terminal, and aliasflat's own
// settings and secrets stay its own.
var kept = []string{
	"PATH", "HOME", "USER", "LOGNAME", "SHELL", "TMPDIR", "TZ", "LANG", "SSH_AUTH_SOCK", "SYSTEMROOT",
}

func (p *program) environ() []string {
	var env []string
	for _, name := range kept {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	// What control tools say is read, so it has to be in one language.
	return append(append(env, "LC_ALL=C"), p.env...)
}

// run runs the program until it ends or ctx does, and gives what it has said on
// both streams, cut at p.most. An error says why it failed, not what it said.
// When run returns, nothing is left of the program's process group.
func (p *program) run(ctx context.Context) (said string, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer r.Close()
	cmd := exec.CommandContext(ctx, p.args[0], p.args[1:]...)
	cmd.Env = p.environ()
	cmd.Stdin = bytes.NewReader(p.stdin)
	cmd.Stdout, cmd.Stderr = w, w
	cmd.WaitDelay = p.grace
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = grace
	}
	ownGroup(cmd)
	err = cmd.Start()
	_ = w.Close() // the program has its own
	if err != nil {
		return "", err
	}
	output := make(chan string, 1)
	most := p.most
	if most == 0 {
		most = maxOutput
	}
	go func() { output <- readBounded(r, most) }()
	err = cmd.Wait()
	killGroup(cmd)
	// Who has left the group may hold the pipe open for ever.
	_ = r.SetReadDeadline(time.Now().Add(drain)) // a pipe that has none is closed by its writers, which are dead
	said = strings.TrimSpace(<-output)
	if ctx.Err() != nil && err != nil {
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	if errors.Is(err, exec.ErrWaitDelay) && ctx.Err() == nil {
		err = nil // it left its standard input to a child, which is dead
	}
	return said, err
}

// readBounded reads to the end and keeps the beginning: a program that is not
// read would wait.
func readBounded(r io.Reader, most int64) string {
	head, err := io.ReadAll(io.LimitReader(r, most))
	if err != nil {
		return string(head) // what came until then
	}
	if n, _ := io.Copy(io.Discard, r); n > 0 {
		return string(head) + fmt.Sprintf("... (%d bytes more)", n)
	}
	return string(head)
}

// failure is what went wrong with a program, with what it said.
func (p *program) failure(said string, err error) string {
	text := strings.Join(p.args, " ") + ": "
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		text += "it did not end in time"
	case errors.Is(err, context.Canceled):
		text += "it was ended, because aliasflat ends"
	case err != nil:
		text += err.Error()
	}
	if said != "" {
		text = strings.TrimSuffix(text, ": ") + ": " + said
	}
	return text
}
