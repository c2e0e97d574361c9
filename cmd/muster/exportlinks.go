package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/fileexport"
)

// exportLinks fetches files of an export by their links, and gets new ones when those have expired.
type exportLinks struct {
	server string // the API's address, which ends in /api/v1/
	list   func() (*client.ExportFiles, error)

	mu    sync.Mutex
	links map[string]string // by the name of the file
}

// renew gets new links, unless somebody has since old was the link of its file; empty: in any case.
func (l *exportLinks) renew(old string) (*client.ExportFiles, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, link := range l.links {
		if old != "" && link == old {
			old = ""
			break
		}
	}
	if old != "" {
		return nil, nil
	}
	files, err := l.list()
	if err != nil {
		return nil, err
	}
	l.links = map[string]string{fileexport.ManifestName: files.ManifestURL}
	for _, f := range files.Files {
		l.links[f.Name] = f.URL
	}
	return files, nil
}

func (l *exportLinks) of(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.links[name]
}

// address returns where a link leads to, which may be a path of the API.
func (l *exportLinks) address(link string) (string, error) {
	if path, ok := strings.CutPrefix(link, "/api/v1/"); ok {
		return l.server + path, nil // the API may lie below a path of its own
	}
	u, err := url.Parse(link)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return "", errors.New("the API names an address that is none")
	}
	return link, nil
}

// fetchTries is how often in a row a file is asked for without a byte of it coming.
const fetchTries = 5

// fetch writes a file to w, at most so many bytes, and exactly size unless that is -1. Where a connection breaks it goes on.
func (l *exportLinks) fetch(ctx context.Context, name string, most, size int64, w io.Writer) error {
	var have int64
	for tries := 1; ; tries++ {
		link := l.of(name)
		n, err := l.part(ctx, link, have, most, w)
		if have += n; n > 0 {
			tries = 1
		}
		refused, _ := errors.AsType[*client.APIError](err)
		switch {
		case err == nil && have > most:
			return errors.New("it is longer than it should be")
		case err == nil && (size < 0 || have == size):
			return nil
		case err == nil:
			return fmt.Errorf("%d bytes came, and it has %d", have, size)
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errNotWritten), tries >= fetchTries, refused != nil && refused.Status < 500 && refused.Status != http.StatusForbidden:
			return err
		}
		if refused != nil && refused.Status == http.StatusForbidden { // it has expired
			if _, err := l.renew(link); err != nil {
				return err
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Duration(tries-1) * time.Second):
		}
	}
}

// part writes what a link leads to, from a byte on, and returns how many bytes it has written.
func (l *exportLinks) part(ctx context.Context, link string, from, most int64, w io.Writer) (int64, error) {
	address, err := l.address(link)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, errors.New("the API names an address that is none")
	}
	req.Header.Set("Accept-Encoding", "identity") // the bytes as they are
	if from > 0 {
		req.Header.Set("Range", "bytes="+strconv.FormatInt(from, 10)+"-")
	}
	resp, err := http.DefaultClient.Do(req)
	if failed, ok := errors.AsType[*url.Error](err); ok {
		err = fmt.Errorf("%s does not answer: %w", req.URL.Host, failed.Err) // without the link, which is a secret
	}
	if resp, err = client.Check(resp, err); err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if from > 0 && resp.StatusCode != http.StatusPartialContent { // all of it
		if _, err := io.CopyN(io.Discard, resp.Body, from); err != nil {
			return 0, err
		}
	}
	return io.Copy(written{w}, io.LimitReader(resp.Body, most-from+1))
}

// errNotWritten: it is not the API's fault.
var errNotWritten = errors.New("cannot write")

// written tells errors of writing from those of reading.
type written struct{ io.Writer }

func (w written) Write(p []byte) (int, error) {
	n, err := w.Writer.Write(p)
	if err != nil {
		err = fmt.Errorf("%w: %w", errNotWritten, err)
	}
	return n, err
}
