package publish

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Previous is a file that was replaced, kept under another name in the same
// folder. A nil Previous is no file. When its process dies, the next run removes
// the file, as it does with all temporary ones.
type Previous struct {
	path string // that it had
	name string // that it has; empty: it is gone
}

// keep gives the file at path a second name, or makes a copy where the file
// system has no such thing.
func keep(path string) (*Previous, error) {
	name, err := unusedName(path, func(name string) error { return os.Link(path, name) })
	if noLinks(err) {
		name, err = copyBeside(path, path)
	}
	if err != nil {
		return nil, err
	}
	return &Previous{path: path, name: name}, nil
}

// Restore puts the file back where it was, in one step and with a time that is
// later than that of the file which stands there now. Whatever happens, what
// was kept is kept until it is back.
func (p *Previous) Restore() error {
	if p == nil || p.name == "" {
		return nil
	}
	if err := p.restore(); err != nil {
		return fmt.Errorf("put the previous %s back: %w", p.path, err)
	}
	p.name = ""
	return nil
}

func (p *Previous) restore() error {
	now, err := os.Stat(p.path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if now == nil {
		now, err = os.Stat(p.name)
		if err != nil {
			return err
		}
	}
	// A rename needs no room on a disk that may be full; only whose file it is
	// may set its time.
	err = makeLater(p.name, now)
	if errors.Is(err, fs.ErrPermission) {
		if err := restoreCopy(p.name, p.path); err != nil {
			return err
		}
		p.Discard()
		return nil
	}
	if err == nil {
		err = syncFile(p.name)
	}
	if err == nil {
		err = os.Rename(p.name, p.path)
	}
	if err == nil {
		err = syncFolder(filepath.Dir(p.path))
	}
	return err
}

// Discard removes the file: the new one is good. What cannot be removed now is
// removed by the next run.
func (p *Previous) Discard() {
	if p == nil || p.name == "" {
		return
	}
	_ = os.Remove(p.name) // as said
	p.name = ""
}

// restoreCopy replaces a file by a copy of another one.
func restoreCopy(from, to string) error {
	source, err := openRegular(from)
	if err != nil {
		return err
	}
	defer source.Close()
	w, err := replace(to, func(f io.Writer) error {
		_, err := io.Copy(f, source)
		return err
	}, func(*os.File) error { return nil })
	w.Previous.Discard()
	return err
}

// copyBeside makes a temporary file beside path with what another file has, its
// mode, owner and time too, and syncs it.
func copyBeside(path, from string) (name string, err error) {
	source, err := openRegular(from)
	if err != nil {
		return "", err
	}
	defer source.Close()
	info, err := source.Stat()
	if err != nil {
		return "", err
	}
	f, err := createTemporary(path, info.Mode().Perm())
	if err != nil {
		return "", err
	}
	err = keepMode(f, info)
	if err == nil {
		_, err = io.Copy(f, source)
	}
	if err == nil {
		err = f.Sync()
	}
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Chtimes(f.Name(), info.ModTime(), info.ModTime())
	}
	if err != nil {
		_ = os.Remove(f.Name()) // what stays is cleaned by the next run
	}
	return f.Name(), err
}

// syncFile makes what a file has, and its time, last over a power failure.
func syncFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrPermission) {
		f, err = os.Open(path) // for a sync this is enough, but not on Windows
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// syncFolder makes a rename last over a power failure.
func syncFolder(path string) error {
	d, err := openFolder(path)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
