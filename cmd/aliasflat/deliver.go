package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// delivery is what is done behind the writing of an output.
type delivery struct {
	reload publish.Reload
	hooks  [][]string
	config *config.Zone    // nil: nothing is
	push   *publish.Pusher // nil: the zone is sent nowhere
	owed   publish.Owed    // by an earlier run
}

func deliveryOf(z *config.Zone) delivery {
	return delivery{reload: z.Reload, hooks: z.Hooks, config: z}
}

// any tells whether there is anything to do.
func (d *delivery) any() bool {
	return d.reload.Driver != "" && d.reload.Driver != publish.DriverNone || len(d.hooks) > 0 || d.pushes()
}

// pushes tells whether the zone is sent to a server.
func (d *delivery) pushes() bool { return d.config != nil && d.config.Publish.Server != "" }

// pushers makes ready what sends zones to servers. What is wrong with keys is printed to w.
func (c *compileCommand) pushers(conf *config.Config, jobs []*job, w io.Writer) error {
	var found diag.List
	for _, j := range jobs {
		if !j.delivery.pushes() || c.previews() {
			continue
		}
		if j.output == "-" {
			return usageError{
				message: fmt.Sprintf("%s is sent to a server, and nothing says where to keep what was published", j.path),
				hint:    "give the zone an output, or say where the state is",
			}
		}
		p, wrong := pusherOf(conf, &j.delivery.config.Publish)
		told := func(d *diag.Diagnostic) bool { return d.Span == wrong[0].Span }
		if len(wrong) > 0 && !slices.ContainsFunc(found, told) {
			found = append(found, wrong...)
		}
		j.delivery.push = p
	}
	if len(found) > 0 {
		return c.finish(w, &report{Diagnostics: found}, outcomeUsage)
	}
	return nil
}

// pusherOf makes what sends a zone to its server.
func pusherOf(conf *config.Config, to *config.Publish) (*publish.Pusher, diag.List) {
	key, found := conf.FindKey(to.Key)
	if len(found) > 0 {
		return nil, found
	}
	return &publish.Pusher{
		Server: to.Server, Timeout: to.Timeout,
		Key: publish.Key{Name: key.Name, Algorithm: key.Algorithm(), Signer: key.Provider()},
	}, nil
}

// deliveries settles what is done with the outputs. A server reads the file that
// the configuration names, so that one of -o is only written.
func (c *compileCommand) deliveries(jobs []*job) error {
	found := false
	for _, j := range jobs {
		if c.output != "" {
			j.delivery = delivery{}
		}
		driver := j.delivery.reload.Driver
		if j.source.Serial.Style == zone.SerialKeep && (driver == publish.DriverBIND || driver == publish.DriverNSD) {
			return usageError{
				message: fmt.Sprintf("--serial keep does not go with reload: %s, which takes a change under a later serial only", driver),
				hint:    "keep is for servers that number the zone themselves",
			}
		}
		if c.reload {
			j.delivery.owed.Reload = j.delivery.any()
		}
		found = found || j.delivery.any()
	}
	switch {
	case c.reload && c.check:
		return usageError{message: "--reload does not go with --check, which does nothing"}
	case c.reload && c.output != "":
		return usageError{message: "--reload does not go with -o", hint: "a name server reads the file that the configuration names as output"}
	case c.reload && !found:
		return usageError{message: "--reload: no zone of this run has a reload or hooks", hint: "they are keys of a zone in the configuration"}
	}
	return nil
}

// publish writes a result, and does what is to be done behind that.
func (j *job) publish(ctx context.Context, r *compile.Result, verify func(*os.File) error) (publish.Delivered, error) {
	d := publish.Delivery{
		Zone: r.Name, File: j.output, Reload: j.delivery.reload, Hooks: j.delivery.hooks,
		New: r.Serial, Moved: true, SelfNumbered: j.source.Serial.Style == zone.SerialKeep, Owed: j.delivery.owed,
		Reading: j.oldOptions(r.Name), Promise: j.promise, Repeated: j.watched, Push: j.delivery.push,
	}
	d.Reading.Lasting = j.source.Lasting
	if j.delivery.config != nil {
		d.HookTimeout = j.delivery.config.HookTimeout
	}
	if p := j.source.Published; p != nil {
		d.Old, d.Moved = &p.Serial, r.Changed || p.Serial != r.Serial
	}
	for i := range r.Flattened {
		res := &r.Flattened[i]
		for _, rr := range res.RRsets {
			d.Generated = append(d.Generated, publish.Addresses{Owner: res.Rule.Owner, Type: rr.Type, Addresses: rr.Addresses})
		}
	}
	if r.Changed && (d.Reload.Driver == publish.DriverExec || len(d.Hooks) > 0) {
		old, err := publish.Read(j.output, nil)
		if err != nil {
			return publish.Delivered{}, err
		}
		options := zonefile.Options{Origin: r.Name, For: j.source.For}
		d.Changed = changedRRsets(zonefile.Read(j.output, old, options), zonefile.Read(j.output, r.Text.Bytes(), options))
	}
	return publish.Deliver(ctx, &d, r.Text, verify)
}

// delivered reports what came of a delivery.
func (z *ZoneReport) delivered(done *publish.Delivered) outcome {
	z.Written, z.Changed = done.Changed, done.Changed
	z.Reload, z.RolledBack, z.Owed = done.Outcome, done.RolledBack, done.Owed
	z.Diagnostics = append(z.Diagnostics, done.Problems...)
	z.Forward, z.Pushed = done.Forward, done.Pushed
	if done.RolledBack || done.Forward != nil {
		z.NewSerial = nil // what was to be published is not
	}
	if done.Problems.HasErrors() {
		return outcomeWorld
	}
	return 0
}

// failed reports what kept an output from being written, and what there is in its place.
func (z *ZoneReport) failed(err error, stands string) {
	if refused, ok := errors.AsType[*diag.Diagnostic](err); ok {
		z.Diagnostics = append(z.Diagnostics, refused)
		z.NewSerial = nil
		return
	}
	z.fail(err, stands)
}

// changedRRsets names the RRsets in which two zones differ, the serial apart, the SOA first and
// the others in canonical order.
func changedRRsets(old, now *zonefile.Zone) []string {
	names := []string{}
	difference := zonefile.Diff(old, now)
	for i := range difference {
		rr := difference[i].RRset()
		names = append(names, rr.Owner.String()+" "+zonefile.TypeName(rr.Type))
	}
	return names
}
