package api

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

const (
	usualFound = 100    // entries, unless another limit is asked for
	maxFound   = 10_000 // entries, whatever is asked for
)

// search finds zones and records by a pattern, in which * is any run of characters and ? is one.
// It is held against names without their final dot, and against contents.
func (p *powerDNS) search(w http.ResponseWriter, r *http.Request, c *Caller) error {
	query := r.URL.Query()
	pattern := strings.ToLower(query.Get("q"))
	if pattern == "" {
		return Refusef(ReasonInvalid, "Query q can't be blank")
	}
	limit, ok := limitOf(query.Get("max"))
	if !ok {
		return Refusef(ReasonInvalid, "Maximum entries must be larger than 0")
	}
	kind := query.Get("object_type")
	switch kind {
	case "", "all", "zone", "record", "comment":
	default:
		return Refusef(ReasonInvalid, "object_type must be one of the following options: all, zone, record, comment")
	}
	found := []map[string]any{}
	if kind != "record" && kind != "comment" {
		for _, z := range p.Records.List(c) {
			if len(found) < limit && like(pattern, strings.TrimSuffix(z.Name.String(), ".")) {
				found = append(found, map[string]any{"object_type": "zone", "name": z.Name.String(), "zone_id": z.ID()})
			}
		}
	}
	if kind != "zone" && kind != "comment" {
		most := len(found) + limit // the limit is one of each kind
		for _, z := range p.Records.List(c) {
			if err := r.Context().Err(); err != nil {
				return err
			}
			if len(found) >= most {
				break
			}
			found = p.searchZone(found, most, pattern, &z, c)
		}
	}
	reply(w, http.StatusOK, found)
	return nil
}

// limitOf is how many entries of a kind are wanted.
func limitOf(text string) (int, bool) {
	if text == "" {
		return usualFound, true
	}
	n, err := strconv.Atoi(text)
	return min(n, maxFound), err == nil && n > 0
}

// searchZone appends the records of a zone that fit. Those of a source that cannot be read are none.
func (p *powerDNS) searchZone(found []map[string]any, most int, pattern string, z *EditableZone, c *Caller) []map[string]any {
	reading, err := p.Records.Read(c, *z)
	if err != nil {
		return found
	}
	for i := range reading.Records {
		rec := &reading.Records[i]
		if len(found) >= most {
			break
		}
		text := contentOf(rec)
		if !like(pattern, strings.TrimSuffix(rec.Owner.String(), ".")) && !like(pattern, strings.ToLower(text)) {
			continue
		}
		found = append(found, map[string]any{
			"object_type": "record", "name": rec.Owner.String(), "type": zonefile.TypeName(rec.Type), "ttl": rec.TTL,
			"content": text, "disabled": false, "zone": z.Name.String(), "zone_id": z.ID(),
		})
	}
	return found
}

// like tells whether a pattern fits a text.
func like(pattern, text string) bool {
	star, from := -1, 0 // the last * of the pattern, and where it ends in the text
	i := 0
	for at := 0; at < len(text); {
		switch {
		case i < len(pattern) && pattern[i] == '*':
			star, from = i, at
			i++
		case i < len(pattern) && (pattern[i] == '?' || pattern[i] == text[at]):
			i++
			at++
		case star >= 0:
			from++
			i, at = star+1, from
		default:
			return false
		}
	}
	return strings.Trim(pattern[i:], "*") == ""
}
