package httpapi

import (
	"context"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// ListUsers answers GET /users.
func (h handlers) ListUsers(ctx context.Context, r api.ListUsersRequestObject) (api.ListUsersResponseObject, error) {
	page, err := h.slice(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	return api.ListUsers200JSONResponse(page), nil
}

// SearchUsers answers GET /users/search.
func (h handlers) SearchUsers(ctx context.Context, r api.SearchUsersRequestObject) (api.SearchUsersResponseObject, error) {
	page, err := h.slice(ctx, api.ListUsersParams(r.Params))
	if err != nil {
		return nil, err
	}
	return api.SearchUsers200JSONResponse(page), nil
}

const (
	defaultSize = 10
	// maxOffset bounds what a page costs: the database reads and drops all that lies before it.
	maxOffset = 10_000
)

// slice returns the slice of a list that p asks for.
func (s *Server) slice(ctx context.Context, p api.ListUsersParams) (api.UserPage, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	q := user.Query{
		Filter: user.Filter{
			Name: p.Name, City: p.City, State: p.State, Email: p.Email, Gender: p.Gender,
			Age: p.Age, MinAge: p.MinAge, MaxAge: p.MaxAge, Deleted: p.Deleted,
		},
		Sort: user.Sort{By: p.SortBy, Desc: p.Direction == "desc"},
		Size: p.Size,
	}
	if q.Sort.By == "" {
		q.Sort.By = user.SortID
	}
	if q.Size == 0 {
		q.Size = defaultSize
	}
	page := api.UserPage{Content: []api.User{}, Size: q.Size}
	if p.Page != nil {
		page.Page = *p.Page
		q.Offset = page.Page * q.Size
	}
	if p.After != "" {
		var err error
		if q.After, err = decodeCursor(q.Filter, q.Sort, p.After); err != nil {
			return api.UserPage{}, err
		}
	}
	users, more, err := s.Users.Users(ctx, q)
	if err != nil {
		return api.UserPage{}, err
	}
	for i := range users {
		page.Content = append(page.Content, userView(&users[i]))
	}
	if page.HasNext = more; more {
		page.NextCursor = new(encodeCursor(q.Filter, q.Sort, user.KeyOf(&users[len(users)-1], q.Sort)))
	}
	return page, nil
}

// GetUser answers GET /users/{id}.
func (h handlers) GetUser(ctx context.Context, r api.GetUserRequestObject) (api.GetUserResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	u, err := h.Users.User(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	a, err := answerUser(u, 200)
	switch {
	case err != nil:
		return nil, err
	case r.Params.IfMatch != "" && !lists(r.Params.IfMatch, a.etag, false):
		return nil, user.ErrChanged
	case r.Params.IfNoneMatch != "" && lists(r.Params.IfNoneMatch, a.etag, true):
		a.status = 304
	}
	return a, nil
}

// CreateUser answers POST /users.
func (h handlers) CreateUser(ctx context.Context, r api.CreateUserRequestObject) (api.CreateUserResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	var u user.User
	r.Body.Apply(&u)
	if s := r.Params.OnDuplicate; s != "" && s != job.DuplicateInsert {
		return h.createUnlessThere(ctx, &u, s)
	}
	if err := h.UserStore.CreateUser(ctx, &u); err != nil {
		return nil, err
	}
	return locateUser(u, 201)
}

// createUnlessThere creates a user who may be there already.
func (s *Server) createUnlessThere(ctx context.Context, u *user.User, strategy string) (*oneUser, error) {
	if u.Email == "" {
		return nil, &invalid.Error{Fields: []invalid.Field{{Field: "email", Message: "is required with onDuplicate"}}}
	}
	stored, what, err := s.Duplicates.CreateUserOnDuplicate(ctx, u, strategy)
	if err != nil {
		return nil, err
	}
	status := 200
	if what == "inserted" {
		status = 201
	}
	return locateUser(stored, status)
}

// ReplaceUser answers PUT /users/{id}.
func (h handlers) ReplaceUser(ctx context.Context, r api.ReplaceUserRequestObject) (api.ReplaceUserResponseObject, error) {
	return h.change(ctx, r.ID, *r.Body, r.Params.IfMatch)
}

// PatchUser answers PATCH /users/{id}.
func (h handlers) PatchUser(ctx context.Context, r api.PatchUserRequestObject) (api.PatchUserResponseObject, error) {
	body := r.JSONBody
	if body == nil {
		body = r.ApplicationMergePatchPlusJSONBody
	}
	return h.change(ctx, r.ID, *body, r.Params.IfMatch)
}

func (s *Server) change(ctx context.Context, id int64, p user.Patch, ifMatch string) (*oneUser, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	u, err := s.UserStore.ChangeUser(ctx, id, p, unchanged(ifMatch))
	if err != nil {
		return nil, err
	}
	return answerUser(u, 200)
}

// unchanged returns a check of a user against an If-Match header; nil when there is no header. The check's error is
// user.ErrChanged.
func unchanged(ifMatch string) func(user.User) error {
	if ifMatch == "" {
		return nil
	}
	return func(u user.User) error {
		now, err := answerUser(u, 200)
		if err == nil && !lists(ifMatch, now.etag, false) {
			err = user.ErrChanged
		}
		return err
	}
}

// DeleteUser answers DELETE /users/{id}.
func (h handlers) DeleteUser(ctx context.Context, r api.DeleteUserRequestObject) (api.DeleteUserResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	if err := h.UserStore.DeleteUser(ctx, r.ID, unchanged(r.Params.IfMatch)); err != nil {
		return nil, err
	}
	return api.DeleteUser204Response{}, nil
}

// ReactivateUser answers POST /users/{id}/reactivate.
func (h handlers) ReactivateUser(ctx context.Context, r api.ReactivateUserRequestObject) (api.ReactivateUserResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	u, err := h.UserStore.ReactivateUser(ctx, r.ID)
	if err != nil {
		return nil, err
	}
	return answerUser(u, 200)
}
