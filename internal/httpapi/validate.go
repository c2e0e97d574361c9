package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/user"
)

// validate checks the request against the contract, and what the contract cannot say, and refuses it with all that is
// wrong at once. Routes outside the contract pass.
func (s *Server) validate(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		path, item, op := s.operation(c)
		if op == nil {
			return next(c)
		}
		params := make(map[string]string, len(c.ParamNames()))
		for _, name := range c.ParamNames() {
			params[name] = c.Param(name)
		}
		joinHeaders(op, c.Request().Header)
		fields, err := s.parameterErrors(c.Request(), path, item, op, params, misplaced(c, op))
		if op.RequestBody != nil && !takesAny(op) {
			wrong, err := s.understand(c, op)
			if err != nil && len(fields) == 0 {
				return err
			}
			fields = append(fields, wrong...)
		}
		listed := fields[:min(len(fields), maxFieldErrors)]
		switch {
		case slices.Contains(fields, invalid.Field{Field: "X-USER-ID", Message: required}):
			return noUserError{fields: listed}
		case len(fields) > 0:
			return &invalid.Error{Fields: listed}
		case err != nil:
			return err
		}
		if r := c.Request(); r.Method == http.MethodHead {
			c.SetRequest(r.WithContext(context.WithValue(r.Context(), headKey{}, true)))
		}
		return next(c)
	}
}

// parameterErrors returns what is wrong with the parameters of a request, those in its path given apart, with more among them;
// err is the filter's, which says the same and may say more.
func (s *Server) parameterErrors(
	r *http.Request, path string, item *openapi3.PathItem, op *openapi3.Operation, params map[string]string, more []invalid.Field,
) (fields []invalid.Field, err error) {
	query, queryErr := url.ParseQuery(r.URL.RawQuery)
	// The first error of a field is shown, so what says more goes before the library that knows the schemas.
	fields = queryErrors(op, query, queryErr)
	fields = addNew(fields, more)
	fields = addNew(fields, formErrors(slices.Concat(item.Parameters, op.Parameters), params, query))
	if op.Parameters.GetByInAndName(openapi3.ParameterInQuery, "fields") != nil {
		fields = addNew(fields, s.exportErrors(r.Header, query))
	}
	if takesAny(op) {
		fields = addNew(fields, s.fileErrors(query))
	}
	checked := *op
	checked.Security = nil // not the filter's: it would read the body whole first
	err = openapi3filter.ValidateRequest(r.Context(), &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, QueryParams: query,
		Route: &routers.Route{
			// The parameters' schemas mean the same in 3.0. For 3.1 the filter would compile each of them anew on
			// each request.
			Spec: &openapi3.T{OpenAPI: "3.0.3"},
			Path: path, PathItem: item, Method: r.Method, Operation: &checked,
		},
		Options: &openapi3filter.Options{MultiError: true, SkipSettingDefaults: true, ExcludeRequestBody: true},
	})
	fields = addNew(fields, fieldErrors(err))
	return addNew(fields, together(query)), err
}

// headKey marks the context of a HEAD request: generated code hands handlers nothing else that tells.
type headKey struct{}

func isHead(ctx context.Context) bool { return ctx.Value(headKey{}) != nil }

// joinHeaders makes one line of each header that the operation knows: lists may come as many (RFC 9110, 5.3), and
// generated code takes one only.
func joinHeaders(op *openapi3.Operation, h http.Header) {
	for _, p := range op.Parameters {
		if values := h.Values(p.Value.Name); p.Value.In == openapi3.ParameterInHeader && len(values) > 1 {
			h.Set(p.Value.Name, strings.Join(values, ", "))
		}
	}
}

// addNew returns fields and those of more whose field has no error yet.
func addNew(fields, more []invalid.Field) []invalid.Field {
	for _, f := range more {
		if !slices.ContainsFunc(fields, func(g invalid.Field) bool { return g.Field == f.Field }) {
			fields = append(fields, f)
		}
	}
	return fields
}

// together returns errors of parameters that are right one by one and not with each other.
func together(query url.Values) []invalid.Field {
	var fields []invalid.Field
	number := func(name string, absent int) int {
		n, err := strconv.Atoi(query.Get(name))
		if err != nil {
			return absent
		}
		return n
	}
	if number("minAge", 0) > number("maxAge", user.MaxAge) {
		fields = append(fields, invalid.Field{Field: "minAge", Message: "must not be above maxAge"})
	}
	switch size := number("size", defaultSize); {
	case query.Has("page") && query.Has("after"):
		fields = append(fields, invalid.Field{Field: "after", Message: "cannot go together with page"})
	case size > 0 && number("page", 0) > maxOffset/size:
		fields = append(fields, invalid.Field{
			Field: "page", Message: fmt.Sprintf("page × size is at most %d: go on with after=<nextCursor>", maxOffset),
		})
	}
	return fields
}

// exportErrors returns what is wrong with the file that a query asks for, and with the caller when it asks for a job's
// users.
func (s *Server) exportErrors(h http.Header, query url.Values) []invalid.Field {
	var fields []invalid.Field
	if query.Has("jobId") && h.Get("X-USER-ID") == "" {
		fields = append(fields, invalid.Field{Field: "X-USER-ID", Message: required})
	}
	spec := user.ExportSpec{Format: query.Get("format"), Compress: query.Get("compress")}
	spec.Raw, spec.Excel = csvVariant(query.Get("csv"))
	if query.Has("fields") {
		spec.Fields = strings.Split(query.Get("fields"), ",")
	}
	if err, ok := errors.AsType[*invalid.Error](s.Export.Check(spec)); ok {
		fields = append(fields, err.Fields...)
	}
	return fields
}

// literalFirst answers 405 when the path is one that the contract has without parameters, and not with this method.
// Echo would go on to a route that has some: PUT /users/search to PUT /users/:id.
func (s *Server) literalFirst(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		path, ours := inContract(c.Request().URL.Path)
		if !ours || len(c.ParamNames()) == 0 || strings.Contains(path, "{") {
			return next(c)
		}
		item := s.spec.Paths.Value(path)
		if item == nil {
			return next(c)
		}
		allow := []string{http.MethodOptions}
		for method := range item.Operations() {
			allow = append(allow, method)
			if method == http.MethodGet {
				allow = append(allow, http.MethodHead)
			}
		}
		slices.Sort(allow)
		c.Response().Header().Set(echo.HeaderAllow, strings.Join(allow, ", "))
		return echo.ErrMethodNotAllowed
	}
}

// inContract returns the path as the contract has it, without the prefix; it is not ours outside the API.
func inContract(path string) (_ string, ours bool) {
	path, ours = strings.CutPrefix(path, "/api")
	return strings.TrimPrefix(path, "/v1"), ours
}

// operation returns the contract's operation for the route that Echo has chosen: /api/v1/jobs/:jobId is /jobs/{jobId}.
// Outside the API there is none.
func (s *Server) operation(c echo.Context) (path string, item *openapi3.PathItem, op *openapi3.Operation) {
	return s.operationOf(c.Request().Method, c.Path())
}

func (s *Server) operationOf(method, route string) (path string, item *openapi3.PathItem, op *openapi3.Operation) {
	path, ours := inContract(route)
	if !ours {
		return "", nil, nil // such as health checks, which may carry any query
	}
	parts := strings.Split(path, "/")
	for i, part := range parts {
		if name, ok := strings.CutPrefix(part, ":"); ok {
			parts[i] = "{" + name + "}"
		}
	}
	path = strings.Join(parts, "/")
	if item = s.spec.Paths.Value(path); item == nil {
		return "", nil, nil
	}
	if method == http.MethodHead {
		method = http.MethodGet
	}
	return path, item, item.GetOperation(method)
}

// queryErrors returns what the contract's schemas cannot find: parameters that the operation does not know (a typo
// would go unnoticed) and parameters given twice (which one counts?).
func queryErrors(op *openapi3.Operation, query url.Values, err error) []invalid.Field {
	var fields []invalid.Field
	if err != nil {
		fields = append(fields, invalid.Field{Field: "query", Message: "is not well-formed"})
	}
	for name, values := range query {
		p := op.Parameters.GetByInAndName(openapi3.ParameterInQuery, name)
		switch {
		case p == nil:
			fields = append(fields, invalid.Field{Field: shorten(name), Message: notKnown(op, name)})
		case len(values) > 1 && !repeated(p):
			fields = append(fields, invalid.Field{Field: name, Message: "is given more than once"})
		case slices.ContainsFunc(values, func(v string) bool { return !utf8.ValidString(v) || strings.ContainsRune(v, 0) }):
			fields = append(fields, invalid.Field{Field: name, Message: "must be text without NUL"})
		}
	}
	slices.SortFunc(fields, byName)
	return fields
}

// repeated reports whether the parameter is given once for each of its values.
func repeated(p *openapi3.Parameter) bool {
	return p.Schema.Value.Type.Is(openapi3.TypeArray) && p.Explode != nil && *p.Explode
}

func byName(a, b invalid.Field) int { return strings.Compare(a.Field, b.Field) }

// plainNumber is a whole number as JSON writes it.
var plainNumber = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)

// formErrors returns errors of numbers and truth values that the libraries read, but that are written in another form
// than the contract has, which is JSON's: +5, 007, T.
func formErrors(params openapi3.Parameters, path map[string]string, query url.Values) []invalid.Field {
	var fields []invalid.Field
	for _, p := range params {
		value := path[p.Value.Name]
		if p.Value.In == openapi3.ParameterInQuery {
			value = query.Get(p.Value.Name)
		}
		switch kind := p.Value.Schema.Value.Type; {
		case kind.Is(openapi3.TypeInteger):
			if _, err := strconv.ParseInt(value, 10, 64); err == nil && !plainNumber.MatchString(value) {
				fields = append(fields, invalid.Field{Field: p.Value.Name, Message: "must be written in digits, without + and without zeros in front"})
			}
		case kind.Is(openapi3.TypeBoolean):
			if _, err := strconv.ParseBool(value); err == nil && value != "true" && value != "false" {
				fields = append(fields, invalid.Field{Field: p.Value.Name, Message: "must be true or false"})
			}
		}
	}
	return fields
}

const required = "is required"

// fieldErrors translates the errors of the library that checks requests. Its own texts repeat the value and the schema,
// so the contract has a text beside each parameter.
func fieldErrors(err error) []invalid.Field {
	if err == nil {
		return nil
	}
	all, many := errors.AsType[openapi3.MultiError](err)
	if !many {
		all = openapi3.MultiError{err}
	}
	var fields []invalid.Field
	for _, err := range all {
		e, ok := errors.AsType[*openapi3filter.RequestError](err)
		if !ok || e.Parameter == nil {
			continue
		}
		f := invalid.Field{Field: e.Parameter.Name, Message: "is not valid"}
		if text, ok := e.Parameter.Extensions["x-message"].(string); ok {
			f.Message = text
		}
		empty := e.Parameter.In == openapi3.ParameterInHeader && e.Input.Request.Header.Get(e.Parameter.Name) == ""
		if e.Parameter.Required && (empty || errors.Is(err, openapi3filter.ErrInvalidRequired)) {
			f.Message = required
		}
		fields = append(fields, f)
	}
	return fields
}

// shorten returns the beginning of a caller's own text, for an answer.
func shorten(s string) string {
	const most = 40
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
