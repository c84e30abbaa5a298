package sign

import (
	"encoding/base64"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// NoteKey is the public key as tools for signed notes write it, under the name
// of the log that it signs: name, plus sign, hash, plus sign, key.
func (k PublicKey) NoteKey(name string) (string, error) {
	return note.NewEd25519VerifierKey(name, k.Key)
}

// SignNote signs a text that ends with a line end and gives the signature: the
// base64 that stands in the note after the name.
func (k *SecretKey) SignNote(name, text string) (string, error) {
	verifier, err := k.Public().NoteKey(name)
	if err != nil {
		return "", fmt.Errorf("sign note of %q: %w", name, err)
	}
	hash := strings.TrimPrefix(verifier, name+"+")[:8]
	secret := base64.StdEncoding.EncodeToString(join([]byte{1}, k.key.Seed()))
	signer, err := note.NewSigner("PRIVATE+KEY+" + name + "+" + hash + "+" + secret)
	if err != nil {
		return "", fmt.Errorf("sign note of %q: %w", name, err)
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return "", fmt.Errorf("sign note of %q: %w", name, err)
	}
	lines := strings.Fields(strings.TrimPrefix(string(signed), text))
	return lines[len(lines)-1], nil
}

// VerifyNote says whether the key signed a text under a name.
func (k PublicKey) VerifyNote(name, text, signature string) error {
	key, err := k.NoteKey(name)
	if err != nil {
		return fmt.Errorf("check note of %q: %w", name, err)
	}
	verifier, err := note.NewVerifier(key)
	if err != nil {
		return fmt.Errorf("check note of %q: %w", name, err)
	}
	if b, err := base64.StdEncoding.DecodeString(signature); err != nil || base64.StdEncoding.EncodeToString(b) != signature {
		return fmt.Errorf("%w: %.100q is not base64", ErrSignature, signature)
	}
	if _, err := note.Open([]byte(text+"\n— "+name+" "+signature+"\n"), note.VerifierList(verifier)); err != nil {
		return fmt.Errorf("%w: key %s did not sign this text", ErrSignature, k.IDText())
	}
	return nil
}
