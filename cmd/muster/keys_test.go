package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/store"
)

// The commands make, list and revoke keys in the database of an API that runs, and the others call it with one.
func TestKeys(t *testing.T) { // sets the environment, so it is not parallel
	t.Setenv("MUSTER_AUTH", "key")
	data := filepath.Join(t.TempDir(), "data")
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+data)
	database, err := store.SQLiteURL(filepath.Join(data, "muster.db"))
	if err != nil {
		t.Fatal(err)
	}
	keys := func(args ...string) said {
		t.Helper()
		s := muster(t, append(append([]string{"keys"}, args...), "--database="+database)...)
		if s.failure != nil {
			t.Fatalf("%q: %v", args, s.failure)
		}
		return s
	}
	made := keys("create", "--owner=ann", "--name=ci", "--scopes=write,read", "--days=7")
	key := strings.TrimSuffix(made.out, "\n")
	if len(key) != 43 || !strings.HasPrefix(key, "muster_") || strings.Contains(made.err, key) {
		t.Fatalf("made: %q, %q", made.out, made.err)
	}
	var first client.NewAPIKey
	if err := json.Unmarshal([]byte(keys("create", "-o", "json", "--owner=root", "--name=first", "--scopes=admin").out), &first); err != nil || len(first.Key) != 43 || first.Owner != "root" {
		t.Fatalf("made: %+v, %v", first, err)
	}
	list := keys("list").out
	if !strings.Contains(list, key[:11]) || !strings.Contains(list, "read,write") || strings.Contains(list, key[:20]) || strings.Count(list, "live") != 2 {
		t.Errorf("listed: %s", list)
	}
	if own := keys("list", "--owner=ann", "-o", "json").out; strings.Count(own, "\n") != 1 || !strings.Contains(own, `"name":"ci"`) {
		t.Errorf("ann's: %s", own)
	}

	call := func(key string, args ...string) said {
		return muster(t, append(args, "--server="+api, "--api-key="+key)...)
	}
	if s := call(key, "import", "5"); s.failure != nil || !strings.Contains(s.out, "Imported 5 users") {
		t.Errorf("imported: %q, %v", s.out, s.failure)
	}
	file := filepath.Join(t.TempDir(), "users.csv")
	if err := os.WriteFile(file, []byte("email\nada@example.com\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s := call(key, "import", "file", file); s.failure != nil { // which uploads it
		t.Errorf("a file: %q, %v", s.out, s.failure)
	}
	for name, tt := range map[string]struct {
		key  string
		args []string
		want string
	}{
		"no key":        {"", []string{"jobs"}, "MUSTER_KEY"},
		"wrong":         {key[:42], []string{"jobs"}, "MUSTER_KEY"},
		"missing scope": {key, []string{"export"}, "lacks the scope export"},
		"of an admin":   {first.Key, []string{"jobs"}, "lacks the scope read"},
	} {
		if s := call(tt.key, tt.args...); s.failure == nil || !strings.Contains(s.failure.Error(), tt.want) || !strings.Contains(s.failure.Error(), "muster keys create") {
			t.Errorf("%s: %v", name, s.failure)
		}
	}
	var jobs struct {
		ID string `json:"id"`
	}
	if err := json.Unmarshal([]byte(keys("list", "--owner=ann", "-o", "json").out), &jobs); err != nil {
		t.Fatal(err)
	}
	if s := keys("revoke", jobs.ID); !strings.Contains(s.out, "is revoked") || strings.Contains(s.out, key[:20]) {
		t.Errorf("revoked: %q", s.out)
	}
	within(t, "the API takes the key no more", func() bool {
		s := call(key, "jobs")
		return s.failure != nil && strings.Contains(s.failure.Error(), "MUSTER_KEY")
	})

	for _, bad := range [][]string{
		{"create", "--owner=a b", "--name=x", "--scopes=read"}, {"create", "--owner=ann", "--name=", "--scopes=read"}, {"create", "--owner=ann", "--name=x", "--scopes=all"},
		{"create", "--owner=ann", "--name=x", "--scopes=read", "--days=-1"}, {"revoke", "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d"}, {"revoke", key},
	} {
		if s := muster(t, append(append([]string{"keys"}, bad...), "--database="+database)...); s.failure == nil || s.out != "" || strings.Contains(s.failure.Error(), key) {
			t.Errorf("%q: %q, %v", bad, s.out, s.failure)
		}
	}
}
