package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

// previewBytes is how much of a file the API looks at to tell what it is.
const previewBytes = 1 << 20

// input is a file to import: one of this machine, standard input, or one that the server has.
type input struct {
	name string // for people

	upload *uuid.UUID // the server has it
	named  bool       // the command line names the upload
	from   *string    // the server can read it

	file *os.File    // nil for standard input and for what the server has
	info os.FileInfo // of a regular file; nil for what can be read but once
	head []byte      // the first previewBytes
	rest io.Reader   // what follows head in what can be read but once

	resume *resumption // the upload to go on with; nil: a new one
}

// inputs opens what the command line names. Close what it returns, with an error too.
func (i *importFileCommand) inputs(p *process) (all []*input, err error) {
	if i.Upload != nil {
		all = append(all, &input{name: "upload " + i.Upload.String(), upload: i.Upload, named: true})
	}
	for n := range i.From {
		all = append(all, &input{name: i.From[n], from: &i.From[n]})
	}
	for _, name := range i.Files {
		in, err := openInput(p, name)
		if err != nil {
			return all, err
		}
		all = append(all, in)
	}
	switch {
	case len(all) == 0:
		return all, errors.New("name a file, or - for standard input: muster import file users.csv")
	case i.IdempotencyKey != nil && len(all) > 1:
		return all, errors.New("--idempotency-key is for one file: each is a request of its own")
	case i.Resume != nil:
		return all, i.goOn(all)
	}
	return all, nil
}

// goOn takes --resume for the first of the files.
func (i *importFileCommand) goOn(all []*input) (err error) {
	at := len(all) - len(i.Files)
	if at == len(all) || all[at].info == nil {
		return errors.New("--resume wants the file that is uploaded")
	}
	first := all[at]
	if first.resume, err = parseResumption(*i.Resume); err != nil {
		return err
	}
	if sum := first.resume.sum; sum != "" && sum != sumOf(first.info) {
		return fmt.Errorf("%s is not as it was when its upload began; without --resume it is sent anew", first.name)
	}
	return nil
}

func openInput(p *process, name string) (*input, error) {
	in := &input{name: name, rest: p.stdin}
	if name == "-" {
		in.name = "standard input"
		return in, in.readHead()
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, cause(err))
	}
	in.file, in.rest = f, f
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = errors.New("it is a folder")
	case info.Mode().IsRegular():
		in.info = info
		in.head = make([]byte, min(info.Size(), previewBytes))
		_, err = f.ReadAt(in.head, 0)
	default: // a pipe of the shell, for example
		err = in.readHead()
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", name, cause(err)), f.Close())
	}
	return in, nil
}

func (in *input) readHead() error {
	head := make([]byte, previewBytes)
	n, err := io.ReadFull(in.rest, head)
	in.head = head[:n]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		in.rest, err = bytes.NewReader(nil), nil
	}
	return err
}

// cut reports whether head is not the whole file.
func (in *input) cut() bool {
	if in.info != nil {
		return in.info.Size() > previewBytes
	}
	return len(in.head) == previewBytes
}

// fileName is the name that the job shows.
func (in *input) fileName() string {
	if in.file == nil {
		return ""
	}
	return filepath.Base(in.name)
}

// changed reports whether the file is another than when it was opened.
func (in *input) changed() bool {
	info, err := in.file.Stat()
	return err != nil || sumOf(info) != sumOf(in.info)
}

// place says to the API where the file is, if it is not the body.
func (in *input) place(params *client.ImportFileParams) {
	params.UploadID, params.From, params.FileName = in.upload, in.from, given(in.fileName())
}

func closeAll(all []*input) {
	for _, in := range all {
		if in.file != nil {
			_ = in.file.Close() // it was read only
		}
	}
}

// resumption names an upload to go on with, and the file as it was when it began.
type resumption struct {
	upload uuid.UUID
	sum    string // of sumOf; empty: not known
}

func (r *resumption) String() string { return r.upload.String() + ":" + r.sum }

func parseResumption(text string) (*resumption, error) {
	id, sum, _ := strings.Cut(text, ":")
	upload, err := uuid.Parse(id)
	if err != nil {
		return nil, fmt.Errorf("--resume wants the id of an upload, as the interrupted command had named it, not %q", text)
	}
	return &resumption{upload: upload, sum: sum}, nil
}

// sumOf tells whether a file is as it was, by size and time of change, as make and rsync do: reading gigabytes for that
// would take longer than sending many a file.
func sumOf(info os.FileInfo) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %d", info.Size(), info.ModTime().UnixNano()))
	return fmt.Sprintf("%x", sum[:4])
}
