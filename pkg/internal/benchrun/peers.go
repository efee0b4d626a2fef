package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// So many questions under way are the most that the receive buffer of knotd, of
// the system's default size, takes without loss; with more, these programs wait
// for their timeouts.
const (
	dnsperfOutstanding = 100
	massdnsOutstanding = 200
)

// dnsperf asks the questions of a file once. Its own figures count, which leave
// out its start.
func (a *asking) dnsperf(questions string, n int) command {
	printed := filepath.Join(a.dir, "stdout")
	return command{
		name: "dnsperf", stdout: printed,
		args: []string{
			"dnsperf", "-s", a.host, "-p", a.port, "-d", questions, "-n", "1",
			"-q", strconv.Itoa(dnsperfOutstanding), "-c", "4", "-t", "2",
		},
		report: func(u *usage) error {
			text, err := os.ReadFile(printed)
			if err != nil {
				return err
			}
			return readDnsperf(string(text), n, u)
		},
	}
}

// readDnsperf takes the time and the lost questions from what dnsperf printed.
func readDnsperf(text string, questions int, u *usage) error {
	var figures [4]float64
	for i, label := range []string{"Queries completed", "Queries lost", "Run time (s)", "Response codes"} {
		match := regexp.MustCompile(`(?m)^ *` + regexp.QuoteMeta(label) + `: +(?:NOERROR )?([0-9.]+)`).FindStringSubmatch(text)
		if match == nil {
			return fmt.Errorf("it does not tell %q", label)
		}
		figure, err := strconv.ParseFloat(match[1], 64)
		if err != nil {
			return fmt.Errorf("%s: %w", label, err)
		}
		figures[i] = figure
	}
	completed, lost, seconds, good := int(figures[0]), int64(figures[1]), figures[2], int(figures[3])
	if completed+int(lost) != questions || good != completed {
		return fmt.Errorf("of %d questions it has %d answers, %d of them NOERROR, and lost %d", questions, completed, good, lost)
	}
	u.wall, u.lost = time.Duration(seconds*float64(time.Second)), lost
	return nil
}

// massdns asks for A and AAAA of the names in a file.
func (a *asking) massdns(names, resolvers string, targets int) command {
	printed := filepath.Join(a.dir, "massdns")
	return command{
		name: "massdns",
		args: []string{
			"massdns", "-q", "-r", resolvers, "-t", "A", "-t", "AAAA",
			"-s", strconv.Itoa(massdnsOutstanding), "-o", "S", "-w", printed, names,
		},
		report: func(u *usage) error {
			text, err := os.Open(printed)
			if err != nil {
				return err
			}
			defer func() { _ = text.Close() }()
			return readMassdns(text, targets, u)
		},
	}
}

// readMassdns counts the answers in the simple output of massdns: owner name,
// type and RDATA on each line.
func readMassdns(text io.Reader, targets int, u *usage) error {
	counts := map[string]int{}
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		if fields := strings.Fields(lines.Text()); len(fields) == 3 {
			counts[fields[1]]++
		}
	}
	if err := lines.Err(); err != nil {
		return err
	}
	if counts["A"] > 2*targets || counts["AAAA"] > targets || counts["A"]%2 != 0 {
		return fmt.Errorf("it has %d A and %d AAAA records for %d targets", counts["A"], counts["AAAA"], targets)
	}
	u.lost = int64(2*targets - counts["A"]/2 - counts["AAAA"])
	return nil
}

// questionTable prints what so many questions cost, and queries a second as a
// multiple of those of the base.
func questionTable(w io.Writer, heading string, results []result, base string, questions int) error {
	var against time.Duration
	for _, r := range results {
		if r.name == base {
			against = r.wall
		}
	}
	out := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintf(out, "%s\n\n", heading)
	fmt.Fprintf(out, "queries/s\tx %s\tCPU us/query\twall s\tMiB\tlost\tagain\tpackets/query\t  command\n", base)
	for _, r := range results {
		if r.err != nil {
			fmt.Fprintf(out, "-\t-\t-\t-\t-\t-\t-\t-\t  %v\n", r.err)
			continue
		}
		ratio, again, packets := "-", "-", "-"
		if against > 0 {
			ratio = fmt.Sprintf("%.3f", float64(against)/float64(r.wall))
		}
		if r.again >= 0 {
			again = strconv.FormatInt(r.again, 10)
		}
		if r.arrived > 0 {
			packets = fmt.Sprintf("%.3f", float64(r.arrived)/float64(questions))
		}
		fmt.Fprintf(out, "%.0f\t%s\t%.2f\t%.4f\t%.1f\t%d\t%s\t%s\t  %s\n",
			float64(questions)/r.wall.Seconds(), ratio, float64(r.cpu.Nanoseconds())/1e3/float64(questions),
			r.wall.Seconds(), float64(r.memory)/(1<<20), r.lost, again, packets, r.name)
	}
	return out.Flush()
}

// datagramsArrived counts the UDP datagrams that have come to sockets of the
// machine since it started, 0 if it does not tell. On an idle machine every query
// and every answer is one, so more than two for each question are questions asked
// again. The kernel's count of those sent has one for many that it cut out of it.
func datagramsArrived() int64 {
	text, err := os.ReadFile("/proc/net/snmp")
	if err != nil {
		return 0
	}
	return snmpCounter(string(text), "Udp:", "InDatagrams") + snmpCounter(string(text), "Udp:", "InErrors")
}

// snmpCounter finds a counter in two lines of which the first one has the names.
func snmpCounter(text, protocol, name string) int64 {
	var names []string
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != protocol {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		for i := range min(len(names), len(fields)) {
			if names[i] == name {
				n, err := strconv.ParseInt(fields[i], 10, 64)
				if err != nil {
					return 0
				}
				return n
			}
		}
	}
	return 0
}
