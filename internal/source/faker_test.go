package source_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/user"
)

func newFaker(t testing.TB) *source.Faker {
	t.Helper()
	f, err := source.NewFaker()
	if err != nil {
		t.Fatalf("NewFaker: %v", err)
	}
	return f
}

// open opens a reader; either source fits.
func open(t testing.TB, src interface {
	Open(context.Context, job.Claim) (func(context.Context, []user.User, int) ([]user.User, int, error), error)
}, c job.Claim) source.Next {
	t.Helper()
	next, err := src.Open(t.Context(), c)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	return next
}

func claim(seed, firstID, firstRow, rows, done int64) job.Claim {
	return job.Claim{
		Job:   job.Job{Seed: seed, FirstID: firstID},
		Chunk: job.Chunk{FirstRow: firstRow, Rows: rows, Done: done},
	}
}

// The users of a seed are a promise to those who wrote the seed down: a failure here is a breaking change.
func TestFakerGolden(t *testing.T) {
	t.Parallel()
	f := newFaker(t)
	got := []user.User{f.Row(42, 1, 0), f.Row(42, 1, 1), f.Row(42, 5_000_001, 999_999), f.Row(-7, 3_000_000_000_000, 12)}
	want := []user.User{
		{
			ID: 1, FirstName: "Golda", LastName: "Heaney", Email: "golda.heaney.1@example.com", Gender: user.Female,
			City: "Warangal", State: "Telangana", Age: 90, MobileNumber: "+999000000000001",
		},
		{
			ID: 2, FirstName: "Obie", LastName: "Kuhic", Email: "obie.kuhic.2@example.com", Gender: user.Male,
			City: "Sacramento", State: "California", Age: 49, MobileNumber: "+999000000000002",
		},
		{
			ID: 6_000_000, FirstName: "Casimir", LastName: "McClure", Email: "casimir.mcclure.6000000@example.com",
			City: "Edmond", State: "Oklahoma", Age: 49, MobileNumber: "+999000006000000", Gender: user.Male,
		},
		{
			ID: 3_000_000_000_012, FirstName: "Ben", LastName: "Bruen", Email: "ben.bruen.3000000000012@example.com",
			City: "Newark", State: "Delaware", Age: 67, MobileNumber: "+9993000000000012", Gender: user.Male,
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("rows changed (-want +got):\n%s", diff)
	}
}

func TestFakerSameRowsInAnyBatches(t *testing.T) {
	t.Parallel()
	f := newFaker(t)
	rapid.Check(t, func(t *rapid.T) {
		seed := rapid.Int64().Draw(t, "seed")
		firstID := rapid.Int64Range(1, 1<<40).Draw(t, "firstID")
		firstRow := rapid.Int64Range(0, 1<<31).Draw(t, "firstRow")
		rows := rapid.Int64Range(1, 300).Draw(t, "rows")
		done := rapid.Int64Range(0, rows).Draw(t, "done")
		next, err := f.Open(context.Background(), claim(seed, firstID, firstRow, rows, done))
		if err != nil {
			t.Fatal(err)
		}
		var got []user.User
		for int64(len(got)) < rows-done {
			n := rapid.IntRange(1, 120).Draw(t, "n")
			users, rejected, err := next(context.Background(), nil, n)
			if err != nil || rejected != 0 || len(users) == 0 || len(users) > n {
				t.Fatalf("next(%d) = %d users, %d rejected, %v", n, len(users), rejected, err)
			}
			got = append(got, users...)
		}
		for i, u := range got {
			row := firstRow + done + int64(i)
			if want := f.Row(seed, firstID, row); u != want {
				t.Fatalf("row %d (-want +got):\n%s", row, cmp.Diff(want, u))
			}
			if u.ID != firstID+row {
				t.Fatalf("row %d has id %d, want %d", row, u.ID, firstID+row)
			}
		}
		if users, rejected, err := next(context.Background(), nil, 10); len(users) != 0 || rejected != 0 || err != nil {
			t.Fatalf("behind the end: %d users, %d rejected, %v", len(users), rejected, err)
		}
	})
}

func TestFakerMillionRows(t *testing.T) {
	t.Parallel()
	const rows = 1_000_000
	f := newFaker(t)
	next := open(t, f, claim(2026, 7_000_001, 0, rows, 0))
	emails, phones := make(map[string]struct{}, rows), make(map[string]struct{}, rows)
	genders, ages, states := map[string]int{}, map[int]int{}, map[string]int{}
	for batch := make([]user.User, 0, 10_000); len(emails) < rows; {
		users, _, err := next(t.Context(), batch, cap(batch))
		if err != nil || len(users) == 0 {
			t.Fatalf("next: %d users, %v", len(users), err)
		}
		for i := range users {
			u := &users[i]
			checkFaked(t, u)
			if _, double := emails[u.Email]; double {
				t.Fatalf("id %d repeats an e-mail address", u.ID)
			}
			emails[u.Email], phones[u.MobileNumber] = struct{}{}, struct{}{}
			genders[u.Gender]++
			ages[u.Age]++
			states[u.State]++
		}
	}
	if len(phones) != rows {
		t.Errorf("%d phone numbers for %d users", len(phones), rows)
	}
	if m := genders[user.Male]; m < rows*49/100 || m > rows*51/100 {
		t.Errorf("%d of %d are male", m, rows)
	}
	for age := 18; age <= 90; age++ {
		if n, want := ages[age], rows/73; n < want*9/10 || n > want*11/10 {
			t.Errorf("age %d: %d users, want about %d", age, n, want)
		}
	}
	if len(ages) != 73 || len(states) < 50 {
		t.Errorf("%d ages in %d states", len(ages), len(states))
	}
}

func checkFaked(t *testing.T, u *user.User) {
	t.Helper()
	name, ok := strings.CutSuffix(u.Email, "@example.com")
	plain := !strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && r != '.'
	})
	stored := *u
	if err := stored.Prepare(); err != nil || stored != *u || len(u.FirstName) < 3 || !ok || !plain || len(u.MobileNumber) != 16 {
		t.Fatalf("not a proper record: %+v, %v", *u, err)
	}
}

func TestFakerSeedsDiffer(t *testing.T) {
	t.Parallel()
	f := newFaker(t)
	same := 0
	for row := range int64(1000) {
		if f.Row(1, 1, row) == f.Row(2, 1, row) || f.Row(1, 1, row) == f.Row(1, 0, row+1) {
			same++
		}
	}
	if same > 0 {
		t.Errorf("%d of 1000 rows are equal under another seed or one row on", same)
	}
}

func TestFakerStopsWithContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	next := open(t, newFaker(t), claim(1, 1, 0, 10, 0))
	cancel()
	if users, _, err := next(ctx, nil, 10); !errors.Is(err, context.Canceled) || len(users) != 0 {
		t.Errorf("next after cancel = %d users, %v", len(users), err)
	}
}

func TestFakerAllocations(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	next := open(t, newFaker(t), claim(42, 1, 0, 1<<40, 0))
	batch := make([]user.User, 0, 1000)
	allocs := testing.AllocsPerRun(100, func() {
		if users, _, err := next(context.Background(), batch, 1000); len(users) != 1000 || err != nil {
			t.Fatal(len(users), err)
		}
	})
	if allocs > 3 {
		t.Errorf("a batch of 1000 takes %v allocations, want at most 3", allocs)
	}
}

func BenchmarkFaker(b *testing.B) {
	next := open(b, newFaker(b), claim(42, 1, 0, 1<<60, 0))
	batch := make([]user.User, 0, 1000)
	b.ReportAllocs()
	rows := 0
	for b.Loop() {
		users, _, err := next(context.Background(), batch, 1000)
		if err != nil {
			b.Fatal(err)
		}
		rows += len(users)
	}
	b.ReportMetric(float64(rows)/b.Elapsed().Seconds(), "users/s")
}
