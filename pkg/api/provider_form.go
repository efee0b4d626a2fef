package api

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zonefile"
)

// What a page of a list has.
const (
	providerLimit    = 100 // unless another limit is asked for
	maxProviderLimit = 1000
)

type providerZone struct {
	ID      string `json:"id"`
	Name    string `json:"name"` // without a final dot
	View    string `json:"view,omitempty"`
	Type    string `json:"type"`
	Status  string `json:"status"`
	Records *int   `json:"record_count,omitempty"` // nil: nobody has counted
	DNSSEC  bool   `json:"dnssec_enabled"`
}

// providerZoneForm gives the form of a zone. Its type is the word of the clients for one that is
// written here, and not copied from elsewhere.
func providerZoneForm(z *EditableZone) providerZone {
	return providerZone{ID: uuidOf(z).String(), Name: zoneName(z.Name), View: z.View, Type: "master", Status: "active"}
}

// providerZoneData has a zone twice: some clients read it as zone, and others what is around it.
type providerZoneData struct {
	providerZone

	Zone providerZone `json:"zone"`
}

type providerRecord struct {
	ID       string `json:"id"`
	Name     string `json:"name"` // absolute
	Type     string `json:"type"`
	Content  string `json:"content"`
	TTL      uint32 `json:"ttl"` // seconds
	Disabled bool   `json:"disabled"`
}

func providerRecordForm(s *zonefile.SourceRecord) providerRecord {
	return providerRecord{ID: recordID(s.Owner, s.Type, s.Data), Name: s.Owner.String(), Type: zonefile.TypeName(s.Type), Content: dataText(s), TTL: s.TTL}
}

type providerRecordData struct {
	Message  string           `json:"message,omitempty"`
	Record   *providerRecord  `json:"record,omitempty"`
	Warnings []providerDetail `json:"warnings,omitempty"`
	DryRun   bool             `json:"dry_run,omitempty"`
	Diff     *string          `json:"diff,omitempty"` // of the source, unified; empty: it stays as it is
}

// providerList is a page of a list, for clients that read items, limit and offset as for those
// that read zones or records, and pagination.
type providerList struct {
	Items      any              `json:"items"`
	Total      int              `json:"total"`
	Limit      int              `json:"limit"`
	Offset     int              `json:"offset"`
	Zones      []providerZone   `json:"zones,omitzero"`
	Records    []providerRecord `json:"records,omitzero"`
	Pagination pagination       `json:"pagination"`
}

type pagination struct {
	Total   int  `json:"total"`
	Offset  int  `json:"offset"`
	Limit   int  `json:"limit"`
	Count   int  `json:"count"`
	HasMore bool `json:"has_more"`
}

// providerPage tells which part of a list is asked for.
func providerPage(r *http.Request, total int) (from, to int, page *providerList, err error) {
	limit, err := queryNumber(r, "limit", providerLimit, 1, maxProviderLimit)
	if err != nil {
		return 0, 0, nil, err
	}
	offset, err := queryNumber(r, "offset", 0, 0, 1<<31-1)
	if err != nil {
		return 0, 0, nil, err
	}
	from = min(offset, total)
	to = min(from+limit, total)
	return from, to, &providerList{
		Total: total, Limit: limit, Offset: offset,
		Pagination: pagination{Total: total, Offset: offset, Limit: limit, Count: to - from, HasMore: to < total},
	}, nil
}

// queryNumber is a number that a query has.
func queryNumber(r *http.Request, name string, absent, least, most int) (int, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return absent, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf("%s: %q is no number from %d to %d", name, text, least, most)}
	}
	return n, nil
}

type providerAnswer struct {
	Status string `json:"status"`
	Data   any    `json:"data"`
}

func succeed(w http.ResponseWriter, status int, data any) {
	reply(w, status, providerAnswer{Status: "success", Data: data})
}

type providerFailure struct {
	Status string        `json:"status"`
	Error  providerFault `json:"error"`
}

type providerFault struct {
	Code    string           `json:"code"`
	Message string           `json:"message"`
	Hint    string           `json:"hint,omitempty"`
	Details []providerDetail `json:"details,omitempty"`
}

// providerDetail is a diagnostic.
type providerDetail struct {
	Code    diag.Code `json:"code"`
	Message string    `json:"message"`
	Place   string    `json:"place,omitempty"`
	Hint    string    `json:"hint,omitempty"`
}

func detailsOf(problems diag.List) []providerDetail {
	var details []providerDetail
	for _, d := range problems {
		detail := providerDetail{Code: d.Code, Message: d.Message, Hint: d.Hint}
		if d.Span.File != "" {
			detail.Place = d.Span.String()
		}
		details = append(details, detail)
	}
	return details
}

// providerError is an error with a code of its own.
type providerError struct {
	code string
	err  *Error
}

func (e *providerError) Error() string { return e.err.Message }

func (e *providerError) Unwrap() error { return e.err }

// failProvider tells why a request came to nothing.
func failProvider(w http.ResponseWriter, status int, err error) {
	out := providerFault{Code: providerCode(status, err), Message: err.Error()}
	if e, ok := errors.AsType[*Error](err); ok {
		out.Hint = e.Hint
	} else if refused, ok := errors.AsType[*RefusedError](err); ok {
		out.Hint, out.Details = refused.Hint, detailsOf(refused.Problems)
	} else if large, ok := errors.AsType[*http.MaxBytesError](err); ok {
		out.Message = fmt.Sprintf("the body has more than %d bytes", large.Limit)
	}
	reply(w, status, providerFailure{Status: "error", Error: out})
}

// providerCode is the word for an error, which programs compare. They stay as they are.
func providerCode(status int, err error) string {
	if coded, ok := errors.AsType[*providerError](err); ok {
		return coded.code
	}
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		switch refused.Reason {
		case ReasonUnknown:
			return "ZONE_NOT_FOUND"
		case ReasonNoRecord:
			return "RECORD_NOT_FOUND"
		case ReasonInvalid:
			return "INVALID_RECORD"
		case ReasonBusy:
			return "EDIT_IN_PROGRESS"
		case ReasonSource:
			return "SOURCE_HAS_ERRORS"
		case ReasonForbidden, ReasonChanged, ReasonWorld:
		}
	}
	switch status {
	case http.StatusBadRequest:
		return "BAD_REQUEST"
	case http.StatusUnauthorized:
		return "UNAUTHORIZED"
	case http.StatusForbidden:
		return "FORBIDDEN"
	case http.StatusNotFound:
		return "NOT_FOUND"
	case http.StatusMethodNotAllowed:
		return "METHOD_NOT_ALLOWED"
	case http.StatusPreconditionFailed:
		return "PRECONDITION_FAILED"
	case http.StatusRequestEntityTooLarge:
		return "PAYLOAD_TOO_LARGE"
	case http.StatusUnsupportedMediaType:
		return "UNSUPPORTED_MEDIA_TYPE"
	case http.StatusTooManyRequests:
		return "RATE_LIMITED"
	case http.StatusServiceUnavailable:
		return "UNAVAILABLE"
	}
	return "INTERNAL_ERROR"
}
