package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// reads measures P3 and P8, on the same users.
func reads(ctx context.Context, l *lab) (results []result, err error) {
	n := l.size(3e6)
	api, workers, err := l.fleet(ctx, 2)
	if err != nil {
		return nil, err
	}
	if _, err := importUsers(ctx, api, n); err != nil {
		return nil, err
	}
	for _, w := range workers {
		w.stop()
	}
	exported, err := l.exportAgainstClient(ctx, api, n)
	if err != nil {
		return nil, err
	}
	api.stop()
	searched, err := l.searches(ctx, n)
	return []result{exported, searched}, err
}

func (l *lab) exportAgainstClient(ctx context.Context, api *process, n int64) (result, error) {
	ours, theirs, err := alternate(3,
		func() (float64, error) { rate, _, err := export(ctx, api, "", n); return rate, err },
		func() (float64, error) { return l.selectAll(ctx, n) })
	if err != nil {
		return result{}, err
	}
	res := ratio(ours, theirs, "users/s", "Muster", "the database's own client")
	for _, format := range []string{"csv", "ndjson", "parquet", "avro"} {
		for _, compress := range []string{"", "zstd"} {
			detail, err := l.exportAs(ctx, format, compress, n)
			if err != nil {
				return result{}, fmt.Errorf("export %s %s: %w", format, compress, err)
			}
			res.Details = append(res.Details, detail)
		}
	}
	return res, nil
}

// exportAs exports n users from an API of its own, so that its peak memory is that of this export, and counts the users
// in the file.
func (l *lab) exportAs(ctx context.Context, format, compress string, n int64) (detail string, err error) {
	api, err := l.serve(ctx)
	if err != nil {
		return "", err
	}
	defer api.stop()
	f, err := os.CreateTemp(l.dir, "export-*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()
	query := "?format=" + format
	if compress != "" {
		query += "&compress=" + compress
	}
	began := time.Now()
	size, err := download(ctx, api, query, f, n)
	if err != nil {
		return "", err
	}
	took := time.Since(began)
	peak, err := api.peak()
	if err != nil {
		return "", err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return "", err
	}
	users, err := usersIn(f, format, compress)
	if err != nil {
		return "", err
	}
	if users != n {
		return "", fmt.Errorf("%d users in the file, want %d", users, n)
	}
	return fmt.Sprintf("%-7s %-4s %6.1f s, %9s users/s, %6.1f MB, peak memory of the API %3.0f MiB, %s users counted in the file",
		format, compress, took.Seconds(), count(int64(float64(n)/took.Seconds())), float64(size)/1e6, peak, count(users)), nil
}

// lines counts the lines written to it.
type lines struct{ n int64 }

func (l *lines) Write(p []byte) (int, error) {
	l.n += int64(bytes.Count(p, []byte{'\n'}))
	return len(p), nil
}

// export reads an export to its end and checks the number of users.
func export(ctx context.Context, api *process, query string, n int64) (rate float64, size int64, err error) {
	var got lines
	began := time.Now()
	if size, err = download(ctx, api, query, &got, n); err != nil {
		return 0, 0, err
	}
	took := time.Since(began)
	if query == "" && got.n != n+1 {
		return 0, 0, fmt.Errorf("export: %d lines, want %d", got.n, n+1)
	}
	return float64(n) / took.Seconds(), size, nil
}

// download writes an export to w and checks how many users the API says there are.
func download(ctx context.Context, api *process, query string, w io.Writer, n int64) (size int64, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.base+"/api/v1/export/stream"+query, nil)
	if err != nil {
		return 0, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	if size, err = io.Copy(w, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("export: %s: %w", resp.Status, err)
	}
	if rows := resp.Trailer.Get("X-Row-Count"); rows != strconv.FormatInt(n, 10) {
		return 0, fmt.Errorf("export: %s users, want %d", rows, n)
	}
	return size, nil
}

// selectAll runs the database's own client, which writes n users to a pipe, and returns users a second.
func (l *lab) selectAll(ctx context.Context, n int64) (rate float64, err error) {
	cfg, err := mysql.ParseDSN(l.engine.dsn)
	if err != nil {
		return 0, err
	}
	host, port, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, "mariadb", "--no-defaults", "-h", host, "-P", port, "-u", cfg.User, "--quick", "--batch", "--default-character-set=utf8mb4",
		"-e", "SELECT id, CONCAT(first_name, ' ', last_name) AS name, age, gender, city, state, email, mobile_number FROM users WHERE deleted = FALSE ORDER BY id", l.name)
	cmd.Env = append(cmd.Environ(), "MYSQL_PWD="+cfg.Passwd)
	var got lines
	cmd.Stdout = &got
	began := time.Now()
	if err := cmd.Run(); err != nil {
		return 0, err
	}
	took := time.Since(began)
	if got.n != n+1 {
		return 0, fmt.Errorf("mariadb wrote %d lines", got.n)
	}
	return float64(n) / took.Seconds(), nil
}
