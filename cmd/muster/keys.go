package main

import (
	"errors"
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// keysCommand works on the database itself, since the first key has to come from somewhere.
type keysCommand struct {
	Create keysCreateCommand `cmd:"" help:"Make a key, and print it: it is shown this once."`
	List   keysListCommand   `cmd:"" help:"List keys, the newest first, without the keys themselves."`
	Revoke keysRevokeCommand `cmd:"" help:"Revoke a key: within 5 s nothing takes it any more."`
}

// keyDatabase is what the commands share.
type keyDatabase struct {
	config.Config
	outputFlag
}

// with calls fn with the database of the settings.
func (d *keyDatabase) with(fn func(s *store.Store) error) (err error) {
	if err := boot.Check(&d.Config); err != nil {
		return err
	}
	s, err := openStore(&d.Config)
	if err != nil {
		return fmt.Errorf("MUSTER_DATABASE: %w", err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return fn(s)
}

type keysCreateCommand struct {
	keyDatabase
	Owner  string `required:"" help:"The caller that the key stands for."`
	Name   string `required:"" help:"What the key is for. Two keys of one owner and name count at a time."`
	Scopes string `required:"" help:"What it may do: one or more of read, write, export and admin, joined by commas."`
	Days   int    `help:"After how many days it expires, at most 3650. Without it never."`
}

// Run makes a key.
func (k *keysCreateCommand) Run(p *process) error {
	scopes, err := apikey.ParseScopes(k.Scopes)
	switch {
	case err != nil:
		return fmt.Errorf("--scopes: %w", err)
	case !job.ValidOwner(k.Owner):
		return errors.New("--owner must be 1 to 64 letters, digits or . _ @ -")
	case !job.ValidOwner(k.Name): // a name may be what an owner may
		return errors.New("--name must be 1 to 64 letters, digits or . _ @ -")
	case k.Days < 0 || k.Days > 3650:
		return errors.New("--days must be 1 to 3650, or 0 for a key that never expires")
	}
	return k.with(func(s *store.Store) error {
		text, hash, prefix := apikey.New()
		made, err := s.CreateKey(p.ctx, &apikey.Key{Owner: k.Owner, Name: k.Name, Prefix: prefix, Scopes: scopes}, hash, time.Duration(k.Days)*24*time.Hour)
		if err != nil {
			return err
		}
		if k.json() {
			return printJSON(p.stdout, httpapi.ViewNewKey(&made, text, time.Now()))
		}
		if _, err := fmt.Fprintf(p.stderr, "Key %s of %s. It is shown this once:\n", made.ID, made.Owner); err != nil {
			return err
		}
		_, err = fmt.Fprintln(p.stdout, text)
		return err
	})
}

type keysListCommand struct {
	keyDatabase
	Owner string `help:"Only the keys of this owner."`
}

// Run lists keys.
func (k *keysListCommand) Run(p *process) error {
	return k.with(func(s *store.Store) error {
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		if !k.json() {
			fmt.Fprintln(w, "KEY\tOWNER\tNAME\tBEGINS\tSCOPES\tSTATUS\tEXPIRES\tLAST USED")
		}
		const page = 100
		for after := ""; ; {
			keys, err := s.Keys(p.ctx, k.Owner, after, page)
			if err != nil {
				return err
			}
			for i := range keys {
				x := &keys[i]
				after = x.ID
				if k.json() {
					err = printJSON(p.stdout, httpapi.ViewKey(x, time.Now()))
				} else {
					_, err = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", x.ID, x.Owner, x.Name, x.Prefix, apikey.JoinScopes(x.Scopes), x.Status(time.Now()), dateOr(x.Expires, "never"), dateOr(x.Used, "never"))
				}
				if err != nil {
					return err
				}
			}
			if len(keys) < page {
				return w.Flush()
			}
		}
	})
}

func dateOr(t time.Time, zero string) string {
	if t.IsZero() {
		return zero
	}
	return t.Local().Format(time.DateTime)
}

type keysRevokeCommand struct {
	keyDatabase
	ID uuid.UUID `arg:"" help:"The key's id, as the list has it; not the key."`
}

// Run revokes a key.
func (k *keysRevokeCommand) Run(p *process) error {
	return k.with(func(s *store.Store) error {
		gone, err := s.RevokeKey(p.ctx, k.ID.String())
		if err != nil {
			return err
		}
		if k.json() {
			return printJSON(p.stdout, httpapi.ViewKey(&gone, time.Now()))
		}
		_, err = fmt.Fprintf(p.stdout, "Key %s of %s (%s…) is revoked since %s.\n", gone.ID, gone.Owner, gone.Prefix, gone.Revoked.Local().Format(time.DateTime))
		return err
	})
}
