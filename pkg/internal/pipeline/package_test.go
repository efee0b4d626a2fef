//go:build linux

package pipeline

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// output is what a program says, which has to end well.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %q: %v: %s", name, args, err, out)
	}
	return string(out)
}

// The package for Debian, installed where systemd and BIND run as Debian has them, does all
// that its units, drop-ins and examples say.
func TestDebianPackage(t *testing.T) {
	t.Parallel()
	said := inMachine(t, "package.sh", map[string]string{"aliasflat.deb": packages(t)["deb"]})
	if !strings.HasSuffix(said, "== all is well\n") {
		t.Error(said)
	}
}

// The daemon of the package publishes to NSD and Knot too, as Debian has them.
func TestDebianPackageServers(t *testing.T) {
	t.Parallel()
	said := inMachine(t, "servers.sh", map[string]string{"aliasflat.deb": packages(t)["deb"]})
	if !strings.HasSuffix(said, "== all is well\n") {
		t.Error(said)
	}
}

// Both packages have the same files, but for where each system has the completion of zsh, and
// the program in them runs.
func TestPackageFiles(t *testing.T) {
	t.Parallel()
	built := packages(t)
	deb := strings.Fields(regexp.MustCompile(`(?m)^\S+ root/root +\d+ \S+ \S+ \.(\S+[^/\s])$|.*`).ReplaceAllString(output(t, "dpkg-deb", "-c", built["deb"]), "$1"))
	rpm := strings.Fields(output(t, "rpm", "-qlp", built["rpm"]))
	rpm = slices.DeleteFunc(rpm, func(path string) bool { return path == "/etc/aliasflat/zones" }) // a folder
	slices.Sort(deb)
	for i, path := range rpm {
		rpm[i] = strings.Replace(path, "/site-functions/", "/vendor-completions/", 1)
	}
	slices.Sort(rpm)
	if len(deb) < 40 || !slices.Equal(deb, rpm) {
		t.Errorf("deb %q\nrpm %q", deb, rpm)
	}
	for _, path := range []string{
		"/usr/bin/aliasflat", "/etc/aliasflat/aliasflat.yaml", "/usr/lib/systemd/system/aliasflat.service", "/usr/share/man/man1/aliasflat-watch.1.gz",
		"/usr/share/bash-completion/completions/aliasflat", "/usr/share/doc/aliasflat/copyright", "/usr/share/doc/aliasflat/examples/watch/knot.yaml",
	} {
		if !slices.Contains(deb, path) {
			t.Errorf("%s is missing", path)
		}
	}
	if config := output(t, "rpm", "-qcp", built["rpm"]); config != "/etc/aliasflat/aliasflat.yaml\n" {
		t.Errorf("the configuration is %q", config)
	}
	if flags := output(t, "rpm", "-qp", "--qf", "[%{FILENAMES} %{FILEFLAGS:fflags}\n]", built["rpm"]); !strings.Contains(flags, "/etc/aliasflat/aliasflat.yaml cn\n") {
		t.Errorf("an upgrade would replace the configuration: %s", flags)
	}
	if info := output(t, "rpm", "-qp", "--qf", "%{NAME} %{VERSION} %{LICENSE}", built["rpm"]); info != "aliasflat 1.2.3 Apache-2.0" {
		t.Errorf("rpm has %q", info)
	}
	if said := output(t, "rpm", "--checksig", "--nosignature", built["rpm"]); !strings.Contains(said, "digests OK") {
		t.Error(said)
	}

	dir := t.TempDir()
	output(t, "dpkg-deb", "-x", built["deb"], filepath.Join(dir, "deb"))
	output(t, "sh", "-c", `mkdir "$2" && cd "$2" && rpm2archive - <"$1" | tar -xz`, "sh", built["rpm"], filepath.Join(dir, "rpm"))
	for _, system := range []string{"deb", "rpm"} {
		if said := output(t, filepath.Join(dir, system, "usr/bin/aliasflat"), "version"); !strings.HasPrefix(said, "aliasflat ") {
			t.Errorf("%s: %s", system, said)
		}
		if said, err := exec.Command(filepath.Join(dir, system, "usr/bin/aliasflat"), "watch", "--config", filepath.Join(dir, system, "etc/aliasflat/aliasflat.yaml")).CombinedOutput(); err == nil || !strings.Contains(string(said), "no configuration has zones") {
			t.Errorf("%s, as it is installed: %v: %s", system, err, said)
		}
	}
}

// The scripts of the package for RPM systems do what they do on Debian, by other arguments.
func TestPackageScripts(t *testing.T) {
	t.Parallel()
	dir, log := t.TempDir(), ""
	fakes := map[string]string{"getent": "exit 2"}
	for _, name := range []string{"getent", "groupadd", "useradd", "install", "systemctl", "rm"} {
		log = filepath.Join(dir, "log")
		text := "#!/bin/sh\necho " + name + " \"$@\" >>" + log + "\n" + fakes[name] + "\n"
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	made := `getent group aliasflat
groupadd --system aliasflat
getent passwd aliasflat
useradd --system --gid aliasflat --no-create-home --home-dir /var/lib/aliasflat --shell /usr/sbin/nologin --comment aliasflat aliasflat
install -d -o aliasflat -g aliasflat -m 0750 /var/lib/aliasflat
`
	for _, test := range []struct{ script, argument, want string }{
		{"postinstall.sh", "1", made},
		{"postinstall.sh", "2", made},
		{"postinstall.sh", "configure", made},
		{"postinstall.sh", "abort-upgrade", ""},
		{"preremove.sh", "0", "systemctl --quiet disable aliasflat.service aliasflat-compile.timer\n"},
		{"preremove.sh", "1", ""},
		{"preremove.sh", "upgrade", ""},
		{"postremove.sh", "0", ""},
		{"postremove.sh", "purge", "rm -rf /var/lib/aliasflat\n"},
	} {
		if err := os.WriteFile(log, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", filepath.Join(root(t), "examples/deploy", test.script), test.argument)
		cmd.Env = []string{"PATH=" + dir + ":" + os.Getenv("PATH")}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s %s: %v: %s", test.script, test.argument, err, out)
		}
		got, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		// A machine with systemd as its service manager is told more.
		told := regexp.MustCompile(`(?m)^systemctl (daemon-reload|try-restart|stop).*\n`).ReplaceAllString(string(got), "")
		if told != test.want {
			t.Errorf("%s %s: %s", test.script, test.argument, got)
		}
	}
}

// mostExposed is what systemd-analyze security may give a unit.
const mostExposed = 1.5

// The units, with each drop-in, are as locked as they can be.
func TestUnitSecurity(t *testing.T) {
	t.Parallel()
	deploy := filepath.Join(root(t), "examples/deploy")
	dropIns, err := filepath.Glob(filepath.Join(deploy, "aliasflat.service.d/*.conf"))
	if err != nil || len(dropIns) != 3 {
		t.Fatalf("%q, %v", dropIns, err)
	}
	for _, unit := range []string{"aliasflat.service", "aliasflat-compile.service"} {
		for _, dropIn := range append(dropIns, "") {
			text, err := os.ReadFile(filepath.Join(deploy, unit))
			if err != nil {
				t.Fatal(err)
			}
			if dropIn != "" {
				more, err := os.ReadFile(dropIn)
				if err != nil {
					t.Fatal(err)
				}
				text = append(append(text, '\n'), more...)
			}
			file := put(t, t.TempDir(), unit, string(text))
			said := output(t, "systemd-analyze", "security", "--offline=true", "--no-pager", file)
			found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+) `).FindStringSubmatch(said)
			if found == nil {
				t.Fatalf("%s says nothing: %s", unit, said)
			}
			if exposed, err := strconv.ParseFloat(found[1], 64); err != nil || exposed > mostExposed {
				t.Errorf("%s with %q: %s", unit, dropIn, said)
			}
			t.Logf("%s with %q: %s", unit, dropIn, found[1])
		}
	}
}
