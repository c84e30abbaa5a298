// Package beacon checks the records of public randomness beacons offline.
//
// A beacon publishes a random value at fixed times, signed. A trial names a
// round before it exists; afterwards the round's record is a file that anybody
// can fetch, and this package says what of it can be shown without any network:
//
//   - drand's chain quicknet: the round, the value as the SHA-256 of the
//     signature, and the BLS signature itself under the chain's public key, which
//     stands in this package and is bound to the chain's hash;
//   - the NIST Randomness Beacon, version 2.0: the time, the output value as the
//     SHA-512 of the signed fields and the signature, and the RSA signature under
//     the certificate that the pulse names, if that is given.
//
// What cannot be shown is listed in Verified.NotShown. Like package randomize
// it has no clock, disk or network of its own.
package beacon

import (
	"errors"
	"fmt"
	"strings"

	"evenhand/randomize"
)

// ErrRecord is wrapped by every finding that a record is not what the round's
// record must be. No chance may be taken from such a record.
var ErrRecord = errors.New("the beacon's record does not hold")

// Verified is what a record gives, and how far that could be shown.
type Verified struct {
	Beacon   string   // Drand or NIST
	Round    string   // the round as committed: drand's number, NIST's time as 2006-01-02T15:04:05Z
	Value    string   // the random value in lower-case hexadecimal: 64 digits from drand, 128 from NIST
	Shown    []string // what was checked, a sentence without a full stop each
	NotShown []string // what could not be, likewise; it is recorded with the draw
}

// The beacons, by the names that stand in a commitment.
const (
	Drand = "drand-quicknet"
	NIST  = "nist-2.0"
)

// Chance is the chance that the drawing rule takes from the record: the SHA-256
// of the four lines "evenhand-beacon 1", the beacon's name, the round and the
// value, each ended by a line feed.
func (v Verified) Chance() randomize.Chance {
	return randomize.Chance(randomize.Digest([]byte("evenhand-beacon 1\n" + v.Beacon + "\n" + v.Round + "\n" + v.Value + "\n")))
}

func refuse(format string, a ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrRecord}, a...)...)
}

// isHex says whether s is n hexadecimal digits, of either case.
func isHex(s string, n int) bool {
	return len(s) == n && strings.Trim(s, "0123456789abcdefABCDEF") == ""
}
