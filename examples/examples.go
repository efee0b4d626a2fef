// Package examples has the files that aliasflat init prints.
package examples

import _ "embed" // the files are in the program

// Configuration is one to begin with, of a machine on which aliasflat is a service.
//
//go:embed deploy/aliasflat.yaml
var Configuration string

// Start is a configuration to begin with in the folder of a zone, which it names as [StartZones].
//
//go:embed start/aliasflat.yaml
var Start string

// StartZones is what stands in [Start] for the zones.
const StartZones = `  - source: example.com.zone
    output: "{zone}.flat"
`

// Unit is the service of systemd.
//
//go:embed deploy/aliasflat.service
var Unit string

// Workflow is that of GitHub Actions.
//
//go:embed ci/github.yml
var Workflow string
