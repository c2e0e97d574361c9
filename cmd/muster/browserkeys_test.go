package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/store"
)

// One signs in with a key, imports a file and follows a link from another site, all without being asked again; until the
// key is revoked.
func TestBrowserKeys(t *testing.T) {
	b := openBrowser(t)
	t.Setenv("MUSTER_AUTH", "key")
	data := t.TempDir()
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--data="+data, "--offline")
	database, err := store.SQLiteURL(filepath.Join(data, "muster.db"))
	if err != nil {
		t.Fatal(err)
	}
	var key client.NewAPIKey
	if err := json.Unmarshal([]byte(muster(t, "keys", "create", "-o", "json", "--owner=ann", "--name=x", "--scopes=read,write,export", "--database="+database).out), &key); err != nil {
		t.Fatal(err)
	}
	b.expect("401") // of the page that says no
	b.open(api + "/dashboard/fleet")
	b.do(chromedp.SendKeys("input[name=key]", key.Key[:42]))
	b.submit("main button")
	b.shows("That is no key that counts")
	b.expect("")
	b.do(chromedp.SendKeys("input[name=key]", key.Key))
	b.submit("main button")
	b.until(`location.pathname === "/dashboard/fleet" && document.querySelector(".who")?.innerText === "ann"`)
	if cookies := eval[string](b, "document.cookie"); cookies != "" {
		t.Errorf("scripts see cookies: %s", cookies)
	}

	// Scripts have no key, and import all the same.
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte("email\nada@example.com\nnobody\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(api + "/dashboard/import")
	b.do(chromedp.SetUploadFiles("#file", []string{file}))
	b.until("document.querySelector('#sample').innerText.includes('ada@example.com')")
	b.do(chromedp.Click("#import"))
	b.until("document.querySelector('#counts')?.innerText.includes('1 inserted')")
	if rejects := eval[string](b, "fetch(document.querySelector('#outcome a[download]').href).then((r) => r.text())"); !strings.Contains(rejects, "nobody") {
		t.Errorf("rejected rows: %s", rejects)
	}
	b.open(api + "/dashboard/users?name=")
	b.shows("ada@example.com")
	if csv := eval[string](b, "fetch(document.querySelector('form[action$=\"/export/stream\"]').action + '?format=csv').then((r) => r.text())"); !strings.Contains(csv, "ada@example.com") {
		t.Errorf("exported: %s", csv)
	}
	// The API itself takes no cookie, so no page of another site can use it.
	b.expect("/api/v1/jobs")
	if status := eval[int](b, `fetch("/api/v1/jobs").then((r) => r.status)`); status != http.StatusUnauthorized {
		t.Errorf("the API by the cookie: %d", status)
	}

	// Another site: localhost is not 127.0.0.1.
	mail := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		_, _ = fmt.Fprintf(w, `<!doctype html><title>Mail</title><link rel="icon" href="data:,"><main><a href="%s/dashboard/users?name=ada%%40">your users</a></main>`, api)
	}))
	t.Cleanup(mail.Close)
	b.expect("localhost")
	b.open(strings.Replace(mail.URL, "127.0.0.1", "localhost", 1))
	b.run("document.querySelector('a').click()")
	b.until(`location.pathname === "/dashboard/users" && document.querySelector(".who")?.innerText === "ann" && !document.querySelector("input[name=key]")`)
	b.expect("")

	b.open(api + "/dashboard")
	b.shows("ann")
	if s := muster(t, "keys", "revoke", key.ID, "--database="+database); s.failure != nil {
		t.Fatal(s.failure)
	}
	b.until("document.querySelector('input[name=key]')") // nobody loads the page anew
}
