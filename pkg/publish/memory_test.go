package publish

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestLargePagesKeepsMemory(t *testing.T) {
	page := os.Getpagesize()
	memory := bytes.Repeat([]byte{0xa5}, 5<<20)
	want := bytes.Clone(memory)
	spans := [][2]int{{0, 0}, {1, 2}, {1, page}, {page - 1, page + 1}, {3, 3*page + 5}, {7, len(memory)}, {0, len(memory)}}
	for _, s := range spans {
		LargePages(memory[s[0]:s[1]])
	}
	LargePages(nil)
	if !bytes.Equal(memory, want) {
		t.Error("memory changed")
	}
}

func TestReadRegularLarge(t *testing.T) {
	path := filepath.Join(t.TempDir(), "zone")
	var buf []byte
	for _, size := range []int{9<<20 + 1, 8 << 20, 10 << 20, 1} {
		want := make([]byte, size)
		for i := range want {
			want[i] = byte(i * 7 >> 3)
		}
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		var err error
		if buf, err = ReadRegular(path, buf); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(buf, want) {
			t.Errorf("%d bytes read back as %d others", size, len(buf))
		}
	}
}
