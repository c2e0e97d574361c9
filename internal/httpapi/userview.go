package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/user"
)

// userView returns the user as the API shows it.
func userView(u *user.User) api.User {
	return api.User{
		ID: u.ID, FirstName: u.FirstName, LastName: u.LastName, Email: u.Email, City: u.City, State: u.State, Age: u.Age,
		MobileNumber: u.MobileNumber, Gender: u.Gender, Deleted: u.Deleted, DeletedAt: api.Timestamp(u.DeletedAt),
	}
}

// oneUser is an answer that shows one user, with its entity tag.
type oneUser struct {
	id      int64
	status  int
	located bool // the answer says where the user is
	body    []byte
	etag    string
}

func answerUser(u user.User, status int) (*oneUser, error) {
	body, err := json.Marshal(userView(&u))
	if err != nil {
		return nil, fmt.Errorf("show user %d: %w", u.ID, err)
	}
	return &oneUser{id: u.ID, status: status, body: append(body, '\n'), etag: etagOf(body)}, nil
}

// locateUser is answerUser that also says where the user is.
func locateUser(u user.User, status int) (*oneUser, error) {
	a, err := answerUser(u, status)
	if err == nil {
		a.located = true
	}
	return a, err
}

func (a *oneUser) write(w http.ResponseWriter) error {
	w.Header().Set("ETag", a.etag)
	if a.status == http.StatusNotModified {
		w.WriteHeader(a.status)
		return nil
	}
	if a.located {
		w.Header().Set("Location", "/api/v1/users/"+strconv.FormatInt(a.id, 10))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(a.status)
	_, err := w.Write(a.body)
	return err
}

// These routes answer alike, so one type stands in for the generated ones.

func (a *oneUser) VisitGetUserResponse(w http.ResponseWriter) error        { return a.write(w) }
func (a *oneUser) VisitCreateUserResponse(w http.ResponseWriter) error     { return a.write(w) }
func (a *oneUser) VisitReplaceUserResponse(w http.ResponseWriter) error    { return a.write(w) }
func (a *oneUser) VisitPatchUserResponse(w http.ResponseWriter) error      { return a.write(w) }
func (a *oneUser) VisitReactivateUserResponse(w http.ResponseWriter) error { return a.write(w) }
