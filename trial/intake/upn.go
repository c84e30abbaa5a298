package intake

import (
	"fmt"
	"regexp"
	"strings"
)

// upnLetters are the check letters of unique pupil numbers: the alphabet
// without I, O and S.
const upnLetters = "ABCDEFGHJKLMNPQRTUVWXYZ"

var upnForm = regexp.MustCompile(`^[A-Z][0-9]{12}$|^[A-Z][0-9]{11}[A-Z]$`)

// CheckUPN checks a unique pupil number: a check letter and twelve digits, or
// eleven digits and a letter for a temporary number. The check letter is
// number (2·d₂ + 3·d₃ + … + 13·d₁₃) mod 23 of upnLetters, the final letter of
// a temporary number counting as its place there (UniquePupilNumber 2.0 of the
// government's data standards catalogue). Some software counts that letter as
// nothing; such a number passes with a note. The number of the local authority
// is not checked, because pupils keep it when an authority is dissolved.
func CheckUPN(upn string) (note string, err error) {
	if !upnForm.MatchString(upn) {
		return "", fmt.Errorf("%q is not a unique pupil number, which is a letter and twelve digits (or eleven digits and a letter)", clip(upn))
	}
	sum, last := 0, 0
	for i := 1; i < 13; i++ {
		value := int(upn[i] - '0')
		if i == 12 && upn[i] >= 'A' {
			value = strings.IndexByte(upnLetters, upn[i])
			if value < 0 {
				return "", fmt.Errorf("%q ends in %c, a letter that unique pupil numbers do not have", upn, upn[i])
			}
			last = (i + 1) * value
		}
		sum += (i + 1) * value
	}
	switch want, lenient := upnLetters[sum%23], upnLetters[(sum-last)%23]; {
	case upn[0] == want:
		return "", nil
	case last > 0 && upn[0] == lenient:
		return fmt.Sprintf("the check letter of the temporary number %s is right only if its final letter is not counted", upn), nil
	default:
		return "", fmt.Errorf("the check letter of %q is wrong: to these digits belongs %c", upn, want)
	}
}
