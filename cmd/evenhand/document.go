package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"evenhand/reports"
	"evenhand/reports/figure"
	"evenhand/reports/render"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// renderings are the forms of a report by the ending of the file's name.
var renderings = map[string]func(io.Writer, *reports.Report) error{
	".html": render.HTML, ".docx": render.DOCX, ".xlsx": render.XLSX, ".txt": render.Text,
}

// forms are the endings that a report may have.
var forms = []string{"html", "docx", "xlsx", "txt", "pdf"}

// formOf gives the form that a file's name asks for.
func formOf(file string) (string, error) {
	form := strings.TrimPrefix(strings.ToLower(filepath.Ext(file)), ".")
	if !slices.Contains(forms, form) {
		return "", usagef("--out %s: the ending says the form: .html, .docx (Word), .xlsx (every table a sheet), .txt or .pdf", file)
	}
	return form, nil
}

// rendered makes a report in the form that a file's name asks for, or fills a
// funder's Word file with it.
func (a *app) rendered(ctx context.Context, file string, r *reports.Report, w wanted) ([]byte, *render.Filled, error) {
	if w.form == nil {
		made, err := a.inForm(ctx, file, r)
		return made, nil, err
	}
	if form, err := formOf(file); err != nil || form != "docx" {
		return nil, nil, usagef("--out %s: a Word template makes a .docx", file)
	}
	var b bytes.Buffer
	done, err := render.Fill(&b, w.form, r)
	if err != nil {
		return nil, nil, withHint(err, "nothing was written; `evenhand report keys` lists what a template can ask for")
	}
	return b.Bytes(), done, nil
}

func (a *app) inForm(ctx context.Context, file string, r *reports.Report) ([]byte, error) {
	form, err := formOf(file)
	if err != nil {
		return nil, err
	}
	if form == "pdf" {
		return a.pdf(ctx, r)
	}
	var b bytes.Buffer
	if err := renderings["."+form](&b, r); err != nil {
		return nil, fmt.Errorf("write %s: %w", file, err)
	}
	return b.Bytes(), nil
}

// formFlag is --format of a command that writes a document: as everywhere text
// or json, how to print; or the document's form.
type formFlag struct {
	print *choice
	form  string
}

func (f *formFlag) String() string {
	if f.form != "" || f.print == nil {
		return f.form
	}
	return f.print.value
}

func (f *formFlag) Type() string { return "text|json|" + strings.Join(forms, "|") }

func (f *formFlag) Set(s string) error {
	if slices.Contains(forms, s) {
		f.form = s
		return nil
	}
	if err := f.print.Set(s); err != nil {
		return fmt.Errorf("it is one of: text, json (how to print), %s (the report's form)", strings.Join(forms, ", "))
	}
	return nil
}

// file gives the name of the file to write: out, or where that is not given
// one with the form's ending.
func (f *formFlag) file(out string) (string, error) {
	if out == "" {
		return "report." + cmp.Or(f.form, "html"), nil
	}
	form, err := formOf(out)
	if err == nil && f.form != "" && f.form != form {
		err = usagef("--format %s and --out %s do not fit together: leave one of them out", f.form, out)
	}
	return out, err
}

// documentFlags say which document is built: its kind, and a funder's own
// template.
type documentFlags struct {
	kind choice
	file string
}

func (d *documentFlags) add(c *cobra.Command) {
	addChoice(c, &d.kind, "document", "", "which document; left out: the evaluation report, or that of a trial that was stopped", reports.Documents...)
	c.Flags().StringVar(&d.file, "template", "", "a file with the sections' order and headings (see report template), or a Word file to be filled (see report keys)")
}

// word says whether the template is a Word file to be filled.
func (d *documentFlags) word() bool {
	ext := strings.ToLower(filepath.Ext(d.file))
	return ext == ".docx" || ext == ".dotx"
}

// wanted is a document that flags ask for: its template, nil for that which fits
// where the trial stands; and the funder's Word file to be filled, nil for none.
type wanted struct {
	template *reports.Template
	form     []byte
}

// want reads what the flags name.
func (a *app) want(d documentFlags) (w wanted, err error) {
	switch {
	case d.word():
		if w.form, err = a.readFile(d.file); err != nil {
			return w, err
		}
		kind, err := reports.Builtin(cmp.Or(d.kind.value, "evaluation"))
		if err != nil {
			return w, err
		}
		w.template = reports.Everything(kind.Kind)
		return w, nil
	case d.file != "" && d.kind.value != "":
		return w, usagef("--document and --template both say which document: give one of them")
	case d.file != "":
		text, err := a.readFile(d.file)
		if err != nil {
			return w, err
		}
		w.template, err = reports.ParseTemplate(d.file, text)
		return w, err
	case d.kind.value != "":
		w.template, err = reports.Builtin(d.kind.value)
	}
	return w, err
}

// build builds a document; a nil template is that which fits where the trial
// stands.
func build(in reports.Input, template *reports.Template) (*reports.Report, error) {
	if template == nil {
		return reports.Build(in)
	}
	return reports.BuildFrom(in, template)
}

// theReport builds a document as the records stand.
func (a *app) theReport(ctx context.Context, t *conduct.Trial, d documentFlags) (*reports.Report, error) {
	w, err := a.want(d)
	if err != nil {
		return nil, err
	}
	s, err := t.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	return build(a.reportInput(t, s), w.template)
}

// one checks for at most one argument.
func one(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) > 1 {
			return usagef("%s takes one %s at most", cmd.CommandPath(), what)
		}
		return nil
	}
}

// part is a table or a figure of the report, by its name.
type part struct {
	Name   string `json:"name"`
	Number int    `json:"number"`
	Title  string `json:"title"`
}

// listParts prints the parts that there are.
func (a *app) listParts(key string, parts []part) error {
	return a.print(map[string][]part{key: parts}, func() {
		rows := [][]string{{"name", "number", "title"}}
		for _, p := range parts {
			rows = append(rows, []string{p.Name, fmt.Sprint(p.Number), p.Title})
		}
		a.table(rows)
	})
}

// noPart says that there is no such part, with the nearest.
func noPart(kind, name string, parts []part) error {
	var names []string
	for _, p := range parts {
		names = append(names, p.Name)
	}
	err := usagef("the report has no %s %q", kind, name)
	if near := trial.Nearest(name, names); near != "" {
		return withHint(err, "did you mean %q?", near)
	}
	return withHint(err, "it has: %s", strings.Join(names, ", "))
}

// lint holds a Word file to the record. What a report says of the ledger is of
// the moment when it was built, which is an entry of the ledger itself: so the
// ledger is taken as it stood at the build that fits the file best.
func (a *app) lint(ctx context.Context, t *conduct.Trial, want wanted, release releaseFlags, file io.ReaderAt, size int64) (*render.Checked, error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	action := "report build"
	if release.rule.value != "none" {
		action = "report release"
	}
	type stand struct {
		entries int
		at      time.Time // of the entry, which is written right after the report
	}
	const builds = 20 // the latest so many
	stands := []stand{{len(s.Ledger), a.now().UTC()}}
	for i := len(s.Ledger) - 1; i > 0 && len(stands) <= builds; i-- {
		if e, err := s.Ledger[i].Entry(); err == nil && e.Action == action {
			stands = append(stands, stand{i, e.At})
		}
	}
	seconds := 5 // that writing may have taken
	if made := render.MadeAt(file, size); want.form == nil && !made.IsZero() {
		var said []stand // the file says itself which build it is, to the second
		for _, then := range stands {
			if d := then.at.Sub(made); d >= 0 && d < 10*time.Second {
				said = append(said, stand{then.entries, made})
			}
		}
		if len(said) > 0 {
			stands, seconds = said, 1
		}
	}
	var best *render.Checked
	for _, then := range stands {
		state := s
		state.Ledger, state.Receipts = s.Ledger[:then.entries], nil
		for _, r := range s.Receipts {
			if r.Size <= then.entries {
				state.Receipts = append(state.Receipts, r)
			}
		}
		in := a.reportInput(t, state)
		for back := range seconds {
			in.GeneratedAt = then.at.Add(-time.Duration(back) * time.Second)
			report, err := a.asReleased(t, s, in, want, release)
			if err != nil {
				return nil, err
			}
			checked, err := render.Lint(file, size, report, want.form)
			if err != nil {
				return nil, err
			}
			if best == nil || len(checked.Slips) < len(best.Slips) {
				best = checked
			}
			if len(best.Slips) == 0 {
				return best, nil
			}
		}
	}
	return best, nil
}

// inLines writes names between commas, in lines that fit a terminal.
func inLines(names []string) string {
	var b strings.Builder
	at := 0
	for i, name := range names {
		if i > 0 {
			name = ", " + name
		}
		if at += len(name); at > 96 {
			b.WriteString(",\n")
			name = strings.TrimPrefix(name, ", ")
			at = len(name)
		}
		b.WriteString(name)
	}
	return b.String() + "."
}

// pictureForm checks that a file's ending is that of a picture.
func pictureForm(out string) error {
	if form := strings.ToLower(filepath.Ext(out)); out != "" && form != ".svg" && form != ".png" {
		return usagef("--out %s: the ending says the form: .svg or .png", out)
	}
	return nil
}

// printPicture prints a picture as SVG, or writes it in the form that the
// file's ending asks for.
func (a *app) printPicture(out, name string, d figure.Drawing) error {
	if err := pictureForm(out); err != nil {
		return err
	}
	return a.printText(out, drawn(out, name, d))
}

// drawn is a picture in the form that a file's ending asks for.
func drawn(out, name string, d figure.Drawing) string {
	if strings.EqualFold(filepath.Ext(out), ".png") {
		file, _, _ := figure.PNG(d)
		return string(file)
	}
	return d.Draw(name + "-")
}

// writePicture writes a picture beside what a command prints.
func (a *app) writePicture(out string, d figure.Drawing) error {
	return writeFile(out, false, func(w io.Writer) error {
		_, err := io.WriteString(w, drawn(out, "picture", d))
		return err
	})
}

// asReleased builds a document, as it was released if it was.
func (a *app) asReleased(t *conduct.Trial, s conduct.Snapshot, in reports.Input, want wanted, f releaseFlags) (*reports.Report, error) {
	if f.rule.value == "none" {
		return build(in, want.template)
	}
	f.forget = "only compared"
	earlier, _, err := a.earlierReleases(s, f)
	if err != nil {
		return nil, err
	}
	report, _, err := reports.ReleaseFrom(in, want.template, f.rule.value, releaseRule(t, f), earlier...)
	return report, err
}

func (a *app) reportParts() []*cobra.Command {
	var tableOut, figureOut string
	var d documentFlags
	var release releaseFlags
	table := command("table [NAME]", "Print a table of the report as CSV, at full precision", "Print one table of the report as CSV, numbers with all their digits; without a name, list the tables.",
		"evenhand report table\nevenhand report table flow --out flow.csv", one("name"),
		func(ctx context.Context, args []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				r, err := a.theReport(ctx, t, d)
				if err != nil {
					return err
				}
				var parts []part
				for _, tab := range r.Tables() {
					parts = append(parts, part{tab.ID, tab.Number, tab.Title})
					if len(args) == 1 && tab.ID == args[0] {
						var b bytes.Buffer
						if err := render.CSV(&b, tab); err != nil {
							return err
						}
						return a.printText(tableOut, b.String())
					}
				}
				if len(args) == 1 {
					return noPart("table", args[0], parts)
				}
				return a.listParts("tables", parts)
			})
		})
	table.Flags().StringVar(&tableOut, "out", "", "write it to a file")
	d.add(table)
	picture := command("figure [NAME]", "Write a picture of the report: SVG or PNG",
		"Print one picture of the report as SVG (lines and real text), or write it to a file: the ending of\n--out says the form, .svg or .png (300 dots to the inch). Without a name, list the pictures that the\nreport has now. A name may be given without its -figure. The names are:\n"+inLines(reports.Pictures),
		"evenhand report figure\nevenhand report figure flow --out flow.svg\nevenhand report figure flow --out flow.png", one("name"),
		func(ctx context.Context, args []string) error {
			if err := pictureForm(figureOut); err != nil {
				return err
			}
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				r, err := a.theReport(ctx, t, d)
				if err != nil {
					return err
				}
				var parts []part
				for _, f := range r.Figures() {
					parts = append(parts, part{f.ID, f.Number, f.Title})
					if len(args) == 1 && strings.TrimSuffix(f.ID, "-figure") == strings.TrimSuffix(args[0], "-figure") {
						return a.printPicture(figureOut, f.ID, f.Drawing)
					}
				}
				if len(args) == 1 {
					return noPart("figure", args[0], parts)
				}
				return a.listParts("figures", parts)
			})
		})
	picture.Flags().StringVar(&figureOut, "out", "", "write it to a file: .svg or .png")
	d.add(picture)
	lint := command("lint FILE.docx", "Find the numbers of an edited Word report that no longer equal the record",
		"Read a Word file that report build wrote and somebody edited, and list every number that no longer\nequals the record: where it stands, and what it should be. Exit status 3 if there is one. Numbers\nare known by their content controls wherever they were moved to; where the program that saved the\nfile threw these away, those of tables by their place. For a filled Word template give the template,\nfor a released report the rule and the earlier releases that it was held against.",
		"evenhand report lint report.docx\nevenhand report lint filled.docx --template funder.docx\nevenhand report lint published.docx --release srs10", exactly("a Word file"),
		func(ctx context.Context, args []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				want, err := a.want(d)
				if err != nil {
					return err
				}
				f, err := os.Open(args[0])
				if err != nil {
					return reason(err)
				}
				defer f.Close()
				info, err := f.Stat()
				if err != nil {
					return reason(err)
				}
				checked, err := a.lint(ctx, t, want, release, f, info.Size())
				if err != nil {
					return fmt.Errorf("read %s: %w", args[0], err)
				}
				out := struct {
					File    string        `json:"file"`
					Cells   int           `json:"cells"`
					Others  int           `json:"others"`
					Missing []string      `json:"missing"`
					Slips   []render.Slip `json:"slips"`
				}{args[0], checked.Cells, checked.Others, append([]string{}, checked.Missing...), append([]render.Slip{}, checked.Slips...)}
				if err := a.print(out, func() {
					for _, s := range checked.Slips {
						a.say("%s", s)
					}
					for _, m := range checked.Missing {
						a.say("no longer in the document: %s", m)
					}
					a.say("%d numbers are cells of the record, %d others stand in the text: %d slips", checked.Cells, checked.Others, len(checked.Slips))
				}); err != nil {
					return err
				}
				if len(checked.Slips) > 0 {
					return withHint(fmt.Errorf("%s: %d numbers do not equal the record: %w", args[0], len(checked.Slips), conduct.ErrDisagrees), "correct the lines listed, or build the report again if the records have changed since")
				}
				return nil
			})
		})
	d.add(lint)
	addChoice(lint, &release.rule, "release", "none", "the rule by which it was released", "none", "srs10", "srs10-zeros")
	lint.Flags().StringArrayVar(&release.earlier, "earlier", nil, "with --release: the record (.private.json) of a release before it (may be given several times)")
	return []*cobra.Command{table, picture, lint, a.templateCommand(), a.keysCommand()}
}

// templateCommand prints, explains and checks templates.
func (a *app) templateCommand() *cobra.Command {
	var check, out string
	var parts bool
	c := command("template [DOCUMENT]", "Print a document's template, to put it into a form of your own",
		"A template is a short file that says which parts a document has, in which order, and under which\nheadings; it may have words of your own. This prints the template of a document (evaluation,\nprotocol, plan, recruitment, draw or stopped); report build --template uses yours. With --parts,\nlist the parts there are; with --check, say what is wrong with a file, by line and column.",
		"evenhand report template > mine.yaml\nevenhand report template plan --out plan.yaml\nevenhand report template --parts\nevenhand report template --check mine.yaml", one("document"),
		func(_ context.Context, args []string) error {
			switch {
			case parts:
				type line struct {
					Name string `json:"name"`
					What string `json:"what"`
				}
				var all []line
				rows := [][]string{{"part", "what it is"}}
				for _, p := range reports.Parts() {
					all = append(all, line{p, reports.PartTitle(p)})
					rows = append(rows, []string{p, reports.PartTitle(p)})
				}
				return a.print(map[string][]line{"parts": all}, func() { a.table(rows) })
			case check != "":
				text, err := a.readFile(check)
				if err != nil {
					return err
				}
				t, err := reports.ParseTemplate(check, text)
				if err != nil {
					return err
				}
				return a.print(struct {
					File     string `json:"file"`
					Kind     string `json:"kind"`
					Sections int    `json:"sections"`
				}{check, t.Kind, len(t.Sections)}, func() { a.say("%s is a template of a %q with %d sections", check, t.Kind, len(t.Sections)) })
			}
			document := "evaluation"
			if len(args) == 1 {
				document = args[0]
			}
			text, err := reports.BuiltinText(document)
			if err != nil {
				return usageError{err}
			}
			return a.printText(out, string(text))
		})
	c.Flags().StringVar(&out, "out", "", "write it to a file")
	c.Flags().StringVar(&check, "check", "", "a template of your own to be checked")
	c.Flags().BoolVar(&parts, "parts", false, "list the parts that a template may name")
	return c
}

// keysCommand lists what a Word template or a template's own words can ask for.
func (a *app) keysCommand() *cobra.Command {
	c := command("keys [WORD]", "List what a Word template of your own can ask for",
		"A Word template asks for a value by a content control's tag, or by {{…}} in its text: a cell\n(flow/analysed/3: table, the words of its row or its number, column), report:title, report:kind or\nreport:made. A paragraph of its own can ask for a whole table (table:flow), a figure\n(figure:flow-figure) or a part (part:summary). This lists them with what they show now; with a word,\nthose that have it in their key or description.",
		"evenhand report keys\nevenhand report keys headline\nevenhand report keys effect --format json", one("word"),
		func(ctx context.Context, args []string) error {
			return a.withTrial(ctx, false, func(t *conduct.Trial) error {
				s, err := t.Snapshot(ctx)
				if err != nil {
					return err
				}
				r, err := build(a.reportInput(t, s), reports.Everything("Evaluation report"))
				if err != nil {
					return err
				}
				type key struct {
					Key   string `json:"key"`
					Shows string `json:"shows"`
					What  string `json:"what"`
				}
				keys := []key{}
				add := func(k, shows, what string) {
					word := ""
					if len(args) == 1 {
						word = strings.ToLower(args[0])
					}
					if strings.Contains(strings.ToLower(k+" "+what), word) {
						keys = append(keys, key{k, shows, what})
					}
				}
				add("report:title", r.Title, "the trial's title")
				add("report:kind", r.Subtitle, "the kind of document")
				add("report:made", reports.Day(r.GeneratedAt), "the day")
				for _, p := range reports.Parts() {
					add("part:"+p, "", reports.PartTitle(p))
				}
				for _, f := range r.Figures() {
					add("figure:"+f.ID, "", f.Title)
				}
				for _, tab := range r.Tables() {
					add("table:"+tab.ID, "", tab.Title)
					named := map[*reports.Cell]string{}
					for alias, c := range tab.Aliases() {
						named[c] = alias
					}
					for _, row := range tab.Rows {
						for k, cell := range row.Cells {
							if k > 0 {
								add(cmp.Or(named[cell], cell.Key()), cell.String(), row.Cells[0].String()+": "+tab.Columns[k].Title)
							}
						}
					}
				}
				return a.print(map[string][]key{"keys": keys}, func() {
					rows := [][]string{{"key", "shows now", "what it is"}}
					for _, k := range keys {
						rows = append(rows, []string{k.Key, clipTo(k.Shows, 40), clipTo(k.What, 80)})
					}
					a.table(rows)
				})
			})
		})
	return c
}
