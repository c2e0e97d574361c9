package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"errors"
)

// Deployment returns the id of the database, and so of the deployment that works on it. It is random, made by whoever asks
// first, and kept in the database: a failover, a restored backup or another address leave it as it is.
func (s *Store) Deployment(ctx context.Context) (id string, err error) {
	err = s.r.GetContext(ctx, &id, `SELECT id FROM deployment WHERE row_no = 1`)
	if !errors.Is(err, sql.ErrNoRows) {
		return id, translate("deployment", err)
	}
	_, err = s.exec(ctx, "deployment", `INSERT INTO deployment (row_no, id) VALUES (1, ?)`, rand.Text())
	if err != nil && classify(err).class != duplicate { // duplicate: somebody else asked first, too
		return "", err
	}
	err = s.r.GetContext(ctx, &id, `SELECT id FROM deployment WHERE row_no = 1`)
	return id, translate("deployment", err)
}
