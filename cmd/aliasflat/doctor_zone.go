package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/pull"
	"github.com/aliasflat/aliasflat/pkg/state"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// zoneCheck is a zone that doctor looks at.
type zoneCheck struct {
	job    *job
	name   zone.Name    // zero: not known
	last   *state.Zone  // what the state knows of it; nil: nothing
	serial *zone.Serial // that the next one has to be later than; nil: none is known
}

// lookAtFiles looks at source and output, and at the programs that are run about
// them.
func (z *zoneCheck) lookAtFiles() []checked {
	j := z.job
	var list []checked
	if j.pull == nil {
		list = append(list, z.lookAtSource())
	}
	if j.output == "-" {
		return list
	}
	list = append(list, z.lookAtOutput(), z.lookAtLock())
	list = append(list, z.lookAtPublished()...)
	list = append(list, worldly(publish.FindPrograms("verify-with", j.checkers))...)
	return append(list, worldly(publish.FindPrograms("hooks", j.delivery.hooks))...)
}

func (z *zoneCheck) lookAtSource() checked {
	subject := "source " + z.job.path
	f, err := os.Open(z.job.path)
	if err == nil {
		err = f.Close()
	}
	switch {
	case err != nil:
		return wrong(subject, plainError(err), "name the zone file, and let this user read it")
	case z.name.IsZero():
		return wrong(subject, "it does not tell its zone name", "name it with --origin, or the key name of the zone in the configuration")
	}
	return fine(subject, "it is zone "+displayName(z.name))
}

func (z *zoneCheck) lookAtOutput() checked {
	subject := "output " + z.job.output
	missing, err := publish.TryOutput(z.job.output)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return wrong(subject, err.Error(), "let this user write to its folder: a new file takes the place of the output")
	case err != nil:
		return wrong(subject, err.Error(), "a new file takes the place of the output, from within its folder: make that possible, or name another output")
	case missing:
		return fine(subject, "its folder is not there and can be made")
	}
	return fine(subject, "a new file can take its place in one step")
}

func (z *zoneCheck) lookAtLock() checked {
	subject := "lock of " + z.job.output
	held, pid, err := publish.LockHolder(z.job.output)
	switch {
	case err != nil:
		return wrong(subject, err.Error(), "let this user read it, or take away what is in its place")
	case !held:
		return fine(subject, "nobody holds it")
	}
	list := wrong(subject, "another run is at work on this file", "wait until it is done")
	if pid != 0 {
		list.Message += fmt.Sprintf(": process %d", pid)
		list.Hint += fmt.Sprintf("; ps -fp %d shows what it is", pid)
	}
	list.outcome = outcomeLocked
	return list
}

// lookAtPublished compares the output with what the state knows of it.
func (z *zoneCheck) lookAtPublished() []checked {
	j, subject := z.job, "output "+z.job.output
	j.publishedOutput()
	var list []checked
	for _, d := range j.problems {
		list = append(list, wrong(subject, d.Message, d.Hint))
	}
	if len(list) > 0 {
		return list
	}
	if j.source.Published != nil {
		z.serial = &j.source.Published.Serial
	}
	last := z.last
	switch {
	case last == nil && z.serial == nil:
		return nil
	case last == nil:
		return []checked{fine(subject, fmt.Sprintf("it has serial %d", *z.serial))}
	case z.serial == nil:
		z.serial = &last.Serial
		list = append(list, doubtful(subject, fmt.Sprintf("it is gone, and was published with serial %d", last.Serial), "aliasflat compile writes it again"))
	case j.editedByOthers(last):
		d := problemEdited(j, last)
		list = append(list, wrong(subject, d.Message, d.Hint))
	default:
		list = append(list, fine(subject, fmt.Sprintf("it has serial %d, as the state knows", *z.serial)))
	}
	if readOwed(last.Owed).Any() {
		list = append(list, doubtful(subject, "a reload or a hook is owed", "aliasflat compile makes up for it"))
	}
	return list
}

// examineServers looks how the name servers that are told of new files go with
// their zones.
func examineServers(ctx context.Context, zones []*zoneCheck) []checked {
	var served []publish.Served
	for _, z := range zones {
		if z.name.IsZero() || z.job.output == "-" {
			continue
		}
		from, err := publish.ParseServer(z.job.asked, publish.SchemeDNS)
		served = append(served, publish.Served{
			Zone: z.name, File: z.job.output, Reload: z.job.delivery.reload,
			Counts:       err == nil && from.Addr == z.job.delivery.reload.Server,
			SelfNumbered: z.job.source.Serial.Style == zone.SerialKeep, Serial: z.serial,
		})
	}
	return worldly(publish.Examine(ctx, served))
}

// examinePushes looks whether the servers that zones are sent to take them.
func examinePushes(ctx context.Context, conf *config.Config, zones []*zoneCheck) []checked {
	return sideBySide(zones, func(z *zoneCheck) []checked {
		if !z.job.delivery.pushes() || z.name.IsZero() {
			return nil
		}
		to := &z.job.delivery.config.Publish
		p, found := pusherOf(conf, to)
		var list []checked
		for _, d := range found {
			list = append(list, wrong("publish "+displayName(z.name)+" at "+to.Server, d.Message, d.Hint))
		}
		if p != nil {
			list = append(list, worldly(p.Examine(ctx, z.name))...)
		}
		return list
	})
}

// sideBySide looks at some zones at a time, and gives what was found in their order.
func sideBySide(zones []*zoneCheck, look func(*zoneCheck) []checked) []checked {
	const atATime = 8
	list := make([][]checked, len(zones))
	turns := make(chan struct{}, atATime)
	var all sync.WaitGroup
	for i, z := range zones {
		all.Go(func() {
			turns <- struct{}{}
			defer func() { <-turns }()
			list[i] = look(z)
		})
	}
	all.Wait()
	return slices.Concat(list...)
}

// askSerials asks the servers whose serials count as published.
func askSerials(ctx context.Context, zones []*zoneCheck) []checked {
	return sideBySide(zones, func(z *zoneCheck) []checked {
		var found []checked
		for _, l := range []checked{z.askPrimary(ctx), z.askSerial(ctx)} {
			if l.Subject != "" {
				found = append(found, l)
			}
		}
		return found
	})
}

// askPrimary asks the primary of a zone that is pulled; nothing is transferred.
func (z *zoneCheck) askPrimary(ctx context.Context) checked {
	p := z.job.pull
	if p == nil {
		return checked{}
	}
	subject := "source " + z.job.path
	serial, err := p.source.Serial(ctx)
	if err != nil {
		d := pull.Problem(&p.source, err, false)
		return wrong(subject, d.Message, d.Hint)
	}
	return fine(subject, fmt.Sprintf("the primary has it with serial %d", serial))
}

// askSerial asks the server that tells the published serial; without one it is nothing.
func (z *zoneCheck) askSerial(ctx context.Context) checked {
	if z.job.asked == "" || z.name.IsZero() {
		return checked{}
	}
	subject := "serial-from " + z.job.asked
	server, _ := publish.ParseServer(z.job.asked, publish.SchemeDNS) // it was checked where it was written
	serial, err := publish.ServedSerial(ctx, server.Addr, z.name)
	if err != nil {
		return wrong(subject, err.Error(), "without its serial nothing is published: let it serve the zone, or name another server")
	}
	return fine(subject, fmt.Sprintf("it serves %s with serial %d", displayName(z.name), serial))
}
