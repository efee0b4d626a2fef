package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"slices"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/compile"
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/publish"
	"github.com/aliasflat/aliasflat/pkg/zone"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// A plan is what a run would publish on top of what is published. Its sum binds
// a run to what somebody has looked at (compile --plan).
//
// The sum is over the published state to the byte and every change to its
// records, so that what the zone would become is settled by both. A serial is
// part of it unless it is that of the date or time, which is another one when
// somebody has taken the time to look.

// sumLen is how many octets a sum has. It is a guard against accidents and old
// plans, and long enough that nobody finds another plan with the same sum.
const sumLen = 20

// checkSum refuses what cannot be a sum.
func checkSum(sum string) error {
	if octets, err := hex.DecodeString(sum); sum != "" && (err != nil || len(octets) != sumLen) {
		return usageError{message: fmt.Sprintf("--plan %q is no sum of a plan", sum), hint: "aliasflat diff prints it: plan and " + fmt.Sprint(2*sumLen) + " hexadecimal digits"}
	}
	return nil
}

// otherPlan tells where a run is not what --plan says.
func (c *compileCommand) otherPlan(jobs []*job, results []compile.Result) *diag.Diagnostic {
	if c.plan == "" {
		return nil
	}
	differences := make([]zone.Difference, len(jobs))
	for i, j := range jobs {
		var err error
		if differences[i], err = j.difference(&results[i]); err != nil {
			j.blocked(err)
		}
	}
	sum, err := planSum(jobs, results, differences)
	if err == nil && strings.EqualFold(sum, c.plan) {
		return nil
	}
	d := &diag.Diagnostic{
		Severity: diag.Error, Code: diag.CodePlanDiffers,
		Message: fmt.Sprintf("the plan is %s, not %s: nothing is written", sum, strings.ToLower(c.plan)),
		Hint:    "aliasflat diff shows what would change",
	}
	if err != nil {
		d.Message, d.Err = "the plan cannot be made: "+err.Error(), err
	}
	return d
}

// difference is what a result changes in the published records.
func (j *job) difference(r *compile.Result) (zone.Difference, error) {
	if !r.OK() || len(j.problems) > 0 || j.source.Published != nil && !r.Changed {
		return nil, nil
	}
	options := j.oldOptions(r.Name)
	latest := zonefile.Read(j.source.Name, r.Text.Bytes(), options)
	text, err := j.oldText()
	if err != nil || len(text) == 0 {
		return zonefile.Diff(nil, latest), err
	}
	return zonefile.Diff(zonefile.Read(j.last, text, options), latest), nil
}

// oldText is the published zone as text; none where no records of it are known.
func (j *job) oldText() ([]byte, error) {
	if j.old != nil || j.last == "" {
		return j.old, nil
	}
	return publish.Read(j.last, nil)
}

// planSum is the sum over all zones of a run, in whatever order they were
// named.
func planSum(jobs []*job, results []compile.Result, differences []zone.Difference) (string, error) {
	sums := make([][]byte, len(jobs))
	for i, j := range jobs {
		h := sha256.New()
		if err := j.addPlan(h, &results[i], differences[i]); err != nil {
			return "", err
		}
		sums[i] = h.Sum(nil)
	}
	slices.SortFunc(sums, bytes.Compare)
	whole := sha256.Sum256(slices.Concat([]byte("aliasflat plan 1\n"), bytes.Join(sums, nil)))
	return hex.EncodeToString(whole[:sumLen]), nil
}

// addPlan adds what is to come of one zone. Every field has its length in front
// of it, so that no two plans are one text.
func (j *job) addPlan(h hash.Hash, r *compile.Result, difference zone.Difference) error {
	put := func(field string) { fmt.Fprintf(h, "%d:%s", len(field), field) }
	put(r.Name.String())
	put(j.view)
	if !r.OK() || len(j.problems) > 0 {
		put("failed")
		return nil
	}
	text, err := j.oldText()
	if err != nil {
		return err
	}
	if j.old != nil {
		text = sortedLines(text) // a server may send its records in any order
	}
	published := sha256.Sum256(text)
	put(string(published[:]))
	if p := j.source.Published; p != nil {
		put(fmt.Sprint("published ", p.Serial))
	}
	serial := fmt.Sprint(r.Serial)
	if r.Clock != zone.SerialAuto {
		serial = r.Clock.String()
	}
	put("serial " + serial)
	for i := range difference {
		gone, come := difference[i].Records()
		for _, d := range gone {
			put("-" + recordLine(difference[i].Old, zonefile.WithoutSerial(difference[i].Old.Type, d)))
		}
		for _, d := range come {
			put("+" + recordLine(difference[i].New, zonefile.WithoutSerial(difference[i].New.Type, d)))
		}
	}
	return nil
}

// recordLine is a record of an RRset in presentation format.
func recordLine(set *zone.RRset, d zone.RDATA) string {
	return string(zonefile.AppendRecord(nil, set.Owner, set.Type, set.TTL, d))
}

func sortedLines(text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}
