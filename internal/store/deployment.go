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

// LinkKey returns the secret that links to files are signed with, the same for all processes of the deployment. It is made by
// whoever asks first.
func (s *Store) LinkKey(ctx context.Context) (key []byte, err error) {
	if _, err := s.Deployment(ctx); err != nil { // which makes the row
		return nil, err
	}
	read := func() error {
		return translate("read link key", s.r.GetContext(ctx, &key, `SELECT link_key FROM deployment WHERE row_no = 1`))
	}
	if err := read(); err != nil || len(key) > 0 {
		return key, err
	}
	_, err = s.exec(ctx, "make link key", `UPDATE deployment SET link_key = ? WHERE row_no = 1 AND link_key = ''`, rand.Text()+rand.Text())
	if err != nil {
		return nil, err
	}
	err = read()
	return key, err
}
