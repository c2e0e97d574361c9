package store_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// Whatever a folder is called, its file is in it, and no other's.
func TestSQLitePaths(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	names := []string{"team#1", "team#2", "team", "team?1", "team?2=3&4", "100%", "%31", "1", "a b", "a%20b", "a+b", "Łódź 😀", "a:b@c", "x;y=z,[1]"}
	ids := make([]int64, len(names))
	for i, name := range names {
		path := filepath.Join(root, name, "muster.db")
		url, err := store.SQLiteURL(path)
		if err != nil {
			t.Fatal(err)
		}
		if steps, err := store.Migrate(t.Context(), url); err != nil || steps == 0 {
			t.Fatalf("%s: %d migrations, %v: is it another's file?", url, steps, err)
		}
		u := user.User{FirstName: name, Email: "ada@example.com", Age: 36, Gender: user.Female}
		if err := storetest.Open(t, url, store.Options{}).CreateUser(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
		ids[i] = u.ID
	}
	for i, name := range names {
		url, err := store.SQLiteURL(filepath.Join(root, name, "muster.db"))
		if err != nil {
			t.Fatal(err)
		}
		s := storetest.Open(t, url, store.Options{})
		if n, _, err := storetest.Count(t.Context(), s); n != 1 || err != nil {
			t.Errorf("%s holds %d users, %v", url, n, err)
		}
		if u, err := s.User(t.Context(), ids[i]); err != nil || u.FirstName != name {
			t.Errorf("%s holds %q, %v", url, u.FirstName, err)
		}
	}
	if all, err := os.ReadDir(root); err != nil || len(all) != len(names) {
		t.Errorf("%d folders for %d names, %v", len(all), len(names), err)
	}
}

// Addresses as people write them: relative, or absolute with one slash more, as in other programs.
func TestSQLiteURLsOfPeople(t *testing.T) { // changes the working directory, so it is not parallel
	dir := t.TempDir()
	t.Chdir(dir)
	for url, file := range map[string]string{
		"sqlite:///" + dir + "/a.db":  "a.db",
		"sqlite://data/b.db":          "data/b.db",
		"sqlite://./c.db":             "c.db",
		"sqlite://data/d%20%23%25.db": "data/d #%.db",
	} {
		if _, err := store.Migrate(t.Context(), url); err != nil {
			t.Errorf("%s: %v", url, err)
		}
		if _, err := os.Stat(filepath.Join(dir, file)); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}
