package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload"
	"github.com/musterhq/muster/internal/user"
)

// maxUpload is the largest file in tests.
const maxUpload = 200 << 20

// usedUploads are the ids of uploads that a job imports which is not over.
var usedUploads sync.Map

// newUploads is the real one, over a folder.
func newUploads(t *testing.T) *upload.Uploads {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "muster") //nolint:usetesting // t.TempDir is on the disk
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	files, err := filestore.Open("file://" + dir)
	if err != nil {
		t.Fatal(err)
	}
	u, err := upload.New(upload.Config{
		Files: files, Max: maxUpload, Expiry: time.Hour, Owner: httpapi.UploadOwner, Fail: httpapi.UploadFailed,
		InUse: func(_ context.Context, id string) (bool, error) {
			_, used := usedUploads.Load(id)
			return used, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// sampleFile returns the file job of ada's, 400 of its 1,000 rows done.
func sampleFile(s job.Status) job.Job {
	j := sample(s)
	j.Source, j.Phase, j.Seed = job.SourceFile, job.Importing, 0
	j.Requested, j.Processed, j.Rejected, j.Updated, j.Unchanged, j.Skipped = 1000, 380, 20, 50, 5, 1
	if s == job.Completed {
		j.Processed = 980
	}
	j.File = &job.File{
		Upload: otherID, Object: "uploads/" + otherID, Name: "users.csv", ContentType: "text/csv", Bytes: 5_000_000_000, SHA256: strings.Repeat("0a", 32),
		Options: job.FileOptions{OnDuplicate: job.DuplicateUpdate},
		Found: &job.FileFound{
			Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ";", Header: true, Rows: 1000, ColumnCount: 2,
			Columns: []job.FileColumn{{Name: "Mail", Field: "email"}, {Name: "Shoe size"}},
		},
	}
	return j
}

func samplePreview() *columns.Preview {
	return &columns.Preview{
		Found:   *sampleFile(job.InProgress).File.Found,
		Samples: [][]string{{"ada@example.com", "bob@"}, nil},
		Rows: []columns.PreviewRow{
			{Row: 1, Line: 2, User: user.User{Email: "ada@example.com"}},
			{Row: 2, Line: 3, Faults: []columns.Fault{{Code: user.BadEmail, Field: "email", Message: "must be an e-mail address"}}},
		},
	}
}

func (f *fakes) Preview(_ context.Context, head []byte, cut bool, contentType string, o job.FileOptions, _ time.Time) (*columns.Preview, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.previews = append(f.previews, previewed{string(head), cut, contentType, o})
	if f.previewErr != nil {
		return nil, f.previewErr
	}
	return f.preview, nil
}

// WriteRejected writes the rows' codes.
func (f *fakes) WriteRejected(_ context.Context, w io.Writer, _ *job.Job, format string, page func(after int64) ([]job.Reject, error)) error {
	head := map[string]string{"csv": "_row,_code\r\n", "ndjson": ""}[format]
	for after := int64(-1); ; {
		rows, err := page(after)
		if err != nil {
			return err
		}
		if _, err := io.WriteString(w, head); err != nil || len(rows) == 0 {
			return err
		}
		head = ""
		for _, r := range rows {
			if _, err := fmt.Fprintf(w, "%d,%s\r\n", r.Row, r.Code); err != nil {
				return err
			}
		}
		after = rows[len(rows)-1].Row
	}
}

func (f *fakes) Rejects(_ context.Context, id string, after int64, limit int) ([]job.Reject, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storeErr != nil {
		return nil, f.storeErr
	}
	var page []job.Reject
	for _, r := range f.rejects {
		if id == jobID && r.Row > after && len(page) < limit {
			page = append(page, r)
		}
	}
	return page, nil
}

// Open is the place to import from, with one file.
func (f *fakes) Open(_ context.Context, key string) (io.ReadCloser, int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const text = "email\nada@example.com\n"
	switch {
	case f.sourceErr != nil:
		return nil, 0, f.sourceErr
	case key != "in/users.csv":
		return nil, 0, fmt.Errorf("%w: %q", job.ErrFileNotFound, key)
	}
	return io.NopCloser(strings.NewReader(text)), int64(len(text)), nil
}

func (f *fakes) CreateUserOnDuplicate(ctx context.Context, u *user.User, strategy string) (user.User, string, error) {
	f.mu.Lock()
	there := f.duplicate != ""
	f.mu.Unlock()
	if !there {
		err := f.CreateUser(ctx, u)
		return *u, "inserted", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if strategy == job.DuplicateReject {
		return user.User{}, "", user.ErrDuplicate
	}
	return f.users[1], f.duplicate, f.userErr
}
