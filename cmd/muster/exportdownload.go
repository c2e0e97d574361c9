package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/fileexport"
)

type exportsDownloadCommand struct {
	remote
	ID       uuid.UUID `arg:"" name:"job" help:"The job of the export."`
	Dir      string    `short:"d" help:"The folder, which is made if need be; by default one with the job's id as its name."`
	Force    bool      `short:"f" help:"Overwrite files that exist and are others."`
	Parallel int       `default:"4" help:"So many files at once."`
}

// Run fetches the files, and last the manifest: a folder that has it is whole. Files that are there already are not fetched again.
func (x *exportsDownloadCommand) Run(p *process) error {
	if x.Parallel < 1 {
		return errors.New("--parallel wants a number from 1")
	}
	c, err := x.open()
	if err != nil {
		return err
	}
	links := &exportLinks{
		server: c.ClientInterface.(*client.Client).Server, // as open makes it
		list: func() (*client.ExportFiles, error) {
			files, _, err := exportFiles(p, c, x.User, x.ID)
			return files, err
		},
	}
	files, err := links.renew("")
	if err != nil {
		return err
	}
	d := exportDownload{links: links, dir: x.Dir, force: x.Force}
	if d.dir == "" {
		d.dir = x.ID.String()
	}
	manifest, err := d.manifest(p.ctx, files)
	if err != nil {
		return err
	}
	err = d.run(p, files, manifest, x.Parallel)
	if err != nil && p.ctx.Err() != nil {
		return errors.New("interrupted: the same command goes on with the files that are not there yet")
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.stderr, "Wrote %d files, %d users, %d bytes, to %s; %d of them were there already.\n",
		len(files.Files), files.Rows, files.Bytes, d.dir, d.there.Load())
	return err
}

// exportDownload fetches an export into a folder.
type exportDownload struct {
	links *exportLinks
	dir   string
	force bool // overwrites what is there
	there atomic.Int64
	meter countingMeter
}

// manifest fetches the manifest, and compares it with what the API says.
func (d *exportDownload) manifest(ctx context.Context, files *client.ExportFiles) ([]byte, error) {
	const most = 64 << 20
	var text bytes.Buffer
	if err := d.links.fetch(ctx, fileexport.ManifestName, most, -1, &text); err != nil {
		return nil, err
	}
	var m fileexport.Manifest
	if err := json.Unmarshal(text.Bytes(), &m); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	same := m.JobID == files.JobID && len(m.Files) == len(files.Files) && m.Rows == files.Rows && m.Bytes == files.Bytes
	rows, size := int64(0), int64(0)
	for i := range files.Files {
		if f := &files.Files[i]; same {
			rows, size = rows+f.Rows, size+f.Bytes
			same = m.Files[i] == fileexport.ManifestFile{Name: f.Name, Rows: f.Rows, Bytes: f.Bytes, SHA256: f.Sha256}
		}
	}
	if !same || rows != m.Rows || size != m.Bytes {
		return nil, errors.New("the manifest is not of these files, or does not add up: nothing was written")
	}
	return text.Bytes(), nil
}

// fileName is how the API names files; it leads nowhere else.
var fileName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{0,99}$`)

func (d *exportDownload) run(p *process, files *client.ExportFiles, manifest []byte, parallel int) error {
	for i := range files.Files {
		if name := files.Files[i].Name; !fileName.MatchString(name) || name == fileexport.ManifestName {
			return fmt.Errorf("the API names a file %q", name)
		}
	}
	if err := os.MkdirAll(d.dir, 0o777); err != nil { //nolint:gosec // less the umask
		return err
	}
	// Before any file is touched: the folder may have another export.
	ours, err := d.has(fileexport.ManifestName, int64(len(manifest)), sha256.Sum256(manifest))
	if err != nil {
		return err
	}
	d.meter.bar = newBar(p.stderr, ofBytes, files.Bytes)
	defer d.meter.bar.end()
	g, ctx := errgroup.WithContext(p.ctx)
	g.SetLimit(parallel)
	for i := range files.Files {
		g.Go(func() error {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return d.file(ctx, &files.Files[i])
		})
	}
	if err := g.Wait(); err != nil || ours {
		return err
	}
	return d.write(fileexport.ManifestName, func(w io.Writer) error {
		_, err := w.Write(manifest)
		return err
	})
}

// file fetches a file, unless it is there.
func (d *exportDownload) file(ctx context.Context, f *client.ExportedFile) error {
	var want [sha256.Size]byte
	if n, err := hex.Decode(want[:], []byte(f.Sha256)); err != nil || n != len(want) {
		return fmt.Errorf("%s: %q is no SHA-256", f.Name, f.Sha256)
	}
	switch there, err := d.has(f.Name, f.Bytes, want); {
	case err != nil:
		return err
	case there:
		d.there.Add(1)
		d.meter.add(f.Bytes)
		return nil
	}
	return d.write(f.Name, func(w io.Writer) error {
		sum := sha256.New()
		if err := d.links.fetch(ctx, f.Name, f.Bytes, f.Bytes, io.MultiWriter(w, sum, &d.meter)); err != nil {
			return err
		}
		if !bytes.Equal(sum.Sum(nil), want[:]) {
			return errors.New("what came is not what the manifest says, by its SHA-256")
		}
		return nil
	})
}

// has reports whether the folder has the file with these bytes. One of that name with others is an error, unless it may be
// overwritten.
func (d *exportDownload) has(name string, size int64, want [sha256.Size]byte) (bool, error) {
	path := filepath.Join(d.dir, name)
	f, err := os.Open(path) //nolint:gosec // in the folder that was asked for
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	switch {
	case err != nil:
		return false, err
	case n == size && bytes.Equal(sum.Sum(nil), want[:]):
		return true, nil
	case n > 0 && !d.force:
		return false, fmt.Errorf("%s exists, and is not of this export or was changed; --force overwrites it, -d names another folder", path)
	}
	return false, nil
}

// write makes a file, which gets its name when it is whole and on disk.
func (d *exportDownload) write(name string, fill func(w io.Writer) error) (err error) {
	path := filepath.Join(d.dir, name)
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s: %w", path, err)
		}
	}()
	f, err := create(path, func() error { return nil }) // has has looked
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if err := fill(f); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return cause(err)
	}
	return f.commit()
}

// countingMeter shows how many bytes were written through it, by several at once.
type countingMeter struct {
	mu  sync.Mutex
	bar *bar
	n   int64
}

func (m *countingMeter) add(n int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.n += n
	m.bar.set(m.n)
}

func (m *countingMeter) Write(p []byte) (int, error) {
	m.add(int64(len(p)))
	return len(p), nil
}
