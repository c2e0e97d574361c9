package httpapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// maxBody is the largest body a request may have.
const maxBody = 1 << 20

// The places of a request's body in Echo's context, as it came and as it was understood.
const (
	bodyKey       = "muster.body"
	understoodKey = "muster.understood"
)

// takesAny reports whether the operation's body is a file, which it reads itself.
func takesAny(op *openapi3.Operation) bool {
	return op != nil && op.RequestBody != nil && op.RequestBody.Value.Content["*/*"] != nil
}

// readBody reads the body, and keeps it for the routes of the contract, but for those that take a file. So a body above maxBody is refused before
// anything is done, also one that does not say its length.
func (s *Server) readBody(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		r := c.Request()
		_, _, op := s.operation(c)
		if takesAny(op) || isUpload(c.Path()) || isDashboard(c.Path()) {
			return next(c)
		}
		if r.ContentLength > maxBody {
			c.Response().Header().Set("Connection", "close") // nobody will read the rest
			return echo.ErrStatusRequestEntityTooLarge
		}
		if r.ContentLength == 0 {
			return next(c)
		}
		var kept bytes.Buffer
		to := io.Discard
		if op != nil {
			to = &kept
		}
		c.Response().Header().Set("Connection", "close") // unless the body turns out to be small enough
		if _, err := io.Copy(to, http.MaxBytesReader(c.Response(), r.Body, maxBody)); err != nil {
			if _, large := errors.AsType[*http.MaxBytesError](err); large {
				return echo.ErrStatusRequestEntityTooLarge
			}
			return echo.NewHTTPError(http.StatusBadRequest, "the body could not be read").SetInternal(err)
		}
		c.Response().Header().Del("Connection")
		c.Set(bodyKey, kept.Bytes())
		return next(c)
	}
}

// understand reads the body as the operation wants it and keeps it for bodyBinder. It returns what is wrong with its
// fields; the error is about the body as a whole.
func (s *Server) understand(c echo.Context, op *openapi3.Operation) ([]invalid.Field, error) {
	kind, _, err := mime.ParseMediaType(c.Request().Header.Get(echo.HeaderContentType))
	coding := c.Request().Header.Get(echo.HeaderContentEncoding)
	if err != nil || op.RequestBody.Value.Content[kind] == nil || coding != "" && !strings.EqualFold(coding, "identity") {
		return nil, echo.ErrUnsupportedMediaType
	}
	c.Request().Header.Set(echo.HeaderContentType, kind) // generated code compares it as text
	body, _ := c.Get(bodyKey).([]byte)
	if strings.HasSuffix(op.RequestBody.Value.Content[kind].Schema.Ref, "/ScheduleFields") {
		schedule, fields, err := decodeSchedule(body)
		if err == nil && len(fields) == 0 {
			fields = s.actionErrors(c.Request().Context(), c.Request().Header.Get("X-USER-ID"), schedule.Action.Type, url.Values(schedule.Action.Parameters))
		}
		c.Set(understoodKey, schedule)
		if k, ok := c.Get(keyScopes).(*apikey.Key); ok && err == nil && schedule.Action.Type == job.ActionExport && !k.Has(apikey.Export) {
			err = lacks(c, apikey.Export) // what it may not do itself it may not have done
		}
		return fields, err
	}
	patch, fields, err := decodeUser(body, c.Request().Method != http.MethodPatch)
	c.Set(understoodKey, patch)
	return fields, err
}

// bodyBinder hands generated code the body that understand has read: its own decoder would take any case of a name,
// the last of two equal names, and U+FFFD for what is no text.
type bodyBinder struct{}

// Bind implements echo.Binder.
func (bodyBinder) Bind(i any, c echo.Context) error {
	understood := c.Get(understoodKey)
	switch to := i.(type) {
	case *user.Patch:
		if from, ok := understood.(user.Patch); ok {
			*to = from
			return nil
		}
	case *api.ScheduleFields:
		if from, ok := understood.(api.ScheduleFields); ok {
			*to = from
			return nil
		}
	}
	return fmt.Errorf("no body was read for a %T", i)
}
