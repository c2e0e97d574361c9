package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"github.com/musterhq/muster/client"
)

// preview shows how a file would be imported: to a person with samples, which do not belong into the logs of a script.
func (i *importFileCommand) preview(p *process, c *client.ClientWithResponses, in *input) error {
	params := i.params()
	in.place(params)
	r, err := c.PreviewFileWithBodyWithResponse(p.ctx, &client.PreviewFileParams{
		UserID: params.UserID, UploadID: params.UploadID, From: params.From, FileName: params.FileName, Partial: given(in.cut()),
		OnDuplicate: params.OnDuplicate, Key: params.Key, InFile: params.InFile, EmptyMeans: params.EmptyMeans, MaxRejected: params.MaxRejected,
		DryRun: params.DryRun, Format: params.Format, Delimiter: params.Delimiter, Charset: params.Charset, Header: params.Header, Map: params.Map,
		ParentJobID: params.ParentJobID,
	}, bytesType, bytes.NewReader(in.head))
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return i.cannotPreview(p, in, client.Failure(r.HTTPResponse, r.Body))
	}
	v := r.JSON200
	text := dialect(v.Format, v.Compression, value(v.Charset), value(v.Delimiter))
	if !v.Header && v.Format == "csv" {
		text += ", without a header"
	}
	fmt.Fprintf(p.stderr, "%s: %s\n", in.name, text)
	if err := printColumns(p.stderr, v, p.person); err != nil {
		return err
	}
	printFaults(p.stderr, v.Rows)
	return nil
}

// cannotPreview returns what is wrong with a file, with what helps; nil when only its beginning says too little.
func (i *importFileCommand) cannotPreview(p *process, in *input, err error) error {
	e, ok := errors.AsType[*client.APIError](err)
	if !ok {
		return err
	}
	switch e.Answer.Code {
	case "needs_whole_file":
		fmt.Fprintf(p.stderr, "%s: what is in it cannot be told before it is sent.\n", in.name)
		return nil
	case "no_known_column", "no_key_column", "bad_map":
		return fmt.Errorf("%w%s", err, mapHelp(e.Answer.Details))
	}
	return err
}

// mapHelp lists the columns that there are, and says how they are named.
func mapHelp(d *client.ErrorDetails) string {
	if d == nil || d.File == nil || d.File.Columns == nil || len(*d.File.Columns) == 0 {
		return ""
	}
	taken, passed := parted(*d.File.Columns)
	text := ""
	if len(taken) > 0 {
		text += "\nIts columns: " + strings.Join(taken, ", ")
	}
	if len(passed) > 0 {
		text += "\nColumns of unknown names: " + strings.Join(passed, ", ")
	}
	first := plain((*d.File.Columns)[0].Name)
	return text + fmt.Sprintf("\nSay which is which: --map 'email:%s' (also id, firstName, lastName, name, city, state, age, birthdate, gender, mobileNumber).", first) +
		"\nIf its first line holds data: --no-header --map email:column1."
}

// parted lists the columns that are taken for a field, and those that are not.
func parted(columns []client.FileColumn) (taken, passed []string) {
	for _, c := range columns {
		if field := value(c.Field); field != "" {
			taken = append(taken, plain(c.Name)+" → "+field)
		} else {
			passed = append(passed, plain(c.Name))
		}
	}
	return taken, passed
}

// printColumns prints which columns are taken for which fields, and which are not used.
func printColumns(out io.Writer, v *client.FilePreview, samples bool) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	var passed []string
	for _, c := range v.Columns {
		field := value(c.Field)
		if field == "" {
			passed = append(passed, plain(c.Name))
			continue
		}
		fmt.Fprintf(w, "  %s\t→ %s", plain(c.Name), field)
		if samples {
			fmt.Fprintf(w, "\t%s", plain(strings.Join(c.Samples, ", ")))
		}
		fmt.Fprintln(w)
	}
	if err := w.Flush(); err != nil || passed == nil {
		return err
	}
	more := ""
	if n := v.ColumnCount - len(v.Columns); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	_, err := fmt.Fprintf(out, "  Not used: %s%s.\n", strings.Join(passed, ", "), more)
	return err
}

// faultsShown is how many rows of a preview are listed with what is wrong with them.
const faultsShown = 5

// printFaults prints which of the first rows would be rejected, and why.
func printFaults(out io.Writer, rows []client.PreviewRow) {
	var lines []string
	for _, r := range rows {
		if len(r.Errors) == 0 {
			continue
		}
		var why []string
		for _, e := range r.Errors {
			why = append(why, strings.TrimSpace(value(e.Field)+" "+e.Message))
		}
		lines = append(lines, fmt.Sprintf("    line %d: %s\n", r.Line, plain(strings.Join(why, "; "))))
	}
	if lines == nil {
		return
	}
	fmt.Fprintf(out, "  Of the first %d rows %d would be rejected:\n%s", len(rows), len(lines), strings.Join(lines[:min(faultsShown, len(lines))], ""))
	if len(lines) > faultsShown {
		fmt.Fprintln(out, "    …")
	}
}

// dialect says what a file is, as far as it is known.
func dialect(format, compression, charset, delimiter string) string {
	if compression == "none" {
		compression = ""
	}
	if delimiter != "" {
		name, ok := map[string]string{",": "commas", ";": "semicolons", "\t": "tabs", "|": "pipes"}[delimiter]
		if !ok {
			name = plain(delimiter)
		}
		delimiter = "separated by " + name
	}
	return strings.Join(present(format, compression, charset, delimiter), ", ")
}

// present returns the texts that are not empty.
func present(texts ...string) (some []string) {
	for _, t := range texts {
		if t != "" {
			some = append(some, t)
		}
	}
	return some
}
