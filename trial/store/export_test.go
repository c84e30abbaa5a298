package store

import (
	"context"
	"strconv"
	"testing"
)

// ExecForTest runs a statement past the store's own methods, as somebody with
// psql or sqlite3 could.
func ExecForTest(s *DB, statement string) error {
	_, err := s.db.Exec(statement)
	return s.explain("", err)
}

// TxExecForTest runs a statement within a transaction.
func TxExecForTest(t *Tx, statement string) error { return t.exec(statement) }

// LimitPages makes the file's disk full after a few more pages.
func LimitPages(t *testing.T, s *DB) {
	s.db.SetMaxOpenConns(1) // the limit is a connection's
	var pages int
	if err := s.db.Get(&pages, `PRAGMA page_count`); err != nil {
		t.Fatal(err)
	}
	if err := s.db.Get(&pages, s.db.Rebind(`PRAGMA max_page_count = `+strconv.Itoa(pages+20))); err != nil {
		t.Fatal(err)
	}
}

// PragmaOnTwoConnections reads a setting on two connections held at once.
func PragmaOnTwoConnections(t *testing.T, s *DB, name string) [2]string {
	var got [2]string
	for i := range got {
		c, err := s.db.Connx(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.GetContext(context.Background(), &got[i], `PRAGMA `+name); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

// TablesForTest gives the columns that the store copies, by table.
func TablesForTest() map[string][]string {
	all := map[string][]string{}
	for _, t := range tables {
		all[t.name] = t.columns
	}
	return all
}

// ColumnsForTest gives the columns that a database really has, by table.
func ColumnsForTest(t *testing.T, s *DB) map[string][]string {
	query := `SELECT m.name AS tab, p.name AS col FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' ORDER BY m.name, p.cid`
	if s.postgres {
		query = `SELECT table_name AS tab, column_name AS col FROM information_schema.columns WHERE table_schema = 'public' ORDER BY table_name, ordinal_position`
	}
	var rows []struct{ Tab, Col string }
	if err := s.db.Select(&rows, query); err != nil {
		t.Fatal(err)
	}
	all := map[string][]string{}
	for _, r := range rows {
		if r.Tab != "migration" {
			all[r.Tab] = append(all[r.Tab], r.Col)
		}
	}
	return all
}
