package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

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

// checkSum refuses what cannot be a sum, an empty one too: a script whose diff
// has failed has nothing to bind a run to, which is not the same as no --plan.
func checkSum(cmd *cobra.Command, sum string) error {
	if !cmd.Flags().Changed("plan") {
		return nil
	}
	if octets, err := hex.DecodeString(sum); err != nil || len(octets) != sumLen {
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
	var length []byte
	put := func(field string) {
		length = append(strconv.AppendInt(length[:0], int64(len(field)), 10), ':')
		_, _ = h.Write(length) // a hash never fails
		_, _ = io.WriteString(h, field)
	}
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
	diffLines(difference, zonefile.WithoutSerial, put)
	return nil
}

// diffLines calls f with each line of a difference: RRset for RRset what goes
// before what comes, the sign first. as gives the RDATA to show.
func diffLines(difference zone.Difference, as func(typ uint16, d zone.RDATA) zone.RDATA, f func(line string)) {
	var line []byte
	put := func(sign byte, set *zone.RRset, list []zone.RDATA) {
		for _, d := range list {
			line = zonefile.AppendRecord(append(line[:0], sign), set.Owner, set.Type, set.TTL, as(set.Type, d))
			f(string(line))
		}
	}
	for i := range difference {
		gone, come := difference[i].Records()
		put('-', difference[i].Old, gone)
		put('+', difference[i].New, come)
	}
}

func sortedLines(text []byte) []byte {
	lines := bytes.SplitAfter(text, []byte("\n"))
	slices.SortFunc(lines, bytes.Compare)
	return bytes.Join(lines, nil)
}
