package trial

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"evenhand/randomize"
	"evenhand/randomize/beacon"
)

// Where the chance of a draw may come from, as in the protocol.
const (
	ChanceLocal    = "local"
	ChanceTwoParty = "two-party"
	ChanceBeacon   = "beacon"
	ChanceDice     = "dice"
)

// ChanceTerms say where the chance of a draw will come from. They are part of
// the commitment, so that they cannot be chosen by their outcome.
type ChanceTerms struct {
	Source string // ChanceLocal, …

	Sealed []Seal // two-party: the sealed numbers in the order in which they are joined

	Beacon string    // beacon: beacon.Drand or beacon.NIST
	Round  uint64    // drand: the round's number
	At     time.Time // when the round is published, UTC, whole seconds

	Sides   int    // dice: the numbers are 1 to Sides
	PerDraw int    // so many different numbers are drawn at a time, as in a lottery; 0 where each number is thrown by itself
	Event   string // what is thrown or drawn, where and when, in a line of words
}

// Seal is a party's promise of a number: its digest.
type Seal struct {
	Party  string
	Digest string // SHA-256 of the number's 64 hexadecimal digits
}

// BeaconLead is how far ahead of the clock a beacon's round must be when the
// draw is committed.
const BeaconLead = time.Hour

// LeastBits is the least entropy, in bits, that typed numbers must have.
const LeastBits = 128

// ErrChance is wrapped by every refusal of a chance or of its terms.
var ErrChance = errors.New("no chance")

// Throws is how many numbers must be typed in for LeastBits of entropy: 50 of a
// die with six faces.
func (c ChanceTerms) Throws() int {
	if c.PerDraw == 0 {
		return int(math.Ceil(LeastBits/math.Log2(float64(c.Sides)) - 1e-9))
	}
	// The numbers of one draw of a lottery are a set: one of Sides over PerDraw.
	sets := new(big.Int).Binomial(int64(c.Sides), int64(c.PerDraw))
	bits, _ := new(big.Float).SetInt(sets).Float64()
	return c.PerDraw * int(math.Ceil(LeastBits/math.Log2(bits)-1e-9))
}

// Check says what is wrong with the terms, all at once: nil, or an error that
// wraps ErrChance. now is the clock.
func (c ChanceTerms) Check(now time.Time) error {
	var faults []string
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	switch c.Source {
	case ChanceLocal:
	case ChanceTwoParty:
		if len(c.Sealed) != 2 {
			fault("two parties seal a number each, and %d digests are given", len(c.Sealed))
		}
		for _, s := range c.Sealed {
			if !IsName(s.Party) {
				fault("party %q: letters, digits and . _ - only, at most 64", s.Party)
			}
			if !IsDigest(s.Digest) {
				fault("the digest of %s is not 64 lower-case hexadecimal digits, but %.70q", s.Party, s.Digest)
			}
		}
		if len(c.Sealed) == 2 {
			if c.Sealed[0].Party == c.Sealed[1].Party {
				fault("both numbers are sealed by %s: two parties are needed", c.Sealed[0].Party)
			}
			if c.Sealed[0].Digest == c.Sealed[1].Digest {
				fault("%s and %s gave the same digest: one has copied the other's, and would bring no chance of its own", c.Sealed[0].Party, c.Sealed[1].Party)
			}
		}
	case ChanceBeacon:
		switch c.Beacon {
		case beacon.Drand:
			if err := beacon.ValidRound(c.Round); err != nil {
				fault("%v", err)
			} else if unix, _ := beacon.TimeOf(c.Round); c.At.Unix() != unix {
				fault("round %d is published at %s, not at %s", c.Round, time.Unix(unix, 0).UTC().Format(time.RFC3339), c.At.Format(time.RFC3339))
			}
		case beacon.NIST:
			if c.At.Unix()%60 != 0 || c.At.Nanosecond() != 0 {
				fault("NIST's beacon has a pulse at every whole minute, not at %s", c.At.Format(time.RFC3339Nano))
			}
		default:
			fault("%q is not a beacon: there are %s and %s", c.Beacon, beacon.Drand, beacon.NIST)
		}
		if len(faults) == 0 && c.At.Before(now.Add(BeaconLead)) {
			fault("the round is published at %s, and it is %s now: name one at least an hour ahead, so that the commitment is with others before anybody can know it", c.At.UTC().Format(time.RFC3339), now.UTC().Truncate(time.Second).Format(time.RFC3339))
		}
	case ChanceDice:
		if c.Sides < 2 || c.Sides > 1000 {
			fault("numbers of 1 to %d: the highest is 2 (a coin) to 1,000", c.Sides)
		} else if c.PerDraw != 0 && (c.PerDraw < 1 || c.PerDraw >= c.Sides || c.PerDraw > 20) {
			fault("%d different numbers of 1 to %d at a time: between 1 and 20, and fewer than there are", c.PerDraw, c.Sides)
		}
		if strings.TrimSpace(c.Event) == "" {
			fault("it is not said what will be thrown or drawn, where and when")
		}
		if strings.ContainsAny(c.Event, "\r\n") {
			fault("what will be thrown is one line of words")
		}
	default:
		fault("%q is not a source of chance", c.Source)
	}
	if len(faults) > 0 {
		return fmt.Errorf("%w from %s: %s", ErrChance, c.Source, strings.Join(faults, "; "))
	}
	return nil
}

// Lines are the terms as they stand in a commitment, from the line "chance …".
func (c ChanceTerms) Lines() string {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("chance %s", c.Source)
	switch c.Source {
	case ChanceTwoParty:
		for _, s := range c.Sealed {
			line("sealed %s %s", s.Party, s.Digest)
		}
		line(`formula SHA-256 of three lines: evenhand-chance 1; the first number; the second`)
	case ChanceBeacon:
		if c.Beacon == beacon.Drand {
			line("beacon %s %s", c.Beacon, beacon.ChainHash)
			line("round %d", c.Round)
		} else {
			line("beacon %s", c.Beacon)
			line("round %s", c.BeaconRound())
		}
		line("published %s", c.At.UTC().Format(time.RFC3339))
		line(`formula SHA-256 of four lines: evenhand-beacon 1; %s; the round; its value in lower-case hexadecimal`, c.Beacon)
	case ChanceDice:
		if c.PerDraw > 0 {
			line("numbers 1 to %d, %d different ones a draw in ascending order, at least %d", c.Sides, c.PerDraw, c.Throws())
		} else {
			line("numbers 1 to %d, at least %d", c.Sides, c.Throws())
		}
		line("event %s", strings.Join(strings.Fields(c.Event), " "))
		line(`formula SHA-256 of two lines: evenhand-dice 1; the numbers in order, one space between`)
	}
	return b.String()
}

// BeaconRound is the round as its record and the formula name it.
func (c ChanceTerms) BeaconRound() string {
	if c.Beacon == beacon.Drand {
		return strconv.FormatUint(c.Round, 10)
	}
	return c.At.UTC().Format(time.RFC3339)
}

// ParseChanceTerms reads the terms out of a commitment's text.
func ParseChanceTerms(commitment string) (ChanceTerms, error) {
	var c ChanceTerms
	var bad error
	for _, line := range strings.Split(commitment, "\n") {
		key, rest, _ := strings.Cut(line, " ")
		words := strings.Fields(rest)
		if c.Source == "" && key != "chance" {
			continue
		}
		var err error
		switch key {
		case "chance":
			c.Source = rest
		case "sealed":
			if len(words) != 2 {
				err = errors.New("want a party and a digest")
				break
			}
			c.Sealed = append(c.Sealed, Seal{words[0], words[1]})
		case "beacon":
			c.Beacon, _, _ = strings.Cut(rest, " ")
		case "round":
			if c.Beacon == beacon.Drand {
				c.Round, err = strconv.ParseUint(rest, 10, 64)
			}
		case "published":
			c.At, err = time.Parse(time.RFC3339, rest)
			c.At = c.At.UTC()
		case "numbers":
			if strings.Contains(rest, "different") {
				_, err = fmt.Sscanf(rest, "1 to %d, %d different", &c.Sides, &c.PerDraw)
			} else {
				_, err = fmt.Sscanf(rest, "1 to %d,", &c.Sides)
			}
		case "event":
			c.Event = rest
		}
		if err != nil && bad == nil {
			bad = fmt.Errorf("the commitment's line %q: %w", line, err)
		}
	}
	if bad != nil {
		return c, bad
	}
	if c.Source == "" {
		return c, errors.New("the commitment does not say where chance comes from")
	}
	// Terms that could not have been committed are not taken from a text that
	// somebody hands in either. (When they were committed, the clock decided.)
	if err := c.Check(time.Time{}); err != nil {
		return c, fmt.Errorf("the commitment: %w", err)
	}
	if !strings.Contains("\n"+commitment, "\n"+c.Lines()) {
		return c, errors.New("the commitment says where chance comes from in other words than this program's")
	}
	return c, nil
}

// Strength says in a word how strong the source is, and what others must take
// on trust. Neither ends with a full stop.
func (c ChanceTerms) Strength() (strength, trust string) {
	switch c.Source {
	case ChanceLocal:
		return "weak", "others must take the operator's word that this was the first draw"
	case ChanceTwoParty:
		return "strong if one of the two is honest", "others must trust that the parties did not agree their numbers; whoever opens last could work out the draw first and refuse to open, which all would see"
	case ChanceBeacon:
		if c.Beacon == beacon.NIST {
			return "strong once others hold the commitment", "others must trust NIST, the beacon's one operator, and that the commitment was with somebody else before " + c.At.UTC().Format("2 January 2006, 15:04 UTC")
		}
		return "strong once others hold the commitment", "others must trust that too few of drand's operators worked together to know the round early, and that the commitment was with somebody else before " + c.At.UTC().Format("2 January 2006, 15:04:05 UTC")
	case ChanceDice:
		return "as strong as its witnesses", "others must trust that the witnesses saw the numbers fall once, and saw them typed in as they fell"
	}
	return "", ""
}

// Evidence is a text from which chance was taken, by its name: "sealed-1" and
// "sealed-2" (the numbers), "record" and "certificate" (of a beacon), "numbers"
// and "witnesses" (of dice).
type Evidence struct {
	Name string
	Text string
}

// Taken is the chance that evidence gives, with what was and was not shown.
type Taken struct {
	Chance   randomize.Chance
	Shown    []string
	NotShown []string
}

// Take works the chance out of the evidence, as the terms say. It is a pure
// function, by which an auditor repeats what the draw did. Errors wrap
// ErrChance, or beacon.ErrRecord.
func (c ChanceTerms) Take(evidence []Evidence) (t Taken, err error) {
	want := map[string][]string{ChanceTwoParty: {"sealed-1", "sealed-2"}, ChanceBeacon: {"record"}, ChanceDice: {"numbers", "witnesses"}}[c.Source]
	may := append(slices.Clone(want), map[string][]string{ChanceBeacon: {"certificate"}}[c.Source]...)
	text := map[string]string{}
	for _, e := range evidence {
		if _, twice := text[e.Name]; twice || !slices.Contains(may, e.Name) {
			return t, fmt.Errorf("%w: %q is not what chance %s is taken from", ErrChance, e.Name, c.Source)
		}
		text[e.Name] = e.Text
	}
	for _, name := range want {
		if _, ok := text[name]; !ok {
			return t, fmt.Errorf("%w: %q is missing, from which chance %s is taken", ErrChance, name, c.Source)
		}
	}
	switch c.Source {
	case ChanceTwoParty:
		var numbers [2]randomize.Chance
		for i, s := range c.Sealed {
			if numbers[i], err = randomize.ParseChance(text[want[i]]); err != nil {
				return t, fmt.Errorf("%w: the number of %s: %w", ErrChance, s.Party, err)
			}
			if got := DigestOf(string(numbers[i])); got != s.Digest {
				return t, fmt.Errorf("%w: the number that %s opened has digest %.16s…, but %.16s… was sealed: it is another number, and the draw cannot be made from it", ErrChance, s.Party, got, s.Digest)
			}
			t.Shown = append(t.Shown, fmt.Sprintf("the number of %s is the one that was sealed", s.Party))
		}
		t.Chance, err = randomize.TwoPartyChance(numbers[0], numbers[1])
		t.NotShown = []string{"that the two parties did not agree their numbers between them"}
		return t, err
	case ChanceBeacon:
		var v beacon.Verified
		if c.Beacon == beacon.Drand {
			if _, ok := text["certificate"]; ok {
				return t, fmt.Errorf("%w: drand's record needs no certificate: its key is in this program", ErrChance)
			}
			v, err = beacon.VerifyDrand([]byte(text["record"]), c.Round)
		} else {
			v, err = beacon.VerifyNIST([]byte(text["record"]), []byte(text["certificate"]), c.BeaconRound())
		}
		if err != nil {
			return t, err
		}
		return Taken{v.Chance(), v.Shown, v.NotShown}, nil
	case ChanceDice:
		numbers, err := c.ParseNumbers(text["numbers"])
		if err != nil {
			return t, err
		}
		if text["numbers"] != numbersText(numbers)+"\n" {
			return t, fmt.Errorf("%w: the numbers are not written with one space between", ErrChance)
		}
		people := strings.Split(strings.TrimSuffix(text["witnesses"], "\n"), "\n")
		if err := CheckWitnesses(people); err != nil {
			return t, err
		}
		return Taken{
			Chance:   randomize.Chance(DigestOf("evenhand-dice 1\n" + numbersText(numbers) + "\n")),
			Shown:    []string{fmt.Sprintf("%d numbers of 1 to %d, with %d bits of entropy or more if they fell fairly", len(numbers), c.Sides, LeastBits)},
			NotShown: []string{"that the numbers fell as they were typed, once: for this stand " + strings.Join(people, ", ")},
		}, nil
	}
	return t, fmt.Errorf("%w: chance %q is not taken from evidence", ErrChance, c.Source)
}

// ParseNumbers reads typed numbers: apart by spaces or commas, or, where none
// is above 9, in one run. All faults come at once; the error wraps ErrChance.
func (c ChanceTerms) ParseNumbers(typed string) ([]int, error) {
	var numbers []int
	var faults []string
	for _, field := range strings.FieldsFunc(typed, func(r rune) bool { return strings.ContainsRune(" ,;\t\r\n", r) }) {
		parts := []string{field}
		if c.Sides <= 9 {
			parts = strings.Split(field, "")
		}
		for _, p := range parts {
			n, err := strconv.Atoi(p)
			if err != nil || n < 1 || n > c.Sides || p != strconv.Itoa(n) {
				faults = append(faults, fmt.Sprintf("%.20q is not a number of 1 to %d", p, c.Sides))
			}
			numbers = append(numbers, n)
		}
	}
	if len(faults) > 5 {
		faults = append(faults[:5], fmt.Sprintf("and %d more", len(faults)-5))
	}
	if least := c.Throws(); len(numbers) < least {
		faults = append(faults, fmt.Sprintf("%d numbers are given; %d are needed for %d bits", len(numbers), least, LeastBits))
	}
	if c.PerDraw > 0 && len(faults) == 0 {
		if len(numbers)%c.PerDraw != 0 {
			faults = append(faults, fmt.Sprintf("%d numbers are no whole number of draws of %d", len(numbers), c.PerDraw))
		}
		for i := 1; i < len(numbers); i++ {
			if i%c.PerDraw != 0 && numbers[i] <= numbers[i-1] {
				faults = append(faults, fmt.Sprintf("in draw %d, %d comes after %d: the different numbers of a draw are given in ascending order", i/c.PerDraw+1, numbers[i], numbers[i-1]))
			}
		}
	} else if len(faults) == 0 && len(slices.Compact(slices.Sorted(slices.Values(numbers)))) == 1 {
		faults = append(faults, fmt.Sprintf("all %d numbers are %d: nobody threw that", len(numbers), numbers[0]))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("%w: %s", ErrChance, strings.Join(faults, "; "))
	}
	return numbers, nil
}

func numbersText(numbers []int) string {
	all := make([]string, len(numbers))
	for i, n := range numbers {
		all[i] = strconv.Itoa(n)
	}
	return strings.Join(all, " ")
}

// NumbersEvidence is what is kept of typed numbers and their witnesses.
func NumbersEvidence(numbers []int, witnesses []string) []Evidence {
	return []Evidence{{"numbers", numbersText(numbers) + "\n"}, {"witnesses", strings.Join(witnesses, "\n") + "\n"}}
}

// CheckWitnesses says what is wrong with the witnesses of numbers typed in: two
// people or more, each named once.
func CheckWitnesses(people []string) error {
	seen := map[string]bool{}
	for _, p := range people {
		key := strings.ToLower(strings.Join(strings.Fields(p), " "))
		if key != "" {
			if seen[key] {
				return fmt.Errorf("%w: witness %q is named twice", ErrChance, p)
			}
			seen[key] = true
		}
	}
	if len(seen) < 2 {
		return fmt.Errorf("%w: numbers typed in need two witnesses or more, by name", ErrChance)
	}
	return nil
}

// Sealed is a number that a party keeps to itself until the draw.
type Sealed struct {
	Party  string
	Number randomize.Chance
}

const sealedFirstLine = "evenhand-sealed 1"

// Seal is what the party gives away beforehand.
func (s Sealed) Seal() Seal { return Seal{s.Party, DigestOf(string(s.Number))} }

// Text is the file that the party keeps.
func (s Sealed) Text() string {
	return fmt.Sprintf("%s\nparty %s\nnumber %s\n", sealedFirstLine, s.Party, s.Number)
}

// ParseSealed reads such a file. Spaces and carriage returns at the ends of
// lines are passed over, as mail programs put them there.
func ParseSealed(text string) (Sealed, error) {
	var lines []string
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		lines = append(lines, strings.TrimSpace(line))
	}
	var s Sealed
	if len(lines) != 3 || lines[0] != sealedFirstLine {
		return s, fmt.Errorf("it is not a sealed number: want three lines, the first %q", sealedFirstLine)
	}
	party, ok1 := strings.CutPrefix(lines[1], "party ")
	number, ok2 := strings.CutPrefix(lines[2], "number ")
	if !ok1 || !ok2 || !IsName(party) {
		return s, errors.New(`a sealed number has a line "party NAME" and a line "number …"`)
	}
	chance, err := randomize.ParseChance(number)
	if err != nil {
		return s, err
	}
	return Sealed{party, chance}, nil
}

// IsDigest says whether a text has the form of a SHA-256: 64 characters 0-9a-f.
func IsDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// SamePerson compares names as people write them: case and spaces don't count.
func SamePerson(a, b string) bool {
	return strings.EqualFold(strings.Join(strings.Fields(a), " "), strings.Join(strings.Fields(b), " "))
}
