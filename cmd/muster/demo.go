package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/musterhq/muster/cmd/internal/apiproc"
	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
)

type demoCommand struct {
	Count int64 `default:"1000000" help:"How many users to import."`
}

// errDone ends the embedded stack when the demo is through.
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
	c.HTTPAddr, c.AdminAddr, c.LogLevel = "127.0.0.1:0", "", "warn"
	err = runEmbedded(p.ctx, &c, dir, true, boot.Log(&c, os.Stderr), func(ctx context.Context, a *apiproc.API) error {
		demo := demo{base: "http://" + a.Addr().String() + "/api/v1", out: p.stdout, count: d.Count, file: filepath.Join(dir, "users.csv")}
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
	base  string
	out   io.Writer
	count int64
	file  string
}

type jobView struct {
	JobID     string `json:"jobId"`
	Status    string `json:"status"`
	Message   string `json:"message"`
	Processed int64  `json:"processedCount"`
	Rate      int64  `json:"ratePerSecond"`
}

func (d *demo) run(ctx context.Context) error {
	start := time.Now()
	var j jobView
	if err := d.call(ctx, http.MethodPost, fmt.Sprintf("/users/import/async?count=%d", d.count), &j); err != nil {
		return err
	}
	fmt.Fprintf(d.out, "Submitted job %s: %d users, through the API, the queue and a worker, into SQLite.\n", j.JobID, d.count)
	if err := d.watch(ctx, &j); err != nil {
		return err
	}
	if j.Status != "COMPLETED" || j.Processed != d.count {
		return fmt.Errorf("the job ended %s with %d of %d users: %s", j.Status, j.Processed, d.count, j.Message)
	}
	imported := time.Since(start)
	fmt.Fprintf(d.out, "Imported %d users in %.1f s.\n", j.Processed, imported.Seconds())

	start = time.Now()
	lines, size, err := d.export(ctx)
	if err != nil {
		return err
	}
	took := time.Since(start)
	fmt.Fprintf(d.out, "Exported %d users, %d MB of CSV, in %.1f s.\n", lines, size>>20, took.Seconds())
	if lines != d.count {
		return fmt.Errorf("the export has %d users, want %d", lines, d.count)
	}
	fmt.Fprintf(d.out, "The counts agree: %d requested, %d imported, %d exported.\n\n", d.count, j.Processed, lines)
	fmt.Fprint(d.out, "Where to look next:\n"+
		"  make run     leaves the same stack up, with the API's pages at http://127.0.0.1:8080/docs\n"+
		"  README.md    the real stack: MySQL or MariaDB, Redis, and as many workers as you like\n")
	return nil
}

// watch follows the job to its end.
func (d *demo) watch(ctx context.Context, j *jobView) error {
	show, end := d.bar()
	defer end()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		if err := d.call(ctx, http.MethodGet, "/jobs/"+j.JobID, j); err != nil {
			return err
		}
		show(j)
		if j.Status == "COMPLETED" || j.Status == "FAILED" || j.Status == "CANCELLED" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// bar draws the progress: a bar for a person, a line for each tenth in a pipe.
func (d *demo) bar() (show func(*jobView), end func()) {
	if interactive(d.out) {
		p := mpb.New(mpb.WithOutput(d.out), mpb.WithWidth(40))
		b := p.AddBar(d.count,
			mpb.PrependDecorators(decor.CountersNoUnit("%d / %d users")),
			mpb.AppendDecorators(decor.Percentage(), decor.Name("  "), decor.Elapsed(decor.ET_STYLE_GO)))
		return func(j *jobView) { b.SetCurrent(j.Processed) }, func() {
			b.Abort(false) // no effect on a bar that is full
			p.Wait()
		}
	}
	shown := int64(-1)
	return func(j *jobView) {
		if tenth := j.Processed * 10 / d.count; tenth > shown {
			shown = tenth
			fmt.Fprintf(d.out, "  %3d %%  %d users, %d users/s\n", tenth*10, j.Processed, j.Rate)
		}
	}, func() {}
}

// export streams everything into a file and counts the records after the header.
func (d *demo) export(ctx context.Context) (records, size int64, err error) {
	resp, err := d.do(ctx, http.MethodGet, "/export/stream")
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
	for _, b := range p {
		if b == '\n' {
			l.n++
		}
	}
	return len(p), nil
}

func (d *demo) call(ctx context.Context, method, path string, into any) error {
	resp, err := d.do(ctx, method, path)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(into)
}

func (d *demo) do(ctx context.Context, method, path string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, d.base+path, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("X-USER-ID", "demo")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode >= 300 {
		defer func() { _ = resp.Body.Close() }()
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
		return nil, fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, body)
	}
	return resp, nil
}
