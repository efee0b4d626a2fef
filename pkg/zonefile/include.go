package zonefile

import (
	"errors"
	"io/fs"
	"path"
	"path/filepath"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// include opens what an $INCLUDE names and sets the context it is read in.
// Paths start at the root of Options.Includes, which plays the part of BIND's
// directory. A file that cannot be read is never quoted.
func (b *builder) include(seg *segment, inner *context, e *Entry) *segment {
	fail := func(tok Token, d *diag.Diagnostic) *segment {
		b.report(finding{place{seg, tok.Start, tok.End}, d})
		return nil
	}
	word := e.Tokens[0]
	if len(e.Tokens) < 2 {
		return fail(word, faultDirectiveArgument(word.raw(seg.text), "a file name"))
	}
	if len(e.Tokens) > 3 {
		return fail(e.Tokens[3], faultDirectiveJunk(word.raw(seg.text), e.Tokens[3].raw(seg.text)))
	}
	if len(e.Tokens) == 3 {
		text := e.Tokens[2].raw(seg.text)
		if e.Tokens[2].Quoted {
			return fail(e.Tokens[2], faultQuotedOrigin(text))
		}
		origin, err := zone.AppendName(nil, text, inner.origin)
		if err != nil {
			return fail(e.Tokens[2], faultName(text, err))
		}
		inner.origin = origin
	}
	name := unescapePath(string(e.Tokens[1].content(seg.text)))
	if seg.depth >= maxIncludeDepth {
		return fail(e.Tokens[1], faultInclude(diag.CodeIncludeDepth, name, "is nested more than 16 deep", ""))
	}
	if b.includes++; b.includes > maxIncludes {
		return fail(e.Tokens[1], faultInclude(diag.CodeIncludeDepth, name, "is one too many", "a zone may read 16384 files, each as often as it is named"))
	}
	f, d := b.readInclude(seg, name)
	if d != nil {
		return fail(e.Tokens[1], d)
	}
	for s := seg; s != nil; s = s.parent {
		if s.path == f.path {
			return fail(e.Tokens[1], faultInclude(diag.CodeIncludeCycle, name, "includes itself", "break the cycle"))
		}
	}
	return b.open(f, seg, e)
}

// readInclude reads an included file, once however often it is named.
func (b *builder) readInclude(seg *segment, name string) (*file, *diag.Diagnostic) {
	o := b.zone.options
	if o.Includes == nil {
		return nil, faultInclude(diag.CodeIncludeRefused, name, "is not read", "--include-root DIR names the folder that may be read from")
	}
	inRoot := name
	if path.IsAbs(name) {
		rest, ok := strings.CutPrefix(name, strings.TrimSuffix(o.IncludeRoot, "/")+"/")
		if !ok {
			return nil, outside(name, o.IncludeRoot)
		}
		inRoot = rest
	}
	inRoot = path.Clean(inRoot)
	if !fs.ValidPath(inRoot) || inRoot == "." {
		return nil, outside(name, o.IncludeRoot)
	}
	if f := b.files[inRoot]; f != nil {
		return f, nil
	}
	info, err := fs.Stat(o.Includes, inRoot)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, b.missing(seg, name, inRoot)
	}
	if err == nil && !info.Mode().IsRegular() {
		return nil, faultInclude(diag.CodeIncludeRefused, name, "is not a regular file", "name a file")
	}
	var text []byte
	if err == nil {
		text, err = fs.ReadFile(o.Includes, inRoot)
	}
	if err != nil {
		if strings.Contains(err.Error(), "escapes") {
			return nil, outside(name, o.IncludeRoot)
		}
		d := faultInclude(diag.CodeIncludeRefused, name, "cannot be read", "")
		d.Err = err
		return nil, d
	}
	f := newFile(filepath.Join(o.IncludeRoot, filepath.FromSlash(inRoot)), text)
	f.path = inRoot
	if b.files == nil {
		b.files = map[string]*file{}
	}
	b.files[inRoot] = f
	return f, nil
}

// missing tells of a file that is not there, and of one beside the including
// file, where Knot would look.
func (b *builder) missing(seg *segment, name, inRoot string) *diag.Diagnostic {
	root := b.zone.options.IncludeRoot
	if dir := path.Dir(seg.path); dir != "." && dir != "" {
		beside := path.Join(dir, inRoot)
		if _, err := fs.Stat(b.zone.options.Includes, beside); err == nil {
			return faultInclude(diag.CodeIncludeBeside, name,
				"is not at "+path.Join(root, inRoot)+", but there is "+path.Join(root, beside),
				"BIND and NSD read from one folder, Knot from beside the including file; write the path from the root, or name another with --include-root")
		}
	}
	return faultInclude(diag.CodeIncludeMissing, name, "is not there", "paths start at "+root+"; --include-root DIR names another folder")
}

func outside(name, root string) *diag.Diagnostic {
	return faultInclude(diag.CodeIncludeOutside, name, "leaves the folder "+root, "--include-root DIR names the folder that may be read from")
}

// unescapePath takes the escapes out of a file name.
func unescapePath(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
