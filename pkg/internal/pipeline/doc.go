// Package pipeline tests what runs aliasflat where nobody looks on: the action of
// GitHub, the hook of pre-commit, and the pipelines in examples/ci, each as its
// runner would run it, on this machine alone.
//
// It also tests what the daemon is deployed with: packages, units, the container, and the
// configurations in examples/watch, beside real servers.
//
// It holds tests only. They work on the built program, so that they say what comes
// of the files as they are in the repository.
package pipeline
