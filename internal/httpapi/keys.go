package httpapi

import (
	"context"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/httpapi/api"
)

// KeyStore keeps API keys. Errors: apikey.ErrNotFound.
type KeyStore interface {
	// CreateKey stores a key under a new id. lasts is how long it counts, 0: for ever. Errors also: apikey.ErrTooMany.
	CreateKey(ctx context.Context, k *apikey.Key, hash apikey.Hash, lasts time.Duration) (apikey.Key, error)
	Key(ctx context.Context, id string) (apikey.Key, error)
	// Keys returns at most limit keys older than before, the newest first; owner empty: of all.
	Keys(ctx context.Context, owner, before string, limit int) ([]apikey.Key, error)
	RevokeKey(ctx context.Context, id string) (apikey.Key, error)
}

// keyStore returns the store of keys. Where nobody has to show a key, anybody could make one for when they do.
func (h handlers) keyStore() (KeyStore, error) {
	if h.Auth == nil {
		return nil, forbiddenError{"this API asks for no keys, so it makes none (MUSTER_AUTH=header); `muster keys` does, see docs/api-keys.md"}
	}
	return h.Keys, nil
}

// CreateKey answers POST /keys.
func (h handlers) CreateKey(ctx context.Context, r api.CreateKeyRequestObject) (api.CreateKeyResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	keys, err := h.keyStore()
	if err != nil {
		return nil, err
	}
	scopes, err := apikey.ParseScopes(strings.Join(r.Params.Scopes, ",")) // as the contract has checked
	if err != nil {
		return nil, err
	}
	text, hash, prefix := apikey.New()
	k, err := keys.CreateKey(ctx, &apikey.Key{Owner: r.Params.Owner, Name: r.Params.Name, Prefix: prefix, Scopes: scopes}, hash,
		time.Duration(r.Params.Days)*24*time.Hour)
	if err != nil {
		return nil, err
	}
	return api.CreateKey201JSONResponse{
		Body:    ViewNewKey(&k, text, h.now()),
		Headers: api.CreateKey201ResponseHeaders{Location: "/api/v1/keys/" + k.ID},
	}, nil
}

// ListKeys answers GET /keys.
func (h handlers) ListKeys(ctx context.Context, r api.ListKeysRequestObject) (api.ListKeysResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	keys, err := h.keyStore()
	if err != nil {
		return nil, err
	}
	limit := r.Params.Limit
	if limit == 0 {
		limit = 20
	}
	var after string
	if r.Params.After != uuid.Nil {
		after = r.Params.After.String()
	}
	list, err := keys.Keys(ctx, r.Params.Owner, after, limit+1)
	if err != nil {
		return nil, err
	}
	page := api.APIKeyPage{Content: []api.APIKey{}, HasNext: len(list) > limit} // one more was asked for, to know whether there is one
	for i := range list[:min(len(list), limit)] {
		page.Content = append(page.Content, ViewKey(&list[i], h.now()))
	}
	if page.HasNext {
		page.NextCursor = new(list[limit-1].ID)
	}
	return api.ListKeys200JSONResponse(page), nil
}

// GetKey answers GET /keys/{keyId}.
func (h handlers) GetKey(ctx context.Context, r api.GetKeyRequestObject) (api.GetKeyResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	keys, err := h.keyStore()
	if err != nil {
		return nil, err
	}
	k, err := keys.Key(ctx, r.KeyID.String())
	if err != nil {
		return nil, err
	}
	return api.GetKey200JSONResponse(ViewKey(&k, h.now())), nil
}

// RevokeKey answers POST /keys/{keyId}/revoke.
func (h handlers) RevokeKey(ctx context.Context, r api.RevokeKeyRequestObject) (api.RevokeKeyResponseObject, error) {
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	keys, err := h.keyStore()
	if err != nil {
		return nil, err
	}
	k, err := keys.RevokeKey(ctx, r.KeyID.String())
	if err != nil {
		return nil, err
	}
	return api.RevokeKey200JSONResponse(ViewKey(&k, h.now())), nil
}

// ViewNewKey is ViewKey with the key itself.
func ViewNewKey(k *apikey.Key, text string, now time.Time) api.NewAPIKey {
	v := ViewKey(k, now)
	return api.NewAPIKey{
		Key: text, ID: v.ID, Owner: v.Owner, Name: v.Name, Prefix: v.Prefix, Scopes: v.Scopes, Status: v.Status,
		CreatedAt: v.CreatedAt, ExpiresAt: v.ExpiresAt, RevokedAt: v.RevokedAt, LastUsedAt: v.LastUsedAt,
	}
}

// ViewKey returns a key as the API shows it, with its status at a time.
func ViewKey(k *apikey.Key, now time.Time) api.APIKey {
	v := api.APIKey{
		ID: k.ID, Owner: k.Owner, Name: k.Name, Prefix: k.Prefix, Status: k.Status(now), CreatedAt: api.Timestamp(k.Created),
		ExpiresAt: api.Timestamp(k.Expires), RevokedAt: api.Timestamp(k.Revoked), LastUsedAt: api.Timestamp(k.Used),
	}
	for _, s := range k.Scopes {
		v.Scopes = append(v.Scopes, string(s))
	}
	return v
}
