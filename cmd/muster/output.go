package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/musterhq/muster/client"
)

// outputFlag is how a command prints what it has found out.
type outputFlag struct {
	Output string `short:"o" enum:"table,json" default:"table" help:"table, or json: one object a line, as the API has it."`
}

func (o *outputFlag) json() bool { return o.Output == "json" }

// printJSON prints a value as one line.
func printJSON(out io.Writer, value any) error {
	e := json.NewEncoder(out)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// oneObject makes a call, and returns the object in its answer, which it prints if that is asked for as JSON.
func oneObject[T any](p *process, o *outputFlag, call func() (*http.Response, error)) (v T, err error) {
	resp, err := client.Check(call()) //nolint:bodyclose // below
	if err != nil {
		return v, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil {
		err = json.Unmarshal(body, &v)
	}
	if err != nil {
		return v, fmt.Errorf("read the answer: %w", err)
	}
	if o.json() {
		err = printJSON(p.stdout, json.RawMessage(body))
	}
	return v, err
}

// printContent prints the objects of a list, which is an answer of the API, as they stand there.
func printContent(out io.Writer, answer []byte) error {
	var list struct {
		Content []json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(answer, &list); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	var lines bytes.Buffer
	for _, object := range list.Content {
		if err := printJSON(&lines, object); err != nil {
			return err
		}
	}
	_, err := lines.WriteTo(out)
	return err
}

// colored reports whether a person sees colours there, and wants them.
func colored(out io.Writer) bool { return interactive(out) && os.Getenv("NO_COLOR") == "" }
