package fileexport

import (
	"context"
	"encoding/json"
	"path"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// ManifestName is the name of the manifest in a job's folder.
const ManifestName = "manifest.json"

// Manifest says which files an export consists of. It holds nothing of the users, and not what was searched for.
type Manifest struct {
	JobID     string         `json:"jobId"`
	CreatedAt time.Time      `json:"createdAt"` // when the export was submitted, UTC
	Format    string         `json:"format"`
	Compress  string         `json:"compress,omitempty"`
	Fields    []string       `json:"fields,omitempty"` // absent: all
	Rows      int64          `json:"rows"`             // of all files
	Bytes     int64          `json:"bytes"`
	Files     []ManifestFile `json:"files"`
}

// ManifestFile is a file in the folder of the manifest.
type ManifestFile struct {
	Name   string `json:"name"`
	Rows   int64  `json:"rows"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Publish removes what dead workers left in the job's folder, and writes the manifest. Call it when all chunks are DONE, as
// no worker writes any more then. It may be called by several processes at once, and repeated: the manifest is the same,
// byte for byte.
func (f *Files) Publish(ctx context.Context, j *job.Job) error {
	spec, err := specOf(j.Export)
	if err != nil {
		return err
	}
	files, err := f.Users.ExportFiles(ctx, j.ID)
	if err != nil {
		return err
	}
	m := Manifest{JobID: j.ID, CreatedAt: j.CreatedAt.UTC(), Format: spec.Format, Compress: spec.Compress, Fields: spec.Fields, Files: []ManifestFile{}}
	if m.Format == "" {
		m.Format = "csv"
	}
	listed := map[string]bool{}
	for i := range files {
		e := &files[i]
		listed[e.Object] = true
		m.Rows += e.Rows
		m.Bytes += e.Bytes
		m.Files = append(m.Files, ManifestFile{Name: FileName(e.Object), Rows: e.Rows, Bytes: e.Bytes, SHA256: e.SHA256})
	}
	manifest := Folder(j) + ManifestName
	_, err = f.Store.SweepBelow(ctx, Folder(j), func(name string, _ time.Time) bool {
		// What lies deeper is another job's, whose destination is this folder.
		return listed[name] || name == manifest || path.Dir(name)+"/" != Folder(j)
	})
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(&m, "", "  ")
	if err != nil {
		return err
	}
	w, err := f.Store.Create(ctx, manifest, 0)
	if err != nil {
		return err
	}
	defer w.Discard()
	if _, err := w.Write(append(text, '\n')); err != nil {
		return err
	}
	return w.Close()
}
