package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// pollHolder is how often a lock that another process holds is tried.
const pollHolder = 20 * time.Millisecond

// hold takes the lock of a store: the whole of it for a writer, a share of it for a reader.
// The kernel gives it free when the process ends, however it does. It is a file of its own,
// since that of the store may be put aside while others wait for it.
//
// A reader of a folder that it may not write to takes no lock where no writer ever was.
func hold(path string, o Options) (*os.File, error) {
	for deadline := time.Now().Add(o.Wait); ; time.Sleep(pollHolder) {
		file, err := take(path, o.ReadOnly)
		switch {
		case o.ReadOnly && errors.Is(err, fs.ErrNotExist):
			return nil, nil
		case err != nil:
			return nil, fmt.Errorf("lock the state: %w", err)
		case file != nil && o.ReadOnly:
			return file, nil
		case file != nil:
			if err := writePID(file, strconv.Itoa(os.Getpid())+"\n"); err != nil {
				return nil, errors.Join(err, file.Close())
			}
			return file, nil
		case !time.Now().Before(deadline):
			return nil, &LockedError{Path: path, PID: readPID(path)}
		}
	}
}

// release gives a lock free. The pid goes first: a reader that holds the lock next has none
// there.
func release(file *os.File, o Options) error {
	if file == nil {
		return nil
	}
	if o.ReadOnly {
		return file.Close()
	}
	return errors.Join(writePID(file, ""), file.Close())
}

func writePID(file *os.File, text string) error {
	err := file.Truncate(0)
	if err == nil {
		_, err = file.WriteAt([]byte(text), 0)
	}
	if err != nil {
		return fmt.Errorf("lock the state: %w", err)
	}
	return nil
}

// readPID gives the pid of the writer that holds a lock, or 0 where that is not known: it is
// held by readers, and the last writer was killed.
func readPID(path string) int {
	file, err := os.Open(path)
	if err != nil {
		return 0
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, 32))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	process, err := os.FindProcess(pid)
	if err != nil || errors.Is(process.Signal(syscall.Signal(0)), os.ErrProcessDone) {
		return 0
	}
	return pid
}
