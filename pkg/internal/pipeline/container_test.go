//go:build linux

package pipeline

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/internal/judge"
)

// image is what a Dockerfile makes, as far as the one of this project goes.
type image struct {
	root                    string
	env                     []string
	user, dir               string
	entrypoint, cmd, health []string
}

// buildImage does what the instructions of a Dockerfile say, with the Go and the certificates
// of this machine in place of those of its first stage.
func buildImage(t *testing.T, file string) *image {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	stage, i := t.TempDir(), &image{root: t.TempDir()}
	local := strings.NewReplacer("/rootfs", filepath.Join(stage, "rootfs"), " /state", " "+filepath.Join(stage, "state"))
	var from []string
	for line := range strings.Lines(string(text)) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch {
		case word == "" || word == "#":
		case word == "FROM":
			from = append(from, rest)
		case len(from) == 1 && word == "RUN" && rest == "go mod download":
		case len(from) == 1 && word == "RUN":
			cmd := exec.Command("sh", "-e", "-c", local.Replace(rest))
			cmd.Dir = root(t)
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Fatalf("%s: %v: %s", rest, err, out)
			}
		case len(from) == 1 && (word == "COPY" || word == "WORKDIR"): // of the source, which is here
		case len(from) == 2:
			i.instruct(t, word, rest, local)
		default:
			t.Fatalf("nobody knows %q", line)
		}
	}
	if !slices.Equal(from, []string{"golang:1.26 AS build", "scratch"}) {
		t.Fatalf("stages %q", from)
	}
	return i
}

// instruct does what an instruction of the last stage says.
func (i *image) instruct(t *testing.T, word, rest string, local *strings.Replacer) {
	t.Helper()
	list := func(text string) (words []string) {
		if err := json.Unmarshal([]byte(text), &words); err != nil {
			t.Fatalf("%s %s: %v", word, rest, err)
		}
		return words
	}
	switch word {
	case "COPY":
		fields := strings.Fields(local.Replace(rest))
		n := len(fields)
		to := filepath.Join(i.root, fields[n-1])
		if err := os.CopyFS(to, os.DirFS(fields[n-2])); err != nil {
			t.Fatal(err)
		}
		if owner, ok := strings.CutPrefix(fields[n-3], "--chown="); ok {
			i.chown(t, to, owner)
		}
	case "ENV":
		i.env = append(i.env, rest)
	case "WORKDIR":
		i.dir = rest
	case "USER":
		i.user = rest
	case "ENTRYPOINT":
		i.entrypoint = list(rest)
	case "CMD":
		i.cmd = list(rest)
	case "HEALTHCHECK":
		_, command, _ := strings.Cut(rest, "CMD ")
		i.health = list(command)
	case "VOLUME", "STOPSIGNAL":
	default:
		t.Fatalf("nobody knows %s", word)
	}
}

// numbers are those of a user and its group.
func numbers(t *testing.T, owner string) (uid, gid int) {
	t.Helper()
	u, g, _ := strings.Cut(owner, ":")
	uid, err := strconv.Atoi(u)
	if err == nil {
		gid, err = strconv.Atoi(g)
	}
	if err != nil || uid == 0 {
		t.Fatalf("the user %q: %v", owner, err)
	}
	return uid, gid
}

func (i *image) chown(t *testing.T, path, owner string) {
	t.Helper()
	uid, gid := numbers(t, owner)
	if err := os.Chown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

// run is a command in a container of the image: its files, its user and its variables alone.
func (i *image) run(t *testing.T, words ...string) *exec.Cmd {
	t.Helper()
	uid, gid := numbers(t, i.user)
	cmd := exec.CommandContext(t.Context(), words[0], words[1:]...)
	cmd.Err = nil // the program is looked for in there
	cmd.Path, cmd.Dir, cmd.Env = words[0], i.dir, i.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: i.root, Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	return cmd
}

// The image holds the program and what it needs, and the daemon works in it as the user that it
// names; its health check tells whether it is there.
func TestContainer(t *testing.T) {
	t.Parallel()
	if os.Getuid() != 0 {
		t.Skip("NOT TESTED: only root can change the root folder")
	}
	i := buildImage(t, filepath.Join(root(t), "examples/deploy/Dockerfile"))
	for dir := i.root; dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm()&0o001 == 0 && os.Chmod(dir, 0o755) != nil {
			t.Fatalf("%s: %v", dir, err)
		}
	}
	var files []string
	if err := fs.WalkDir(os.DirFS(i.root), ".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return err
	}); err != nil || !slices.Equal(files, []string{"aliasflat", "etc/ssl/certs/ca-certificates.crt"}) {
		t.Fatalf("the image has %q, %v", files, err)
	}
	zones := filepath.Join(i.root, "zones")
	put(t, zones, "aliasflat.yaml", "resolvers: ['demo:']\nzones:\n  - {source: example.com.zone, output: /out/example.com.db}\n")
	put(t, zones, "example.com.zone", "$ORIGIN example.com.\n$TTL 300\n@ SOA ns1.example.net. hostmaster 7 7200 900 1209600 300\n@ NS ns1.example.net.\n@ ALIAS cdn.example.net.\n")
	i.chown(t, filepath.Join(i.root, "out"), i.user)

	if out, err := i.run(t, i.health...).CombinedOutput(); err == nil || !strings.Contains(string(out), "no daemon answers at /var/lib/aliasflat/control.sock") {
		t.Errorf("without a daemon: %v: %s", err, out)
	}
	log, ended := &judge.Buffer{}, make(chan error, 1)
	cmd := i.run(t, append(i.entrypoint, i.cmd...)...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { ended <- cmd.Wait() }()
	until(t, "the zone", func() bool {
		text, _ := os.ReadFile(filepath.Join(i.root, "out/example.com.db")) // it may not be there yet
		return strings.Contains(string(text), "198.51.100.10")
	})
	if out, err := i.run(t, i.health...).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("with the daemon: %v: %s", err, out)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("%v: %s", err, log)
	}
}
