package httpapi

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// scheduleDecoder reads the members of a schedule one by one.
type scheduleDecoder struct {
	api.ScheduleFields
	fields []invalid.Field
}

// decodeSchedule reads a schedule, with its defaults filled in, and lists all that is wrong with its form. Whether the
// parameters of its action are right actionErrors says; its times and rules Schedules.
func decodeSchedule(body []byte) (api.ScheduleFields, []invalid.Field, error) {
	d := scheduleDecoder{ScheduleFields: api.ScheduleFields{TimeZone: "UTC", CatchUp: job.CatchUpLast, Overlap: job.OverlapSkip}}
	const mostOfName, mostOfCron, mostOfWord = 100, 200, 64
	err := d.object("", "body", body, []string{"cron", "action"}, map[string]func(name string, value json.RawMessage){
		"name":     d.text(&d.Name, mostOfName),
		"cron":     d.text(&d.Cron, mostOfCron),
		"timeZone": d.text(&d.TimeZone, mostOfWord),
		"catchUp":  d.text(&d.CatchUp, mostOfWord),
		"overlap":  d.text(&d.Overlap, mostOfWord),
		"action":   d.action,
	})
	return d.ScheduleFields, d.fields[:min(len(d.fields), maxFieldErrors)], err
}

func (d *scheduleDecoder) bad(field, format string, args ...any) {
	d.fields = append(d.fields, invalid.Field{Field: field, Message: fmt.Sprintf(format, args...)})
}

// object reads an object of known members, whose names are shown behind prefix; itself is what the object is called.
func (d *scheduleDecoder) object(prefix, itself string, text []byte, needed []string, known map[string]func(name string, value json.RawMessage)) error {
	seen := map[string]bool{}
	isObject, err := eachMember(text, func(name string, value json.RawMessage) bool {
		read := known[name]
		switch {
		case seen[name]:
			d.bad(prefix+shorten(name), "is given more than once")
		case read == nil:
			d.bad(prefix+shorten(name), "is not known here")
		default:
			read(prefix+name, value)
		}
		seen[name] = true
		return len(d.fields) < maxFieldErrors
	})
	if err != nil {
		return err
	}
	if !isObject {
		d.bad(itself, "must be a JSON object")
		return nil
	}
	for _, name := range needed {
		if !seen[name] {
			d.bad(prefix+name, required)
		}
	}
	return nil
}

// text returns what reads a text of at most so many characters.
func (d *scheduleDecoder) text(to *string, most int) func(name string, value json.RawMessage) {
	return func(name string, value json.RawMessage) {
		s, ok := textOf(value)
		if !ok || utf8.RuneCountInString(s) > most {
			d.bad(name, "must be text of at most %d characters", most)
			return
		}
		*to = s
	}
}

// textOf returns the text that a JSON value is.
func textOf(value json.RawMessage) (s string, ok bool) {
	ok = value[0] == '"' && json.Unmarshal(value, &s) == nil && !halfCharacter(value)
	return s, ok
}

func (d *scheduleDecoder) action(name string, value json.RawMessage) {
	_ = d.object(name+".", name, value, []string{"type", "parameters"}, map[string]func(name string, value json.RawMessage){ // the text was checked whole
		"type": func(name string, value json.RawMessage) {
			d.Action.Type, _ = textOf(value)
			if actionRoutes[d.Action.Type] == "" {
				d.bad(name, "must be export or import")
			}
		},
		"parameters": d.parameters,
	})
}

func (d *scheduleDecoder) parameters(field string, value json.RawMessage) {
	d.Action.Parameters = api.Parameters{}
	isObject, _ := eachMember(value, func(name string, value json.RawMessage) bool { // the text was checked whole
		var list []json.RawMessage
		if value[0] != '[' {
			list = []json.RawMessage{value}
		} else if json.Unmarshal(value, &list) != nil {
			list = nil
		}
		if d.Action.Parameters[name] != nil {
			d.bad(field+"."+shorten(name), "is given more than once")
			return true
		}
		for _, v := range list {
			s, ok := textOf(v)
			if !ok {
				d.bad(field+"."+shorten(name), "must be text, or a list of texts")
				break
			}
			d.Action.Parameters[name] = append(d.Action.Parameters[name], s)
		}
		return len(d.fields) < maxFieldErrors
	})
	if !isObject {
		d.bad(field, "must be a JSON object")
	}
}
