package config

import (
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
)

// Listen says where the daemon can be asked.
type Listen struct {
	DNS     string   // zones for secondaries, over UDP and TCP, as host:port; empty: off
	DNSTLS  string   // the same over TLS; empty: off
	HTTP    string   // metrics, status and the record API, as host:port; empty: off
	Socket  string   // the same over a Unix socket, which is another form of HTTP; empty: off
	HTTPS   string   // the same over TLS, as host:port; empty: off
	Hosts   []string // names under which that may be asked, beside localhost and addresses
	Control string   // the control socket; empty: it is in the folder of the state
}

type writtenListen struct {
	DNS     string   `mapstructure:"dns"`
	DNSTLS  string   `mapstructure:"dns-tls"`
	HTTP    string   `mapstructure:"http"`
	HTTPS   string   `mapstructure:"https"`
	Hosts   []string `mapstructure:"hosts"`
	Control string   `mapstructure:"control"`
}

func listenKeys() []key {
	return []key{
		{"dns", scalar, checkListen},
		{"dns-tls", scalar, checkListen},
		{"http", scalar, checkListenHTTP},
		{"https", scalar, checkListen},
		{"hosts", list, checkFilled},
		{"control", scalar, checkFilled},
	}
}

// checkListen takes nothing at all, which switches it off.
func checkListen(text string) error {
	if text == "" {
		return nil
	}
	_, port, err := net.SplitHostPort(text)
	if err == nil {
		_, err = strconv.ParseUint(port, 10, 16)
	}
	if err != nil {
		return valueError{message: fmt.Sprintf("%q is no address with a port", text), hint: "write it as 127.0.0.1:8053 or [::1]:8053"}
	}
	return nil
}

// socketPrefix begins the path of a Unix socket that need not be absolute.
const socketPrefix = "unix:"

// socketPath is the path of a Unix socket, where a text names one.
func socketPath(text string) (path string, ok bool) {
	if path, ok := strings.CutPrefix(text, socketPrefix); ok {
		return path, true
	}
	return text, filepath.IsAbs(text)
}

// checkListenHTTP takes a Unix socket too.
func checkListenHTTP(text string) error {
	path, ok := socketPath(text)
	switch {
	case !ok:
		return checkListen(text)
	case path == "":
		return valueError{message: fmt.Sprintf("%q has no path", text), hint: "write it as /run/aliasflat/http.sock or unix:http.sock"}
	}
	return nil
}

// Serves tells whether zones are served to secondaries.
func (l *Listen) Serves() bool { return l.DNS != "" || l.DNSTLS != "" }

// listen fills in what was written.
func (w *writtenListen) listen(path string) Listen {
	l := Listen{DNS: w.DNS, DNSTLS: w.DNSTLS, HTTP: w.HTTP, HTTPS: w.HTTPS, Hosts: w.Hosts, Control: beside(path, w.Control)}
	if socket, ok := socketPath(w.HTTP); ok {
		l.HTTP, l.Socket = "", beside(path, socket)
	}
	return l
}
