package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"
)

// A stage stands in for a test, so that the servers of package judge run
// outside of one. What it does not define is not there to be called.
type stage struct {
	testing.TB
	context  func() context.Context
	cleanups []func()
}

// fatal is what a test that cannot go on panics with.
type fatal string

// onStage runs play, then stops what it has started. Whatever would fail a test
// is the error.
func onStage(ctx context.Context, play func(tb testing.TB) error) (err error) {
	s := &stage{context: func() context.Context { return ctx }}
	defer func() {
		for len(s.cleanups) > 0 {
			last := s.cleanups[len(s.cleanups)-1]
			s.cleanups = s.cleanups[:len(s.cleanups)-1]
			last()
		}
	}()
	defer func() {
		switch r := recover().(type) {
		case nil:
		case fatal:
			err = errors.Join(err, errors.New(string(r)))
		default:
			panic(r)
		}
	}()
	return play(s)
}

func (s *stage) Helper() {}

func (s *stage) Context() context.Context { return s.context() }

func (s *stage) Cleanup(f func()) { s.cleanups = append(s.cleanups, f) }

func (s *stage) Fatal(args ...any) { panic(fatal(fmt.Sprint(args...))) }

func (s *stage) Fatalf(format string, args ...any) { panic(fatal(fmt.Sprintf(format, args...))) }

func (s *stage) TempDir() string {
	dir, err := os.MkdirTemp("", "aliasflat-bench")
	if err != nil {
		s.Fatal(err)
	}
	s.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
