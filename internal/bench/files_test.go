package main

import (
	"os"
	"testing"

	"github.com/musterhq/muster/internal/testenv"
)

// TestYardsticksOfFiles runs the yardsticks of F1 and F2, and F3, with a thousand users. What needs Muster's processes is left
// to make bench.
func TestYardsticksOfFiles(t *testing.T) {
	t.Parallel()
	if os.Getenv("MUSTER_TEST_MARIADB") == "" {
		testenv.Missing(t, "mariadb")
		t.SkipNow()
	}
	ctx := t.Context()
	list, err := engines(ctx)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		t.Run(e.name, func(t *testing.T) {
			l, err := newLab(ctx, e, 0.001, "")
			if err != nil {
				t.Fatal(err)
			}
			defer func() {
				if err := l.close(); err != nil {
					t.Error(err)
				}
			}()
			const n = 3500 // no whole number of statements
			rows, err := peopleOf(n, 0)
			if err != nil {
				t.Fatal(err)
			}
			half, err := makeFile(l.dir, fileKind{"known.csv", writeCSV}, known(rows))
			if err != nil {
				t.Fatal(err)
			}
			all, err := makeFile(l.dir, plainCSV, rows)
			if err != nil {
				t.Fatal(err)
			}
			if err := l.makeTable(ctx, upsertTable); err != nil {
				t.Fatal(err)
			}
			for strategy, changed := range map[string]int{"skip": 0, "update": n / 2} {
				if _, err := l.loadFile(ctx, upsertTable, n/2, half); err != nil {
					t.Fatal(err)
				}
				if _, err := l.upsertFile(ctx, upsertTable, strategy, all); err != nil {
					t.Fatal(err)
				}
				if _, err := l.loadFile(ctx, "users", n, all); err != nil {
					t.Fatal(err)
				}
				var same, whole int
				err := l.db.QueryRowContext(ctx, "SELECT COUNT(*), COALESCE(SUM(u.age = p.age), 0) FROM users AS u JOIN "+upsertTable+
					" AS p USING (email, first_name, last_name, city, state, mobile_number, gender)").Scan(&whole, &same)
				if err != nil || whole != n || same != n/2+changed {
					t.Errorf("%s: %d rows are as in the file, and of %d the age: %v", strategy, whole, same, err)
				}
			}
			if res, err := preparing(ctx, l); err != nil || len(res.Bars) != 2 {
				t.Errorf("%+v: %v", res, err)
			}
		})
	}
}
