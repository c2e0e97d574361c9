package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// load is what others do while a migration runs.
type load struct {
	t     *testing.T
	loops []*loop
}

// loop does one thing again and again, at a steady rate.
type loop struct {
	writes bool
	mu     sync.Mutex
	began  time.Time // of the one that is in hand; zero: none is
	rounds int
	took   []time.Duration
}

// startLoad starts two readers, two writers and an import, until the test ends.
func startLoad(t *testing.T, target string, users int) *load {
	t.Helper()
	db := server(t, target)
	l := &load{t: t}
	ctx, stop := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { stop(); wg.Wait() })
	start := func(writes bool, every time.Duration, do func(ctx context.Context) error) {
		w := &loop{writes: writes}
		l.loops = append(l.loops, w)
		wg.Go(func() {
			for tick := time.NewTicker(every); ; {
				select {
				case <-ctx.Done():
					tick.Stop()
					return
				case <-tick.C:
				}
				w.begin()
				err := do(ctx)
				w.end()
				if err != nil && ctx.Err() == nil {
					t.Errorf("meanwhile: %v", err)
					return
				}
			}
		})
	}
	exec := func(ctx context.Context, query string, args ...any) error {
		_, err := db.ExecContext(ctx, query, args...)
		return err
	}
	read := func(ctx context.Context, query string, args ...any) error {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			continue
		}
		return rows.Err()
	}
	id := func() int { return 1 + rand.IntN(users) }
	start(false, 5*time.Millisecond, func(ctx context.Context) error {
		return read(ctx, `SELECT id, email, age FROM users WHERE id = ?`, id())
	})
	start(false, 20*time.Millisecond, func(ctx context.Context) error {
		return read(ctx, `SELECT id FROM users WHERE city = ? AND deleted = 0 ORDER BY id LIMIT 20`, fmt.Sprint("City", rand.IntN(1000)))
	})
	start(true, 10*time.Millisecond, func(ctx context.Context) error {
		return exec(ctx, `UPDATE users SET age = ? WHERE id = ?`, 18+rand.IntN(60), id())
	})
	start(true, 20*time.Millisecond, func(ctx context.Context) error {
		return exec(ctx, `UPDATE jobs SET processed = processed + 1 WHERE id = 'job'`)
	})
	var next atomic.Int64
	next.Store(int64(users))
	start(true, 200*time.Millisecond, func(ctx context.Context) error { return importBatch(ctx, db, &next) })
	return l
}

// importBatch stores 500 users and the checkpoint of their chunk, as a worker does.
func importBatch(ctx context.Context, db *sql.DB, next *atomic.Int64) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	if _, err := tx.ExecContext(ctx, `UPDATE job_chunks SET rows_done = rows_done + 500 WHERE job_id = 'job' AND chunk_no = 0`); err != nil {
		return err
	}
	values := make([]string, 500)
	for i := range values {
		values[i] = "('" + strings.ReplaceAll(row(int(next.Add(1))), ",", "','") + "')"
	}
	_, err = tx.ExecContext(ctx, `INSERT INTO users (id, first_name, last_name, email, city, state, age, mobile_number, gender) VALUES `+strings.Join(values, ","))
	if err != nil {
		return err
	}
	return tx.Commit()
}

func (w *loop) begin() { w.mu.Lock(); defer w.mu.Unlock(); w.began = time.Now() }

func (w *loop) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds, w.took, w.began = w.rounds+1, append(w.took, time.Since(w.began)), time.Time{}
}

// mark returns how many rounds each loop has made.
func (l *load) mark() (rounds []int) {
	for _, w := range l.loops {
		w.mu.Lock()
		rounds = append(rounds, w.rounds)
		w.mu.Unlock()
	}
	return rounds
}

// since waits until each loop has ended what it had in hand, and returns the last columns of the table.
func (l *load) since(before []int, took time.Duration) string {
	var read, write time.Duration
	at := l.mark()
	for i, w := range l.loops {
		for deadline := time.Now().Add(10 * time.Minute); ; time.Sleep(time.Millisecond) {
			w.mu.Lock()
			rounds := w.rounds
			w.mu.Unlock()
			if rounds > at[i] {
				break
			}
			if time.Now().After(deadline) || l.t.Failed() {
				l.t.Fatal("what others do stands still")
			}
		}
		w.mu.Lock()
		for _, d := range w.took[before[i]:] {
			if w.writes {
				write = max(write, d)
			} else {
				read = max(read, d)
			}
		}
		w.mu.Unlock()
	}
	return fmt.Sprintf("%s | %s | %s", seconds(took), seconds(read), seconds(write))
}

func (l *load) during(d time.Duration) string {
	before := l.mark()
	time.Sleep(d)
	return l.since(before, d)
}

func seconds(d time.Duration) string {
	if d < time.Second {
		return fmt.Sprintf("%d ms", d.Milliseconds())
	}
	return fmt.Sprintf("%.1f s", d.Seconds())
}
