package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/lib/pq"
	"modernc.org/sqlite"
	sqlitelib "modernc.org/sqlite/lib"
)

// What a store's caller may want to tell apart.
var (
	ErrNoStore     = errors.New("no store")
	ErrNotAStore   = errors.New("not an Evenhand store")
	ErrNoTrial     = errors.New("no such trial in this store")
	ErrExists      = errors.New("it is there already")
	ErrAppendOnly  = errors.New("what was recorded cannot be changed or removed")
	ErrBroken      = errors.New("a rule of the store was broken")
	ErrBusy        = errors.New("the store is busy: another command is writing; try again")
	ErrFull        = errors.New("the disk is full; nothing was stored")
	ErrGone        = errors.New("the database went away; nothing was stored")
	ErrReadOnly    = errors.New("the store cannot be written: the file or its folder is read-only")
	ErrConserve    = errors.New("counts do not add up: randomised must equal analysed plus each reason")
	ErrNotAllowed  = errors.New("the database refused this user")
	ErrInterrupted = errors.New("interrupted; nothing was stored")
)

// NewerError says that the store was written by a newer program.
type NewerError struct {
	Where         string
	Is, Supported int // the store's version, and the newest that this program knows
}

func (e *NewerError) Error() string {
	return fmt.Sprintf("the store %s has version %d, this program knows versions up to %d: use the newer Evenhand that wrote it", e.Where, e.Is, e.Supported)
}

// explain gives a database's error the sentence that a user needs. Codes are
// looked at, never the driver's words. Errors that are not a database's pass
// through.
func (s *DB) explain(doing string, err error) error {
	if err == nil {
		return nil
	}
	kind := classify(err)
	switch {
	case kind == nil && doing == "":
		return err
	case kind == nil:
		return fmt.Errorf("%s (%s): %w", doing, s.where, err)
	case doing == "":
		return fmt.Errorf("%w (%s): %w", kind, s.where, err)
	}
	return fmt.Errorf("%s: %w (%s): %w", doing, kind, s.where, err)
}

// classify finds which of the package's errors a driver's error is, nil for
// none of them.
func classify(err error) error {
	var lite *sqlite.Error
	var pg *pq.Error
	var network net.Error
	switch {
	case errors.As(err, &lite):
		switch code := lite.Code(); {
		case code == sqlitelib.SQLITE_CONSTRAINT_PRIMARYKEY || code == sqlitelib.SQLITE_CONSTRAINT_UNIQUE:
			return ErrExists
		case code == sqlitelib.SQLITE_CONSTRAINT_TRIGGER:
			return ErrAppendOnly
		case code&0xff == sqlitelib.SQLITE_CONSTRAINT:
			return ErrBroken
		case code&0xff == sqlitelib.SQLITE_BUSY || code&0xff == sqlitelib.SQLITE_LOCKED:
			return ErrBusy
		case code&0xff == sqlitelib.SQLITE_FULL:
			return ErrFull
		case code&0xff == sqlitelib.SQLITE_READONLY || code&0xff == sqlitelib.SQLITE_CANTOPEN:
			return ErrReadOnly
		case code&0xff == sqlitelib.SQLITE_NOTADB || code&0xff == sqlitelib.SQLITE_CORRUPT:
			return ErrNotAStore
		case code&0xff == sqlitelib.SQLITE_INTERRUPT:
			return ErrInterrupted
		}
	case errors.As(err, &pg):
		switch {
		case pg.Code == "23505":
			return ErrExists
		case pg.Code == "EH001":
			return ErrAppendOnly
		case pg.Code.Class() == "23" || pg.Code.Class() == "22":
			return ErrBroken
		case pg.Code.Class() == "40" || pg.Code == "55P03":
			return ErrBusy
		case pg.Code == "53100":
			return ErrFull
		case pg.Code == "57014":
			return ErrInterrupted
		case pg.Code.Class() == "57" || pg.Code.Class() == "08":
			return ErrGone
		case pg.Code == "25006":
			return ErrReadOnly
		case pg.Code.Class() == "28" || pg.Code == "42501" || pg.Code == "3D000":
			return ErrNotAllowed
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return ErrInterrupted
	case errors.Is(err, driver.ErrBadConn), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &network):
		return ErrGone
	}
	return nil
}
