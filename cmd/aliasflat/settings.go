package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/aliasflat/aliasflat/pkg/config"
)

// settings reads the configuration, for the commands that need one. Its
// mistakes are printed to w, the stream of the command's report.
func (a *app) settings(w io.Writer) (*config.Config, error) {
	c, list, err := config.Load(a.configFile)
	switch {
	case err != nil:
		return nil, usageError{message: err.Error(), hint: configHint(err)}
	case list.HasErrors():
		for _, d := range list {
			if a.reportFile != "" && realPath(a.reportFile) == realPath(d.Span.File) {
				return nil, kindReport.wrong(a.reportFile, "the configuration")
			}
		}
		return nil, a.finish(w, &report{Diagnostics: list}, outcomeUsage)
	default:
		a.warned = list
		return c, nil
	}
}

// configHint is what to do about a configuration that cannot be read. Nobody may have asked for
// it: it can lie in a place where one is looked for.
func configHint(err error) string {
	if at, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Sprintf("let this user read %s, or name another configuration with --config; --config %s takes none", at.Path, os.DevNull)
	}
	return ""
}

// realPath is the path by which a file is known whatever links lead to it. A
// file that is not there yet goes by its folder's.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if followed, err := filepath.EvalSymlinks(path); err == nil {
		return followed
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// sameFile makes the test whether a configured source is the file that was
// named: by its path, or because both paths lead to one file.
func sameFile(named string) func(source string) bool {
	clean := filepath.Clean(named)
	info, err := os.Stat(named)
	return func(source string) bool {
		if filepath.Clean(source) == clean {
			return true
		}
		other, otherErr := os.Stat(source)
		return err == nil && otherErr == nil && os.SameFile(info, other)
	}
}
