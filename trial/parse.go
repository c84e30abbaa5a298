package trial

import (
	"bytes"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// maxProtocol is the largest protocol file that is read, in bytes. The RLC
// template has about ten thousand.
const maxProtocol = 1 << 20

// Fault is something wrong in a protocol file, with its place.
type Fault struct {
	Line, Column int    // of the file, from 1; the column counts characters
	Path         string // where in the protocol, e.g. "arms > item 2 > weight"
	Problem      string // what is wrong
	Hint         string // why it matters and what to do
	Source       string // the line as it stands in the file
}

// ProtocolError is every fault of a protocol file, in the order of the file.
type ProtocolError struct {
	File   string
	Faults []Fault
	More   int // faults beyond the two hundred that are kept
}

// Error gives every fault with its line and a caret below the place.
func (e *ProtocolError) Error() string {
	var b strings.Builder
	if n := len(e.Faults) + e.More; n == 1 {
		fmt.Fprintf(&b, "%s has a fault", e.File)
	} else {
		fmt.Fprintf(&b, "%s has %d faults", e.File, n)
	}
	for _, f := range e.Faults {
		fmt.Fprintf(&b, "\n\n%s:%d:%d: %s", e.File, f.Line, f.Column, f.Problem)
		if f.Path != "" {
			fmt.Fprintf(&b, "\n    at %s", f.Path)
		}
		if f.Source != "" {
			lead := fmt.Sprintf("%6d | ", f.Line)
			fmt.Fprintf(&b, "\n%s%s\n%s| %s^", lead, f.Source, strings.Repeat(" ", len(lead)-2), padTo(f.Source, f.Column))
		}
		if f.Hint != "" {
			fmt.Fprintf(&b, "\n    %s", f.Hint)
		}
	}
	if e.More > 0 {
		fmt.Fprintf(&b, "\n\n… and %d more", e.More)
	}
	return b.String()
}

// padTo gives the space that stands before a column of a line, tabs kept.
func padTo(line string, column int) string {
	var b strings.Builder
	n := 1
	for _, r := range line {
		if n >= column {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
		n++
	}
	return b.String()
}

// ParseProtocol reads a protocol file and checks it wholly: how it is written,
// every key and value, and whether its parts agree. The name is for messages.
// The error is nil or a *ProtocolError with every fault.
func ParseProtocol(name string, text []byte) (*Protocol, error) {
	d := &decoder{at: map[string]place{}, kind: protocolFile, root: reflect.TypeFor[Protocol]()}
	p := new(Protocol)
	if root := d.load(text); root != nil {
		d.fill(root, reflect.ValueOf(p).Elem(), nil, "")
		p.complete()
		d.check(p)
	}
	if err := d.errorOf(name); err != nil {
		return nil, err
	}
	return p, nil
}

// complete puts in what follows from other settings where the file is silent.
func (p *Protocol) complete() {
	for i := range p.Arms {
		label(&p.Arms[i].Label, p.Arms[i].ID)
	}
	for i := range p.Delivery.Sessions {
		label(&p.Delivery.Sessions[i].Label, p.Delivery.Sessions[i].ID)
	}
	for i := range p.Surveys {
		label(&p.Surveys[i].Label, p.Surveys[i].ID)
	}
	for i := range p.Outcomes {
		o := &p.Outcomes[i]
		label(&o.Label, o.ID)
		if o.Baseline.Column != "" {
			label(&o.Baseline.Label, o.Baseline.Column)
		}
	}
	for i := range p.Plan.PupilColumns {
		label(&p.Plan.PupilColumns[i].Label, p.Plan.PupilColumns[i].ID)
	}
	if p.Schools.IDs == "" {
		p.Schools.IDs = "urn"
		if p.Schools.Columns["id"] != "" {
			p.Schools.IDs = "any"
		}
	}
	if len(p.Draw.Match.On) > 0 && p.Draw.Match.Size == 0 {
		p.Draw.Match.Size = 2
	}
	if p.Plan.Model == "" {
		p.Plan.Model = "mixed"
		if p.Trial.Measured == "schools" {
			p.Plan.Model = "linear"
		}
	}
}

func label(to *string, id string) {
	if *to == "" {
		*to = id
	}
}

// FileKind names a kind of YAML file in messages.
type FileKind struct {
	Name   string // e.g. "protocol"
	Begins string // how one begins, e.g. "evenhand: 1"
	Start  string // the command that writes one to start from
}

var protocolFile = FileKind{"protocol", "evenhand: 1", "evenhand init"}

// Decode reads another YAML file of the trial as ParseProtocol reads a
// protocol: by the tags of the struct that into points to, every fault with its
// line and column. check may add what is wrong between the parts; it gets the
// way to the place as keys and "item 2" in lists. The error is nil or a
// *ProtocolError.
func Decode(name string, text []byte, kind FileKind, into any, check func(say func(at []string, problem, hint string))) error {
	d := &decoder{at: map[string]place{}, kind: kind, root: reflect.TypeOf(into).Elem()}
	if root := d.load(text); root != nil {
		d.fill(root, reflect.ValueOf(into).Elem(), nil, "")
		if check != nil {
			check(func(at []string, problem, hint string) { d.say(at, problem, hint) })
		}
	}
	return d.errorOf(name)
}

// errorOf gives the faults in the order of the file, nil if there are none.
func (d *decoder) errorOf(name string) error {
	if len(d.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(d.faults, func(a, b Fault) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Column - b.Column
	})
	return &ProtocolError{File: name, Faults: d.faults, More: d.more}
}

// decoder turns a tree of YAML nodes into a Protocol by its tags, and keeps
// the place of everything for the checks that come after.
type decoder struct {
	kind   FileKind
	root   reflect.Type // of the whole file
	lines  []string
	faults []Fault
	more   int              // faults beyond maxFaults
	at     map[string]place // by path
}

// maxFaults is how many faults are kept.
const maxFaults = 200

// place is where a key and its value stand.
type place struct{ key, value *yaml.Node }

// path is the way to a value: keys, and "item 2" in lists.
type path []string

const pathJoin = " > "

func (p path) String() string { return strings.Join(p, pathJoin) }

// to is p with more steps.
func (p path) to(steps ...string) path { return append(slices.Clone(p), steps...) }

func item(i int) string { return fmt.Sprintf("item %d", i+1) }

func (d *decoder) fault(line, column int, at path, problem, hint string) {
	if len(d.faults) >= maxFaults {
		d.more++
		return
	}
	f := Fault{Line: max(line, 1), Column: max(column, 1), Path: at.String(), Problem: problem, Hint: hint}
	if f.Line <= len(d.lines) {
		f.Source = d.lines[f.Line-1]
	}
	d.faults = append(d.faults, f)
}

func (d *decoder) faultAt(n *yaml.Node, at path, problem, hint string) {
	if n == nil {
		d.fault(1, 1, at, problem, hint)
		return
	}
	d.fault(n.Line, n.Column, at, problem, hint)
}

// load reads the text as YAML, or records why it cannot.
func (d *decoder) load(text []byte) *yaml.Node {
	if !d.readable(text) {
		return nil
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	var doc yaml.Node
	loader, err := yaml.NewLoader(bytes.NewReader(text))
	if err == nil {
		err = loader.Load(&doc)
	}
	if err != nil {
		if len(strings.TrimSpace(string(text))) == 0 || onlyComments(text) {
			d.fault(1, 1, nil, "the file says nothing", d.begins())
			return nil
		}
		d.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := loader.Load(&second); err == nil {
		d.faultAt(&second, nil, "a second document begins here", "a file declares one trial: take out the line --- and what follows, or put it into another file")
		return nil
	}
	root := &doc
	if root.Kind == yaml.DocumentNode && len(root.Content) > 0 {
		root = root.Content[0]
	}
	if root.Kind == 0 || root.Kind == yaml.ScalarNode && root.Value == "" {
		d.fault(1, 1, nil, "the file says nothing", d.begins())
		return nil
	}
	if root.Kind != yaml.MappingNode {
		d.faultAt(root, nil, "a "+d.kind.Name+" is made of lines `key: value`, but this is "+kindName(root), d.begins())
		return nil
	}
	before := len(d.faults)
	d.plain(root)
	if len(d.faults) > before {
		return nil
	}
	return root
}

// begins says how a file of this kind begins.
func (d *decoder) begins() string {
	return fmt.Sprintf("a %s begins with `%s`; `%s` writes one to start from", d.kind.Name, d.kind.Begins, d.kind.Start)
}

func onlyComments(text []byte) bool {
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line != "" && line != "---" && !strings.HasPrefix(line, "#") {
			return false
		}
	}
	return true
}

// readable checks the bytes: size, encoding, and characters that look like
// spaces but are none.
func (d *decoder) readable(text []byte) bool {
	switch {
	case len(text) > maxProtocol:
		d.fault(1, 1, nil, fmt.Sprintf("the file has %d bytes; a %s has at most %d", len(text), d.kind.Name, maxProtocol), "is it the right file? A "+d.kind.Name+" is a short text, not data")
		return false
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		d.fault(1, 1, nil, "the file is written in UTF-16", "save it as UTF-8: in Notepad, Save as, Encoding: UTF-8")
		return false
	}
	s := strings.ReplaceAll(strings.TrimPrefix(string(text), "\ufeff"), "\r\n", "\n")
	valid := utf8.ValidString(s)
	if valid {
		d.lines = strings.Split(s, "\n")
	}
	for i, line := range strings.Split(s, "\n") {
		column := 0
		for j, r := range line {
			column++
			if _, size := utf8.DecodeRuneInString(line[j:]); r == utf8.RuneError && size == 1 {
				d.fault(i+1, column, nil, fmt.Sprintf("byte %#x is not UTF-8", line[j]), "the file was saved in another encoding (often Windows-1252): save it as UTF-8, or names with accents would be garbled")
				break
			}
			if r != '\t' && unicode.IsControl(r) {
				d.fault(i+1, column, nil, fmt.Sprintf("an invisible control character (%U) stands here", r), "take it out: retype the line, or paste it without formatting")
				break
			}
		}
		rest := strings.TrimLeftFunc(line, unicode.IsSpace)
		indent := line[:len(line)-len(rest)]
		if rest == "" || strings.HasPrefix(rest, "#") {
			continue
		}
		if j := strings.IndexFunc(indent, func(r rune) bool { return r != ' ' }); j >= 0 {
			what := "a tab"
			if indent[j] != '\t' {
				what = "a no-break space"
			}
			d.fault(i+1, utf8.RuneCountInString(indent[:j])+1, nil, "the line is indented with "+what, "what belongs to what is shown by ordinary spaces only: replace it with two spaces for each level")
		}
	}
	return len(d.faults) == 0
}

// syntaxHints says in plain words what the YAML reader's complaints mostly
// come from.
var syntaxHints = []struct{ part, hint string }{
	{"mapping values are not allowed", "a text with a colon and a space in it needs quotation marks; or the line is indented further than the one above it"},
	{"did not find expected key", "this line, or one just before it, is indented differently from its neighbours, or has text after a closing quotation mark"},
	{"could not find expected ':'", "a key needs a colon and a space after it: `key: value`"},
	{"did not find expected ',' or", "a [ or { is not closed, or a comma is missing"},
	{"found character that cannot start any token", "a text that begins with @, ` or % needs quotation marks"},
	{"block sequence entries are not allowed", "a list begins on a line of its own, each item with a dash and a space"},
	{"did not find expected '-' indicator", "the items of a list begin with a dash, all at the same indentation"},
	{"unexpected end of stream", "a quotation mark is not closed"},
	{"unknown anchor", "a text that begins with * needs quotation marks"},
	{"did not find expected alphabetic", "a text that begins with * or & needs quotation marks"},
}

// syntax records a fault of the YAML itself; there is only ever one, since
// nothing after it can be read.
func (d *decoder) syntax(err error) {
	var le *yaml.LoadError
	if !errors.As(err, &le) {
		d.fault(1, 1, nil, "the file cannot be read as YAML: "+err.Error(), "compare it with what `"+d.kind.Start+"` writes")
		return
	}
	mark := le.Mark
	if mark.Line == 0 {
		mark = le.ContextMark
	}
	problem := "this cannot be read: " + le.Message
	if le.ContextMsg != "" {
		problem = fmt.Sprintf("this cannot be read: %s, %s (begun at line %d)", le.Message, le.ContextMsg, le.ContextMark.Line)
	}
	hint := "compare the line, and the one above it, with what `" + d.kind.Start + "` writes"
	for _, h := range syntaxHints {
		if strings.Contains(le.Error(), h.part) {
			hint = h.hint
			break
		}
	}
	d.fault(mark.Line, mark.Column, nil, problem, hint+". Nothing after this place could be checked yet")
}

// plain refuses what makes a file hard to read aloud: references and tags.
func (d *decoder) plain(n *yaml.Node) {
	switch {
	case n.Kind == yaml.AliasNode:
		d.faultAt(n, nil, fmt.Sprintf("*%s refers to another part of the file", n.Value), "write the value out: each line must be readable by itself (a text that begins with * needs quotation marks)")
		return
	case n.Anchor != "":
		d.faultAt(n, nil, fmt.Sprintf("&%s gives this part a name to refer to", n.Anchor), "take it out: each line must be readable by itself (a text that begins with & needs quotation marks)")
	case n.Style&yaml.TaggedStyle != 0:
		d.faultAt(n, nil, fmt.Sprintf("the tag %s is not used in %ss", n.Tag, d.kind.Name), "take it out (a text that begins with ! needs quotation marks)")
	}
	for _, c := range n.Content {
		d.plain(c)
	}
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a set of keys"
	case yaml.SequenceNode:
		return "a list"
	}
	if blank(n) {
		return "nothing"
	}
	return fmt.Sprintf("the text %q", clip(n.Value))
}

// clip shortens a value for a message.
func clip(s string) string {
	if utf8.RuneCountInString(s) > 60 {
		return string([]rune(s)[:57]) + "…"
	}
	return s
}

// blank says whether a node is an empty value ("key:" and nothing, or null).
func blank(n *yaml.Node) bool {
	return n.Kind == yaml.ScalarNode && n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 &&
		(n.Value == "" || n.Value == "~" || n.Value == "null")
}

// fill puts a node's content into v. The tag is that of the struct field which
// v is.
func (d *decoder) fill(n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
	if read, ok := scalars[v.Type()]; ok {
		read(d, n, v, at, tag)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.fillStruct(n, v, at)
	case reflect.Slice:
		d.fillSlice(n, v, at, tag)
	case reflect.Map:
		d.fillMap(n, v, at, tag)
	default:
		panic("trial: no reader for " + v.Type().String())
	}
}

// pairs gives the keys and values of a mapping, refusing repeated keys.
func (d *decoder) pairs(n *yaml.Node, at path) []place {
	if n.Kind != yaml.MappingNode {
		d.faultAt(n, at, "here should be lines `key: value`, not "+kindName(n), "indent them by two spaces below the key, or write {key: value, key: value}")
		return nil
	}
	var out []place
	first := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if key.Kind != yaml.ScalarNode {
			d.faultAt(key, at, "a key must be a text, not "+kindName(key), "write `key: value`")
			continue
		}
		if was := first[key.Value]; was != nil {
			d.faultAt(key, at.to(key.Value), fmt.Sprintf("%q is given twice, first in line %d", key.Value, was.Line), "only one of them could count: take one out")
			continue
		}
		first[key.Value] = key
		out = append(out, place{key, value})
	}
	return out
}

func (d *decoder) fillStruct(n *yaml.Node, v reflect.Value, at path) {
	t := v.Type()
	given := map[string]place{}
	meant := map[string]bool{} // keys of which a mistyped form was told
	if n != nil && !blank(n) {
		for _, kv := range d.pairs(n, at) {
			if _, ok := fieldByKey(t, kv.key.Value); !ok {
				problem, hint, near := "", "", ""
				if len(d.faults) < maxFaults {
					problem, hint, near = d.unknownKey(kv.key.Value, t)
				}
				if near == "" {
					near = kv.key.Value
				}
				meant[near] = true
				d.faultAt(kv.key, at.to(near), problem, hint)
				continue
			}
			given[kv.key.Value] = kv
		}
		if n.Kind != yaml.MappingNode {
			return
		}
	}
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		here := at.to(key)
		kv, ok := given[key]
		if ok {
			d.at[here.String()] = kv
		}
		if ok && blank(kv.value) && kv.value.Line > 0 && f.Type.Kind() != reflect.Struct {
			if f.Tag.Get("need") != "" {
				d.faultAt(kv.key, here, fmt.Sprintf("%q has no value", key), "it is needed: "+f.Tag.Get("doc"))
			} else {
				d.faultAt(kv.key, here, fmt.Sprintf("%q has no value", key), "give it one, or take the line out")
			}
			continue
		}
		switch {
		case ok:
			d.fill(kv.value, v.Field(i), here, f.Tag)
		case meant[key]:
		case f.Tag.Get("need") != "" && n != nil:
			d.faultAt(d.keyOf(at, n), here, fmt.Sprintf("%q is missing", key), "it is needed: "+f.Tag.Get("doc"))
		case f.Tag.Get("default") != "":
			d.fill(&yaml.Node{Kind: yaml.ScalarNode, Value: f.Tag.Get("default")}, v.Field(i), here, f.Tag)
		case f.Type.Kind() == reflect.Struct && scalars[f.Type] == nil:
			d.fillStruct(nil, v.Field(i), here) // its defaults
		}
	}
}

// keyOf gives the node to point at for something that is missing in n: the
// key above it, or n itself in a list.
func (d *decoder) keyOf(at path, n *yaml.Node) *yaml.Node {
	if p, ok := d.at[at.String()]; ok && p.key != nil {
		return p.key
	}
	return n
}

func (d *decoder) fillSlice(n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
	if n.Kind != yaml.SequenceNode {
		hint := "write it as a list: [one, two], or one line an item, each beginning with a dash"
		if n.Kind == yaml.ScalarNode && !strings.Contains(n.Value, ",") {
			hint = fmt.Sprintf("write [%s]", clip(n.Value))
		}
		d.faultAt(n, at, "here should be a list, not "+kindName(n), hint)
		return
	}
	for i, c := range n.Content {
		here := at.to(item(i))
		d.at[here.String()] = place{nil, c}
		e := reflect.New(v.Type().Elem()).Elem()
		if blank(c) {
			d.faultAt(c, here, "this item of the list is empty", "fill it in, or take it out")
			e.SetZero()
		} else {
			d.fill(c, e, here, tag)
		}
		v.Set(reflect.Append(v, e)) // also after a fault, so that places still fit
	}
}

func (d *decoder) fillMap(n *yaml.Node, v reflect.Value, at path, tag reflect.StructTag) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, kv := range d.pairs(n, at) {
		key := kv.key.Value
		here := at.to(key)
		d.at[here.String()] = kv
		switch {
		case strings.TrimSpace(key) == "":
			d.faultAt(kv.key, here, "the name before the colon is empty", "give it one")
			continue
		case tag.Get("form") == "name" && !IsName(key):
			d.faultAt(kv.key, here, fmt.Sprintf("%q is not a name", clip(key)), nameHint)
			continue
		case blank(kv.value):
			d.faultAt(kv.key, here, fmt.Sprintf("%q has no value", key), "give it one, or take the line out")
			continue
		}
		e := reflect.New(v.Type().Elem()).Elem()
		d.fill(kv.value, e, here, reflect.StructTag(strings.ReplaceAll(string(tag), `form:"name"`, "")))
		v.SetMapIndex(reflect.ValueOf(key), e)
	}
}

// fieldByKey finds the field of a struct type by its key in the file.
func fieldByKey(t reflect.Type, key string) (reflect.StructField, bool) {
	for i := range t.NumField() {
		if t.Field(i).Tag.Get("yaml") == key {
			return t.Field(i), true
		}
	}
	return reflect.StructField{}, false
}

// keysOf lists the keys of a struct type, in order.
func keysOf(t reflect.Type) []string {
	keys := make([]string, t.NumField())
	for i := range keys {
		keys[i] = t.Field(i).Tag.Get("yaml")
	}
	return keys
}

// unknownKey words the fault of a key that t does not have: the nearest it
// has, or the part of the file to which the key belongs.
func (d *decoder) unknownKey(key string, t reflect.Type) (problem, hint, near string) {
	problem = fmt.Sprintf("%q is not a key that is known here", clip(key))
	if near := Nearest(key, keysOf(t)); near != "" {
		return problem, fmt.Sprintf("did you mean %q?", near), near
	}
	if homes := homesOf(key, d.root, nil, t); len(homes) > 0 {
		return problem, fmt.Sprintf("it belongs %s: is it indented rightly?", strings.Join(homes, ", or ")), ""
	}
	return problem, "the keys here are: " + strings.Join(keysOf(t), ", "), ""
}

// homesOf lists the parts of the file, other than t itself, that have a key.
func homesOf(key string, in reflect.Type, at path, t reflect.Type) []string {
	var homes []string
	for in.Kind() == reflect.Slice {
		in = in.Elem()
	}
	if in.Kind() != reflect.Struct || scalars[in] != nil {
		return nil
	}
	if _, ok := fieldByKey(in, key); ok && in != t {
		if len(at) == 0 {
			homes = append(homes, "at the outermost level")
		} else {
			homes = append(homes, fmt.Sprintf("under %q", at.String()))
		}
	}
	for i := range in.NumField() {
		homes = append(homes, homesOf(key, in.Field(i).Type, at.to(in.Field(i).Tag.Get("yaml")), t)...)
	}
	return homes
}

// Nearest gives the known word that a mistyped one most likely stands for, or
// "" if none is near. Case, spaces and the signs - and _ don't count.
func Nearest(word string, known []string) string {
	fold := func(s string) string {
		return strings.NewReplacer("_", "", "-", "", " ", "", "(", "", ")", "").Replace(strings.ToLower(s))
	}
	best, bestAt := "", 0
	w := fold(word)
	if len(w) > 100 {
		return ""
	}
	for _, k := range known {
		f := fold(k)
		limit := max(len([]rune(f)), len([]rune(w))) / 3
		if at := distance(w, f); at <= limit && (best == "" || at < bestAt) {
			best, bestAt = k, at
		}
	}
	return best
}

// distance is the number of letters to be put in, taken out, changed or
// swapped with a neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	row := make([][]int, len(x)+1)
	for i := range row {
		row[i] = make([]int, len(y)+1)
		row[i][0] = i
	}
	for j := range row[0] {
		row[0][j] = j
	}
	for i := 1; i <= len(x); i++ {
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			row[i][j] = min(row[i-1][j]+1, row[i][j-1]+1, row[i-1][j-1]+cost)
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[i][j] = min(row[i][j], row[i-2][j-2]+1)
			}
		}
	}
	return row[len(x)][len(y)]
}
