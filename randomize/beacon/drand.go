package beacon

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/cloudflare/circl/sign/bls"
)

// The chain quicknet of the League of Entropy, as its relays publish it at
// /CHAIN/info. ChainHash is the SHA-256 of the other four with the group's hash
// and the chain's name, which a test holds them to.
const (
	ChainHash = "52db9ba70e0cc0f6eaf7803dd07447a1f5477735fd3f661792ba94600c84e971"
	PublicKey = "83cf0f2896adee7eb8b5f01fcad3912212c437e0073e911fb90022d3e760183c8c4b450b6a0a6c3ac6a5776a2d1064510d1fec758c921cc22b0e17e63aaf4bcb5ed66304de9cf809bd274ca73bab4af5a6e9c76a4bc09e76eae8991ef5ece45a"
	Genesis   = 1692803367 // the first round, in seconds since 1970 UTC
	Period    = 3          // seconds from round to round
)

// RoundAt is the round that is published at an instant, in seconds since 1970
// UTC: the first one at or after it. Before the genesis it is round 1.
func RoundAt(unix int64) uint64 {
	if unix <= Genesis {
		return 1
	}
	return uint64((unix-Genesis+Period-1)/Period) + 1
}

// TimeOf is the instant at which a round is published, in seconds since 1970
// UTC. ok is false for round 0 and for one after the year 9999.
func TimeOf(round uint64) (unix int64, ok bool) {
	const last = 253402300799
	if round == 0 || round > (last-Genesis)/Period {
		return 0, false
	}
	return Genesis + int64(round-1)*Period, true
}

// VerifyDrand checks the record of a round of quicknet, as drand's relays give
// it: a JSON object with round and signature, and mostly randomness. The error
// wraps ErrRecord.
func VerifyDrand(record []byte, round uint64) (Verified, error) {
	var r struct {
		Round      *json.Number `json:"round"`
		Signature  string       `json:"signature"`
		Randomness string       `json:"randomness"`
		Previous   string       `json:"previous_signature"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return Verified{}, refuse("it is not a JSON object as drand's relays give it (%v)", err)
	}
	switch {
	case r.Round == nil:
		return Verified{}, refuse("it has no \"round\"")
	case r.Round.String() != fmt.Sprint(round):
		return Verified{}, refuse("it is of round %s, and round %d was committed", *r.Round, round)
	case r.Previous != "":
		return Verified{}, refuse("it has a \"previous_signature\", so it is of another chain than quicknet, whose rounds do not name the one before")
	case !isHex(r.Signature, 96):
		return Verified{}, refuse("its signature is not 96 hexadecimal digits, as those of quicknet are")
	}
	signature, err := hex.DecodeString(r.Signature)
	if err != nil {
		return Verified{}, refuse("its signature: %v", err)
	}
	sum := sha256.Sum256(signature)
	v := Verified{Beacon: Drand, Round: fmt.Sprint(round), Value: hex.EncodeToString(sum[:])}
	if r.Randomness != "" && !strings.EqualFold(r.Randomness, v.Value) {
		return Verified{}, refuse("its randomness is %.70s, but the SHA-256 of its signature is %s", r.Randomness, v.Value)
	}
	if err := checkBLS(signature, round); err != nil {
		return Verified{}, err
	}
	v.Shown = []string{
		fmt.Sprintf("it is of round %d, as committed", round),
		"the value is the SHA-256 of the signature",
		"the BLS signature is that of chain quicknet over this round, under the public key to which the chain's hash is bound",
	}
	v.NotShown = []string{
		"that fewer than a threshold of drand's operators worked together: as many could have known the round early",
		"when the record became known: only a copy of the commitment held by somebody else shows that it was made before the round",
	}
	return v, nil
}

// checkBLS checks the signature of a round: quicknet is unchained, so that the
// message is the SHA-256 of the round as eight bytes, the most significant
// first; keys are in G2, signatures in G1, hashed to the curve as RFC 9380 says.
func checkBLS(signature []byte, round uint64) error {
	text, err := hex.DecodeString(PublicKey)
	if err != nil {
		return fmt.Errorf("read the key of quicknet: %w", err)
	}
	var key bls.PublicKey[bls.KeyG2SigG1]
	if err := key.UnmarshalBinary(text); err != nil {
		return fmt.Errorf("read the key of quicknet: %w", err)
	}
	var message [8]byte
	binary.BigEndian.PutUint64(message[:], round)
	digest := sha256.Sum256(message[:])
	if !bls.Verify(&key, digest[:], signature) {
		return refuse("its signature is not that of chain quicknet over round %d: the record was changed, or is of another round or chain", round)
	}
	return nil
}

// maxRound keeps round numbers where JSON numbers are exact.
const maxRound = math.MaxInt64 >> 10

// ValidRound says what is wrong with a round's number, if anything.
func ValidRound(round uint64) error {
	if _, ok := TimeOf(round); !ok || round > maxRound {
		return fmt.Errorf("round %d: rounds of quicknet are counted from 1, one every %d seconds since August 2023", round, Period)
	}
	return nil
}
