package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strconv"
	"strings"
)

// TableInfo is one table's part of a trial: how many rows, and the digest of
// their content, which is the same in every store that holds the same rows.
type TableInfo struct {
	Table  string `json:"table"`
	Rows   int    `json:"rows"`
	Digest string `json:"digest"`
}

// Info gives the rows and digest of every table of the trial.
func (t *Tx) Info() ([]TableInfo, error) {
	all := make([]TableInfo, len(tables))
	for i, table := range tables {
		digest := sha256.New()
		n := 0
		err := t.eachRow(table, func(row []any) error {
			n++
			hashRow(digest, row)
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", table.name, err)
		}
		all[i] = TableInfo{table.name, n, hex.EncodeToString(digest.Sum(nil))}
	}
	return all, nil
}

// eachRow reads the trial's rows of a table in the order of its key. Values
// are nil, int64, float64 or string in both dialects.
func (t *Tx) eachRow(table table, fn func([]any) error) error {
	rows, err := t.tx.QueryContext(t.ctx, t.tx.Rebind(fmt.Sprintf("SELECT %s FROM %s WHERE trial_id = ? ORDER BY %s", strings.Join(table.columns, ", "), table.name, strings.Join(table.key, ", "))), t.trial)
	if err != nil {
		return err
	}
	defer rows.Close()
	row, into := make([]any, len(table.columns)), make([]any, len(table.columns))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = string(b)
			}
		}
		if err := fn(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// hashRow adds a row to a digest: each value with its kind and length, so
// that no two rows read alike.
func hashRow(h hash.Hash, row []any) {
	for _, v := range row {
		var text string
		switch v := v.(type) {
		case nil:
			text = "null"
		case int64:
			text = "i" + strconv.FormatInt(v, 10)
		case float64:
			text = "f" + strconv.FormatFloat(v, 'g', -1, 64)
		case string:
			text = "s" + v
		default:
			panic(fmt.Sprintf("store: a column has type %T", v))
		}
		fmt.Fprintf(h, "%d:%s,", len(text), text)
	}
	h.Write([]byte("\n"))
}

// CopyTo copies the trial, every row of every table, into another store in
// one transaction, and compares the digests of both before it is kept. A
// store that has the trial already refuses it with ErrExists.
func (t *Tx) CopyTo(ctx context.Context, to *DB) ([]TableInfo, error) {
	before, err := t.Info()
	if err != nil {
		return nil, err
	}
	err = to.Write(ctx, t.trial, func(target *Tx) error {
		if there, err := target.Exists(); err != nil {
			return err
		} else if there {
			return fmt.Errorf("%w: trial %q in %s; a copy never overwrites", ErrExists, t.trial, to.where)
		}
		for _, table := range tables {
			var rows [][]any
			err := t.eachRow(table, func(row []any) error {
				rows = append(rows, append([]any(nil), row...))
				return nil
			})
			if err != nil {
				return fmt.Errorf("read table %s: %w", table.name, err)
			}
			if err := target.insertMany(table.name, table.columns, rows); err != nil {
				return fmt.Errorf("copy table %s: %w", table.name, err)
			}
		}
		after, err := target.Info()
		if err != nil {
			return err
		}
		for i, a := range after {
			if a != before[i] {
				return fmt.Errorf("%w: table %s has %d rows with digest %s here and %d with %s there", ErrBroken, a.Table, before[i].Rows, before[i].Digest, a.Rows, a.Digest)
			}
		}
		return nil
	})
	return before, err
}

// Backup writes the trial to a new SQLite file. A file that is there already
// is never overwritten.
func (s *DB) Backup(ctx context.Context, trialID, file string) ([]TableInfo, error) {
	to, err := Open(ctx, file, true)
	if err != nil {
		return nil, err
	}
	defer to.Close()
	var info []TableInfo
	err = s.Read(ctx, trialID, func(t *Tx) error {
		info, err = t.CopyTo(ctx, to)
		return err
	})
	return info, err
}
