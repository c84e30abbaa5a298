package sign

import "testing"

// Files of strangers are read without a crash.
func FuzzFiles(f *testing.F) {
	k := newKey(f, 1)
	secret, err := k.Text("", nil)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := k.Sign([]byte("x"), "comment")
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", secret, signed, k.Public().Text(), k.Public().Line(), untrusted} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if key, err := ParsePublicKey(text); err == nil {
			if again, err := ParsePublicKey(key.Text()); err != nil || !again.Equal(key) {
				t.Fatalf("%v from %q", err, text)
			}
		}
		if s, err := ParseSignature(text); err == nil {
			_ = k.Public().Verify([]byte("x"), s)
		}
		refuse := func() (string, error) { return "", ErrPassword } // never pay for a password here
		if key, err := ParseSecretKey(text, refuse); err == nil {
			if back, err := key.Text("", nil); err != nil || !IsSecret(back) {
				t.Fatalf("%v from %q", err, text)
			}
		}
	})
}
