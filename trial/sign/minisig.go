package sign

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/crypto/blake2b"
)

// Signature is a minisign signature of a message, as read from its file.
type Signature struct {
	ID      [8]byte // of the key that is said to have made it
	Comment string  // the trusted comment: signed along with the message

	hashed      bool // over the message's BLAKE2b-512, not the message
	sig, global []byte
}

// ErrSignature is wrapped by every error of Verify.
var ErrSignature = errors.New("the signature does not hold")

// mostComment is the longest trusted comment, in bytes; minisign's limit is
// 8,192.
const mostComment = 4096

// Sign signs a message and the trusted comment, one line of printable text, and
// gives the signature's file. Ed25519 needs no entropy: the same key, message
// and comment give the same bytes.
func (k *SecretKey) Sign(message []byte, comment string) (string, error) {
	if err := printable(comment); err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	hash := blake2b.Sum512(message)
	sig := ed25519.Sign(k.key, hash[:])
	global := ed25519.Sign(k.key, join(sig, []byte(comment)))
	base := base64.StdEncoding.EncodeToString
	return untrusted + "signature by key " + idText(k.id) + "\n" + base(join(algHashed, k.id[:], sig)) + "\n" + trusted + comment + "\n" + base(global) + "\n", nil
}

// ParseSignature reads a signature's file of four lines: untrusted comment,
// signature, trusted comment, signature of the two. It checks nothing yet.
func ParseSignature(text string) (Signature, error) {
	var s Signature
	if len(text) > 1<<16 {
		return s, errors.New("this is not a signature: it is far too long")
	}
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(text, "\r\n", "\n"), "\n"), "\n")
	if len(lines) != 4 || !strings.HasPrefix(lines[0], untrusted) || !strings.HasPrefix(lines[2], trusted) {
		return s, fmt.Errorf("this is not a signature: a signature has four lines, the first beginning %q and the third %q", untrusted, trusted)
	}
	b, err := decode(lines[1], 2+8+ed25519.SignatureSize)
	if err != nil {
		return s, fmt.Errorf("line 2 of the signature: %w", err)
	}
	switch {
	case bytes.Equal(b[:2], algHashed):
		s.hashed = true
	case !bytes.Equal(b[:2], algEd25519):
		return s, fmt.Errorf("line 2 of the signature: it is of the kind %q, which is not known here", b[:2])
	}
	copy(s.ID[:], b[2:])
	s.sig = b[10:]
	s.Comment = strings.TrimPrefix(lines[2], trusted)
	if err := printable(s.Comment); err != nil {
		return s, fmt.Errorf("line 3 of the signature: %w", err)
	}
	if s.global, err = decode(lines[3], ed25519.SignatureSize); err != nil {
		return s, fmt.Errorf("line 4 of the signature: %w", err)
	}
	return s, nil
}

// IDText is the ID of the key that is said to have made it.
func (s Signature) IDText() string { return idText(s.ID) }

// Verify says whether the key signed the message and the trusted comment.
func (k PublicKey) Verify(message []byte, s Signature) error {
	if s.ID != k.ID {
		return fmt.Errorf("%w: it was made by key %s, and this is key %s", ErrSignature, s.IDText(), k.IDText())
	}
	signed := message
	if s.hashed {
		hash := blake2b.Sum512(message)
		signed = hash[:]
	}
	if !ed25519.Verify(k.Key, signed, s.sig) {
		return fmt.Errorf("%w: key %s did not sign these bytes", ErrSignature, k.IDText())
	}
	if !ed25519.Verify(k.Key, join(s.sig, []byte(s.Comment)), s.global) {
		return fmt.Errorf("%w: key %s did not sign this trusted comment", ErrSignature, k.IDText())
	}
	return nil
}

// printable refuses a comment that would break a line or steer a screen.
func printable(comment string) error {
	bad := func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsPrint(r) && r != '\t'
	}
	if len(comment) > mostComment || strings.ContainsFunc(comment, bad) {
		return fmt.Errorf("a trusted comment is one line of printable text of at most %d bytes, not %.60q", mostComment, comment)
	}
	return nil
}
