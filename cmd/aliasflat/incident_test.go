package main

import (
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// incidents holds a script for each incident that docs/incidents.md lists under this
// package.
const incidents = "../../testdata/incident"

// incident runs the script of one. It has a test function of its own, so that the
// page names what runs it.
func incident(t *testing.T, name string) {
	t.Helper()
	p := params("")
	p.Files = []string{filepath.Join(incidents, name+".txtar")}
	testscript.Run(t, p)
}

func TestIncidentPowerDNS11503(t *testing.T)      { incident(t, "pdns-11503") }
func TestIncidentPowerDNS11510(t *testing.T)      { incident(t, "pdns-11510") }
func TestIncidentPowerDNS6666(t *testing.T)       { incident(t, "pdns-6666") }
func TestIncidentPowerDNS13360(t *testing.T)      { incident(t, "pdns-13360") }
func TestIncidentPowerDNS15174(t *testing.T)      { incident(t, "pdns-15174") }
func TestIncidentPowerDNS16864(t *testing.T)      { incident(t, "pdns-16864") }
func TestIncidentCloudflareMaxTTL(t *testing.T)   { incident(t, "cloudflare-flattening") }
func TestIncidentCloudflare20231004(t *testing.T) { incident(t, "cloudflare-2023") }
func TestIncidentCloudflare20260108(t *testing.T) { incident(t, "cloudflare-2026") }
func TestIncidentSE20091012(t *testing.T)         { incident(t, "se-2009") }
func TestIncidentDE20100512(t *testing.T)         { incident(t, "de-2010") }
func TestIncidentAU2002(t *testing.T)             { incident(t, "au-2002") }
func TestIncidentAWS20251019(t *testing.T)        { incident(t, "aws-2025") }
func TestIncidentExternalDNS3841(t *testing.T)    { incident(t, "external-dns-3841") }
func TestIncidentAcmeNonce(t *testing.T)          { incident(t, "acme-nonce") }
func TestIncidentBIND20241737(t *testing.T)       { incident(t, "bind-2024-1737") }
