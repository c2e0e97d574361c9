package main

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/store"
)

const chunkRows = 50_000

// fill imports made-up users until the store holds want of them, by the statements of the workers but without a queue.
func fill(ctx context.Context, s *store.Store, want int64, parallel, batch int) (time.Duration, error) {
	have, _, err := s.Count(ctx)
	if err != nil || have >= want {
		return 0, err
	}
	j := job.Job{
		ID: uuid.Must(uuid.NewV7()).String(), UserID: "bench", Source: job.SourceFaker, Tier: "XL", Requested: want - have, Seed: 7,
		RequestHash: fmt.Sprintf("%064d", 0),
	}
	if err := s.RecordJob(ctx, &j, chunkRows); err != nil {
		return 0, err
	}
	faker, err := source.NewFaker()
	if err != nil {
		return 0, err
	}
	began := time.Now()
	var next atomic.Int64
	g, gctx := errgroup.WithContext(ctx)
	for range parallel {
		g.Go(func() error {
			for no := int(next.Add(1)) - 1; no < j.Chunks; no = int(next.Add(1)) - 1 {
				if err := importChunk(gctx, s, faker, j.ID, no, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return 0, err
	}
	_, err = s.FinishJob(ctx, j.ID)
	return time.Since(began), err
}

func importChunk(ctx context.Context, s *store.Store, f *source.Faker, id string, no, batch int) error {
	c, err := s.ClaimChunk(ctx, id, no)
	if err != nil {
		return err
	}
	if c == nil {
		return fmt.Errorf("chunk %d cannot be claimed", no)
	}
	read, err := f.Open(ctx, *c)
	if err != nil {
		return err
	}
	for c.Chunk.Done < c.Chunk.Rows {
		users, _, err := read(ctx, nil, batch)
		if err != nil {
			return err
		}
		if err := s.CommitBatch(ctx, c, users, 0); err != nil {
			return err
		}
	}
	return nil
}
