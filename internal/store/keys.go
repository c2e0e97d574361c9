package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/apikey"
)

// keyRow is a row of api_keys, with the time at which it was read.
type keyRow struct {
	ID        string `db:"id"`
	Owner     string `db:"owner"`
	Name      string `db:"name"`
	Prefix    string `db:"prefix"`
	Scopes    string `db:"scopes"`
	CreatedAt int64  `db:"created_at"`
	ExpiresAt int64  `db:"expires_at"`
	RevokedAt int64  `db:"revoked_at"`
	UsedAt    int64  `db:"last_used_at"`
	Clock     int64  `db:"clock"`
}

const keyColumns = `k.id, k.owner, k.name, k.prefix, k.scopes, k.created_at, k.expires_at, k.revoked_at, k.last_used_at`

func (r *keyRow) key() (apikey.Key, error) {
	scopes, err := apikey.ParseScopes(r.Scopes)
	if err != nil {
		return apikey.Key{}, fmt.Errorf("API key %s: %w", r.ID, err)
	}
	return apikey.Key{
		ID: r.ID, Owner: r.Owner, Name: r.Name, Prefix: r.Prefix, Scopes: scopes,
		Created: millis(r.CreatedAt), Expires: millis(r.ExpiresAt), Revoked: millis(r.RevokedAt), Used: millis(r.UsedAt),
	}, nil
}

// getKey returns the one key that the rest of a SELECT finds, and the database's time.
func (s *Store) getKey(ctx context.Context, op, rest string, args ...any) (k apikey.Key, now time.Time, err error) {
	var r keyRow
	err = s.r.GetContext(ctx, &r, `SELECT `+keyColumns+`, `+s.dialect.now+` AS clock FROM `+rest, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return k, now, apikey.ErrNotFound
	}
	if err != nil {
		return k, now, translate(op, err)
	}
	k, err = r.key()
	return k, millis(r.Clock), err
}

// CreateKey stores a key of k's owner, name, scopes and prefix under a new id, and returns it. lasts is until when it counts from now
// on; 0: it never expires. Errors: apikey.ErrTooMany.
func (s *Store) CreateKey(ctx context.Context, k *apikey.Key, hash apikey.Hash, lasts time.Duration) (apikey.Key, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return apikey.Key{}, err
	}
	now := s.dialect.now
	err = s.inTx(ctx, "create key", func(tx *sqlx.Tx) error {
		_, err := tx.ExecContext(ctx, `
			UPDATE api_keys
			   SET slot = NULL
			 WHERE owner = ? AND name = ? AND slot IS NOT NULL AND expires_at > 0 AND expires_at <= `+now, k.Owner, k.Name)
		if err != nil {
			return err
		}
		for slot := 1; ; slot++ {
			_, err := tx.ExecContext(ctx, `
				INSERT INTO api_keys (id, owner, name, slot, prefix, hash, scopes, created_at, expires_at)
				VALUES (?, ?, ?, ?, ?, ?, ?, `+now+`, CASE WHEN ? = 0 THEN 0 ELSE `+now+` + ? END)`,
				id.String(), k.Owner, k.Name, slot, k.Prefix, hash[:], apikey.JoinScopes(k.Scopes), lasts.Milliseconds(), lasts.Milliseconds())
			switch {
			case err == nil || classify(err).class != duplicate:
				return err
			case slot == apikey.MaxLive:
				return apikey.ErrTooMany
			}
		}
	})
	if errors.Is(err, apikey.ErrTooMany) {
		return apikey.Key{}, apikey.ErrTooMany
	}
	if err != nil {
		return apikey.Key{}, err
	}
	return s.Key(ctx, id.String())
}

// Key returns a key, whether or not it counts. Errors: apikey.ErrNotFound.
func (s *Store) Key(ctx context.Context, id string) (apikey.Key, error) {
	k, _, err := s.getKey(ctx, "key", `api_keys k WHERE k.id = ?`, id)
	return k, err
}

// KeyByHash implements apikey.Store.
func (s *Store) KeyByHash(ctx context.Context, h apikey.Hash) (apikey.Key, time.Time, error) {
	return s.getKey(ctx, "key by hash", `api_keys k WHERE k.hash = ?`, h[:])
}

// Keys returns at most limit keys, the newest first, of an owner (empty: of all) and older than the one whose id is before (empty: from
// the newest).
func (s *Store) Keys(ctx context.Context, owner, before string, limit int) ([]apikey.Key, error) {
	where, args := `1 = 1`, []any{}
	if owner != "" {
		where, args = where+` AND k.owner = ?`, append(args, owner)
	}
	if before != "" {
		where, args = where+` AND k.id < ?`, append(args, before)
	}
	var rows []keyRow
	err := s.r.SelectContext(ctx, &rows, `SELECT `+keyColumns+` FROM api_keys k WHERE `+where+` ORDER BY k.id DESC LIMIT ?`, append(args, limit)...)
	if err != nil {
		return nil, translate("keys", err)
	}
	keys := make([]apikey.Key, len(rows))
	for i := range rows {
		if keys[i], err = rows[i].key(); err != nil {
			return nil, err
		}
	}
	return keys, nil
}

// LiveKeys returns how many keys count now.
func (s *Store) LiveKeys(ctx context.Context) (n int, err error) {
	err = s.r.GetContext(ctx, &n, `SELECT COUNT(*) FROM api_keys WHERE revoked_at = 0 AND (expires_at = 0 OR expires_at > `+s.dialect.now+`)`)
	return n, translate("live keys", err)
}

// RevokeKey revokes a key, and returns it; one that is revoked stays as it is. Errors: apikey.ErrNotFound.
func (s *Store) RevokeKey(ctx context.Context, id string) (apikey.Key, error) {
	_, err := s.exec(ctx, "revoke key", `UPDATE api_keys SET revoked_at = `+s.dialect.now+`, slot = NULL WHERE id = ? AND revoked_at = 0`, id)
	if err != nil {
		return apikey.Key{}, err
	}
	return s.Key(ctx, id)
}

// TouchKey implements apikey.Store.
func (s *Store) TouchKey(ctx context.Context, id string) error {
	now := s.dialect.now
	_, err := s.exec(ctx, "touch key", `UPDATE api_keys SET last_used_at = `+now+` WHERE id = ? AND last_used_at < `+now+` - 60000`, id)
	return err
}

// CreateSession implements apikey.Store.
func (s *Store) CreateSession(ctx context.Context, token apikey.Hash, keyID string, lasts time.Duration) error {
	now := s.dialect.now
	if _, err := s.exec(ctx, "clear sessions", `DELETE FROM sessions WHERE expires_at <= `+now); err != nil {
		return err
	}
	// Not by exec: the second time, after an answer that was lost, the token would be taken.
	_, err := s.w.ExecContext(ctx, `INSERT INTO sessions (token, key_id, expires_at) VALUES (?, ?, `+now+` + ?)`, token[:], keyID, lasts.Milliseconds())
	return s.refuse("create session", err)
}

// SessionKey implements apikey.Store.
func (s *Store) SessionKey(ctx context.Context, token apikey.Hash) (apikey.Key, time.Time, error) {
	return s.getKey(ctx, "session", `sessions s JOIN api_keys k ON k.id = s.key_id WHERE s.token = ? AND s.expires_at > `+s.dialect.now, token[:])
}

// DeleteSession implements apikey.Store.
func (s *Store) DeleteSession(ctx context.Context, token apikey.Hash) error {
	_, err := s.exec(ctx, "delete session", `DELETE FROM sessions WHERE token = ?`, token[:])
	return err
}
