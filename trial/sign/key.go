package sign

import (
	"bytes"
	"crypto/ed25519"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/scrypt"
)

// PublicKey checks signatures. ID tells keys apart; it is random and proves
// nothing.
type PublicKey struct {
	ID  [8]byte
	Key ed25519.PublicKey
}

// SecretKey signs.
type SecretKey struct {
	id  [8]byte
	key ed25519.PrivateKey
}

// ErrPassword says that a secret key was not opened: the password is another,
// or the file was changed.
var ErrPassword = errors.New("the password does not open this key (or its file was changed)")

// The words in front of the texts, which minisign writes too. Nothing depends
// on what follows them.
const (
	untrusted = "untrusted comment: "
	trusted   = "trusted comment: "
)

// Algorithms as minisign names them in two bytes.
var (
	algEd25519 = []byte("Ed") // of keys, and of signatures over the message itself
	algHashed  = []byte("ED") // of signatures over the message's BLAKE2b-512
	kdfNone    = []byte{0, 0}
	kdfScrypt  = []byte("Sc")
	sumBlake2b = []byte("B2")
)

// New makes a key from 40 bytes of entropy.
func New(entropy io.Reader) (*SecretKey, error) {
	var b [8 + ed25519.SeedSize]byte
	if _, err := io.ReadFull(entropy, b[:]); err != nil {
		return nil, fmt.Errorf("read entropy for a key: %w", err)
	}
	k := &SecretKey{key: ed25519.NewKeyFromSeed(b[8:])}
	copy(k.id[:], b[:8])
	return k, nil
}

// Public is the key's public half.
func (k *SecretKey) Public() PublicKey {
	return PublicKey{ID: k.id, Key: k.key.Public().(ed25519.PublicKey)}
}

// IDText is the key's ID in 16 capital hexadecimal digits. (minisign shows the
// same number, some versions without zeros at the front.)
func (k PublicKey) IDText() string { return idText(k.ID) }

func idText(id [8]byte) string { return fmt.Sprintf("%016X", binary.LittleEndian.Uint64(id[:])) }

// Line is the key in one word of base64, as `minisign -P` takes it.
func (k PublicKey) Line() string {
	return base64.StdEncoding.EncodeToString(join(algEd25519, k.ID[:], k.Key))
}

// Text is the public key's file.
func (k PublicKey) Text() string {
	return untrusted + "minisign public key " + k.IDText() + "\n" + k.Line() + "\n"
}

// Equal says whether two keys are the same, IDs included.
func (k PublicKey) Equal(other PublicKey) bool {
	return k.ID == other.ID && k.Key.Equal(other.Key)
}

// ParsePublicKey reads a public key: its file, or the one word of base64.
func ParsePublicKey(text string) (PublicKey, error) {
	var k PublicKey
	line, err := payload(text, 1)
	if err != nil {
		return k, fmt.Errorf("this is not a public key: %w", err)
	}
	b, err := decode(line[0], 2+8+ed25519.PublicKeySize)
	switch {
	case err != nil && len(line[0]) > 100:
		return k, errors.New("this is not a public key, but looks like a secret one: keep it to yourself")
	case err != nil:
		return k, fmt.Errorf("this is not a public key: %w", err)
	case !bytes.Equal(b[:2], algEd25519):
		return k, fmt.Errorf("this is not an Ed25519 public key: it is of the kind %q", b[:2])
	}
	copy(k.ID[:], b[2:])
	k.Key = ed25519.PublicKey(b[10:])
	return k, nil
}

// IsSecret says whether a text looks like a secret key's file, whether or not
// it can be opened.
func IsSecret(text string) bool {
	line, err := payload(text, 1)
	if err != nil {
		return false
	}
	_, err = decode(line[0], secretSize)
	return err == nil
}

// A secret key's file holds, in base64: the algorithm (2 bytes), the key
// derivation (2), the kind of checksum (2), salt (32), the cost in operations
// and in bytes of memory (8 each, little-endian), then ID (8), Ed25519 key (64)
// and checksum (32), these 104 combined by exclusive or with as many bytes
// derived from the password.
const (
	saltSize   = 32
	sealedSize = 8 + ed25519.PrivateKeySize + 32
	secretSize = 6 + saltSize + 16 + sealedSize
)

// Cost of deriving 104 bytes from a password, in the terms of libsodium. The
// file says it, so that others' files with other costs are read too.
type cost struct{ operations, memory uint64 }

// usual is what new keys get: scrypt with N = 2^18, r = 8, p = 1, that is 256 MiB
// and about a second, twice the least that OWASP's cheat sheet on passwords asks
// for. minisign's own default takes four times as much.
var usual = cost{1 << 23, 1 << 28}

// mostMemory is the most that a file may ask for: minisign's default.
const mostMemory = 1 << 30

// scryptParameters are N, r and p of a cost, by the rule of libsodium's
// crypto_pwhash_scryptsalsa208sha256: r is 8; as many doublings of N as both
// the operations and the memory allow; p takes up the operations left.
func (c cost) scryptParameters() (n, r, p int, err error) {
	if c.memory > mostMemory || c.operations > 1<<26 {
		return 0, 0, 0, fmt.Errorf("the key's file asks for %d MiB and %d operations to try a password; at most %d MiB are used", c.memory>>20, c.operations, mostMemory>>20)
	}
	const block = 8
	operations := max(c.operations, 1<<15)
	byMemory := operations >= c.memory/32
	most := operations / (4 * block)
	if byMemory {
		most = c.memory / (128 * block)
	}
	n = 2
	for uint64(n) <= most/2 {
		n *= 2
	}
	p = 1
	if byMemory {
		p = int(operations/4/uint64(n)) / block
	}
	if p < 1 {
		return 0, 0, 0, errors.New("the key's file asks for less than one round to try a password")
	}
	return n, block, p, nil
}

// Text is the secret key's file. With a password it is encrypted, the salt
// coming from entropy; without one it is not, and whoever has the file can sign.
func (k *SecretKey) Text(password string, entropy io.Reader) (string, error) {
	return k.text(password, entropy, usual)
}

func (k *SecretKey) text(password string, entropy io.Reader, c cost) (string, error) {
	sealed := join(k.id[:], k.key, checksum(k.id, k.key))
	kdf, salt := kdfNone, make([]byte, saltSize)
	if password == "" {
		c = cost{}
		clear(sealed[8+ed25519.PrivateKeySize:]) // as minisign does
	} else {
		kdf = kdfScrypt
		if _, err := io.ReadFull(entropy, salt); err != nil {
			return "", fmt.Errorf("read entropy for a key's salt: %w", err)
		}
		if err := crypt(sealed, password, salt, c); err != nil {
			return "", err
		}
	}
	b := join(algEd25519, kdf, sumBlake2b, salt, binary.LittleEndian.AppendUint64(nil, c.operations), binary.LittleEndian.AppendUint64(nil, c.memory), sealed)
	return untrusted + "minisign encrypted secret key\n" + base64.StdEncoding.EncodeToString(b) + "\n", nil
}

// ParseSecretKey reads a secret key's file; password is asked for only if the
// key is encrypted. A wrong one is ErrPassword.
func ParseSecretKey(text string, password func() (string, error)) (*SecretKey, error) {
	line, err := payload(text, 1)
	if err != nil {
		return nil, fmt.Errorf("this is not a secret key: %w", err)
	}
	b, err := decode(line[0], secretSize)
	switch {
	case err != nil && len(line[0]) < 100:
		return nil, errors.New("this is not a secret key, but perhaps a public one, which cannot sign")
	case err != nil:
		return nil, fmt.Errorf("this is not a secret key: %w", err)
	case !bytes.Equal(b[:2], algEd25519) || !bytes.Equal(b[4:6], sumBlake2b):
		return nil, fmt.Errorf("this is not an Ed25519 secret key: it is of the kind %q with checksum %q", b[:2], b[4:6])
	}
	kdf, salt := b[2:4], b[6:6+saltSize]
	c := cost{binary.LittleEndian.Uint64(b[6+saltSize:]), binary.LittleEndian.Uint64(b[14+saltSize:])}
	sealed := b[22+saltSize:]
	encrypted := bytes.Equal(kdf, kdfScrypt)
	if !encrypted && !bytes.Equal(kdf, kdfNone) {
		return nil, fmt.Errorf("the key is encrypted in a way that is not known here: %q", kdf)
	}
	if encrypted {
		secret, err := password()
		if err != nil {
			return nil, err
		}
		if err := crypt(sealed, secret, salt, c); err != nil {
			return nil, err
		}
	}
	k := &SecretKey{}
	copy(k.id[:], sealed)
	k.key = ed25519.PrivateKey(bytes.Clone(sealed[8 : 8+ed25519.PrivateKeySize]))
	sum := sealed[8+ed25519.PrivateKeySize:]
	none := !encrypted && bytes.Equal(sum, make([]byte, len(sum)))
	if !none && subtle.ConstantTimeCompare(sum, checksum(k.id, k.key)) != 1 {
		return nil, ErrPassword
	}
	if !bytes.Equal(ed25519.NewKeyFromSeed(k.key.Seed()), k.key) {
		return nil, errors.New("the two halves of this secret key do not belong together: its file was changed")
	}
	return k, nil
}

// crypt encrypts or decrypts in place.
func crypt(sealed []byte, password string, salt []byte, c cost) error {
	n, r, p, err := c.scryptParameters()
	if err != nil {
		return err
	}
	stream, err := scrypt.Key([]byte(password), salt, n, r, p, len(sealed))
	if err != nil {
		return fmt.Errorf("derive a key from the password: %w", err)
	}
	subtle.XORBytes(sealed, sealed, stream)
	return nil
}

func checksum(id [8]byte, key ed25519.PrivateKey) []byte {
	sum := blake2b.Sum256(join(algEd25519, id[:], key))
	return sum[:]
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// payload gives the n lines that are not untrusted comments, of a text that
// has no others.
func payload(text string, n int) ([]string, error) {
	if len(text) > 1<<16 {
		return nil, errors.New("it is far too long")
	}
	var lines []string
	for _, line := range strings.Split(strings.ReplaceAll(text, "\r", ""), "\n") {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, untrusted) {
			lines = append(lines, line)
		}
	}
	if len(lines) != n {
		return nil, fmt.Errorf("it has %d lines beside the untrusted comment, not %d", len(lines), n)
	}
	return lines, nil
}

// decode reads so many bytes in the one way of writing them in base64.
func decode(s string, size int) ([]byte, error) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != size || base64.StdEncoding.EncodeToString(b) != s {
		return nil, fmt.Errorf("%.20q… is not %d bytes in base64", s, size)
	}
	return b, nil
}
