package reports

import (
	"embed"
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
)

// Template says which parts a document has, in which order and under which
// headings: the file behind `report build --template`. The documents that
// Evenhand knows are templates too (see Builtin).
type Template struct {
	Version  int               `yaml:"report template" doc:"version of this file's format: 1" need:"yes" min:"1" max:"1"`
	Kind     string            `yaml:"kind" doc:"what kind of document it is, set above the trial's title" need:"yes"`
	Sections []TemplateSection `yaml:"sections" doc:"the sections, in order" need:"yes"`
}

// TemplateSection is a section of a document: a heading, and what stands below
// it. A section of which nothing is there for a trial is left out.
type TemplateSection struct {
	Heading string   `yaml:"heading" doc:"the heading" need:"yes"`
	ID      string   `yaml:"id" doc:"short name for links; left out: that of the first part" form:"name"`
	Text    []string `yaml:"text" doc:"your own words, a paragraph an item; {{headline/1/2}} stands for the number of that cell (see report keys)"`
	Parts   []string `yaml:"parts" doc:"what Evenhand writes here, e.g. [flow, recruitment]"`
}

// Documents are the kinds of document that Builtin knows.
var Documents = []string{"evaluation", "protocol", "plan", "recruitment", "draw", "stopped"}

//go:embed templates
var templates embed.FS

// BuiltinText gives the template of a kind of document as a file to start
// from.
func BuiltinText(document string) ([]byte, error) {
	text, err := templates.ReadFile("templates/" + document + ".yaml")
	if err != nil {
		return nil, fmt.Errorf("there is no document %q: the documents are %s", document, list(Documents))
	}
	return text, nil
}

// Builtin gives the template of a kind of document.
func Builtin(document string) (*Template, error) {
	text, err := BuiltinText(document)
	if err != nil {
		return nil, err
	}
	return ParseTemplate(document+".yaml", text)
}

// ParseTemplate reads a template, every fault with its line and column. The
// error is nil or a *trial.ProtocolError.
func ParseTemplate(name string, text []byte) (*Template, error) {
	t := new(Template)
	err := trial.Decode(name, text, trial.FileKind{Name: "report template", Begins: "report template: 1", Start: "evenhand report template"}, t, func(say func([]string, string, string)) {
		ids, used := map[string]int{}, map[string]int{}
		for i := range t.Sections {
			s := &t.Sections[i]
			at := []string{"sections", fmt.Sprintf("item %d", i+1)}
			if len(s.Parts) == 0 && len(s.Text) == 0 {
				say(at, "the section has neither parts nor text", "give it `parts: [...]` or `text:`, or take it out")
			}
			for k, p := range s.Parts {
				here := append(slices.Clone(at), "parts", fmt.Sprintf("item %d", k+1))
				if PartTitle(p) == "" {
					hint := "the parts are: " + strings.Join(Parts(), ", ")
					if near := trial.Nearest(p, Parts()); near != "" {
						hint = fmt.Sprintf("did you mean %q?", near)
					}
					say(here, fmt.Sprintf("%q is no part of a report", p), hint)
				} else if was := used[p]; was > 0 {
					say(here, fmt.Sprintf("the part %q stands in section %d already", p, was), "a part can stand only once: take it out of one of the two")
				} else {
					used[p] = i + 1
				}
			}
			if s.ID == "" {
				s.ID = fmt.Sprintf("text-%d", i+1)
				if len(s.Parts) > 0 {
					s.ID = s.Parts[0]
				}
			}
			if was := ids[s.ID]; was > 0 {
				say(append(at, "id"), fmt.Sprintf("section %d has the id %q too", was, s.ID), "give one of the two another id")
			}
			ids[s.ID] = i + 1
		}
	})
	if err != nil {
		return nil, err
	}
	return t, nil
}

// Everything is a template of all the parts there are, from which a funder's own
// Word file takes what it asks for.
func Everything(kind string) *Template {
	t := &Template{Version: 1, Kind: kind}
	for _, p := range parts {
		t.Sections = append(t.Sections, TemplateSection{Heading: p.title, ID: p.name, Parts: []string{p.name}})
	}
	return t
}

// Nearest gives the known word that a mistyped one most likely stands for.
func Nearest(word string, known []string) string { return trial.Nearest(word, known) }

// part is something that a document may show: its name in templates, what it
// is, and who writes it.
type part struct {
	name, title string
	write       func(*writer)
	working     bool // shows counts of pupils as they are
}

// parts are all parts, in the order in which they are written: sentences use
// the cells of tables written before.
var parts []part

func init() { // parts and ParseTemplate refer to each other
	parts = []part{
		{"design", "the trial in short: arms, strata, outcomes, model", (*writer).trialInShort, false},
		{"about", "the trial, its people and its question", (*writer).about, false},
		{"eligibility", "which schools can take part, and what they must do", (*writer).eligibility, false},
		{"randomisation", "how schools are drawn, in words", (*writer).randomisation, false},
		{"programme", "the sessions planned, and what counts as having taken part", (*writer).programme, false},
		{"outcomes", "what is measured and when", (*writer).outcomeList, false},
		{"plan-primary", "how the primary outcome is analysed, in words", (*writer).planPrimary, false},
		{"plan-effect", "what effect sizes divide by, in words", (*writer).planEffect, false},
		{"plan-secondary", "how the other outcomes are analysed, in words", (*writer).planSecondary, false},
		{"plan-subgroups", "which subgroups are looked at, in words", (*writer).planSubgroups, false},
		{"plan-missing", "what is done about missing data, in words", (*writer).planMissing, false},
		{"plan-further", "redraws, compliance, balance and what is exploratory, in words", (*writer).planFurther, false},
		{"plan-settings", "every setting of the plan", (*writer).planSettings, false},
		{"publication", "what may be published", (*writer).publication, false},
		{"to-write", "what a protocol needs and no setting can say", (*writer).toWrite, false},
		{"timeline", "what was to happen when, and what did", (*writer).timeline, false},
		{"summary", "effect on the primary outcome, in short", (*writer).summary, true},
		{"flow", "participant flow: diagram and table", (*writer).participants, true},
		{"drawn", "the draw: schools of each stratum, and where they were drawn", (*writer).drawn, false},
		{"recruitment", "stages of recruitment, who left and why, regions", (*writer).recruitment, false},
		{"detectable", "the minimum detectable effect size at protocol, randomisation and analysis", (*writer).detectable, true},
		{"attrition", "overall and differential attrition", (*writer).attrition, true},
		{"balance", "baseline of those randomised and those analysed", (*writer).balance, true},
		{"primary", "the primary outcome in full", (*writer).primary, true},
		{"secondary", "the other outcomes", (*writer).secondary, true},
		{"adjusted", "p-values adjusted for the number of outcomes", (*writer).adjusted, false},
		{"subgroups", "the effect by subgroup", (*writer).subgroupPart, false},
		{"missing", "what is missing among those randomised, by arm and school by school", (*writer).missing, true},
		{"sensitivity", "whether the answer holds under other assumptions", (*writer).robustnessPart, false},
		{"posterior", "how probable an effect above each size is, where the plan asks for it", (*writer).posterior, false},
		{"compliance", "who took part, and the effect among those", (*writer).compliancePart, false},
		{"communities", "communities, what was delivered, a map", (*writer).communities, true},
		{"not-run", "what was planned and could not be run", (*writer).notRun, false},
		{"deviations", "what was done otherwise than planned", (*writer).deviations, false},
		{"annex", "what was run outside the plan", (*writer).annex, false},
		{"estimation", "the differences and variances behind the effect sizes", (*writer).estimation, true},
		{"model", "the full model of the primary outcome", (*writer).coefficients, false},
		{"recipes", "how each effect size came about: formulas and inputs with all their digits", (*writer).recipeTables, false},
		{"schools", "schools by community", (*writer).communitySchools, true},
		{"draw", "how the draw was made, and how alike the arms are", (*writer).drawRecord, false},
		{"consort", "the checklist of CONSORT 2025, filled in", (*writer).consort, false},
		{"consort-cluster", "the checklist of CONSORT for cluster trials, filled in", (*writer).consortCluster, false},
		{"provenance", "digests, who did what and when, the ledger", (*writer).provenance, false},
		{"stopped", "why a trial ended before its draw", (*writer).stopped, false},
	}
}

// Parts lists the names of the parts.
func Parts() []string {
	names := make([]string, len(parts))
	for i, p := range parts {
		names[i] = p.name
	}
	return names
}

// PartTitle says what a part is; "" for a name that is none.
func PartTitle(name string) string {
	for _, p := range parts {
		if p.name == name {
			return p.title
		}
	}
	return ""
}
