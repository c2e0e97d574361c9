// Command bench measures Muster against what it is built on and prints the table of docs/benchmarks. Each figure is a
// ratio of two measurements of one run, on servers of its own.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/musterhq/muster/internal/store"
)

func main() {
	url := flag.String("url", "sqlite:///tmp/bench3m.db", "")
	rows := flag.Int64("rows", 3_000_000, "")
	parallel := flag.Int("parallel", 1, "")
	batch := flag.Int("batch", 1000, "")
	explain := flag.Bool("explain", false, "")
	flag.Parse()
	ctx := context.Background()
	if _, err := store.Migrate(ctx, *url); err != nil {
		panic(err)
	}
	s, err := store.Open(*url, store.Options{Lease: time.Minute})
	if err != nil {
		panic(err)
	}
	d, err := fill(ctx, s, *rows, *parallel, *batch)
	if err != nil {
		panic(err)
	}
	if d > 0 {
		fmt.Fprintf(os.Stderr, "filled in %.1f s\n", d.Seconds())
	}
	if err := searches(ctx, s, *explain); err != nil {
		panic(err)
	}
}
