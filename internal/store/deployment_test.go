package store_test

import (
	"sync"
	"testing"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// All who ask a database for its id get the same one, however many ask first, and each database has another.
func TestDeployment(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	ids := map[string]string{}
	for _, e := range storetest.Engines(t) {
		for range 2 {
			url := e.New(t)
			var wg sync.WaitGroup
			for range 4 {
				s := storetest.Open(t, url, store.Options{})
				for range 4 {
					wg.Go(func() {
						id, err := s.Deployment(t.Context())
						mu.Lock()
						defer mu.Unlock()
						if other, ok := ids[id]; err != nil || id == "" || ok && other != url {
							t.Errorf("%s: id %q, %v", e.Name, id, err)
						}
						ids[id] = url
					})
				}
			}
			wg.Wait()
		}
	}
	if want := 2 * len(storetest.Engines(t)); len(ids) != want {
		t.Errorf("%d ids of %d databases", len(ids), want)
	}
}
