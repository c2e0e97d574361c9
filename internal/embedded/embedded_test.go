package embedded

import (
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

func TestKeysExpireByThemselves(t *testing.T) {
	t.Parallel()
	r, err := StartRedis()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	o, err := redis.ParseURL(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(o)
	defer func() { _ = c.Close() }()
	if err := c.Set(t.Context(), "k", "v", 300*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	if c.Get(t.Context(), "k").Val() != "v" {
		t.Fatal("the key is not there")
	}
	for deadline := time.Now().Add(10 * time.Second); c.Exists(t.Context(), "k").Val() != 0; {
		if time.Now().After(deadline) {
			t.Fatal("the key did not expire")
		}
	}
}
