package user

import (
	"fmt"

	"github.com/musterhq/muster/internal/invalid"
)

// NotIndexedError: a list asks for a filter or an order whose index this installation leaves out, so that it might have to read
// all users.
type NotIndexedError struct{ Fields []invalid.Field }

func (e *NotIndexedError) Error() string {
	if len(e.Fields) == 1 {
		return e.Fields[0].Field + " " + e.Fields[0].Message
	}
	return fmt.Sprintf("%d fields are not indexed in this installation", len(e.Fields))
}
