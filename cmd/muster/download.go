package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/musterhq/muster/client"
)

// download is an answer of the API that becomes a file, or goes to standard output. A file appears under its name only when
// it is whole.
type download struct {
	to    string // the file; - is standard output
	force bool   // overwrites a file that exists
	what  string // the file has, in the plural
	doing string // what the command does, for errors
	ask   func() (*http.Response, error)
}

func (d *download) run(p *process) error {
	if d.to != "-" {
		return d.save(p)
	}
	resp, err := client.Check(d.ask()) //nolint:bodyclose // below
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	out := p.stdout
	if interactive(p.stderr) && !interactive(p.stdout) {
		bar := newBar(p.stderr, ofBytes, 0)
		defer bar.end()
		out = io.MultiWriter(out, &meter{bar: bar})
	}
	_, err = io.Copy(out, resp.Body)
	return err
}

// save makes the file first: a name that will not do costs the API nothing.
func (d *download) save(p *process) (err error) {
	defer func() {
		if err != nil && p.ctx.Err() != nil {
			err = fmt.Errorf("interrupted: nothing was written to %s", d.to)
		}
	}()
	f, err := create(d.to, func() error { return d.mayReplace(p) })
	if err != nil {
		return fmt.Errorf("%s to %s: %w", d.doing, d.to, err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	resp, err := client.Check(d.ask()) //nolint:bodyclose // below
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	bar := newBar(p.stderr, ofBytes, 0)
	size, err := io.Copy(io.MultiWriter(f, &meter{bar: bar}), resp.Body)
	bar.end()
	if err != nil {
		return fmt.Errorf("%s to %s: %w", d.doing, d.to, err)
	}
	if err := f.commit(); err != nil {
		return fmt.Errorf("%s to %s: %w", d.doing, d.to, err)
	}
	// Their number comes in a trailer, which is there after the body.
	_, err = fmt.Fprintf(p.stderr, "Wrote %s %s, %d bytes, to %s.\n", resp.Trailer.Get("X-Row-Count"), d.what, size, d.to)
	return err
}

// mayReplace returns nil when the file may be overwritten: by the flag, or as a person answers.
func (d *download) mayReplace(p *process) error {
	switch {
	case d.force:
		return nil
	case !p.person:
		return errors.New("the file exists; --force overwrites it")
	}
	yes, err := ask(p, d.to+" exists. Overwrite it?", false)
	if err == nil && !yes {
		err = errors.New("the file exists, and stays as it is")
	}
	return err
}

// ask asks a person. A line without a word is answered by standard; what is not a yes is a no.
func ask(p *process, question string, standard bool) (yes bool, err error) {
	choice := " [y/N] "
	if standard {
		choice = " [Y/n] "
	}
	fmt.Fprint(p.stderr, question+choice)
	answer := make(chan string, 1)
	go func() {
		line, _ := bufio.NewReader(p.stdin).ReadString('\n')
		answer <- line
	}()
	select {
	case <-p.ctx.Done():
		return false, p.ctx.Err()
	case line := <-answer:
		word := strings.ToLower(strings.TrimSpace(line))
		return word == "y" || word == "yes" || standard && word == "" && line != "", nil
	}
}

// meter shows how many bytes were written through it.
type meter struct {
	bar *bar
	n   int64
}

func (m *meter) Write(p []byte) (int, error) {
	m.n += int64(len(p))
	m.bar.set(m.n)
	return len(p), nil
}
