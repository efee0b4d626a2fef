package main

// The types below are the part of SARIF 2.1.0 that the reports use, under the
// names of the standard. They stand here since the libraries that write SARIF
// bring a JSON schema engine, which every run of the program would start.

const (
	sarifVersion = "2.1.0"
	sarifSchema  = "https://raw.githubusercontent.com/oasis-tcs/sarif-spec/main/sarif-2.1/schema/sarif-schema-2.1.0.json"
	sarifRoot    = "%SRCROOT%" // where the source tree lies, wherever the log is read
)

type sarifLog struct {
	Schema  string     `json:"$schema"`
	Version string     `json:"version"`
	Runs    []sarifRun `json:"runs"`
}

type sarifRun struct {
	Tool       sarifTool     `json:"tool"`
	ColumnKind string        `json:"columnKind"`
	Results    []sarifResult `json:"results"` // never nil: a run without results says so
}

type sarifTool struct {
	Driver sarifDriver `json:"driver"`
}

type sarifDriver struct {
	Name           string      `json:"name"`
	Version        string      `json:"version"`
	InformationURI string      `json:"informationUri"`
	Rules          []sarifRule `json:"rules"` // never nil
}

// sarifRule is the standard's reportingDescriptor.
type sarifRule struct {
	ID                   string             `json:"id"`
	ShortDescription     sarifText          `json:"shortDescription"`
	FullDescription      sarifText          `json:"fullDescription"`
	DefaultConfiguration sarifConfiguration `json:"defaultConfiguration"`
}

type sarifConfiguration struct {
	Level string `json:"level"`
}

// sarifText serves as message and as multiformatMessageString.
type sarifText struct {
	Text string `json:"text"`
}

type sarifResult struct {
	RuleID           string          `json:"ruleId"`
	RuleIndex        int             `json:"ruleIndex"` // into the rules of the driver
	Level            string          `json:"level"`
	Message          sarifText       `json:"message"`
	Locations        []sarifLocation `json:"locations,omitempty"`
	RelatedLocations []sarifLocation `json:"relatedLocations,omitempty"`
}

type sarifLocation struct {
	ID               int         `json:"id,omitempty"` // from 1 among related locations; 0: none
	PhysicalLocation *sarifPlace `json:"physicalLocation"`
	Message          *sarifText  `json:"message,omitempty"`
}

// sarifPlace is the standard's physicalLocation.
type sarifPlace struct {
	ArtifactLocation sarifArtifact `json:"artifactLocation"`
	Region           *sarifRegion  `json:"region,omitempty"` // nil: the whole file
}

type sarifArtifact struct {
	URI       string `json:"uri"`
	URIBaseID string `json:"uriBaseId,omitempty"` // empty: the URI is absolute
}

type sarifRegion struct {
	StartLine   int `json:"startLine"`             // from 1
	StartColumn int `json:"startColumn,omitempty"` // in characters from 1; 0: unknown
}
