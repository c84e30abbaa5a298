package randomize

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Chance is the random bytes a draw is made from: 64 lower-case hexadecimal
// digits (32 bytes).
type Chance string

// ParseChance reads a chance: 64 lower-case hexadecimal digits, with at most
// one line feed after them.
func ParseChance(text string) (Chance, error) {
	f := faults{what: "chance"}
	s := strings.TrimSuffix(text, "\n")
	if strings.HasSuffix(s, "\r") {
		f.add(0, "it ends with a carriage return (Windows line end)")
		s = strings.TrimSuffix(s, "\r")
	}
	if len(s) != 64 {
		f.add(0, "it has %s, want 64 hexadecimal digits (32 bytes)", quantity(len(s), "character", "characters"))
	}
	for i, r := range s {
		if strings.ContainsRune("0123456789abcdef", r) {
			continue
		}
		if strings.ContainsRune("ABCDEF", r) {
			f.add(0, "character %d is the capital %q; write the digits a to f small, since the text itself is hashed", i+1, r)
		} else {
			f.add(0, "character %d is %q, not one of 0-9 a-f", i+1, r)
		}
		break
	}
	if err := f.err(); err != nil {
		return "", err
	}
	return Chance(s), nil
}

// Validate says what is wrong with the chance, if anything.
func (c Chance) Validate() error {
	if strings.HasSuffix(string(c), "\n") {
		return &InvalidError{What: "chance", Faults: []Fault{{Reason: "it ends with a line feed"}}}
	}
	_, err := ParseChance(string(c))
	return err
}

// Digest is H: SHA-256 in 64 lower-case hexadecimal digits.
func Digest(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])
}

// TwoPartyChance joins two parties' sealed numbers into one chance, which
// neither could choose if each was committed before the other was opened.
func TwoPartyChance(a, b Chance) (Chance, error) {
	for i, c := range []Chance{a, b} {
		if err := c.Validate(); err != nil {
			return "", fmt.Errorf("party %d: %w", i+1, err)
		}
	}
	return Chance(Digest([]byte("evenhand-chance 1\n" + string(a) + "\n" + string(b) + "\n"))), nil
}
