package user

import "github.com/musterhq/muster/internal/invalid"

// NotIndexedError: a list asks for a filter or an order whose index this installation leaves out, so that it might have to read
// all users.
type NotIndexedError struct{ Fields []invalid.Field }

func (e *NotIndexedError) Error() string { return (&invalid.Error{Fields: e.Fields}).Error() }
