package fileexport

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/url"
	"path"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// Links gives out the files of exports to whoever holds a link. A bucket signs its own; for a folder the API does, and
// serves the files. All fields are required.
type Links struct {
	*Files
	// Key returns the secret that links are signed with, the same in all processes.
	Key  func(ctx context.Context) ([]byte, error)
	Life time.Duration // of a link, at most seven days
	Now  func() time.Time

	key atomic.Pointer[[]byte]
}

// linkKey returns Key's secret, which never changes: who only guesses at links costs no query.
func (l *Links) linkKey(ctx context.Context) ([]byte, error) {
	if known := l.key.Load(); known != nil {
		return *known, nil
	}
	key, err := l.Key(ctx)
	if err == nil {
		l.key.Store(&key)
	}
	return key, err
}

// Of returns the links of a job's files. It returns job.ErrFileNotFound when they were swept away.
func (l *Links) Of(ctx context.Context, jobID string) (*job.ExportLinks, error) {
	files, err := l.Users.ExportFiles(ctx, jobID)
	switch {
	case err != nil:
		return nil, err
	case len(files) == 0: // even an export without users has one
		return nil, job.ErrFileNotFound
	}
	links := &job.ExportLinks{Files: make([]job.ExportLink, len(files)), Expires: l.Now().Add(l.Life).UTC().Truncate(time.Second)}
	link := l.linker(ctx, jobID, links.Expires)
	for i := range files {
		f := &files[i]
		links.Files[i] = job.ExportLink{Name: FileName(f.Object), Rows: f.Rows, Bytes: f.Bytes, SHA256: f.SHA256}
		if links.Files[i].URL, err = link(f.Object); err != nil {
			return nil, err
		}
	}
	links.Manifest, err = link(path.Dir(files[0].Object) + "/" + ManifestName)
	return links, err
}

// linker returns what makes the link of an object of the job.
func (l *Links) linker(ctx context.Context, jobID string, expires time.Time) func(object string) (string, error) {
	var key []byte // read once, and only for a folder
	return func(object string) (string, error) {
		name := FileName(object)
		address, err := l.Store.Link(ctx, object, name, l.Life)
		if err != nil || address != "" {
			return address, err
		}
		if key == nil {
			if key, err = l.linkKey(ctx); err != nil {
				return "", err
			}
		}
		q := url.Values{
			"expires":   {strconv.FormatInt(expires.Unix(), 10)},
			"signature": {base64.RawURLEncoding.EncodeToString(sign(key, jobID, name, expires.Unix()))},
		}
		return "/api/v1/exports/" + jobID + "/files/" + url.PathEscape(name) + "?" + q.Encode(), nil
	}
}

// sign returns the signature of a link. The parts cannot run into each other: none of the first two has a newline.
func sign(key []byte, jobID, name string, expires int64) []byte {
	mac := hmac.New(sha256.New, key)
	_, _ = fmt.Fprintf(mac, "%s\n%s\n%d", jobID, name, expires) // never an error
	return mac.Sum(nil)
}

// Open opens the file that a link of Of leads to. Errors: job.ErrLink when it is none or has expired; job.ErrFileNotFound.
func (l *Links) Open(ctx context.Context, jobID, name string, expires int64, signature string) (*job.OpenedFile, error) {
	given, err := base64.RawURLEncoding.DecodeString(signature)
	if err != nil || l.Now().Unix() >= expires {
		return nil, job.ErrLink
	}
	key, err := l.linkKey(ctx)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(given, sign(key, jobID, name, expires)) {
		return nil, job.ErrLink
	}
	files, err := l.Users.ExportFiles(ctx, jobID)
	if err != nil {
		return nil, err
	}
	for i := range files {
		switch object := files[i].Object; name {
		case FileName(object):
			return l.open(ctx, object, files[i].SHA256)
		case ManifestName:
			return l.open(ctx, path.Dir(object)+"/"+ManifestName, "")
		}
	}
	return nil, job.ErrFileNotFound
}

func (l *Links) open(ctx context.Context, object, hash string) (*job.OpenedFile, error) {
	o, err := l.Store.Open(ctx, object)
	if err != nil {
		return nil, err
	}
	return &job.OpenedFile{ReadSeeker: io.NewSectionReader(o, 0, o.Size), Closer: o, SHA256: hash, Modified: o.Modified}, nil
}
