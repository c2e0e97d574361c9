package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

// bytesType is the Content-Type of files: what they are is found by looking.
const bytesType = "application/octet-stream"

// submit has a job made of the file, and returns its id and the answer that has it.
func (i *importFileCommand) submit(p *process, c *client.ClientWithResponses, in *input) (id client.JobID, answer []byte, err error) {
	params := i.params()
	in.place(params)
	var body io.Reader = http.NoBody
	switch {
	case in.upload != nil, in.from != nil:
	case in.info != nil:
		upload, err := i.send(p, c, in)
		if err != nil {
			return id, nil, err
		}
		params.UploadID, params.FileName = upload, nil
	default:
		// As it comes: kept in a file it could be gone on with, but the folder for such files may be memory, and too small. What
		// arrived whole is not lost either, see keptError.
		bar := newBar(p.stderr, ofBytes, 0)
		defer bar.end()
		body = io.TeeReader(io.MultiReader(bytes.NewReader(in.head), in.rest), &meter{bar: bar})
	}
	r, err := c.ImportFileWithBodyWithResponse(p.ctx, params, bytesType, body)
	switch {
	case err != nil && p.ctx.Err() != nil:
		err = fmt.Errorf("interrupted before the API had answered: `%s` shows whether it took the job", i.again("muster jobs"))
	case err == nil && r.JSON202 == nil:
		err = client.Failure(r.HTTPResponse, r.Body)
	}
	if err == nil {
		id, err = accepted(r.JSON202)
		return id, r.Body, err
	}
	if kept := keptUpload(err, params.UploadID); kept != nil {
		return id, nil, &keptError{err: err, upload: kept, in: in}
	}
	return id, nil, err
}

// send uploads a file, and returns the upload's id.
func (i *importFileCommand) send(p *process, c *client.ClientWithResponses, in *input) (*uuid.UUID, error) {
	u := client.FileUpload{File: in.file, Size: in.info.Size(), Name: in.fileName()}
	if in.resume != nil {
		u.ID = in.resume.upload.String()
	}
	bar := newBar(p.stderr, ofBytes, u.Size)
	u.Progress = bar.set
	name, err := c.SendFile(p.ctx, i.User, u)
	bar.end()
	if err == nil && in.changed() {
		return nil, errors.New("the file changed while it was sent, and nothing was imported: run the command again when it is finished")
	}
	id, bad := uuid.Parse(name)
	switch {
	case err != nil && name == "": // none was begun
		return nil, err
	case bad != nil:
		return nil, fmt.Errorf("the server names an upload %q", name)
	case err != nil:
		return nil, broken(p, err, &resumption{upload: id, sum: sumOf(in.info)})
	}
	return &id, nil
}

// broken says how to go on with an upload that stopped.
func broken(p *process, err error, at *resumption) error {
	if e, ok := errors.AsType[*client.APIError](err); ok && e.Status == http.StatusNotFound {
		return fmt.Errorf("%w: the upload is gone; without --resume the file is sent anew", err)
	}
	if p.ctx.Err() != nil {
		err = errors.New("interrupted")
	}
	return fmt.Errorf("%w\nThe same command with `--resume %s` sends what is missing", err, at)
}

// keptUpload returns the upload with which a request can be repeated; nil: that would not help.
func keptUpload(err error, upload *uuid.UUID) *uuid.UUID {
	e, ok := errors.AsType[*client.APIError](err)
	if ok && e.Status < http.StatusInternalServerError && e.Status != http.StatusTooManyRequests {
		return nil
	}
	if ok && e.Answer.Details != nil && e.Answer.Details.UploadID != nil {
		if id, err := uuid.Parse(*e.Answer.Details.UploadID); err == nil {
			return &id
		}
	}
	return upload
}

// keptError: the job was not accepted, and the server has the file.
type keptError struct {
	err    error
	upload *uuid.UUID
	in     *input
}

func (e *keptError) Error() string {
	if e.in.named {
		return e.err.Error() + "\nThe file stays there: run the command again"
	}
	return fmt.Sprintf("%v\nThe file is there: the same command with `--upload %s` in place of %s does not send it again", e.err, e.upload, e.in.name)
}

func (e *keptError) Unwrap() error { return e.err }

// waitAfter waits as long as the API asks for after a job that was not accepted, and reports whether it did. It is for the
// cooldown that the file before has caused, and for jobs that are over soon.
func waitAfter(p *process, err error) bool {
	kept, ok := errors.AsType[*keptError](err)
	if !ok {
		return false
	}
	e, ok := errors.AsType[*client.APIError](err)
	if !ok || e.Status != http.StatusTooManyRequests || e.RetryAfter == 0 {
		return false
	}
	fmt.Fprintf(p.stderr, "%s waits: %v\n", kept.in.name, e)
	kept.in.upload = kept.upload
	select {
	case <-p.ctx.Done():
		return false
	case <-time.After(e.RetryAfter):
		return true
	}
}
