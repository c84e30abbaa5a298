package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"evenhand/trial"
	"evenhand/trial/sign"
)

// give runs the program.
func give(t *testing.T, args ...string) (status int, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	status = run(args, &o, &e)
	return status, o.String(), e.String()
}

func TestStatement(t *testing.T) {
	now = func() time.Time { return time.Date(2016, 3, 1, 10, 0, 0, 0, time.UTC) }
	t.Cleanup(func() { now = time.Now })
	dir := drawnTrial(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	key, err := sign.New(rand.NewChaCha8([32]byte{1}))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := key.Text("", nil)
	if err != nil {
		t.Fatal(err)
	}
	locked, err := key.Text("word", rand.NewChaCha8([32]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"a.key": secret, "locked.key": locked, "a.pub": key.Public().Text()} {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	read := func(name string) string {
		b, err := os.ReadFile(in(name))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	gone := func(names ...string) {
		t.Helper()
		for _, name := range names {
			if _, err := os.Lstat(in(name)); err == nil {
				t.Errorf("%s is there", name)
			}
		}
	}

	status, out, errs := give(t, in("good.zip"), "--receipt", in("receipt.txt"), "--statement", in("page.txt"), "--key", in("a.key"))
	if status != 0 || errs != "" {
		t.Fatalf("status %d\n%s%s", status, out, errs)
	}
	page := read("page.txt")
	for _, want := range []string{
		"FINDING ON AN AUDIT BUNDLE", `Trial    "verifytest"`, "Checked  2016-03-01T10:00:00Z", "Held     a receipt of 2016-01-02 over 3 entries",
		"NOTHING FAILED", out, "CANNOT", trial.DigestOf(read("good.zip")), "whose own file has SHA-256\n         ",
	} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q:\n%s", want, page)
		}
	}
	r, err := trial.ParseReceipt(page)
	if err != nil || r.Trial != "verifytest" || r.Size != 4 || r.Tree == "" || r.VerifySignature(key.Public()) != nil {
		t.Errorf("as a receipt: %+v, %v", r, err)
	}
	s, err := sign.ParseSignature(read("page.txt.minisig"))
	if err != nil || key.Public().Verify([]byte(page), s) != nil || !strings.Contains(s.Comment, trial.DigestOf(read("good.zip"))) {
		t.Errorf("the page's signature: %+v, %v", s, err)
	}
	// The page is a receipt that the bundle is held to.
	if status, out, _ := give(t, in("good.zip"), "--receipt", in("page.txt"), "--public-key", in("a.pub")); status != 3 || !strings.Contains(out, "was signed by key "+key.Public().IDText()) || !strings.Contains(out, "the bundle is not signed") {
		t.Errorf("the page as a receipt: status %d\n%s", status, out)
	}
	// Again at the same time: the same bytes.
	if status, _, errs := give(t, in("good.zip"), "--receipt", in("receipt.txt"), "--statement", in("again.txt"), "--key", in("a.key")); status != 0 || read("again.txt") != page || read("again.txt.minisig") != read("page.txt.minisig") {
		t.Errorf("written again: status %d, %s", status, errs)
	}

	// Unsigned, and of a bundle that fails: a page, but no receipt.
	if status, _, errs := give(t, in("good.zip"), "--statement", in("plain.txt"), "--json"); status != 0 || !strings.Contains(read("plain.txt"), "Held     nothing") || strings.Contains(read("plain.txt"), "— evenhand/") {
		t.Errorf("unsigned: status %d, %s\n%s", status, errs, read("plain.txt"))
	}
	gone("plain.txt.minisig")
	if status, _, _ := give(t, in("changed.zip"), "--statement", in("bad.txt")); status != 3 || !strings.Contains(read("bad.txt"), "FAILED") {
		t.Errorf("of a bundle that fails: status %d", status)
	}
	if _, err := trial.ParseReceipt(read("bad.txt")); err == nil {
		t.Error("a bundle that fails is given a receipt")
	}

	// Used wrongly: nothing is written.
	for name, c := range map[string]struct {
		args   []string
		status int
		err    string
	}{
		"a key alone":        {[]string{in("good.zip"), "--key", in("a.key")}, 2, "name its file with --statement"},
		"over a file":        {[]string{in("good.zip"), "--statement", in("page.txt")}, 1, "page.txt is there already"},
		"over a signature":   {[]string{in("good.zip"), "--statement", in("no"), "--key", in("a.pub")}, 1, "perhaps a public one"},
		"nobody to ask":      {[]string{in("good.zip"), "--statement", in("no"), "--key", in("locked.key")}, 1, "no terminal"},
		"no such folder":     {[]string{in("good.zip"), "--statement", in("x/no")}, 1, "write the statement"},
		"no such key":        {[]string{in("good.zip"), "--public-key", in("none")}, 1, "none"},
		"a secret key":       {[]string{in("good.zip"), "--public-key", in("a.key")}, 1, "secret one"},
		"no earlier bundle":  {[]string{in("good.zip"), "--earlier", in("none")}, 1, "none"},
		"earlier is a text":  {[]string{in("good.zip"), "--earlier", in("no.txt")}, 1, "not whole itself"},
		"earlier is changed": {[]string{in("good.zip"), "--earlier", in("changed.zip")}, 1, "not whole itself"},
	} {
		status, out, errs := give(t, c.args...)
		if status != c.status || out != "" || !strings.Contains(errs, c.err) {
			t.Errorf("%s: status %d, want %d\n%s%s", name, status, c.status, out, errs)
		}
	}
	gone("no", "no.minisig", "x")
	if status, out, _ := give(t, in("good.zip"), "--earlier", in("good.zip")); status != 0 || !strings.Contains(out, "begins with the ledger of the earlier bundle") {
		t.Errorf("its own earlier bundle: status %d\n%s", status, out)
	}
}
