package fileimport

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/records"
)

// head is what a manifest says of the file as a whole. A manifest is the length of its head as four bytes, the head as
// JSON, and the chunks, records.ChunkBytes each.
type head struct {
	Version    int          `json:"version"`
	Info       records.Info `json:"info"`
	Header     []byte       `json:"header,omitempty"` // the header of a CSV file as it stands
	Rows       int64        `json:"rows"`
	ChunkRows  int64        `json:"chunkRows"`
	PassedOver int64        `json:"passedOver,omitempty"` // rows; 0: there is no such object
}

const (
	version    = 1
	lengthSize = 4
	maxHead    = 16 << 20 // a header of 1,000 names of 1 KiB, twice
	firstRead  = 64 << 10 // of a manifest; most heads are below 2 KiB
)

func textName(jobID string) string       { return "jobs/" + jobID + "/text" }
func passedOverName(jobID string) string { return "jobs/" + jobID + "/passed-over" }
func manifestName(jobID string) string   { return "jobs/" + jobID + "/chunks" }

func (h *head) chunks() int64 { return (h.Rows + h.ChunkRows - 1) / h.ChunkRows }

// append appends the manifest up to its chunks.
func (h *head) append(b []byte) ([]byte, error) {
	text, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	return append(binary.BigEndian.AppendUint32(b, uint32(len(text))), text...), nil
}

var errManifest = errors.New("the manifest is damaged, or one of another version of this program")

// parseHead reads the JSON of a head.
func parseHead(text []byte) (*head, error) {
	var h head
	if err := json.Unmarshal(text, &h); err != nil || h.Version != version || h.Rows < 0 || h.ChunkRows < 1 || h.PassedOver < 0 || h.PassedOver > h.Rows {
		return nil, errManifest
	}
	return &h, nil
}

// prepared is what is known of a file that is prepared. It does not change.
type prepared struct {
	jobID string
	head
	plan   *columns.Plan
	chunk0 int64 // where the chunks begin in the manifest
}

// recentJobs is how many jobs a process works on at once, or a few more. A head is at most some megabytes.
const recentJobs = 8

// prepared returns what is known of the job's file. The error is a job.ErrFileNotFound when it is not prepared, others of
// the file store, or errManifest.
func (f *Files) prepared(ctx context.Context, j *job.Job) (*prepared, error) {
	if p := f.remembered(j.ID); p != nil {
		return p, nil
	}
	o, err := f.Store.Open(ctx, manifestName(j.ID))
	if err != nil {
		return nil, err
	}
	defer func() { _ = o.Close() }()
	p, err := readManifest(o)
	if err != nil {
		return nil, fmt.Errorf("manifest of job %s: %w", j.ID, err)
	}
	p.jobID = j.ID
	if p.plan, err = newPlan(&p.Info, columnOptions(&j.File.Options, j.CreatedAt)); err != nil {
		return nil, err
	}
	f.remember(p)
	return p, nil
}

func readManifest(o *filestore.Object) (*prepared, error) {
	b, err := readRange(o, 0, min(firstRead, o.Size))
	if err != nil {
		return nil, err
	}
	if len(b) < lengthSize {
		return nil, errManifest
	}
	end := lengthSize + int64(binary.BigEndian.Uint32(b))
	if end > o.Size || end > maxHead {
		return nil, errManifest
	}
	if end > int64(len(b)) {
		if b, err = readRange(o, 0, end); err != nil {
			return nil, err
		}
	}
	h, err := parseHead(b[lengthSize:end])
	if err != nil {
		return nil, err
	}
	if (o.Size-end)%records.ChunkBytes != 0 || h.chunks() != (o.Size-end)/records.ChunkBytes {
		return nil, errManifest
	}
	return &prepared{head: *h, chunk0: end}, nil
}

// readRange reads size bytes at off.
func readRange(o *filestore.Object, off, size int64) ([]byte, error) {
	b := make([]byte, size)
	n, err := o.ReadAt(b, off)
	if n == len(b) {
		return b, nil
	}
	if errors.Is(err, io.EOF) {
		err = errManifest // it is shorter than another object says
	}
	return nil, err
}

func (f *Files) remembered(jobID string) *prepared {
	f.mu.Lock()
	defer f.mu.Unlock()
	i := slices.IndexFunc(f.recent, func(p *prepared) bool { return p.jobID == jobID })
	if i < 0 {
		return nil
	}
	p := f.recent[i]
	f.recent = append(slices.Delete(f.recent, i, i+1), p)
	return p
}

func (f *Files) remember(p *prepared) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.recent = append(slices.DeleteFunc(f.recent, func(q *prepared) bool { return q.jobID == p.jobID }), p)
	if len(f.recent) > recentJobs {
		f.recent = slices.Delete(f.recent, 0, 1)
	}
}

// chunk returns where the chunk of a claim lies.
func (f *Files) chunk(ctx context.Context, p *prepared, c *job.Chunk) (out records.Chunk, err error) {
	if c.No < 0 || int64(c.No) >= p.chunks() {
		return out, fmt.Errorf("chunk %d of job %s is not one of the file's %d", c.No, c.JobID, p.chunks())
	}
	o, err := f.Store.Open(ctx, manifestName(p.jobID))
	if err != nil {
		return out, err
	}
	defer func() { _ = o.Close() }()
	b, err := readRange(o, p.chunk0+int64(c.No)*records.ChunkBytes, records.ChunkBytes)
	if err != nil {
		return out, err
	}
	if err := out.UnmarshalBinary(b); err != nil {
		return out, err
	}
	if out.Row-1 != c.FirstRow || out.Rows != c.Rows || c.Done < 0 || c.Done > c.Rows {
		return out, fmt.Errorf("chunk %d of job %s has %d rows from %d on, and %d from %d on in the file", c.No, c.JobID, c.Rows, c.FirstRow, out.Rows, out.Row-1)
	}
	return out, nil
}
