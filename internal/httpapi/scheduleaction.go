package httpapi

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// actionRoutes are the routes whose parameters an action has.
var actionRoutes = map[string]string{job.ActionExport: "/exports", job.ActionImport: "/import/file"}

// notScheduled are the parameters of these that are of one request only.
var notScheduled = []string{"uploadId", "fileName", "parentJobId"}

// parametersField is where errors of an action's parameters are shown.
const parametersField = "action.parameters."

// actionErrors returns what is wrong with the parameters of an action, as their route would.
func (s *Server) actionErrors(ctx context.Context, owner, kind string, parameters url.Values) []invalid.Field {
	path := actionRoutes[kind]
	item := s.spec.Paths.Value(path)
	sample := url.Values{} // as on the day that the schedule fires
	for name, values := range parameters {
		for _, value := range values {
			if name == "from" || name == "destination" {
				value = job.FillDate(value, time.Unix(0, 0).UTC())
			}
			sample.Add(name, value)
		}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, path+"?"+sample.Encode(), http.NoBody)
	if err != nil {
		return []invalid.Field{{Field: "action.parameters", Message: "cannot be read"}}
	}
	r.Header.Set("X-USER-ID", owner)
	fields, _ := s.parameterErrors(r, path, item, item.Post, nil, nil)
	fields = slices.DeleteFunc(fields, func(f invalid.Field) bool { return f.Field == "X-USER-ID" }) // the request itself says so
	for _, name := range notScheduled {
		if sample.Has(name) {
			fields = addNew([]invalid.Field{{Field: name, Message: "is of one request only"}}, fields)
		}
	}
	if kind == job.ActionImport && sample.Get("from") == "" {
		fields = addNew(fields, []invalid.Field{{Field: "from", Message: required}})
	}
	for i := range fields {
		fields[i].Field = parametersField + fields[i].Field
	}
	return fields
}

// action returns what the parameters, which are right by themselves, ask for, as a worker takes it.
func (h handlers) action(ctx context.Context, owner, kind string, parameters map[string][]string) (job.ScheduleAction, error) {
	a := job.ScheduleAction{Type: kind, Parameters: parameters}
	if h.ExportLinks == nil || h.Uploads == nil {
		return a, noFilesError{}
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, actionRoutes[kind]+"?"+url.Values(parameters).Encode(), http.NoBody)
	if err != nil {
		return a, err
	}
	r.Header.Set("X-USER-ID", owner)
	bound := bindParameters{}
	wrapper := api.ServerInterfaceWrapper{Handler: &bound}
	bind := wrapper.ExportJob
	if kind == job.ActionImport {
		bind = wrapper.ImportFile
	}
	if err := bind(echo.New().NewContext(r, nil)); err != nil {
		return a, err
	}
	if kind == job.ActionImport {
		options := fileOptions(&bound.file)
		a.File, a.From, a.DryRun, a.CallbackURL = &options, bound.file.From, bound.file.DryRun, bound.file.CallbackURL
		return a, h.takeCallback(ctx, owner, a.CallbackURL)
	}
	if a.Export, err = h.exportOf(ctx, &bound.export); err != nil {
		return a, err
	}
	a.CallbackURL = bound.export.CallbackURL
	return a, h.takeCallback(ctx, owner, a.CallbackURL)
}

// bindParameters keeps the parameters that generated code has read from a request.
type bindParameters struct {
	api.ServerInterface // nothing else is called

	export api.ExportJobParams
	file   api.ImportFileParams
}

// ExportJob implements api.ServerInterface.
func (b *bindParameters) ExportJob(_ echo.Context, p api.ExportJobParams) error {
	b.export = p
	return nil
}

// ImportFile implements api.ServerInterface.
func (b *bindParameters) ImportFile(_ echo.Context, p api.ImportFileParams) error {
	b.file = p
	return nil
}
