package main

import (
	"archive/tar"
	"archive/zip"
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	// Five times as fast as the standard library's on hundreds of megabytes, and to the same size.
	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// documents lie beside the commands in every archive.
var documents = []string{"CHANGELOG.md", "LICENSE", "README.md"}

// name is that of an archive without its ending, and of the folder in it.
func (r release) name(platform string) string {
	return "muster_" + strings.TrimPrefix(r.version, "v") + "_" + strings.ReplaceAll(platform, "/", "_")
}

// archive is the file name of a platform's archive.
func (r release) archive(platform string) string {
	if exe(platform) != "" {
		return r.name(platform) + ".zip"
	}
	return r.name(platform) + ".tar.gz"
}

// packed is a file of an archive.
type packed struct {
	name, from string
	mode       int64
}

func (r release) files(platform, bin string) []packed {
	var list []packed
	for _, name := range documents {
		list = append(list, packed{name, filepath.Join(r.root, name), 0o644})
	}
	for _, c := range commands {
		list = append(list, packed{c + exe(platform), filepath.Join(bin, c+exe(platform)), 0o755})
	}
	return list
}

// pack writes an archive. Times are the commit's and owners nobody's, so that the same commit gives the same bytes.
func (r release) pack(name, platform, bin string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	buffered := bufio.NewWriter(f)
	add, finish := r.tarball(buffered)
	if exe(platform) != "" {
		add, finish = r.zipped(buffered)
	}
	for _, p := range r.files(platform, bin) {
		text, err := os.ReadFile(p.from)
		if err != nil {
			return err
		}
		p.name = r.name(platform) + "/" + p.name
		if err := add(p, text); err != nil {
			return err
		}
	}
	return errors.Join(finish(), buffered.Flush())
}

func (r release) tarball(out io.Writer) (add func(packed, []byte) error, finish func() error) {
	compressed := gzip.NewWriter(out)
	t := tar.NewWriter(compressed)
	add = func(p packed, text []byte) error {
		if err := t.WriteHeader(&tar.Header{Name: p.name, Mode: p.mode, Size: int64(len(text)), ModTime: r.time, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
		_, err := t.Write(text)
		return err
	}
	return add, func() error { return errors.Join(t.Close(), compressed.Close()) }
}

func (r release) zipped(out io.Writer) (add func(packed, []byte) error, finish func() error) {
	z := zip.NewWriter(out)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.DefaultCompression) })
	add = func(p packed, text []byte) error {
		h := &zip.FileHeader{Name: p.name, Method: zip.Deflate, Modified: r.time}
		h.SetMode(os.FileMode(p.mode)) //nolint:gosec // of the list above
		w, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = w.Write(text)
		return err
	}
	return add, z.Close
}

// checksumsFile is the name of the list of all other files, in the form of sha256sum.
func (r release) checksumsFile() string {
	return "muster_" + strings.TrimPrefix(r.version, "v") + "_checksums.txt"
}

func (r release) checksums(dir string) error {
	var lines strings.Builder
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		sum, err := sha256Of(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&lines, "%x  %s\n", sum, e.Name())
	}
	return os.WriteFile(filepath.Join(dir, r.checksumsFile()), []byte(lines.String()), 0o644) //nolint:gosec // published
}

func sha256Of(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	_, err = io.Copy(h, f)
	return h.Sum(nil), err
}
