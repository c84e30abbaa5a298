package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"sort"
	"strconv"

	"evenhand/trial"
)

//go:embed migrations
var migrationFiles embed.FS

// migration is one step of the store's shape: numbered NNNN_name.sql, never
// edited once released (its digest is kept and compared).
type migration struct {
	version    int
	name, text string
}

// migrationsFor reads a dialect's migrations in order.
func migrationsFor(dialect string) ([]migration, error) {
	entries, err := fs.ReadDir(migrationFiles, "migrations/"+dialect)
	if err != nil {
		return nil, err
	}
	var all []migration
	for _, e := range entries {
		version, err := strconv.Atoi(e.Name()[:4])
		if err != nil {
			return nil, fmt.Errorf("migration %s: its name must begin with four digits", e.Name())
		}
		text, err := migrationFiles.ReadFile("migrations/" + dialect + "/" + e.Name())
		if err != nil {
			return nil, err
		}
		all = append(all, migration{version, e.Name(), string(text)})
	}
	sort.Slice(all, func(i, j int) bool { return all[i].version < all[j].version })
	for i, m := range all {
		if m.version != i+1 {
			return nil, fmt.Errorf("migration %s should have number %d", m.name, i+1)
		}
	}
	return all, nil
}

// migrate brings the store to the newest shape, all steps in one transaction,
// so that a failure leaves it as it was.
func (s *DB) migrate(ctx context.Context) error {
	steps, err := migrationsFor(s.Dialect())
	if err != nil {
		return err
	}
	// Mostly there is nothing to do: look first, without the writer's lock.
	if applied, err := s.applied(ctx); err == nil && len(applied) >= len(steps) {
		return s.checkApplied(applied, steps)
	}
	tx, err := s.db.BeginTxx(ctx, nil)
	if err != nil {
		return s.explain("prepare the store", err)
	}
	defer tx.Rollback()
	if s.postgres {
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(19450731)`); err != nil {
			return s.explain("prepare the store", err)
		}
	}
	if _, err := tx.ExecContext(ctx, `CREATE TABLE IF NOT EXISTS migration (version INTEGER PRIMARY KEY, name TEXT NOT NULL, digest TEXT NOT NULL)`); err != nil {
		return s.explain("prepare the store", err)
	}
	var applied []appliedStep
	if err := tx.SelectContext(ctx, &applied, `SELECT version, name, digest FROM migration ORDER BY version`); err != nil {
		return s.explain("prepare the store", err)
	}
	if err := s.checkApplied(applied, steps); err != nil {
		return err
	}
	for _, m := range steps[len(applied):] {
		if _, err := tx.ExecContext(ctx, m.text); err != nil {
			return s.explain("prepare the store: "+m.name, err)
		}
		if _, err := tx.ExecContext(ctx, tx.Rebind(`INSERT INTO migration (version, name, digest) VALUES (?, ?, ?)`), m.version, m.name, trial.DigestOf(m.text)); err != nil {
			return s.explain("prepare the store: "+m.name, err)
		}
	}
	return s.explain("prepare the store", tx.Commit())
}

type appliedStep struct {
	Version int
	Name    string
	Digest  string
}

func (s *DB) applied(ctx context.Context) ([]appliedStep, error) {
	var applied []appliedStep
	err := s.db.SelectContext(ctx, &applied, `SELECT version, name, digest FROM migration ORDER BY version`)
	return applied, err
}

// checkApplied compares what was applied with what this program knows.
func (s *DB) checkApplied(applied []appliedStep, steps []migration) error {
	if len(applied) > len(steps) {
		return &NewerError{Where: s.where, Is: len(applied), Supported: len(steps)}
	}
	for i, a := range applied {
		if a.Version != i+1 || a.Digest != trial.DigestOf(steps[i].text) {
			return fmt.Errorf("%w: %s was made with a different text of migration %s; its tables may not be what this program expects", ErrNotAStore, s.where, steps[i].name)
		}
	}
	return nil
}
