package trial

import (
	"fmt"
	"math/big"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// scalarReader puts a node's text into v.
type scalarReader func(d *decoder, n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag)

// scalars are the readers of single values, by type. What each accepts is
// also what Schema tells an editor (see patterns).
var scalars map[reflect.Type]scalarReader

func init() { // the readers refer to the decoder, which refers to scalars
	scalars = map[reflect.Type]scalarReader{
		reflect.TypeFor[string]():  readString,
		reflect.TypeFor[int]():     readInt,
		reflect.TypeFor[bool]():    readBool,
		reflect.TypeFor[float64](): textReader(ParseDecimal, "a number such as 20 or 12.5"),
		reflect.TypeFor[Date]():    textReader(ParseDate, "a day, written 2014-09-30, 30/09/2014 or 30 September 2014"),
		reflect.TypeFor[Sizes]():   textReader(ParseSizes, "sizes, written 5 to 6, or 5 for exactly five"),
		reflect.TypeFor[Range]():   textReader(ParseRange, "a range, written 80 to 120"),
		reflect.TypeFor[Decimal](): textReader(parseOptional, "a number such as 45 or 0.13"),
		reflect.TypeFor[Percent](): textReader(ParsePercent, "a percentage, written 95 %"),
		reflect.TypeFor[Rule]():    readRule,
	}
}

var nameForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// IsName says whether s may name an arm, a column, a unit, an outcome and so
// on: letters of the English alphabet, digits and . _ - only, at most 64.
func IsName(s string) bool { return nameForm.MatchString(s) }

const nameHint = "a name has letters of the English alphabet, digits and . _ - only, at most 64 of them, and no spaces: it stands in the texts that the draw is made from. What people read goes into the label"

// scalarText gives a node's text, or records that it has none.
func (d *decoder) scalarText(n *yaml.Node, at path, want string) (string, bool) {
	if n.Kind != yaml.ScalarNode {
		d.faultAt(n, at, "here should be "+want+", not "+kindName(n), "write one value after the colon; a text with [ or { at its beginning needs quotation marks")
		return "", false
	}
	return strings.TrimSpace(n.Value), true
}

// textReader makes a reader from a parser of text.
func textReader[T any](parse func(string) (T, error), want string) scalarReader {
	return func(d *decoder, n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
		s, ok := d.scalarText(n, at, want)
		if !ok {
			return
		}
		x, err := parse(s)
		if err != nil {
			d.faultAt(n, at, err.Error(), "what belongs here: "+tag.Get("doc"))
			return
		}
		v.Set(reflect.ValueOf(x))
	}
}

func readString(d *decoder, n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
	s, ok := d.scalarText(n, at, "a text")
	if !ok {
		return
	}
	if words := enumOf(tag); words != nil {
		for _, w := range words {
			if s == w {
				v.SetString(s)
				return
			}
		}
		hint := "it must be one of: " + strings.Join(words, ", ")
		if near := Nearest(s, words); near != "" {
			hint = fmt.Sprintf("did you mean %s? %s", near, "It must be one of: "+strings.Join(words, ", "))
		}
		d.faultAt(n, at, fmt.Sprintf("%q is not one of the words allowed here", clip(s)), hint+" ("+tag.Get("doc")+")")
		return
	}
	switch {
	case s == "":
		d.faultAt(n, at, "this text is empty", "fill it in, or take the line out")
	case strings.IndexFunc(s, unicode.IsControl) >= 0:
		d.faultAt(n, at, "the text has a line end, a tab or another control character in it", "write it on one line: it stands in tables and in the draw's texts")
	case utf8.RuneCountInString(s) > 1000:
		d.faultAt(n, at, fmt.Sprintf("the text has %d characters; at most 1000 are read", utf8.RuneCountInString(s)), "shorten it")
	case tag.Get("form") == "name" && !IsName(s):
		d.faultAt(n, at, fmt.Sprintf("%q is not a name", clip(s)), nameHint)
	default:
		v.SetString(s)
	}
}

// enumOf gives the words that a tag allows, nil for any.
func enumOf(tag reflect.StructTag) []string {
	if tag.Get("enum") == "" {
		return nil
	}
	return strings.Split(tag.Get("enum"), ",")
}

var intForm = regexp.MustCompile(`^([+-]?[0-9]+)(?:\s*([A-Za-z]+))?$`)

func readInt(d *decoder, n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
	units := strings.Split(tag.Get("unit"), ",")
	want := "a whole number"
	if units[0] != "" {
		want += fmt.Sprintf(", with or without the word %s after it", units[len(units)-1])
	}
	s, ok := d.scalarText(n, at, want)
	if !ok {
		return
	}
	m := intForm.FindStringSubmatch(s)
	if m == nil || m[2] != "" && !containsFold(units, m[2]) {
		hint := "here should be " + want
		if strings.ContainsAny(s, " ,'_") && strings.Trim(s, "0123456789 ,'_") == "" {
			hint += ", without signs between the thousands: " + strings.NewReplacer(" ", "", ",", "", "'", "", "_", "").Replace(s)
		}
		d.faultAt(n, at, fmt.Sprintf("%q is not a whole number", clip(s)), hint)
		return
	}
	x, err := strconv.Atoi(m[1])
	least, most := limits(tag)
	if err != nil || x < least || x > most {
		d.faultAt(n, at, fmt.Sprintf("%s is outside %d to %d", clip(m[1]), least, most), tag.Get("doc"))
		return
	}
	v.SetInt(int64(x))
}

// limits gives the least and greatest value that a tag allows.
func limits(tag reflect.StructTag) (least, most int) {
	least, most = 0, 1_000_000_000
	if s := tag.Get("min"); s != "" {
		least, _ = strconv.Atoi(s)
	}
	if s := tag.Get("max"); s != "" {
		most, _ = strconv.Atoi(s)
	}
	return least, most
}

func containsFold(list []string, s string) bool {
	for _, x := range list {
		if strings.EqualFold(x, s) {
			return true
		}
	}
	return false
}

func readBool(d *decoder, n *yaml.Node, v reflect.Value, at path, _ reflect.StructTag) {
	s, ok := d.scalarText(n, at, "yes or no")
	if !ok {
		return
	}
	switch strings.ToLower(s) {
	case "yes", "true":
		v.SetBool(true)
	case "no", "false":
		v.SetBool(false)
	default:
		d.faultAt(n, at, fmt.Sprintf("%q is neither yes nor no", clip(s)), "write yes or no")
	}
}

// readRule also takes a rule that YAML reads as a key with a value, which
// `survey staff baseline: 75 % of teachers of key stage 2` is.
func readRule(d *decoder, n *yaml.Node, v reflect.Value, at path, _ reflect.StructTag) {
	text := n.Value
	switch {
	case n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Kind == yaml.ScalarNode && n.Content[1].Kind == yaml.ScalarNode:
		text = n.Content[0].Value + ": " + n.Content[1].Value
	case n.Kind != yaml.ScalarNode:
		d.faultAt(n, at, "here should be one rule, not "+kindName(n), ruleForms)
		return
	}
	rule, err := ParseRule(text)
	if err != nil {
		d.faultAt(n, at, err.Error(), ruleForms)
		return
	}
	v.Set(reflect.ValueOf(rule))
}

var decimalForm = regexp.MustCompile(`^-?[0-9]{1,15}(\.[0-9]{1,15})?$`)

// ParseDecimal reads a number as people write it: an optional minus sign,
// digits, and a point with digits after it; at most 15 digits on either side.
// A comma, an exponent, signs between thousands, NaN and infinity are refused.
func ParseDecimal(s string) (float64, error) {
	s = strings.TrimSpace(s)
	if !decimalForm.MatchString(s) {
		return 0, decimalFault(s)
	}
	x, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not a number: %w", clip(s), err)
	}
	return x + 0, nil // -0 becomes 0
}

// parseExact is ParseDecimal without rounding to binary.
func parseExact(s string) (*big.Rat, error) {
	s = strings.TrimSpace(s)
	if !decimalForm.MatchString(s) {
		return nil, decimalFault(s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return nil, decimalFault(s)
	}
	return r, nil
}

var (
	commaForm     = regexp.MustCompile(`^[+-]?[0-9]+,[0-9]+$`)
	thousandsForm = regexp.MustCompile(`^[+-]?[0-9]{1,3}([ ,'\x{00a0}\x{202f}][0-9]{3})+(\.[0-9]+)?$`)
	exponentForm  = regexp.MustCompile(`^[+-]?[0-9.]+[eE][+-]?[0-9]+$`)
)

// decimalFault says why s is not a number, as exactly as it can be said.
func decimalFault(s string) error {
	why := ""
	switch {
	case s == "":
		return fmt.Errorf("there is no number")
	case thousandsForm.MatchString(s) && commaForm.MatchString(s):
		why = ": is the comma a decimal sign or does it mark thousands? Write a point for decimals, and nothing for thousands"
	case thousandsForm.MatchString(s):
		why = ": write it without signs between the thousands"
	case commaForm.MatchString(s):
		why = ": write a decimal point, not a comma"
	case exponentForm.MatchString(s):
		why = ": write it without an exponent"
	case strings.HasSuffix(s, "%"):
		why = ": write it without the sign %"
	case strings.HasPrefix(s, "+"):
		why = ": leave out the plus sign"
	case strings.HasPrefix(s, ".") || strings.HasSuffix(s, "."):
		why = ": write a digit before and after the point"
	case strings.HasPrefix(s, "−"):
		why = ": write the minus sign as -"
	case strings.Trim(s, "-0123456789.") == "" && strings.Count(s, ".") <= 1:
		why = ": at most 15 digits on either side of the point are read"
	}
	return fmt.Errorf("%q is not a number%s", clip(s), why)
}

// ParseRange reads "80 to 120".
func ParseRange(s string) (Range, error) {
	low, high, ok := strings.Cut(s, " to ")
	if !ok {
		return Range{}, fmt.Errorf("%q is not a range: write the lowest and the highest possible value, as in 80 to 120", clip(s))
	}
	r := Range{Set: true}
	var err error
	if r.Low, err = ParseDecimal(low); err != nil {
		return Range{}, err
	}
	if r.High, err = ParseDecimal(high); err != nil {
		return Range{}, err
	}
	if r.Low >= r.High {
		return Range{}, fmt.Errorf("%q is not a range: the lowest value comes first and must be below the highest", clip(s))
	}
	return r, nil
}

// String is the range as it is written: "80 to 120", or "" where none is set.
func (r Range) String() string {
	if !r.Set {
		return ""
	}
	return decimalText(r.Low) + " to " + decimalText(r.High)
}

func parseOptional(s string) (Decimal, error) {
	x, err := ParseDecimal(s)
	return Decimal{x, err == nil}, err
}

// decimalText is the shortest decimal that reads back as x, without exponent.
func decimalText(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

var sizesForm = regexp.MustCompile(`^([0-9]{1,6})(?: to ([0-9]{1,6}))?(?: schools)?$`)

// ParseSizes reads "5 to 6", or "5" for exactly five.
func ParseSizes(s string) (Sizes, error) {
	m := sizesForm.FindStringSubmatch(strings.TrimSpace(s))
	if m == nil {
		return Sizes{}, fmt.Errorf("%q is not a size: write 5 to 6, or 5 for exactly five", clip(s))
	}
	var z Sizes
	z.Min, _ = strconv.Atoi(m[1])
	z.Max = z.Min
	if m[2] != "" {
		z.Max, _ = strconv.Atoi(m[2])
	}
	if z.Min < 1 || z.Max < z.Min {
		return Sizes{}, fmt.Errorf("%q is not a size: the smallest comes first and is at least 1", clip(s))
	}
	return z, nil
}

// String is the sizes as they are written: "5 to 6" or "5".
func (z Sizes) String() string {
	if z.Min == z.Max {
		return strconv.Itoa(z.Min)
	}
	return fmt.Sprintf("%d to %d", z.Min, z.Max)
}

// ParsePercent reads "95 %" as 0.95, exactly the number that 0.95 is.
func ParsePercent(s string) (Percent, error) {
	r, err := percentOf(s)
	if err != nil {
		return 0, err
	}
	x, _ := r.Float64()
	return Percent(x), nil
}

// percentOf reads "87.5 %" as the exact share 7/8.
func percentOf(s string) (*big.Rat, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(s), "%")
	if !ok {
		return nil, fmt.Errorf("%q is not a percentage: write the number with the sign, as in 95 %%", clip(s))
	}
	r, err := parseExact(number)
	if err != nil {
		return nil, err
	}
	if r.Sign() < 0 || r.Cmp(big.NewRat(100, 1)) > 0 {
		return nil, fmt.Errorf("%q is outside 0 %% to 100 %%", clip(s))
	}
	return r.Mul(r, big.NewRat(1, 100)), nil
}

// perMille gives a share in whole thousandths, and whether it is one.
func (x Percent) perMille() (int, bool) {
	r := exactly(float64(x))
	r.Mul(r, big.NewRat(1000, 1))
	return int(r.Num().Int64()), r.IsInt()
}
