package httpapi

import (
	"cmp"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// fileErrors returns what is wrong with the parameters about a file, one by one and together, that the contract cannot
// say.
func (s *Server) fileErrors(query url.Values) []invalid.Field {
	var bad invalid.Error
	s.originErrors(&bad, query)
	s.formatErrors(&bad, query)
	duplicateErrors(&bad, query)
	slices.SortStableFunc(bad.Fields, byName)
	return bad.Fields
}

// originErrors are about where the file comes from.
func (s *Server) originErrors(bad *invalid.Error, query url.Values) {
	has := query.Has
	if has("uploadId") && has("from") {
		bad.Add("from", "cannot go together with uploadId")
	} else if has("from") && s.Source == nil {
		bad.Add("from", "is not possible here: MUSTER_IMPORT_FROM names no place to import from")
	}
	if has("fileName") && (has("uploadId") || has("from")) {
		bad.Add("fileName", "is for a file that is the body")
	}
}

// formatErrors are about how it is read.
func (s *Server) formatErrors(bad *invalid.Error, query url.Values) {
	has, value := query.Has, query.Get
	for name, formats := range map[string]string{"delimiter": "csv", "header": "csv or xlsx", "charset": "csv, ndjson or json"} {
		if format := value("format"); has(name) && format != "" && !slices.Contains(strings.FieldsFunc(formats, isSeparator), format) {
			bad.Add(name, "is for format %s only", formats)
		}
	}
	if has("charset") && s.KnownCharset != nil && !s.KnownCharset(value("charset")) {
		bad.Add("charset", "is not known; there are UTF-8, UTF-16, Windows-1252, ISO-8859-15 and others of one byte a character")
	}
}

// duplicateErrors are about what becomes of its rows.
func duplicateErrors(bad *invalid.Error, query url.Values) {
	has, value := query.Has, query.Get
	strategy := cmp.Or(value("onDuplicate"), job.DuplicateInsert)
	for _, name := range []string{"key", "inFile"} {
		if has(name) && strategy == job.DuplicateInsert {
			bad.Add(name, "goes with onDuplicate=skip, update, fill or reject")
		}
	}
	if has("emptyMeans") && strategy != job.DuplicateUpdate {
		bad.Add("emptyMeans", "goes with onDuplicate=update")
	}
	mapping, err := columns.ParseMap(query["map"])
	if e, ok := errors.AsType[*invalid.Error](err); ok {
		bad.Fields = append(bad.Fields, e.Fields...)
	} else if mapping["id"] != "" && value("key") != columns.KeyID {
		bad.Add("map", "names a column for the id, which is read with key=id only")
	}
}

func isSeparator(r rune) bool { return r == ' ' || r == ',' }

// delimiters are the words for some.
var delimiters = map[string]string{"tab": "\t", "comma": ",", "semicolon": ";", "pipe": "|"}

// fileOptions returns what the parameters say of a file, which validate has checked, with the defaults filled in.
func fileOptions(p *api.ImportFileParams) job.FileOptions {
	o := job.FileOptions{
		Format: p.Format, Delimiter: cmp.Or(delimiters[p.Delimiter], p.Delimiter), Charset: p.Charset, Header: p.Header,
		OnDuplicate: cmp.Or(p.OnDuplicate, job.DuplicateInsert), MaxRejected: maxRejected(p.MaxRejected),
	}
	if len(p.Map) > 0 {
		o.Map, _ = columns.ParseMap(p.Map) // checked
	}
	if o.OnDuplicate != job.DuplicateInsert {
		o.Key, o.InFile = cmp.Or(p.Key, columns.KeyEmail), cmp.Or(p.InFile, job.FirstRow)
	}
	if o.OnDuplicate == job.DuplicateUpdate {
		o.EmptyMeans = cmp.Or(p.EmptyMeans, columns.Keep)
	}
	return o
}

func maxRejected(text string) job.MaxRejected {
	if text == "" {
		return job.DefaultMaxRejected
	}
	number, percentage := strings.CutSuffix(text, "%")
	n, _ := strconv.ParseInt(number, 10, 64) // the contract has its form
	if percentage {
		return job.MaxRejected{Percent: n}
	}
	return job.MaxRejected{Rows: n}
}
