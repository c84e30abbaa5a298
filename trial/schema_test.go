package trial

import (
	"bytes"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"
)

var update = flag.Bool("update", false, "write trial/protocol.schema.json anew")

func TestSchemaIsCurrent(t *testing.T) {
	want, err := Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("protocol.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("protocol.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("protocol.schema.json is not what the types give: run go test ./trial -run TestSchemaIsCurrent -update")
	}
}

// schemaFault gives what an editor would say to a protocol.
func schemaFault(t *testing.T, text string) error {
	t.Helper()
	file, err := os.Open("protocol.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	doc, err := jsonschema.UnmarshalJSON(file)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(schemaID, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schemaID)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return s.Validate(v)
}

func TestTemplatesMeetTheSchema(t *testing.T) {
	for _, name := range TemplateNames() {
		text, err := Template(name)
		if err != nil {
			t.Fatal(err)
		}
		if err := schemaFault(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestSchemaRefuses makes sure that the schema is not one that accepts all.
func TestSchemaRefuses(t *testing.T) {
	for _, edit := range [][2]string{
		{"security: eef", "securty: eef"},
		{"method: stratified ", "method: stratifed "},
		{"weight: 1, control", "weight: none, control"},
		{"    until: plan locked", "    until: [plan locked]"},
		{"size: 5 to 6", "size: 5 or 6"},
		{"interval: 95 %", "interval: 0.95"},
		{"on: 9 May 2016", "on: May 2016"},
		{"  title: Research Learning Communities", "#"},
		{"    - phase is Primary or Middle deemed primary", "    - phase = Primary"},
		{"target: 114 schools", "target: 114 pupils"},
		{"control: yes}", "control: perhaps}"},
	} {
		text := template(t, "rlc")
		if !strings.Contains(text, edit[0]) {
			t.Fatalf("the template has no %q", edit[0])
		}
		if err := schemaFault(t, strings.Replace(text, edit[0], edit[1], 1)); err == nil {
			t.Errorf("%q passes", edit[1])
		}
	}
}
