package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evenhand/trial"
)

// What is remembered of a store names no password, and the same store always
// alike.
func TestStoreName(t *testing.T) {
	for in, want := range map[string]string{
		"postgres://ana:secret@db.example.org/trials?sslmode=require": "postgres://db.example.org/trials",
		"postgresql://db.example.org/trials":                          "postgres://db.example.org/trials",
	} {
		if got := storeName(in); got != want {
			t.Errorf("storeName(%q) = %q, want %q", in, got, want)
		}
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "evenhand.db")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.db")
	if err := os.Symlink(file, link); err != nil {
		t.Skip("no symbolic links here")
	}
	t.Chdir(dir)
	for _, in := range []string{file, "evenhand.db", "./evenhand.db", link} {
		if got := storeName(in); got != file {
			t.Errorf("storeName(%q) = %q, want %q", in, got, file)
		}
	}
}

func TestMemory(t *testing.T) {
	dir := t.TempDir()
	a := &app{storeFlag: filepath.Join(dir, "a.db"), settings: func() (string, error) { return dir, nil }, getenv: func(string) string { return "" }}
	m := a.memoryOf("rlc")
	if seen, err := m.seen(); seen != nil || err != nil {
		t.Fatalf("nothing was seen: %v, %v", seen, err)
	}
	head := trial.DigestOf("x")
	at := time.Date(2027, 1, 1, 9, 0, 0, 0, time.UTC)
	if err := m.keep(12, head, at); err != nil {
		t.Fatal(err)
	}
	seen, err := a.memoryOf("rlc").seen()
	if err != nil || seen == nil || *seen != (trial.Receipt{Trial: "rlc", Size: 12, Head: head, At: at}) {
		t.Fatalf("%+v, %v", seen, err)
	}
	if other, err := a.memoryOf("other").seen(); other != nil || err != nil {
		t.Errorf("of another trial: %v, %v", other, err)
	}
	for _, c := range []struct {
		size int
		then string
		want string
	}{
		{12, head, ""}, {40, head, ""}, {11, "", "now there are 11"}, {0, "", "now there are 0"},
		{12, trial.DigestOf("y"), "is not the one"}, {40, trial.DigestOf("y"), "is not the one"},
	} {
		if got := rollback(*seen, c.size, c.then); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%d entries, then %.8s: %q, want %q", c.size, c.then, got, c.want)
		}
	}
	if err := os.WriteFile(m.file, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.seen(); err == nil || !strings.Contains(err.Error(), m.file) {
		t.Errorf("nonsense is remembered: %v", err)
	}
	// No place for it: nothing is remembered, nothing is wrong.
	a.settings = func() (string, error) { return "", errors.New("no home") }
	if m := a.memoryOf("rlc"); m.file != "" || m.keep(1, head, at) != nil {
		t.Errorf("%+v", m)
	}
}
