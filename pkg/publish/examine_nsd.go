package publish

import (
	"context"
	"fmt"
	"strings"
)

func (n *nsd) reach() *program { return &program{args: n.command("nsd-control", "status")} }

func (n *nsd) reached(said string) (string, bool) {
	version, ok := statusLine(said, "version")
	if !ok {
		return "", false
	}
	return "NSD " + version + " answers", true
}

func (n *nsd) fit(ctx context.Context, _ *examined) (found []Finding, more bool) {
	subject := n.subject()
	said, err := n.runLook(ctx, n.command("nsd-control", "zonestatus", n.zoneArgument()))
	if err != nil {
		hint := fmt.Sprintf("write zone: with name: \"%s\" and zonefile: \"%s\" into nsd.conf, and run nsd-control reconfig", n.zoneArgument(), followed(n.File))
		return []Finding{red(subject, err.Error(), hint)}, false
	}
	state, _ := statusLine(said, "state")
	switch state = strings.TrimSpace(state); state {
	case "primary", "master":
		return []Finding{green(subject, "NSD has it as primary")}, true
	}
	return []Finding{red(subject, fmt.Sprintf("NSD has it as secondary, in state %s, and takes no file of it", state), "take request-xfr away from the zone there")}, false
}
