package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/apiproc"
	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
)

type demoCommand struct {
	Count count `default:"1000000" help:"How many users to import."`
}

// errDone ends the embedded stack when the demo has done everything.
var errDone = errors.New("the demo is through")

// Run imports, exports and checks, through the API as any client would.
func (d *demoCommand) Run(p *process) error {
	var c config.Config
	if _, err := boot.Parse("muster demo", "", &c, nil, io.Discard); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "muster-demo-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	c.HTTPAddr, c.AdminAddr, c.LogLevel, c.Auth = "127.0.0.1:0", "", "warn", "header"
	err = runEmbedded(p.ctx, &c, dir, true, boot.Log(&c, p.stderr), func(ctx context.Context, a *apiproc.API) error {
		api, err := client.Open("http://" + a.Addr().String())
		if err != nil {
			return err
		}
		demo := demo{api: api, out: p.stdout, count: int64(d.Count), file: filepath.Join(dir, "users.csv")}
		if err := demo.run(ctx); err != nil {
			return err
		}
		return errDone
	})
	if errors.Is(err, errDone) {
		return nil
	}
	return err
}

type demo struct {
	api   *client.ClientWithResponses
	out   io.Writer
	count int64
	file  string
}

// demoUser is the X-USER-ID of the demo's requests.
const demoUser = "demo"

func (d *demo) run(ctx context.Context) error {
	start := time.Now()
	r, err := d.api.ImportBulkWithResponse(ctx, &client.ImportBulkParams{UserID: demoUser, Count: d.count})
	if err != nil {
		return err
	}
	if r.JSON202 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	accepted, err := r.JSON202.AsAccepted()
	if err != nil {
		return err
	}
	id, err := uuid.Parse(accepted.JobID)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Submitted job %s: %d users, through the API, the queue and a worker, into SQLite.\n", id, d.count)
	j, err := follow(ctx, d.out, d.api, demoUser, id)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Imported %d users in %.1f s.\n", j.ProcessedCount, time.Since(start).Seconds())

	if err := d.search(ctx); err != nil {
		return err
	}

	start = time.Now()
	lines, size, err := d.export(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Exported %d users, %d MB of CSV, in %.1f s.\n", lines, size>>20, time.Since(start).Seconds())
	if lines != d.count || j.ProcessedCount != d.count {
		return fmt.Errorf("%d users were asked for, %d imported, %d exported", d.count, j.ProcessedCount, lines)
	}
	fmt.Fprintf(d.out, "The counts agree: %d requested, %d imported, %d exported.\n\n", d.count, j.ProcessedCount, lines)
	fmt.Fprint(d.out, "Where to look next:\n"+
		"  make run     leaves the same stack up, with the API's pages at http://127.0.0.1:8080/docs\n"+
		"  docs/        guide.md for the first ten minutes, install.md for MySQL or MariaDB, Redis, and as many workers as you like\n")
	return nil
}

// search looks for users by parts of their name and city.
func (d *demo) search(ctx context.Context) error {
	start := time.Now()
	name, city := "ann", "san"
	r, err := d.api.SearchUsersWithResponse(ctx, &client.SearchUsersParams{Name: &name, City: &city})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	fmt.Fprintf(d.out, "Searched them for name=%s&city=%s in %d ms:", name, city, time.Since(start).Milliseconds())
	for _, u := range r.JSON200.Content[:min(3, len(r.JSON200.Content))] {
		fmt.Fprintf(d.out, " %s %s of %s;", u.FirstName, u.LastName, u.City)
	}
	fmt.Fprintln(d.out, " …")
	return nil
}

// export streams everything into a file and counts the records after the header.
func (d *demo) export(ctx context.Context) (records, size int64, err error) {
	identity := "identity"                                                                                  // Go would ask for gzip by itself
	resp, err := client.Check(d.api.ExportUsers(ctx, &client.ExportUsersParams{AcceptEncoding: &identity})) //nolint:bodyclose // below
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	f, err := os.Create(d.file)
	if err != nil {
		return 0, 0, err
	}
	w := bufio.NewWriterSize(f, 1<<20)
	lines := &lineCounter{}
	size, err = io.Copy(io.MultiWriter(w, lines), resp.Body)
	return lines.n - 1, size, errors.Join(err, w.Flush(), f.Close())
}

// lineCounter counts records: no value that the faker makes holds a line break.
type lineCounter struct{ n int64 }

func (l *lineCounter) Write(p []byte) (int, error) {
	l.n += int64(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}
