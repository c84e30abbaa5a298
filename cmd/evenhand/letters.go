package main

import (
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

// defaultLetter is what a school is told where no template is given.
const defaultLetter = `{{name}} (school {{school}})

Dear head teacher,

{{trial}}: the result of the draw

On {{drawn}} the schools that take part were drawn by lot. Your school was drawn into:

    {{arm}}
{{community}}
Every school had its fair chance, fixed in public before the draw. Nobody chose, and the
result cannot be changed: there is no swap and no second draw. Anybody can check it: the
draw's digest is
{{digest}}

Please do not tell those who test your pupils which schools are drawn into what. If
anything in this letter is wrong, tell us at once: the truth is recorded, and your school
stays in the study.

Yours sincerely,
{{evaluator}}
`

// placeholders are the words between double braces that a template may have.
var placeholders = []string{"school", "name", "trial", "drawn", "arm", "community", "digest", "evaluator", "stratum"}

var placeholder = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// checkTemplate says which placeholders are unknown, and whether the arm is
// told at all.
func checkTemplate(file, text string) error {
	var faults []string
	tells := false
	for _, m := range placeholder.FindAllStringSubmatch(text, -1) {
		if !slices.Contains(placeholders, m[1]) {
			fault := fmt.Sprintf("{{%s}} is not known", m[1])
			if near := trial.Nearest(m[1], placeholders); near != "" {
				fault += fmt.Sprintf("; did you mean {{%s}}?", near)
			}
			faults = append(faults, fault)
		}
		tells = tells || m[1] == "arm"
	}
	if !tells {
		faults = append(faults, "it has no {{arm}}: the letter would not tell the school what it was drawn into")
	}
	if len(faults) > 0 {
		return withHint(fmt.Errorf("%s: %s", file, strings.Join(faults, "; ")), "a template may have: {{%s}}", strings.Join(placeholders, "}} {{"))
	}
	return nil
}

func (a *app) lettersCommand() *cobra.Command {
	var dir string
	var templates []string
	var to choice
	c := command("letters --dir DIR", "Write what each audience is told: schools, the delivery team, testers",
		`Write a new folder with a text for each audience, and no more than it may know:

  schools/ID.txt      a letter a school, with its own arm and no other school's
  delivery/list.csv   for the delivery team: the schools of arms that have communities, by community
  testers/list.csv    for those who test: all schools with their pupils, and no arm
  SHA256SUMS          the digest of every file; that it was written is recorded with its digest

File names tell no arm. A template of your own is a text with words between double braces: {{school}},
{{name}}, {{arm}}, {{community}}, {{stratum}}, {{trial}}, {{drawn}}, {{digest}}, {{evaluator}}.
People whom the protocol keeps blind can have the testers' list only.`,
		`evenhand draw letters --dir letters
evenhand draw letters --dir letters --template letter.txt
evenhand draw letters --dir letters --template rlc=yes.txt --template control=no.txt
evenhand draw letters --dir for-the-testers --to testers`, noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if dir == "" {
				return usagef("--dir is missing: the folder to write")
			}
			letters, err := a.templates(t, templates)
			if err != nil {
				return err
			}
			files, err := a.audiences(ctx, t, letters, to.value)
			if err != nil {
				return err
			}
			files = append(files, namedText{"SHA256SUMS", sums(files)})
			if err := writeFolder(dir, files); err != nil {
				return err
			}
			digest := trial.DigestOf(string(files[len(files)-1].text))
			if err := t.Log(ctx, "draw letters", "letters to "+to.value, map[string]string{"sums": digest}); err != nil {
				return errors.Join(err, os.RemoveAll(dir))
			}
			n := map[string]int{}
			for _, f := range files {
				folder, _, in := strings.Cut(f.name, "/")
				if in {
					n[folder]++
				}
			}
			return a.print(struct {
				Dir   string         `json:"dir"`
				Files map[string]int `json:"files"`
				Sums  string         `json:"sums"`
			}{dir, n, digest}, func() {
				for _, folder := range slices.Sorted(maps.Keys(n)) {
					a.say("%s/%s: %s", dir, folder, count(n[folder], "file"))
				}
				a.say("digest of SHA256SUMS %s", digest)
			})
		}))
	c.Flags().StringVar(&dir, "dir", "", "the folder to write; it must not be there yet")
	c.Flags().StringArrayVar(&templates, "template", nil, "a letter for all schools, or ARM=FILE for those of an arm")
	addChoice(c, &to, "to", "all", "for whom", "all", "schools", "delivery", "testers")
	return c
}

// templates reads the letters, by arm.
func (a *app) templates(t *conduct.Trial, given []string) (map[string]string, error) {
	letters := map[string]string{}
	for _, arm := range t.Protocol.Arms {
		letters[arm.ID] = defaultLetter
	}
	var own []string
	for _, g := range given {
		arm, file, ok := strings.Cut(g, "=")
		if !ok {
			arm, file = "", g
		} else if _, known := letters[arm]; !known {
			return nil, usagef("--template: there is no arm %q", arm)
		}
		if slices.Contains(own, arm) {
			return nil, usagef("--template: two letters are given for %s", map[bool]string{true: "all schools", false: arm}[arm == ""])
		}
		own = append(own, arm)
		text, err := a.readFile(file)
		if err != nil {
			return nil, err
		}
		if err := checkTemplate(file, string(text)); err != nil {
			return nil, err
		}
		for id := range letters {
			if arm == id || arm == "" && !slices.ContainsFunc(given, func(g string) bool { return strings.HasPrefix(g, id+"=") }) {
				letters[id] = string(text)
			}
		}
	}
	return letters, nil
}

// audiences makes the files.
func (a *app) audiences(ctx context.Context, t *conduct.Trial, letters map[string]string, to string) (files []namedText, err error) {
	facts, err := t.Facts(ctx)
	if err != nil {
		return nil, err
	}
	if facts.Annulled {
		return nil, errors.New("the draw is annulled: nobody is told an arm of it")
	}
	views, err := t.Schools(ctx)
	if err != nil {
		return nil, err
	}
	if to == "testers" || to == "all" {
		l, err := t.LockedDesign(ctx)
		if err != nil {
			return nil, err
		}
		rows := [][]string{{"school", "name", "pupils"}}
		units := l.Roster.Units
		for _, w := range l.Earlier {
			units = append(slices.Clone(units), w.Roster.Units...)
		}
		var ids []string
		for _, u := range units {
			ids = append(ids, u.ID)
		}
		slices.Sort(ids)
		for _, id := range ids {
			i := slices.IndexFunc(views, func(v conduct.SchoolView) bool { return v.School.ID == id })
			rows = append(rows, []string{id, views[i].School.Name, fmt.Sprint(views[i].Pupils)})
		}
		if files, err = addCSV(files, "testers/list.csv", rows); err != nil {
			return nil, err
		}
	}
	if to == "testers" {
		return files, nil
	}
	v, err := t.ShowDraw(ctx)
	if err != nil {
		return nil, err
	}
	byID := map[string]conduct.SchoolView{}
	for _, s := range views {
		byID[s.School.ID] = s
	}
	labels := map[string]string{}
	for _, arm := range t.Protocol.Arms {
		labels[arm.ID] = arm.Label
		if arm.Label == "" {
			labels[arm.ID] = arm.ID
		}
	}
	notional := map[string]bool{}
	if control := t.Protocol.ControlArm(); control >= 0 {
		notional[t.Protocol.Arms[control].ID] = true // formed for comparison only: nobody is told
	}
	drawnIn := map[string]store.Draw{}
	for _, w := range v.Waves {
		for _, u := range w.Roster.Units {
			drawnIn[u.ID] = w.Draw
		}
	}
	delivery := [][]string{{"arm", "community", "school", "name", "region"}}
	for _, l := range v.Lines {
		s := byID[l.School]
		community := ""
		if l.Community > 0 && !notional[l.Arm] {
			community = fmt.Sprintf("\nIts learning community is number %d. The delivery team tells you with whom you will work.\n", l.Community)
			delivery = append(delivery, []string{l.Arm, fmt.Sprint(l.Community), l.School, s.School.Name, s.School.Attributes[t.Protocol.Recruitment.Region]})
		} else if !notional[l.Arm] {
			delivery = append(delivery, []string{l.Arm, "", l.School, s.School.Name, s.School.Attributes[t.Protocol.Recruitment.Region]})
		}
		if to == "delivery" {
			continue
		}
		values := map[string]string{
			"school": l.School, "name": s.School.Name, "trial": t.Protocol.Trial.Title, "drawn": drawnIn[l.School].At.Format("2 January 2006"),
			"arm": labels[l.Arm], "community": community, "digest": drawnIn[l.School].Digest, "evaluator": t.Protocol.Trial.Contacts.Evaluator, "stratum": s.Stratum,
		}
		text := placeholder.ReplaceAllStringFunc(letters[l.Arm], func(word string) string {
			return values[placeholder.FindStringSubmatch(word)[1]]
		})
		files = append(files, namedText{"schools/" + l.School + ".txt", []byte(text)})
	}
	if to == "schools" {
		return files, nil
	}
	head := delivery[0]
	rest := delivery[1:]
	slices.SortStableFunc(rest, func(x, y []string) int {
		if c := strings.Compare(x[0], y[0]); c != 0 {
			return c
		}
		if len(x[1]) != len(y[1]) {
			return len(x[1]) - len(y[1])
		}
		return strings.Compare(x[1], y[1])
	})
	return addCSV(files, "delivery/list.csv", append([][]string{head}, rest...))
}

// addCSV adds a table. A cell that a spreadsheet would take for a formula is
// written with an apostrophe before it.
func addCSV(files []namedText, name string, rows [][]string) ([]namedText, error) {
	var b bytes.Buffer
	w := csv.NewWriter(&b)
	for _, row := range rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			if cell != "" && strings.ContainsRune("=+-@", rune(cell[0])) {
				cell = "'" + cell
			}
			safe[i] = cell
		}
		if err := w.Write(safe); err != nil {
			return nil, fmt.Errorf("write %s: %w", name, err)
		}
	}
	w.Flush()
	return append(files, namedText{name, b.Bytes()}), w.Error()
}
