package config

import (
	"fmt"
	"strings"
	"time"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/primary"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Publish says where a zone is sent by dynamic update.
type Publish struct {
	Server  string        // host:port; empty: nowhere
	Key     zone.Name     // one of [Config.Keys]
	Timeout time.Duration // for an update and until it is seen
}

type writtenPublish struct {
	To      string `mapstructure:"to"`
	Timeout string `mapstructure:"timeout"`
}

// noPublish is the word for a zone that is sent nowhere.
const noPublish = "none"

// any tells whether the zone is sent anywhere.
func (w *writtenPublish) any() bool { return w.To != "" && w.To != noPublish }

// pushKeys are those of a publish that says more than the server.
func pushKeys() []key {
	return []key{
		{"to", scalar, checkPublish},
		{"timeout", scalar, checkWait},
	}
}

func checkPublish(text string) error {
	if text == noPublish {
		return nil
	}
	if _, _, err := publish.ParseUpdate(text); err != nil {
		return valueError{message: err.Error(), hint: "as in update://192.0.2.1?key=xfr, or none"}
	}
	return nil
}

// publish fills in where the zone is sent, and refuses what does not go together.
func (in *inspector) publish(prefix string, z *Zone, w *writtenZone, c *Config) {
	at, written := in.places[prefix+".publish"]
	if !w.Publish.any() {
		if written && w.Publish.To == "" && w.Publish.Timeout != "" {
			in.add(diag.CodeConfigZone, at, "publish has no server", `write publish: {to: "update://192.0.2.1?key=xfr", ...}`)
		}
		return
	}
	server, name, err := publish.ParseUpdate(w.Publish.To)
	if err != nil {
		return // it was told where it was written
	}
	z.Publish = Publish{Server: server.Addr, Timeout: wait(w.Publish.Timeout, publish.DefaultReloadTimeout)}
	if own, ok := in.places[prefix+".publish.to"]; ok {
		at = own
	}
	z.Publish.Key = in.keyNamed(at, strings.TrimSuffix(name.String(), "."), c.Keys)
	if z.Reload.Driver != publish.DriverNone {
		in.add(diag.CodeConfigZone, at, "publish and reload do not go together: a server gets its zone one way",
			fmt.Sprintf("leave reload out where the server is updated, or publish where it reads %s", or(w.Output, "a file")))
	}
}

// pushedOnce refuses two zones of one name that are sent to one server with one key: each would
// undo what the other does.
func (in *inspector) pushedOnce(list []Zone) {
	type place struct {
		name, key zone.Name
		server    string
	}
	pushed := map[place]*Zone{}
	for i := range list {
		z := &list[i]
		if z.Publish.Server == "" || z.Name.IsZero() {
			continue
		}
		at := place{z.Name, z.Publish.Key, z.Publish.Server}
		if first := pushed[at]; first != nil {
			in.clash(z, first, fmt.Sprintf("zone %s would be sent to %s twice", z.Name, z.Publish.Server), "views of one server are told apart by their keys")
			continue
		}
		pushed[at] = z
	}
}

// FindKey reads the secret of one key. What is wrong with its file is told as by
// [Config.ReadKeys].
func (c *Config) FindKey(name zone.Name) (primary.Key, diag.List) {
	for i := range c.Keys {
		if c.Keys[i].Name == name {
			one := Config{Keys: c.Keys[i : i+1]}
			keys, found := one.ReadKeys()
			if len(keys) == 0 {
				return primary.Key{}, found
			}
			return keys[0], nil
		}
	}
	panic("aliasflat: internal error: a key that keys does not list") // it was checked where it was written
}
