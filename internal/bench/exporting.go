package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

func exportAgainstClient(ctx context.Context, l *lab) (result, error) {
	n := l.size(3e6)
	api, _, err := l.fleet(ctx, 1)
	if err != nil {
		return result{}, err
	}
	if _, err := importUsers(ctx, api, n); err != nil {
		return result{}, err
	}
	ours, theirs, err := alternate(3,
		func() (float64, error) { rate, _, err := export(ctx, api, "", n); return rate, err },
		func() (float64, error) { return l.selectAll(ctx, n) })
	if err != nil {
		return result{}, err
	}
	res := ratio(ours, theirs, 1.2, "users/s", "Muster, CSV over HTTP", "mariadb --quick --batch")
	for _, format := range []string{"csv", "ndjson", "parquet", "avro", "csv&compress=zstd", "ndjson&compress=zstd", "parquet&compress=zstd", "avro&compress=zstd"} {
		rate, size, err := export(ctx, api, "?format="+format, n)
		if err != nil {
			return result{}, err
		}
		res.details = append(res.details, fmt.Sprintf("format=%s: %.1f s, %s users/s, %d MB", format, float64(n)/rate, count(int64(rate)), size>>20))
	}
	peak, err := api.peak()
	res.details = append(res.details, fmt.Sprintf("peak memory of the API over all these: %.0f MiB", peak))
	return res, err
}

// lines counts the lines that pass.
type lines struct{ n, bytes int64 }

func (l *lines) Write(p []byte) (int, error) {
	l.n += int64(bytes.Count(p, []byte{'\n'}))
	l.bytes += int64(len(p))
	return len(p), nil
}

// export reads an export to its end and checks the number of users.
func export(ctx context.Context, api *process, query string, n int64) (rate float64, size int64, err error) {
	began := time.Now()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, api.base+"/api/v1/export/stream"+query, nil)
	if err != nil {
		return 0, 0, err
	}
	req.Header.Set("Accept-Encoding", "identity")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, 0, err
	}
	defer func() { _ = resp.Body.Close() }()
	var got lines
	if _, err := io.Copy(&got, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		return 0, 0, fmt.Errorf("export: %s: %w", resp.Status, err)
	}
	took := time.Since(began)
	if rows := resp.Trailer.Get("X-Row-Count"); rows != strconv.FormatInt(n, 10) || query == "" && got.n != n+1 {
		return 0, 0, fmt.Errorf("export: %s users in %d lines, want %d", rows, got.n, n)
	}
	return float64(n) / took.Seconds(), got.bytes, nil
}

// selectAll is the database's own client, which writes what it gets to a pipe that nobody keeps.
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
