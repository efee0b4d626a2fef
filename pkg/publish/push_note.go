package publish

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/miekg/dns"

	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// rrsetName says which RRset is meant.
type rrsetName struct {
	owner zone.Name
	typ   uint16
}

// String is owner name and type.
func (n rrsetName) String() string { return n.owner.String() + " " + zonefile.TypeName(n.typ) }

// NoteSuffix ends the name of the file beside an output in which it is noted which RRsets a
// server was given.
const NoteSuffix = ".pushed"

// The words that a line of a note begins with.
const (
	noteServer = "server"
	noteGiven  = "given"
	noteOther  = "other"
)

// given is the note of which RRsets a server was given, so that only these are ever taken back.
// It is written before anything is sent, so that it has what a killed run has sent.
type given struct {
	path   string
	server string
	zone   zone.Name
	sets   map[rrsetName]bool // that it was given
	others map[rrsetName]bool // that somebody else has added, and that was told
	text   []byte             // as it stands in the file
}

// readGiven reads the note about an output. One that is not there, or is about another server,
// knows of nothing.
func readGiven(file string, name zone.Name, server string) (*given, error) {
	g := &given{path: file + NoteSuffix, server: server, zone: name, sets: map[rrsetName]bool{}, others: map[rrsetName]bool{}}
	var err error
	if g.text, err = Read(g.path, nil); err != nil {
		return nil, err
	}
	same := false
	for line := range strings.Lines(string(g.text)) {
		fields := strings.Fields(line)
		if len(fields) == 2 && fields[0] == noteServer {
			same = fields[1] == server
		}
		if len(fields) != 3 || !same {
			continue
		}
		owner, err := zone.ParseName(fields[1], zone.Root)
		typ, ok := typeNumber(fields[2])
		if err != nil || !ok {
			continue // what is not understood is left alone at the server
		}
		switch fields[0] {
		case noteGiven:
			g.sets[rrsetName{owner, typ}] = true
		case noteOther:
			g.others[rrsetName{owner, typ}] = true
		}
	}
	return g, nil
}

// typeNumber reads what [zonefile.TypeName] gives.
func typeNumber(word string) (uint16, bool) {
	if typ, ok := dns.StringToType[word]; ok {
		return typ, true
	}
	var typ uint16
	n, err := fmt.Sscanf(word, "TYPE%d", &typ)
	return typ, n == 1 && err == nil
}

// save writes the note where it is not what stands there.
func (g *given) save() error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "; The RRsets of %s that %s was given from here. No others are deleted there.\n", g.zone, g.server)
	fmt.Fprintf(&b, "%s %s\n", noteServer, g.server)
	for _, part := range []struct {
		word string
		sets map[rrsetName]bool
	}{{noteGiven, g.sets}, {noteOther, g.others}} {
		lines := make([]string, 0, len(part.sets))
		for n := range part.sets {
			lines = append(lines, part.word+" "+n.String()+"\n")
		}
		slices.Sort(lines)
		for _, line := range lines {
			b.WriteString(line)
		}
	}
	if bytes.Equal(b.Bytes(), g.text) {
		return nil
	}
	if _, err := WriteBytes(g.path, b.Bytes()); err != nil {
		return err
	}
	g.text = b.Bytes()
	return nil
}

// readNote reads the note, if it was not read yet.
func (p *pushing) readNote() error {
	if p.note != nil {
		return nil
	}
	var err error
	p.note, err = readGiven(p.File, p.Zone, p.Server)
	return err
}

// promise notes what is about to be sent.
func (p *pushing) promise(t *todo) error {
	if !t.whole && len(t.changes) == 0 {
		return nil
	}
	if err := p.readNote(); err != nil {
		return err
	}
	if t.whole {
		for name := range p.published(t) {
			p.note.sets[name] = true
		}
	}
	for _, c := range t.changes {
		if c.New != nil {
			p.note.sets[rrsetName{c.New.Owner, c.New.Type}] = true
		}
	}
	return p.note.save()
}

// settle notes what the server is seen to have, and gives what of it somebody else has added and
// nobody was told of.
func (p *pushing) settle(t *todo) (untold []rrsetName, err error) {
	if p.note == nil {
		return nil, nil
	}
	for _, c := range t.changes {
		if c.New == nil {
			delete(p.note.sets, rrsetName{c.Old.Owner, c.Old.Type})
		}
	}
	if t.whole {
		p.note.sets = p.published(t)
		told := p.note.others
		p.note.others = map[rrsetName]bool{}
		for _, name := range t.others {
			p.note.others[name] = true
			if !told[name] {
				untold = append(untold, name)
			}
		}
	}
	return untold, p.note.save()
}

// published gives the RRsets that the server has from here once the changes are made: those that
// are published, but for what is left as it is.
func (p *pushing) published(t *todo) map[rrsetName]bool {
	sets := map[rrsetName]bool{}
	p.want.EachRecord(func(owner []byte, typ uint16, _ uint32, _ []byte) {
		name, err := zone.NameFromWire(owner)
		if err == nil && !belongsToServer(typ) && name.IsIn(p.Zone) {
			sets[rrsetName{name, typ}] = true
		}
	})
	for _, c := range t.left {
		set := c.RRset()
		if c.Old != nil {
			sets[rrsetName{set.Owner, set.Type}] = true
		} else {
			delete(sets, rrsetName{set.Owner, set.Type})
		}
	}
	return sets
}
