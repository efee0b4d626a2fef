package primary

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/aliasflat/aliasflat/pkg/zone"
)

// Folder is a [History] in files, one for each zone. One process may use a folder at a time.
type Folder struct {
	dir string

	mu    sync.Mutex
	files map[zone.Name]*fileState
}

var _ History = (*Folder)(nil)

// fileState is what is known of a file.
type fileState struct {
	mu sync.Mutex
	extent
}

// extent is how far a file reaches.
type extent struct {
	read    bool  // what follows holds
	entries int   // that are whole
	size    int64 // of these, from the beginning
	torn    bool  // something follows that is no whole entry
}

// A file begins with a line, and the name of its zone with its length. Each entry has its length
// and its checksum in front.
const (
	fileMagic  = "aliasflat history 1\n"
	fileSuffix = ".history"
	entryHead  = 8
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// NewFolder uses a folder, which is made where there is none.
func NewFolder(dir string) (*Folder, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of history: %w", err)
	}
	return &Folder{dir: dir, files: map[zone.Name]*fileState{}}, nil
}

// path is the file of a zone. Not every name of a zone can be that of a file.
func (f *Folder) path(name zone.Name) string {
	sum := sha256.Sum256([]byte(name.Wire()))
	return filepath.Join(f.dir, hex.EncodeToString(sum[:16])+fileSuffix)
}

func (f *Folder) file(name zone.Name) *fileState {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.files[name] == nil {
		f.files[name] = new(fileState)
	}
	return f.files[name]
}

func fileHead(name zone.Name) []byte {
	return append(append([]byte(fileMagic), byte(len(name.Wire()))), name.Wire()...)
}

// Load gives the entries of a zone that are whole, up to the first one that is not.
func (f *Folder) Load(name zone.Name) ([][]byte, error) {
	state := f.file(name)
	state.mu.Lock()
	defer state.mu.Unlock()
	return f.load(name, state)
}

func (f *Folder) load(name zone.Name, state *fileState) ([][]byte, error) {
	data, err := os.ReadFile(f.path(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the history of %s: %w", name, err)
	}
	state.extent = extent{read: true}
	rest, ok := bytes.CutPrefix(data, fileHead(name))
	if !ok {
		state.torn = len(data) > 0
		return nil, nil
	}
	state.size = int64(len(data) - len(rest))
	var entries [][]byte
	for len(rest) > 0 {
		entry, behind, ok := cutEntry(rest)
		if !ok {
			state.torn = true
			break
		}
		entries = append(entries, entry)
		state.size += int64(len(rest) - len(behind))
		rest = behind
	}
	state.entries = len(entries)
	return entries, nil
}

func cutEntry(b []byte) (entry, rest []byte, ok bool) {
	if len(b) < entryHead {
		return nil, nil, false
	}
	n := uint64(binary.BigEndian.Uint32(b))
	if n > uint64(len(b)-entryHead) {
		return nil, nil, false
	}
	entry, rest = b[entryHead:entryHead+n], b[entryHead+n:]
	return entry, rest, crc32.Checksum(entry, castagnoli) == binary.BigEndian.Uint32(b[4:])
}

func appendEntry(dst, entry []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(entry)))
	dst = binary.BigEndian.AppendUint32(dst, crc32.Checksum(entry, castagnoli))
	return append(dst, entry...)
}

// Keep adds an entry, and returns when it is on disk. Entries that may go stay a while, so that
// most of the time nothing but the new one is written.
func (f *Folder) Keep(name zone.Name, entry []byte, last int) error {
	state := f.file(name)
	state.mu.Lock()
	defer state.mu.Unlock()
	var err error
	if !state.read {
		_, err = f.load(name, state)
	}
	if err == nil {
		err = f.keep(name, state, entry, last)
	}
	if err != nil {
		state.read = false // nobody knows what is there
		return fmt.Errorf("write the history of %s: %w", name, err)
	}
	return nil
}

func (f *Folder) keep(name zone.Name, state *fileState, entry []byte, last int) error {
	if state.torn || state.size == 0 || state.entries+1 >= 2*last {
		return f.rewrite(name, state, entry, last)
	}
	file, err := os.OpenFile(f.path(name), os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	added := appendEntry(nil, entry)
	_, err = file.WriteAt(added, state.size)
	if err == nil {
		err = file.Sync()
	}
	if err := errors.Join(err, file.Close()); err != nil {
		return err
	}
	state.entries++
	state.size += int64(len(added))
	return nil
}

// rewrite writes the file anew, with the last entries.
func (f *Folder) rewrite(name zone.Name, state *fileState, entry []byte, last int) error {
	entries, err := f.load(name, state)
	if err != nil {
		return err
	}
	entries = append(entries, entry)
	entries = slices.Clip(entries[max(0, len(entries)-last):])
	data := fileHead(name)
	for _, e := range entries {
		data = appendEntry(data, e)
	}
	path := f.path(name)
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	state.extent = extent{read: true, entries: len(entries), size: int64(len(data))}
	return f.sync()
}

// sync makes names in the folder durable. Not every system lets a folder be synced.
func (f *Folder) sync() error {
	dir, err := os.Open(f.dir)
	if err != nil {
		return err
	}
	_ = dir.Sync()
	return dir.Close()
}

// Forget removes the file of a zone.
func (f *Folder) Forget(name zone.Name) error {
	state := f.file(name)
	state.mu.Lock()
	defer state.mu.Unlock()
	state.extent = extent{}
	if err := os.Remove(f.path(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the history of %s: %w", name, err)
	}
	return nil
}

// Zones reads the heads of all files. A file that has none is passed over.
func (f *Folder) Zones() ([]zone.Name, error) {
	list, err := os.ReadDir(f.dir)
	if err != nil {
		return nil, fmt.Errorf("read the folder of history: %w", err)
	}
	var names []zone.Name
	for _, e := range list {
		if !strings.HasSuffix(e.Name(), fileSuffix) {
			continue
		}
		name, err := readHead(filepath.Join(f.dir, e.Name()))
		if err != nil {
			return nil, fmt.Errorf("read the folder of history: %w", err)
		}
		if !name.IsZero() {
			names = append(names, name)
		}
	}
	return names, nil
}

func readHead(path string) (zone.Name, error) {
	file, err := os.Open(path)
	if err != nil {
		return zone.Name{}, err
	}
	defer file.Close()
	buf := make([]byte, len(fileMagic)+1+zone.MaxNameLen)
	n, err := file.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return zone.Name{}, err
	}
	rest, ok := bytes.CutPrefix(buf[:n], []byte(fileMagic))
	if !ok || len(rest) < 2 || zone.WireNameLen(rest[1:]) == 0 {
		return zone.Name{}, nil
	}
	return zone.NameFromWire(rest[1:])
}
