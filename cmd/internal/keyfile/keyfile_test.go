package keyfile

import (
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"evenhand/trial/sign"
)

func TestFiles(t *testing.T) {
	k, err := sign.New(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	open, err := k.Text("", nil)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := k.Text("word", rand.NewChaCha8([32]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	openFile, lockedFile, public := write("open.key", open), write("locked.key", locked), write("k.pub", k.Public().Text())
	nobody := Terminal(strings.NewReader("word\n"), io.Discard)
	got, err := Secret(openFile, nobody)
	if err != nil || !got.Public().Equal(k.Public()) {
		t.Errorf("a key without a password: %v", err)
	}
	asked := ""
	got, err = Secret(lockedFile, func(prompt string) (string, error) { asked = prompt; return "word", nil })
	if err != nil || !got.Public().Equal(k.Public()) || !strings.Contains(asked, lockedFile) {
		t.Errorf("a key with a password: %v, asked %q", err, asked)
	}
	if _, err := Secret(lockedFile, nobody); !errors.Is(err, ErrNoTerminal) {
		t.Errorf("nobody to ask: %v", err)
	}
	for _, given := range []string{public, k.Public().Line()} {
		key, err := Public(given)
		if err != nil || !key.Equal(k.Public()) {
			t.Errorf("public key %s: %v", given, err)
		}
	}
	for name, want := range map[string]string{openFile: "looks like a secret one", filepath.Join(dir, "none"): "no such file", write("long", strings.Repeat("x", 1<<17)): "far too long", dir: "directory"} {
		if _, err := Public(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	if _, err := Secret(public, nobody); err == nil || !strings.Contains(err.Error(), "perhaps a public one") {
		t.Errorf("a public key as a secret one: %v", err)
	}
}
