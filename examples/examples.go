// Package examples has the files that aliasflat init prints.
package examples

import _ "embed" // the files are in the program

// Configuration is one to begin with.
//
//go:embed deploy/aliasflat.yaml
var Configuration string

// Unit is the service of systemd.
//
//go:embed deploy/aliasflat.service
var Unit string

// Workflow is that of GitHub Actions.
//
//go:embed ci/github.yml
var Workflow string
