// Package store keeps trials: in one SQLite file by default, in Postgres for
// teams. It is the only package with SQL.
//
// There is one text for every query (`?` placeholders, rebound for Postgres)
// and one migration folder a dialect. Every change goes through Write, which
// hands out a Tx: what is changed and its line in the ledger are one
// transaction, and writers of one trial wait for one another.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"
	_ "github.com/lib/pq"  // driver "postgres"
	_ "modernc.org/sqlite" // driver "sqlite"
)

// DB is an open store.
type DB struct {
	db       *sqlx.DB
	postgres bool
	where    string // for messages: the file, or the URL without its password
	path     string // the file of a SQLite store
}

func init() { sqlx.BindDriver("sqlite", sqlx.QUESTION) }

// IsPostgres says whether a store's address is of Postgres.
func IsPostgres(address string) bool {
	return strings.HasPrefix(address, "postgres://") || strings.HasPrefix(address, "postgresql://")
}

// Open opens a store: a file, or a postgres:// URL. With create it makes what
// is missing; without, a file that does not exist is ErrNoStore. Migrations
// that the store lacks are run. A store that is newer than this program is
// refused with a *NewerError.
func Open(ctx context.Context, address string, create bool) (*DB, error) {
	if IsPostgres(address) {
		return openPostgres(ctx, address)
	}
	return openSQLite(ctx, address, create)
}

func openSQLite(ctx context.Context, path string, create bool) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("open store: %w", err)
		}
		if !create {
			return nil, fmt.Errorf("%w: there is no file %s", ErrNoStore, path)
		}
		if _, err := os.Stat(filepath.Dir(path)); err != nil {
			return nil, fmt.Errorf("make store: %w", err)
		}
	} else if err := looksLikeSQLite(path); err != nil {
		return nil, err
	}
	// In the DSN, so that every connection of the pool has them. FULL: when a
	// command says that something was stored, it is on the disk. An immediate
	// lock keeps two writers from reading the same state and then colliding.
	q := url.Values{"_txlock": {"immediate"}, "_pragma": {"busy_timeout(20000)", "foreign_keys(1)", "journal_mode(WAL)", "synchronous(FULL)"}}
	db, err := sqlx.Open("sqlite", (&url.URL{Scheme: "file", Opaque: escapePath(path), RawQuery: q.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", path, err)
	}
	s := &DB{db: db, where: path, path: path}
	if err := s.ready(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// looksLikeSQLite refuses a file that is something else, which the driver
// would only notice at the first query, and in words of its own. An empty
// file is a new store.
func looksLikeSQLite(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return fmt.Errorf("open store: %w", err)
	}
	if info.IsDir() {
		return fmt.Errorf("%w: %s is a folder; give the file in it, e.g. %s", ErrNotAStore, path, filepath.Join(path, "evenhand.db"))
	}
	if info.Size() == 0 {
		return nil
	}
	const magic = "SQLite format 3\x00"
	head := make([]byte, len(magic))
	if n, _ := f.Read(head); string(head[:n]) != magic {
		return fmt.Errorf("%w: %s is some other kind of file", ErrNotAStore, path)
	}
	return nil
}

// escapePath writes a path for the opaque part of a file: URL, where ? and #
// would end it and % begins an escape.
func escapePath(path string) string {
	return strings.NewReplacer("%", "%25", "?", "%3f", "#", "%23").Replace(filepath.ToSlash(path))
}

func openPostgres(ctx context.Context, address string) (*DB, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read the store's address: it is not a URL like postgres://name:password@host/database")
	}
	q := u.Query()
	if q.Get("sslmode") == "" {
		// Said always, because the driver's default may change: no
		// encryption within this computer, encryption to any other.
		mode := "require"
		switch host := u.Hostname(); {
		case host == "localhost", host == "127.0.0.1", host == "::1", host == "" || q.Get("host") != "":
			mode = "disable"
		}
		q.Set("sslmode", mode)
	}
	if q.Get("connect_timeout") == "" {
		q.Set("connect_timeout", "10")
	}
	u.RawQuery = q.Encode()
	db, err := sqlx.Open("postgres", u.String())
	if err != nil {
		return nil, fmt.Errorf("open store %s: %w", u.Redacted(), err)
	}
	u.RawQuery = ""
	s := &DB{db: db, postgres: true, where: u.Redacted()}
	if err := s.ready(ctx); err != nil {
		db.Close()
		return nil, err
	}
	return s, nil
}

// ready reaches the store and brings it up to date.
func (s *DB) ready(ctx context.Context) error {
	if err := s.db.PingContext(ctx); err != nil {
		return s.explain("reach the store", err)
	}
	return s.migrate(ctx)
}

// Close closes the store.
func (s *DB) Close() error { return s.db.Close() }

// Where says which store this is, without any password.
func (s *DB) Where() string { return s.where }

// Dialect is "sqlite" or "postgres".
func (s *DB) Dialect() string {
	if s.postgres {
		return "postgres"
	}
	return "sqlite"
}

// Tx is a transaction on one trial. Its methods are the whole of what can be
// read and written; they are used within Read or Write only.
type Tx struct {
	ctx   context.Context
	tx    *sqlx.Tx
	db    *DB
	trial string
	// Of the ledger as this transaction sees it, set at the first entry.
	size int
	head string
}

// Write runs fn in one transaction that sees and makes changes: all of them
// are kept if fn returns nil, none if it returns an error or the program dies.
// Writers of one trial run one after the other.
func (s *DB) Write(ctx context.Context, trialID string, fn func(*Tx) error) error {
	return s.transaction(ctx, trialID, nil, fn)
}

// Read runs fn in a transaction that sees one unchanging state.
func (s *DB) Read(ctx context.Context, trialID string, fn func(*Tx) error) error {
	opts := &sql.TxOptions{ReadOnly: true}
	if s.postgres {
		opts.Isolation = sql.LevelRepeatableRead
	}
	return s.transaction(ctx, trialID, opts, fn)
}

func (s *DB) transaction(ctx context.Context, trialID string, opts *sql.TxOptions, fn func(*Tx) error) error {
	tx, err := s.db.BeginTxx(ctx, opts)
	if err != nil {
		return s.explain("begin", err)
	}
	t := &Tx{ctx: ctx, tx: tx, db: s, trial: trialID}
	if s.postgres && opts == nil {
		// Makes a second writer of the same trial wait here, before it has
		// read anything that the first is about to change.
		if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_xact_lock(hashtextextended($1, 0))`, trialID); err != nil {
			tx.Rollback()
			return s.explain("wait for the trial", err)
		}
	}
	if err := fn(t); err != nil {
		tx.Rollback()
		return s.explain("", err)
	}
	if opts != nil {
		tx.Rollback()
		return nil
	}
	if err := tx.Commit(); err != nil {
		return s.explain("commit", err)
	}
	return nil
}

func (t *Tx) exec(query string, args ...any) error {
	_, err := t.tx.ExecContext(t.ctx, t.tx.Rebind(query), args...)
	return err
}

func (t *Tx) get(dest any, query string, args ...any) error {
	return t.tx.GetContext(t.ctx, dest, t.tx.Rebind(query), args...)
}

func (t *Tx) list(dest any, query string, args ...any) error {
	return t.tx.SelectContext(t.ctx, dest, t.tx.Rebind(query), args...)
}

// found runs get and says whether there was a row.
func (t *Tx) found(dest any, query string, args ...any) (bool, error) {
	err := t.get(dest, query, args...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// insertMany inserts rows with one prepared statement, which both drivers do
// faster than long lists of values; Postgres takes a COPY.
func (t *Tx) insertMany(table string, columns []string, rows [][]any) error {
	if len(rows) == 0 {
		return nil
	}
	text := fmt.Sprintf("INSERT INTO %s (%s) VALUES (%s)", table, strings.Join(columns, ", "), strings.TrimSuffix(strings.Repeat("?, ", len(columns)), ", "))
	copying := t.db.postgres && len(rows) > 50
	if copying {
		quoted := make([]string, len(columns))
		for i, c := range columns {
			quoted[i] = `"` + c + `"`
		}
		text = fmt.Sprintf(`COPY "%s" (%s) FROM STDIN`, table, strings.Join(quoted, ", "))
	}
	stmt, err := t.tx.PrepareContext(t.ctx, t.tx.Rebind(text))
	if err != nil {
		return err
	}
	defer stmt.Close()
	for _, row := range rows {
		if _, err := stmt.ExecContext(t.ctx, row...); err != nil {
			return err
		}
	}
	if copying {
		if _, err := stmt.ExecContext(t.ctx); err != nil {
			return err
		}
	}
	return stmt.Close()
}

// stamp writes an instant as the store keeps it: UTC, whole microseconds, of
// one width, so that text order is time order.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// unstamp reads what stamp wrote.
func unstamp(s string) time.Time {
	t, _ := time.Parse("2006-01-02T15:04:05.000000Z", s)
	return t
}

func oneIf(b bool) int {
	if b {
		return 1
	}
	return 0
}
