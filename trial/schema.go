package trial

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/invopop/jsonschema"
)

// schemaID names the JSON Schema of protocols; it is a name, not an address.
const schemaID = "urn:evenhand:protocol:1"

// patterns say what an editor may accept for the values that are written as
// text but are no text. ParseProtocol is stricter.
var patterns = map[reflect.Type]*jsonschema.Schema{
	reflect.TypeFor[Date]():    {Type: "string", Pattern: `^\s*([0-9]{4}-[0-9]{2}-[0-9]{2}|[0-9]{1,2}[/-][0-9]{1,2}[/-][0-9]{4}|[0-9]{1,2} [A-Za-z]+ [0-9]{4})\s*$`, Examples: []any{"2014-09-30", "30/09/2014", "30 September 2014"}},
	reflect.TypeFor[Decimal](): {Type: "number", Examples: []any{45, 0.13}},
	reflect.TypeFor[Percent](): {Type: "string", Pattern: `^\s*[0-9]+(\.[0-9]+)?\s*%\s*$`, Examples: []any{"95 %"}},
	reflect.TypeFor[Range]():   {Type: "string", Pattern: `^\s*-?[0-9.]+ to -?[0-9.]+\s*$`, Examples: []any{"80 to 120"}},
	reflect.TypeFor[Sizes]():   {OneOf: []*jsonschema.Schema{{Type: "integer", Minimum: "1"}, {Type: "string", Pattern: `^\s*[0-9]+( to [0-9]+)?( schools)?\s*$`}}, Examples: []any{"5 to 6"}},
	reflect.TypeFor[Rule]():    {OneOf: []*jsonschema.Schema{{Type: "string", Pattern: `( is | at least | at most |^survey )`}, {Type: "object", MinProperties: ptr(1), MaxProperties: ptr(1), PatternProperties: map[string]*jsonschema.Schema{"^survey ": {Type: "string", Pattern: `%`}}, AdditionalProperties: jsonschema.FalseSchema}}, Examples: []any{"phase is Primary", "survey staff baseline: 75 % of teachers of key stage 2"}},
}

func ptr(n uint64) *uint64 { return &n }

// Schema gives the JSON Schema (draft 2020-12) of protocol files, for editors:
// keys with their explanation, the words allowed, and what a value looks like.
// It is made from the types and tags of Protocol. A file that it accepts may
// still have faults that ParseProtocol finds between its parts.
func Schema() ([]byte, error) {
	r := &jsonschema.Reflector{
		FieldNameTag:               "yaml",
		RequiredFromJSONSchemaTags: true,
		ExpandedStruct:             true,
		Anonymous:                  true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if s := patterns[t]; s != nil {
				c := *s
				return &c
			}
			return nil
		},
	}
	s := r.Reflect(Protocol{})
	s.ID = schemaID
	s.Title = "Evenhand protocol"
	s.Description = "A trial in schools, as its protocol declares it"
	types := map[string]reflect.Type{}
	collectStructs(reflect.TypeFor[Protocol](), types)
	if err := describe(s, reflect.TypeFor[Protocol]()); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(s.Definitions)) {
		t, ok := types[name]
		if !ok {
			return nil, fmt.Errorf("write the schema of protocols: no type %q", name)
		}
		if err := describe(s.Definitions[name], t); err != nil {
			return nil, err
		}
	}
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema of protocols: %w", err)
	}
	return append(text, '\n'), nil
}

// collectStructs finds the struct types below t that the schema defines.
func collectStructs(t reflect.Type, into map[string]reflect.Type) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || patterns[t] != nil {
		return
	}
	into[t.Name()] = t
	for i := range t.NumField() {
		collectStructs(t.Field(i).Type, into)
	}
}

// describe puts what the tags of t's fields say into its schema.
func describe(s *jsonschema.Schema, t reflect.Type) error {
	for i := range t.NumField() {
		f := t.Field(i)
		key := f.Tag.Get("yaml")
		prop, ok := s.Properties.Get(key)
		if !ok {
			return fmt.Errorf("write the schema of protocols: %s has no property %q", t.Name(), key)
		}
		if f.Tag.Get("need") != "" {
			s.Required = append(s.Required, key)
		}
		prop.Description = f.Tag.Get("doc")
		if d := f.Tag.Get("default"); d != "" {
			prop.Default = d
			if f.Type.Kind() == reflect.Int {
				n, err := strconv.Atoi(d)
				if err != nil {
					return fmt.Errorf("write the schema of protocols: default of %s.%s: %w", t.Name(), f.Name, err)
				}
				prop.Default = n
			}
		}
		inner, kind := prop, f.Type
		switch kind.Kind() {
		case reflect.Slice:
			inner, kind = prop.Items, kind.Elem()
		case reflect.Map:
			if f.Tag.Get("form") == "name" {
				prop.PropertyNames = &jsonschema.Schema{Pattern: nameForm.String()}
			}
			inner, kind = prop.AdditionalProperties, kind.Elem()
		}
		if patterns[kind] == nil {
			constrain(inner, kind, f)
		}
	}
	return nil
}

// constrain says what a single value of a field may be.
func constrain(s *jsonschema.Schema, kind reflect.Type, f reflect.StructField) {
	switch kind.Kind() {
	case reflect.String:
		// A text may look like a number, a date or yes to YAML: 012345, 1.10.
		s.Type = ""
		s.OneOf = []*jsonschema.Schema{{Type: "string"}, {Type: "number"}, {Type: "boolean"}}
		if words := enumOf(f.Tag); words != nil {
			s.OneOf = nil
			s.Type = "string"
			for _, w := range words {
				s.Enum = append(s.Enum, w)
			}
		} else if f.Tag.Get("form") == "name" && f.Type.Kind() != reflect.Map {
			s.OneOf[0].Pattern = nameForm.String()
		}
	case reflect.Bool:
		s.Type = ""
		s.Enum = []any{true, false, "yes", "no"}
	case reflect.Int:
		least, most := limits(f.Tag)
		number := &jsonschema.Schema{Type: "integer", Minimum: json.Number(strconv.Itoa(least)), Maximum: json.Number(strconv.Itoa(most))}
		if units := f.Tag.Get("unit"); units != "" {
			s.Type = ""
			s.OneOf = []*jsonschema.Schema{number, {Type: "string", Pattern: `^\s*[0-9]+\s*(` + strings.ReplaceAll(units, ",", "|") + `)\s*$`}}
			return
		}
		s.Type, s.Minimum, s.Maximum = number.Type, number.Minimum, number.Maximum
	}
}
