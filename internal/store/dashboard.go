package store

import (
	"context"

	"github.com/musterhq/muster/internal/job"
)

// What only the dashboard asks.

// ChunkStates returns the chunks of a job in order, each with its state.
func (s *Store) ChunkStates(ctx context.Context, id string) ([]job.ChunkNow, error) {
	var rows []struct {
		chunkRow

		State     string `db:"state"`
		Held      bool   `db:"held"`
		LastError string `db:"last_error"`
	}
	err := s.r.SelectContext(ctx, &rows, `
		SELECT `+chunkColumns+`, state, last_error, CASE WHEN state = 'READY' AND lease_until >= `+s.dialect.now+` THEN 1 ELSE 0 END AS held
		  FROM job_chunks
		 WHERE job_id = ?
		 ORDER BY chunk_no`, id)
	if err != nil {
		return nil, translate("read chunks", err)
	}
	chunks := make([]job.ChunkNow, len(rows))
	for i, r := range rows {
		chunks[i] = job.ChunkNow{Chunk: r.chunk(), State: job.ChunkState(r.State), Held: r.Held, LastError: r.LastError}
	}
	return chunks, nil
}

const slotsInUseSQL = `SELECT tier, COUNT(*) AS jobs FROM jobs WHERE owner = ? AND status IN ('PENDING', 'IN_PROGRESS') GROUP BY tier`

// SlotsInUse returns how many jobs of an owner hold a slot, by tier.
func (s *Store) SlotsInUse(ctx context.Context, owner string) (map[job.Tier]int, error) {
	var rows []struct {
		Tier string `db:"tier"`
		Jobs int    `db:"jobs"`
	}
	err := s.r.SelectContext(ctx, &rows, slotsInUseSQL, owner)
	used := map[job.Tier]int{}
	for _, r := range rows {
		used[job.Tier(r.Tier)] = r.Jobs
	}
	return used, translate("count jobs", err)
}
