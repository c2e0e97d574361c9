// Package invalid is the error that says what is wrong with a caller's input, field by field. It imports the standard
// library only, so that every package can return it and httpapi shows all of them alike.
package invalid

import "fmt"

// Field says what is wrong with one field, under its name in the API.
type Field struct {
	Field   string `json:"field"`
	Message string `json:"message"` // follows the name in a sentence: "must be at least 1"
}

// Error lists every bad field of an input at once.
type Error struct{ Fields []Field }

func (e *Error) Error() string {
	if len(e.Fields) == 1 {
		return e.Fields[0].Field + " " + e.Fields[0].Message
	}
	return fmt.Sprintf("%d fields are invalid", len(e.Fields))
}

// Add lists a bad field.
func (e *Error) Add(field, format string, args ...any) {
	e.Fields = append(e.Fields, Field{Field: field, Message: fmt.Sprintf(format, args...)})
}

// Err returns e, or nil when no field is bad.
func (e *Error) Err() error {
	if len(e.Fields) == 0 {
		return nil
	}
	return e
}
