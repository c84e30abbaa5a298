package sign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// entropy is a source of bytes for tests: the same for the same seed.
func entropy(seed byte) io.Reader { return rand.NewChaCha8([32]byte{seed}) }

func newKey(t testing.TB, seed byte) *SecretKey {
	t.Helper()
	k, err := New(entropy(seed))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func signature(t testing.TB, text string) Signature {
	t.Helper()
	s, err := ParseSignature(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func word(password string) func() (string, error) {
	return func() (string, error) { return password, nil }
}

func asksNot(t testing.TB) func() (string, error) {
	return func() (string, error) { t.Error("a password is asked for"); return "", nil }
}

func read(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// small is a cost that tests can pay often.
var small = cost{1 << 15, 1 << 20}

func TestKeyFiles(t *testing.T) {
	k := newKey(t, 1)
	for _, password := range []string{"", "a", "correct horse", "pässwort ÷"} {
		text, err := k.text(password, entropy(2), small)
		if err != nil {
			t.Fatal(err)
		}
		ask := word(password)
		if password == "" {
			ask = asksNot(t)
		}
		back, err := ParseSecretKey(strings.ReplaceAll(text, "\n", "\r\n"), ask)
		if err != nil {
			t.Fatalf("password %q: %v", password, err)
		}
		if !back.Public().Equal(k.Public()) || !back.key.Equal(k.key) {
			t.Errorf("password %q: another key comes back", password)
		}
		if !IsSecret(text) || IsSecret(k.Public().Text()) {
			t.Error("secret and public keys are not told apart")
		}
		if password == "" {
			continue
		}
		for _, other := range []string{"", password + " ", strings.ToUpper(password)} {
			if _, err := ParseSecretKey(text, word(other)); !errors.Is(err, ErrPassword) {
				t.Errorf("password %q for %q: %v", other, password, err)
			}
		}
	}
	back, err := ParsePublicKey(k.Public().Text())
	if err != nil || !back.Equal(k.Public()) {
		t.Errorf("the public key's file: %v", err)
	}
	back, err = ParsePublicKey("  " + k.Public().Line() + "\r\n")
	if err != nil || !back.Equal(k.Public()) {
		t.Errorf("the public key's line: %v", err)
	}
	if again := newKey(t, 1); !again.Public().Equal(k.Public()) {
		t.Error("the same entropy gives another key")
	}
	if newKey(t, 3).Public().Equal(k.Public()) {
		t.Error("other entropy gives the same key")
	}
	if _, err := New(strings.NewReader("too short")); err == nil {
		t.Error("a key of 9 bytes of entropy")
	}
	if _, err := k.Text("x", strings.NewReader("too short")); err == nil {
		t.Error("a salt of 9 bytes of entropy")
	}
	secret, err := k.Text("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"":                         "0 lines",
		"hello":                    "not 42 bytes",
		secret:                     "looks like a secret one",
		k.Public().Text() + "x":    "2 lines",
		strings.Repeat("x", 1<<17): "too long",
		strings.Replace(k.Public().Line(), "RW", "RX", 1): "of the kind",
	} {
		if _, err := ParsePublicKey(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("public key %.30q: %v, want %q", text, err, want)
		}
	}
	if _, err := ParseSecretKey(k.Public().Text(), asksNot(t)); err == nil || !strings.Contains(err.Error(), "perhaps a public one") {
		t.Errorf("a public key as a secret one: %v", err)
	}
}

// A file may ask for a cost of its own; for more than minisign's most it does
// not get it.
func TestCost(t *testing.T) {
	for _, c := range []struct {
		cost    cost
		n, r, p int
	}{
		{cost{33554432, 1073741824}, 1 << 20, 8, 1}, // minisign's default: libsodium's "sensitive"
		{cost{524288, 16777216}, 1 << 14, 8, 1},     // libsodium's "interactive"
		{usual, 1 << 18, 8, 1},
		{cost{1 << 22, 1 << 30}, 1 << 17, 8, 1}, // operations allow less than memory
		{cost{1 << 24, 1 << 26}, 1 << 16, 8, 8}, // memory allows less than operations
	} {
		n, r, p, err := c.cost.scryptParameters()
		if err != nil || n != c.n || r != c.r || p != c.p {
			t.Errorf("%v: N %d, r %d, p %d, %v; want %d, %d, %d", c.cost, n, r, p, err, c.n, c.r, c.p)
		}
	}
	for _, c := range []cost{{1 << 25, 1<<30 + 1}, {1 << 40, 1 << 20}} {
		if _, _, _, err := c.scryptParameters(); err == nil {
			t.Errorf("%v is paid", c)
		}
	}
}

// Every character of a key's file that says something, changed, is refused or
// gives the same key (the comment).
func TestKeyFileEveryCharacter(t *testing.T) {
	k := newKey(t, 4)
	for _, password := range []string{"", "word"} {
		text, err := k.text(password, entropy(5), small)
		if err != nil {
			t.Fatal(err)
		}
		body := strings.Index(text, "\n") + 1
		tried, same := 0, 0
		for i := body; i < len(text)-1; i++ {
			b := []byte(text)
			if b[i]++; b[i] > 'z' {
				b[i] = '+'
			}
			tried++
			back, err := ParseSecretKey(string(b), word("word"))
			if err != nil {
				continue
			}
			// A cost a little higher may come to the same N; and without a
			// password only the key itself is checked.
			if !back.key.Equal(k.key) || password != "" && back.id != k.id {
				t.Fatalf("character %d changed, and another key opens", i)
			}
			same++
		}
		t.Logf("password %q: %d characters changed, %d leave the key as it is", password, tried, same)
	}
}

func TestSignatures(t *testing.T) {
	k, other := newKey(t, 6), newKey(t, 7)
	message := []byte("the manifest\n")
	text, err := k.Sign(message, "trial rlc, made 2027-01-14")
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := k.Sign(message, "trial rlc, made 2027-01-14"); again != text {
		t.Error("signed again, the bytes are others")
	}
	s := signature(t, text)
	if err := k.Public().Verify(message, s); err != nil {
		t.Error(err)
	}
	if s.Comment != "trial rlc, made 2027-01-14" || s.IDText() != k.Public().IDText() {
		t.Errorf("read back: %+v", s)
	}
	if err := other.Public().Verify(message, s); !errors.Is(err, ErrSignature) || !strings.Contains(err.Error(), other.Public().IDText()) {
		t.Errorf("another key: %v", err)
	}
	impostor := other.Public()
	impostor.ID = k.id
	if err := impostor.Verify(message, s); !errors.Is(err, ErrSignature) {
		t.Errorf("another key with this one's ID: %v", err)
	}
	if err := k.Public().Verify([]byte("another file"), s); !errors.Is(err, ErrSignature) {
		t.Errorf("another message: %v", err)
	}
	// the comment of another signature by the same key
	text2, _ := k.Sign([]byte("another"), "trial rlc, made 2028-01-14")
	a, b := strings.Split(text, "\n"), strings.Split(text2, "\n")
	for _, mixed := range [][]string{{a[0], a[1], b[2], b[3]}, {a[0], a[1], b[2], a[3]}, {a[0], b[1], a[2], a[3]}} {
		if err := k.Public().Verify(message, signature(t, strings.Join(mixed, "\n")+"\n")); !errors.Is(err, ErrSignature) {
			t.Errorf("parts of two signatures: %v", err)
		}
	}
	// every byte but those of the untrusted comment, and every bit of the message
	refused := 0
	for i := strings.Index(text, "\n"); i < len(text)-1; i++ {
		changed := []byte(text)
		changed[i] ^= 1
		s, err := ParseSignature(string(changed))
		if err == nil {
			err = k.Public().Verify(message, s)
		}
		if err == nil {
			t.Fatalf("byte %d (%q) changed: accepted", i, text[i])
		}
		refused++
	}
	for i := range len(message) * 8 {
		changed := bytes.Clone(message)
		changed[i/8] ^= 1 << (i % 8)
		if k.Public().Verify(changed, s) == nil {
			t.Fatalf("bit %d of the message changed: accepted", i)
		}
		refused++
	}
	t.Logf("%d changes refused", refused)
	for _, comment := range []string{"two\nlines", "\x1b[2J", "\u202egpj", "bad \xff", strings.Repeat("x", 5000)} {
		if _, err := k.Sign(message, comment); err == nil {
			t.Errorf("comment %.20q is signed", comment)
		}
	}
	for _, bad := range []string{"", "hello\n", text + "more\n", strings.Replace(text, "RU", "RX", 1), strings.Repeat("x", 1<<17), strings.Replace(text, "trusted comment: trial", "trusted: trial", 1)} {
		if _, err := ParseSignature(bad); err == nil {
			t.Errorf("%.40q is a signature", bad)
		}
	}
}

// Files that minisign made are read: a key with its password, signatures in
// both of its formats. (minisign's key takes 1 GiB for some seconds.)
func TestFilesOfMinisign(t *testing.T) {
	public, err := ParsePublicKey(read(t, "minisign-password.pub"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"hashed.minisig", "legacy.minisig"} {
		s := signature(t, read(t, name))
		if err := public.Verify([]byte("hello\n"), s); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := public.Verify([]byte("Hello\n"), s); !errors.Is(err, ErrSignature) {
			t.Errorf("%s of another message: %v", name, err)
		}
	}
	if !strings.Contains(read(t, "minisign-password.pub"), " "+strings.TrimLeft(public.IDText(), "0")+"\n") {
		t.Errorf("minisign shows another ID than %s", public.IDText())
	}
	if testing.Short() {
		t.Skip("not opened in short tests: the key with minisign's own cost")
	}
	secret, err := ParseSecretKey(read(t, "minisign-password.key"), word("correct horse"))
	if err != nil {
		t.Fatal(err)
	}
	if !secret.Public().Equal(public) {
		t.Error("the secret key is another than the public one")
	}
}

// With the tool itself, both ways, on 200 messages and keys.
func TestAgainstMinisign(t *testing.T) {
	tool, err := exec.LookPath("minisign")
	if err != nil {
		if os.Getenv("EVENHAND_NEED_MINISIGN") != "" {
			t.Fatal("minisign is not installed, and EVENHAND_NEED_MINISIGN says that it must be")
		}
		t.Skip("SKIPPED: minisign is not installed, so signatures were not compared with it (Debian: apt-get install minisign)")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) {
		if err := os.WriteFile(in(name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	give := func(args ...string) (string, error) {
		cmd := exec.Command(tool, args...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	rng := rand.New(entropy(8).(*rand.ChaCha8))
	const times = 200
	for i := range times {
		k := newKey(t, byte(i))
		if i%20 == 0 {
			k.id[7], k.id[6] = 0, byte(i) // an ID that begins with zeros
		}
		secret, err := k.Text("", nil)
		if err != nil {
			t.Fatal(err)
		}
		message := make([]byte, rng.IntN(5000))
		for j := range message {
			message[j] = byte(rng.Uint32())
		}
		ours, err := k.Sign(message, fmt.Sprintf("number %d, é", i))
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(in("theirs.minisig"))
		os.Remove(in("again.pub"))
		write("k.key", secret)
		write("k.pub", k.Public().Text())
		write("m", string(message))
		write("ours.minisig", ours)
		if out, err := give("-V", "-H", "-p", "k.pub", "-x", "ours.minisig", "-m", "m"); err != nil {
			t.Fatalf("minisign refuses our signature %d: %s", i, out)
		} else if !strings.Contains(out, fmt.Sprintf("number %d, é", i)) {
			t.Errorf("minisign shows another comment: %s", out)
		}
		if out, err := give("-V", "-P", k.Public().Line(), "-x", "ours.minisig", "-m", "k.pub"); err == nil {
			t.Fatalf("minisign accepts our signature of another file: %s", out)
		}
		args := []string{"-S", "-W", "-s", "k.key", "-x", "theirs.minisig", "-m", "m", "-t", "theirs"}
		if i%2 == 1 {
			args = append(args, "-l")
		}
		if out, err := give(args...); err != nil {
			t.Fatalf("minisign does not sign with our key %d: %s", i, out)
		}
		theirs, err := os.ReadFile(in("theirs.minisig"))
		if err != nil {
			t.Fatal(err)
		}
		s := signature(t, string(theirs))
		if err := k.Public().Verify(message, s); err != nil || s.Comment != "theirs" || s.hashed != (i%2 == 0) {
			t.Fatalf("minisign's signature %d: %v, %+v", i, err, s)
		}
		if out, err := give("-R", "-W", "-s", "k.key", "-p", "again.pub"); err != nil {
			t.Fatalf("minisign does not recreate the public key: %s", out)
		}
		again, err := os.ReadFile(in("again.pub"))
		if err != nil {
			t.Fatal(err)
		}
		// minisign 0.11 leaves out zeros at the front of the ID.
		short := strings.Replace(k.Public().Text(), k.Public().IDText(), strings.TrimLeft(k.Public().IDText(), "0"), 1)
		if string(again) != short {
			t.Errorf("minisign writes the public key as\n%sand we as\n%s", again, k.Public().Text())
		}
	}
	// a key with a password, opened by the tool
	k := newKey(t, 250)
	secret, err := k.Text("correct horse", entropy(9))
	if err != nil {
		t.Fatal(err)
	}
	write("p.key", secret)
	cmd := exec.Command(tool, "-S", "-s", "p.key", "-x", "p.minisig", "-m", "m")
	cmd.Dir, cmd.Stdin = dir, strings.NewReader("correct horse\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("minisign does not open our key: %s", out)
	}
	text, err := os.ReadFile(in("p.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	message, err := os.ReadFile(in("m"))
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Public().Verify(message, signature(t, string(text))); err != nil {
		t.Error(err)
	}
	t.Logf("%d keys and messages, both ways, and a key with a password: minisign agrees", times)
}

// Signed notes are those of the package that made the format.
func TestNotes(t *testing.T) {
	k := newKey(t, 10)
	const name, text = "evenhand/rlc", "evenhand/rlc\n5\nroot\n"
	sig, err := k.SignNote(name, text)
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Public().VerifyNote(name, text, sig); err != nil {
		t.Error(err)
	}
	key, err := k.Public().NoteKey(name)
	if err != nil {
		t.Fatal(err)
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	n, err := note.Open([]byte(text+"\n— "+name+" "+sig+"\n"), note.VerifierList(verifier))
	if err != nil || n.Text != text || len(n.Sigs) != 1 {
		t.Errorf("opened as a note: %+v, %v", n, err)
	}
	for _, bad := range []struct{ name, text, sig string }{
		{"evenhand/other", text, sig}, {name, "evenhand/rlc\n6\nroot\n", sig}, {name, text, ""}, {name, text, "AAAA"}, {name, text, sig + "\n"}, {name, text, strings.Repeat("A", len(sig))},
	} {
		if err := k.Public().VerifyNote(bad.name, bad.text, bad.sig); !errors.Is(err, ErrSignature) {
			t.Errorf("%+v: %v", bad, err)
		}
	}
	for i := range sig {
		b := []byte(sig)
		if b[i]++; b[i] > 'z' {
			b[i] = '+'
		}
		if k.Public().VerifyNote(name, text, string(b)) == nil {
			t.Fatalf("character %d of the signature changed: accepted", i)
		}
	}
	if err := newKey(t, 11).Public().VerifyNote(name, text, sig); !errors.Is(err, ErrSignature) {
		t.Errorf("another key: %v", err)
	}
	if _, err := k.SignNote("two words", text); err == nil {
		t.Error("a name of two words signs")
	}
	if _, err := k.SignNote(name, "no line end"); err == nil {
		t.Error("a text without a line end is signed")
	}
}
