package status

import (
	"bytes"
	"os"
	"strconv"
	"syscall"
	"time"
)

// clockTicks is how many ticks /proc counts in a second: the same on every Linux that Go
// knows.
const clockTicks = 100

// process adds the metrics of the process, under the names of the client library. What cannot
// be read is left out.
func (e *exposition) process() {
	var usage syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &usage) == nil {
		spent := time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
		e.one("process_cpu_seconds_total", counter, "Processor time spent, in seconds.", spent.Seconds())
	}
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) == nil {
		e.one("process_max_fds", gauge, "How many descriptors may be open.", float64(limit.Cur))
	}
	if n, err := openDescriptors(); err == nil {
		e.one("process_open_fds", gauge, "Descriptors that are open.", float64(n))
	}
	if stat, ok := readStat(); ok {
		e.one("process_virtual_memory_bytes", gauge, "Virtual memory, in bytes.", stat.virtual)
		e.one("process_resident_memory_bytes", gauge, "Resident memory, in bytes.", stat.resident)
		if boot, ok := bootTime(); ok {
			e.one("process_start_time_seconds", gauge, "When the process began, in seconds since 1970.", boot+stat.started)
		}
	}
}

func openDescriptors() (int, error) {
	folder, err := os.Open("/proc/self/fd")
	if err != nil {
		return 0, err
	}
	defer folder.Close()
	names, err := folder.Readdirnames(-1)
	return max(0, len(names)-1), err // but for the folder
}

// stat is what /proc tells of a process.
type stat struct {
	started           float64 // seconds since the machine began
	virtual, resident float64 // bytes
}

// readStat reads fields 22 to 24 of /proc/self/stat (proc(5)). The second one, the name, may
// hold anything and ends with the last parenthesis.
func readStat() (stat, bool) {
	text, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return stat{}, false
	}
	fields := bytes.Fields(text[bytes.LastIndexByte(text, ')')+1:])
	if len(fields) < 22 {
		return stat{}, false
	}
	var n [3]float64
	for i := range n {
		if n[i], err = strconv.ParseFloat(string(fields[19+i]), 64); err != nil {
			return stat{}, false
		}
	}
	return stat{started: n[0] / clockTicks, virtual: n[1], resident: n[2] * float64(os.Getpagesize())}, true
}

// bootTime is when the machine began, in seconds since 1970.
func bootTime() (float64, bool) {
	text, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0, false
	}
	for line := range bytes.Lines(text) {
		if rest, ok := bytes.CutPrefix(line, []byte("btime ")); ok {
			n, err := strconv.ParseFloat(string(bytes.TrimSpace(rest)), 64)
			return n, err == nil
		}
	}
	return 0, false
}
