package config

import (
	"fmt"
	"net"
	"strconv"
)

// Listen says where the daemon can be asked.
type Listen struct {
	HTTP    string   // metrics and status, as host:port; empty: off
	Hosts   []string // names under which that may be asked, beside localhost and addresses
	Control string   // the control socket; empty: it is in the folder of the state
}

type writtenListen struct {
	HTTP    string   `mapstructure:"http"`
	Hosts   []string `mapstructure:"hosts"`
	Control string   `mapstructure:"control"`
}

func listenKeys() []key {
	return []key{
		{"http", scalar, checkListen},
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

// listen fills in what was written.
func (w *writtenListen) listen(path string) Listen {
	return Listen{HTTP: w.HTTP, Hosts: w.Hosts, Control: beside(path, w.Control)}
}
