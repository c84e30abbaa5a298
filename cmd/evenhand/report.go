package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/cmd/internal/steps"
	"evenhand/randomize"
	"evenhand/randomize/redraw"
	"evenhand/reports"
	"evenhand/reports/audit"
	"evenhand/reports/render"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

// reportInput is what the report is built from.
func (a *app) reportInput(t *conduct.Trial, s conduct.Snapshot) reports.Input {
	p := t.Protocol
	in := reports.Input{GeneratedAt: a.now().UTC(), Phase: s.Facts.Phase(), Protocol: p, Flow: s.Flow, Detectable: s.Detectable, Attrition: s.Attrition, Missing: missingBySchool(s)}
	for _, r := range s.Recruitment.Regions {
		in.Regions = append(in.Regions, reports.RegionCount{Region: r.Region, Listed: r.Listed, Ready: r.Ready, Left: r.Left, Agreed: agreedIn(p, s, r.Region)})
	}
	switch {
	case s.Last != nil:
		in.Results = s.Last.Results
	case s.Draw == nil:
		in.NoResults = "the draw has not been made yet"
	case len(s.Unblinded) == 0 && len(s.Records.Scores) > 0:
		in.NoResults = "the analysis has not been unblinded yet (evenhand analysis unblind)"
	case len(s.Unblinded) > 0 && !slices.ContainsFunc(s.Unblinded, func(u store.Unblinding) bool { return u.DataDigest != "" }):
		in.NoResults = "the outcomes stay in a secure room: what was cleared to leave it stands in the annex"
	default:
		in.NoResults = "the plan has not been run yet (evenhand analysis run)"
	}
	if s.Draw != nil {
		in.Communities = communitiesOf(p, s)
		in.Delivery = reports.Delivery{Sessions: p.Delivery.Sessions, Complier: complierText(p), Recorded: len(s.Records.Attendance) > 0}
		in.Drawn, in.Elsewhere = drawnInto(p, s), elsewhere(p, s)
		if s.Last != nil { // not while the outcomes are blind
			in.SchoolMeans, in.Scores = schoolMeans(t, s), scoreSets(p, s)
		}
	}
	in.Reached = reachedOn(s)
	in.Draw = drawFacts(s)
	in.Provenance = provenance(t, s)
	for _, v := range s.Versions[1:] {
		if len(s.Rosters) > 0 && v.At.After(s.Rosters[0].At) {
			in.Deviations = append(in.Deviations, reports.Deviation{On: v.At, By: v.Author, Kind: fmt.Sprintf("protocol version %d", v.Version), What: "the protocol was amended after the roster was locked", Why: v.Reason})
		}
	}
	in.Deviations = withDrawEvents(in.Deviations, t, s)
	in.Room = madeInRoom(s.Ledger)
	for _, r := range s.Beside {
		in.Outside = append(in.Outside, reports.OutsideRun{Run: r.Run, On: r.At, By: r.Actor, Exploratory: r.Kind == store.ExploratoryRun, Why: r.Reason, Results: r.Results})
	}
	if in.Changed = s.Last != nil && s.Last.Kind == store.ChangedRun; in.Changed {
		in.Deviations = append(in.Deviations, reports.Deviation{On: s.Last.At, By: s.Last.Actor, Kind: fmt.Sprintf("analysis %d", s.Last.Run), What: "the results are of a plan or of data that changed after the unblinding", Why: s.Last.Reason})
	}
	if s.Facts.Annulled {
		in.Phase = trial.Drawn // it was; that it is void stands among the deviations
	}
	if s.Stop != nil {
		in.Stopped = &reports.Stopped{On: s.Stop.At, By: s.Stop.Actor, Reason: s.Stop.Reason}
	}
	return in
}

// drawFacts are what the document on the draw shows; nil before the draw.
func drawFacts(s conduct.Snapshot) *reports.DrawFacts {
	if s.Balance == nil || s.Commitment == nil {
		return nil
	}
	f := &reports.DrawFacts{}
	control := -1
	for i, a := range s.Balance.Arms {
		f.Arms = append(f.Arms, a.Arm)
		if a.Control {
			control = i
		}
	}
	for _, m := range s.Balance.Means {
		c := reports.ColumnMeans{Column: m.Column, Known: m.Known, Means: m.Means}
		for i := range f.Arms {
			for _, d := range m.Difference {
				if i != control && d.Arm == f.Arms[i] {
					c.Difference = append(c.Difference, d.Value)
				}
			}
		}
		f.Means = append(f.Means, c)
	}
	if terms, err := trial.ParseChanceTerms(s.Commitment.Text); err == nil && terms.Source != trial.ChanceLocal {
		taken, err := terms.Take(s.Evidence)
		if err != nil {
			f.NotShown = append(f.NotShown, err.Error())
		}
		f.Shown, f.NotShown = append(f.Shown, taken.Shown...), append(f.NotShown, taken.NotShown...)
	}
	return f
}

// agreedIn counts a region's schools that signed.
func agreedIn(p *trial.Protocol, s conduct.Snapshot, region string) int {
	n := 0
	for _, school := range s.Schools {
		r := school.Attributes[p.Recruitment.Region]
		if r == "" {
			r = "not known"
		}
		if r == region && len(p.Recruitment.Agreement) > 0 && len(school.Signatures) >= len(p.Recruitment.Agreement) {
			n++
		}
	}
	return n
}

func complierText(p *trial.Protocol) string {
	if p.Delivery.Complier.Sessions == 0 {
		return ""
	}
	return fmt.Sprintf("at least %d sessions attended by %s", p.Delivery.Complier.Sessions, p.Delivery.Complier.By)
}

// missingBySchool is what is missing of the primary outcome's model, once the
// plan was run.
func missingBySchool(s conduct.Snapshot) *reports.MissingBySchool {
	if s.Missing == nil {
		return nil
	}
	out := &reports.MissingBySchool{Table: *s.Missing, Schools: map[string][]string{}}
	for _, school := range s.Roster.Schools {
		arm := s.Records.Allocation[school.ID].Arm
		out.Schools[arm] = append(out.Schools[arm], school.ID)
	}
	return out
}

// communitiesOf lists the communities with their schools and attendance.
func communitiesOf(p *trial.Protocol, s conduct.Snapshot) []reports.Community {
	pupils := map[string]int{}
	for _, pupil := range s.Roster.Pupils {
		pupils[pupil.School]++
	}
	left := map[string]bool{}
	for _, w := range s.Records.Withdrawals {
		if w.Level == "school" && w.From != trial.FromData {
			left[w.Subject] = true
		}
	}
	attended := p.SessionsAttended(s.Records.Attendance, s.Roster.Schools)
	byAny, byEvery := p.SessionsAttendedBy("any leader", s.Records.Attendance, s.Roster.Schools), p.SessionsAttendedBy("every leader", s.Records.Attendance, s.Roster.Schools)
	type key struct {
		arm    string
		number int
	}
	by := map[key]*reports.Community{}
	var keys []key
	for _, school := range s.Roster.Schools {
		got := s.Records.Allocation[school.ID]
		if got.Community == 0 {
			continue
		}
		k := key{got.Arm, got.Community}
		c := by[k]
		if c == nil {
			c = &reports.Community{Arm: got.Arm, Number: got.Community}
			if len(s.Records.Attendance) > 0 {
				n := len(p.Delivery.Sessions)
				c.Attended, c.AttendedByAny, c.AttendedByEvery = make([]int, n), make([]int, n), make([]int, n)
			}
			by[k] = c
			keys = append(keys, k)
		}
		line := schoolLine(p, school)
		line.Pupils, line.Withdrew = pupils[school.ID], left[school.ID]
		if c.Attended != nil {
			line.Present = attended[school.ID]
		}
		c.Schools = append(c.Schools, line)
		sum := 0
		for i, there := range attended[school.ID] {
			if there {
				sum++
				if c.Attended != nil {
					c.Attended[i]++
				}
			}
		}
		for i := range c.AttendedByAny {
			if byAny[school.ID][i] {
				c.AttendedByAny[i]++
			}
			if byEvery[school.ID][i] {
				c.AttendedByEvery[i]++
			}
		}
		if p.Delivery.Complier.Sessions > 0 && sum >= p.Delivery.Complier.Sessions {
			c.Compliers++
		}
	}
	order := map[string]int{}
	for i, arm := range p.Arms {
		order[arm.ID] = i
	}
	slices.SortFunc(keys, func(x, y key) int {
		if x.arm != y.arm {
			return order[x.arm] - order[y.arm]
		}
		return x.number - y.number
	})
	all := make([]reports.Community, len(keys))
	for i, k := range keys {
		all[i] = *by[k]
	}
	return all
}

// schoolLine is a school with its place.
func schoolLine(p *trial.Protocol, school trial.School) reports.SchoolLine {
	line := reports.SchoolLine{ID: school.ID, Name: school.Name, Region: school.Attributes[p.Recruitment.Region]}
	e, err1 := strconv.ParseFloat(school.Attributes["easting"], 64)
	n, err2 := strconv.ParseFloat(school.Attributes["northing"], 64)
	if err1 == nil && err2 == nil {
		line.HasPlace, line.Easting, line.Northing = true, e, n
	}
	return line
}

// elsewhere lists the schools that were drawn into no community.
func elsewhere(p *trial.Protocol, s conduct.Snapshot) (all []reports.SchoolLine) {
	for _, school := range s.Roster.Schools {
		if s.Records.Allocation[school.ID].Community == 0 {
			line := schoolLine(p, school)
			line.Arm = s.Records.Allocation[school.ID].Arm
			all = append(all, line)
		}
	}
	return all
}

// drawnInto counts schools by stratum and where they were drawn.
func drawnInto(p *trial.Protocol, s conduct.Snapshot) (all []reports.DrawnInto) {
	n := map[reports.DrawnInto]int{}
	for _, school := range s.Roster.Schools {
		got := s.Records.Allocation[school.ID]
		n[reports.DrawnInto{Stratum: s.Roster.Strata[school.ID], Arm: got.Arm, Community: got.Community}]++
	}
	for d, schools := range n {
		d.Schools = schools
		all = append(all, d)
	}
	slices.SortFunc(all, func(a, b reports.DrawnInto) int {
		return cmp.Or(strings.Compare(a.Stratum, b.Stratum), strings.Compare(a.Arm, b.Arm), a.Community-b.Community)
	})
	return all
}

// scoreSets gives the primary outcome's scores by arm, before and after.
func scoreSets(p *trial.Protocol, s conduct.Snapshot) []reports.ScoreSet {
	d, err := p.Dataset(s.Records, p.PrimaryOutcome().ID)
	if err != nil {
		return nil // the results beside them say what is wrong
	}
	all := make([]reports.ScoreSet, len(d.Arms))
	for a, arm := range d.Arms {
		all[a].Arm = arm
	}
	var before *analysis.Column
	if len(d.Covariates) > 0 && d.Covariates[0].Name == trial.BaselineColumn {
		before = &d.Covariates[0]
	}
	for i := range d.ID {
		set := &all[d.Arm[i]]
		if d.Observed[i] {
			set.After = append(set.After, d.Outcome[i])
		}
		if before != nil && (before.Observed == nil || before.Observed[i]) {
			set.Before = append(set.Before, before.Values[i])
		}
	}
	return all
}

// reachedOn says when each school first reached each stage, or one beyond it.
func reachedOn(s conduct.Snapshot) (all []reports.ReachedOn) {
	stages := trial.Stages()
	furthest := map[string]int{} // stages reached so far, counted from 1
	for _, c := range s.Moves {
		on, ok := c.On.Time()
		if !ok {
			continue
		}
		for i := furthest[c.School]; i <= slices.Index(stages, c.To); i++ {
			all = append(all, reports.ReachedOn{Stage: stages[i], On: on})
			furthest[c.School] = i + 1
		}
	}
	return all
}

// schoolMeans gives the primary outcome's mean in each school.
func schoolMeans(t *conduct.Trial, s conduct.Snapshot) []reports.SchoolMean {
	primary := t.Protocol.PrimaryOutcome()
	schoolOf := map[string]string{}
	for _, p := range s.Roster.Pupils {
		schoolOf[p.ID] = p.School
	}
	if t.Protocol.Trial.Measured == "schools" {
		for _, school := range s.Roster.Schools {
			schoolOf[school.ID] = school.ID
		}
	}
	// Analysed pupils only: where the plan uses the baseline, those who have one.
	needed := map[string]bool{}
	useBaseline := primary.Baseline.Column != "" && slices.Contains(t.Protocol.Plan.Covariates, "baseline")
	for _, score := range s.Records.Scores {
		if score.Measure == trial.BaselineOf(primary.ID) && score.Missing == "" {
			needed[score.Person] = true
		}
	}
	sum, n := map[string]float64{}, map[string]int{}
	for _, score := range s.Records.Scores {
		if useBaseline && !needed[score.Person] {
			continue
		}
		if school := schoolOf[score.Person]; school != "" && score.Measure == primary.ID && score.Missing == "" {
			sum[school] += score.Value
			n[school]++
		}
	}
	var all []reports.SchoolMean
	for _, school := range s.Roster.Schools {
		if k := n[school.ID]; k > 0 {
			all = append(all, reports.SchoolMean{School: school.ID, Arm: s.Records.Allocation[school.ID].Arm, N: k, Mean: sum[school.ID] / float64(k)})
		}
	}
	return all
}

func provenance(t *conduct.Trial, s conduct.Snapshot) reports.Provenance {
	p := reports.Provenance{Program: t.Who.Program, ProtocolVersion: t.Version, Protocol: trial.DigestOf(t.Text), Rule: "rule 1", LedgerEntries: len(s.Ledger)}
	if n := len(s.Ledger); n > 0 {
		p.LedgerHead = s.Ledger[n-1].Digest
	}
	for _, r := range s.Ledger {
		if e, err := r.Entry(); err == nil && e.Action == "draw rehearse" {
			var after struct{ Times int }
			if json.Unmarshal(e.After, &after) == nil {
				p.Rehearsals += after.Times
			}
		}
	}
	if n := len(s.Rosters); n > 0 {
		l := s.Rosters[n-1]
		p.Design, p.Roster, p.Pupils = randomize.Digest([]byte(l.DesignText)), randomize.Digest([]byte(l.RosterText)), trial.DigestOf(l.PupilsText)
		p.Locked = reports.Act{At: l.At, People: []string{l.Actor}}
	}
	if c := s.Commitment; c != nil {
		p.Commitment, p.Committed = trial.DigestOf(c.Text), reports.Act{At: c.At, People: []string{c.Actor}}
		p.ChanceSource = chanceText(c.Text)
	}
	for i, w := range s.Waves {
		drawn := reports.LaterWave{
			Roster: randomize.Digest([]byte(w.Locked.RosterText)), Pupils: trial.DigestOf(w.Locked.PupilsText), Commitment: trial.DigestOf(w.Commitment.Text),
			Allocation: w.Draw.Digest, Chance: w.Draw.Chance, ChanceSource: chanceText(w.Commitment.Text),
			Locked:    reports.Act{At: w.Locked.At, People: []string{w.Locked.Actor}},
			Committed: reports.Act{At: w.Commitment.At, People: []string{w.Commitment.Actor}},
			Drawn:     reports.Act{At: w.Draw.At, People: []string{w.Draw.Actor}},
		}
		if w.Draw.ConfirmedBy != "" {
			drawn.Drawn.People = append(drawn.Drawn.People, w.Draw.ConfirmedBy)
		}
		if i > 0 {
			p.Later = append(p.Later, drawn)
			continue
		}
		p.Roster, p.Pupils, p.Allocation, p.Chance = drawn.Roster, drawn.Pupils, drawn.Allocation, drawn.Chance
		p.Locked, p.Drawn = drawn.Locked, drawn.Drawn
	}
	if s.Last != nil {
		p.Data, p.Results, p.Analysed = s.Last.DataDigest, s.Last.Digest, reports.Act{At: s.Last.At, People: []string{s.Last.Actor}}
	}
	for _, r := range s.Receipts {
		p.Receipts = append(p.Receipts, r.Receipt)
	}
	return p
}

func (a *app) reportCommand() *cobra.Command {
	var out string
	var overwrite bool
	var release releaseFlags
	var document documentFlags
	form := formFlag{print: &a.format}
	building := command("build", "Write the report: HTML, Word, Excel, PDF or plain text",
		"Write the report. The ending of --out says the form: .html (one self-contained page: no script,\nnothing loaded from outside), .docx (Word), .xlsx (every table a sheet), .txt or .pdf; so does\n--format where --out is not given. PDF is made by a browser (Chromium, Chrome, Edge) or LibreOffice\nof this computer, whichever is found first, or by the one that EVENHAND_BROWSER names. It holds\nparticipant flow, attrition, baseline, results, communities, provenance. Every number in a\nsentence is the table's own cell. Before the outcomes are in it says what is still missing; a trial\nthat was stopped before its draw gets its own short report.\n\nWith --document it is another document from the same record; --template is a file with your own order\nand headings (report template), or a Word file of the funder's own that is filled and otherwise left\nas it is (report keys).\n\nThe report is a working paper with all its counts. With --release it is the one to publish: no count\nof 1 to 9 pupils (by srs10-zeros: 0 to 9) is in it or can be worked out from all of it, nor from it\nand the releases before it, whose records are given with --earlier.",
		"evenhand report build\nevenhand report build --out report.docx\nevenhand report build --out draft.html --overwrite\nevenhand report build --format pdf\nevenhand report build --template funder.docx --out for-the-funder.docx\nevenhand report build --release srs10 --out published.html\nevenhand report build --release srs10 --out second.html --earlier published.private.json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			if out == "" && form.form == "" && document.word() {
				form.form = "docx"
			}
			out, err := form.file(out)
			if err != nil {
				return err
			}
			if err := vacant(out); err != nil && !overwrite {
				return withHint(err, "give another name, or replace it with --overwrite")
			}
			want, err := a.want(document)
			if err != nil {
				return err
			}
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if release.rule.value != "none" {
				return a.releaseReport(ctx, t, s, want, out, overwrite, release)
			}
			if len(release.earlier) > 0 || release.forget != "" {
				return usagef("--earlier and --forget are about releases: give --release too")
			}
			report, err := build(a.reportInput(t, s), want.template)
			if err != nil {
				return err
			}
			made, filled, err := a.rendered(ctx, out, report, want)
			if err != nil {
				return err
			}
			if err := writeFile(out, overwrite, func(w io.Writer) error { _, err := w.Write(made); return err }); err != nil {
				return err
			}
			digest := trial.DigestOf(string(made))
			if err := t.Log(ctx, "report build", "report", map[string]string{"report": digest}); err != nil {
				return errors.Join(err, os.Remove(out))
			}
			return a.print(struct {
				File   string         `json:"file"`
				Digest string         `json:"digest"`
				Filled *render.Filled `json:"filled,omitempty"`
			}{out, digest, filled}, func() {
				a.say("%s is the report; digest %s", out, digest)
				if filled != nil {
					a.say("Put into %s: %d values; %d tables, figures and parts.", document.file, filled.Cells, filled.Parts)
					if len(filled.Left) > 0 {
						a.say("Left as they are: the content controls %s.", strings.Join(filled.Left, ", "))
					}
				}
			})
		}))
	document.add(building)
	building.Flags().StringVar(&out, "out", "", "the file to write (default: report.html, or with the ending of --format)")
	building.Flags().Var(&form, "format", "how to print: text, json; or the report's form")
	_ = building.RegisterFlagCompletionFunc("format", cobra.FixedCompletions(append([]string{"text", "json"}, forms...), cobra.ShellCompDirectiveNoFileComp))
	building.Flags().BoolVar(&overwrite, "overwrite", false, "replace the file if it is there")
	addChoice(building, &release.rule, "release", "none", "the rule by which small counts are hidden", "none", "srs10", "srs10-zeros")
	building.Flags().StringArrayVar(&release.earlier, "earlier", nil, "with --release: the record (.private.json) of an earlier release (may be given several times)")
	building.Flags().StringVar(&release.forget, "forget", "", "with --release: why releases in the ledger without a record given are left out")
	return group("report", "The report: build it, take out a table or a picture, check an edited copy", append([]*cobra.Command{building}, a.reportParts()...)...)
}

func (a *app) auditCommand() *cobra.Command {
	var out, keyFile string
	var data choice
	export := command("export", "Write the audit bundle: one zip file",
		"Write one zip file with everything that an independent evaluator needs to check the trial without\nthis store: design, roster, chance, allocation, ledger, de-identified data, results at full\nprecision, the report, and a list of digests. No name and no UPN is in it.\nWith --key the list of digests, and so everything, is signed. Where data must stay in a secure room,\n--data synthetic leaves them out: the bundle has their digests and made-up values of the same form.",
		"evenhand audit export\nevenhand audit export --data synthetic\nevenhand audit export --out rlc.audit.zip --key ana.key", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			var sign func([]byte) (string, error)
			if keyFile != "" {
				key, err := a.secretKey(keyFile)
				if err != nil {
					return err
				}
				sign = audit.Signer(key, t.ID(), a.now())
			}
			if out == "" {
				out = t.ID() + ".audit.zip"
			}
			// Before the ledger says that a report was built for it.
			if err := vacant(out); err != nil {
				return err
			}
			show := steps.On(a.stderr)
			defer show("")
			show("reading the trial, building its report")
			bundle, err := a.bundle(ctx, t)
			if err != nil {
				return err
			}
			bundle.Sign, bundle.DataStay = sign, data.value == "synthetic"
			show("writing the bundle")
			var b bytes.Buffer
			if err := audit.Write(&b, bundle); err != nil {
				return err
			}
			show("")
			if err := writeFile(out, false, func(w io.Writer) error { _, err := w.Write(b.Bytes()); return err }); err != nil {
				return err
			}
			digest := trial.DigestOf(b.String())
			if err := t.Log(ctx, "audit export", "bundle", map[string]string{"bundle": digest}); err != nil {
				return errors.Join(err, os.Remove(out))
			}
			return a.print(struct {
				File   string `json:"file"`
				Digest string `json:"digest"`
				Bytes  int    `json:"bytes"`
			}{out, digest, b.Len()}, func() {
				a.say("%s is the audit bundle; digest %s", out, digest)
				a.say("Anybody can check it: evenhand audit verify %s", out)
			})
		}))
	export.Flags().StringVar(&out, "out", "", "the file to write (default: the trial's ID and .audit.zip)")
	addChoice(export, &data, "data", "real", "the rows analysed, or their digests and made-up values of the same form", "real", "synthetic")
	export.Flags().StringVar(&keyFile, "key", "", "sign it with the secret key in this file")
	var receipts, earlier, keyFiles []string
	var commit string
	verify := command("verify FILE.zip", "Check a bundle without any database: draw again, fit again",
		"Check an audit bundle: digests, ledger, order of events, the draw (drawn again), the flow (counted\nagain), the analysis (fitted again). Prints PASS, FAIL, NOTE and CANNOT lines; exit status 3 if\nanything failed.",
		"evenhand audit verify rlc.audit.zip\nevenhand audit verify rlc.audit.zip --receipt my-copy.txt --commit lodged.txt\nevenhand audit verify rlc.audit.zip --public-key ana.key.pub --earlier rlc-2027.audit.zip", exactly("a bundle"),
		func(_ context.Context, args []string) error {
			var opts audit.Options
			var err error
			if opts.PublicKeys, err = publicKeys(keyFiles); err != nil {
				return err
			}
			if opts.Earlier, err = earlierLedgers(earlier); err != nil {
				return err
			}
			for _, file := range receipts {
				r, err := a.readReceipt(file)
				if err != nil {
					return err
				}
				opts.Receipts = append(opts.Receipts, r)
			}
			if commit != "" {
				text, err := a.readFile(commit)
				if err != nil {
					return err
				}
				opts.Commitment = string(text)
			}
			f, err := os.Open(args[0])
			if err != nil {
				return fmt.Errorf("open the bundle %s: %w", args[0], reason(err))
			}
			defer f.Close()
			info, err := f.Stat()
			if err != nil {
				return fmt.Errorf("open the bundle: %w", err)
			}
			if info.IsDir() {
				return fmt.Errorf("open the bundle: %s is a folder", args[0])
			}
			opts.Progress = steps.On(a.stderr)
			found, err := audit.Verify(f, info.Size(), opts)
			opts.Progress("")
			if err != nil {
				return err
			}
			if err := a.print(found, func() { fmt.Fprint(a.stdout, found.Text()) }); err != nil {
				return err
			}
			if found.Failed() {
				return withHint(fmt.Errorf("%s: %w", args[0], conduct.ErrDisagrees), "the FAIL lines say which file or entry, and what differs")
			}
			return nil
		})
	verify.Flags().StringArrayVar(&receipts, "receipt", nil, "a receipt that you kept (may be given several times)")
	verify.Flags().StringArrayVar(&earlier, "earlier", nil, "an earlier bundle of the trial that you kept: it names the very entry that was changed")
	verify.Flags().StringArrayVar(&keyFiles, "public-key", nil, "a key that the bundle must be signed with: its file, or its line")
	verify.Flags().StringVar(&commit, "commit", "", "the commitment's text as it was lodged with you")
	return group("audit", "The bundle for independent evaluators", export, verify)
}

// bundle is what goes into the audit bundle.
func (a *app) bundle(ctx context.Context, t *conduct.Trial) (audit.Bundle, error) {
	s, err := t.Snapshot(ctx)
	if err != nil {
		return audit.Bundle{}, err
	}
	report, err := reports.Build(a.reportInput(t, s))
	if err != nil {
		return audit.Bundle{}, err
	}
	var html, numbers bytes.Buffer
	if err := errors.Join(render.HTML(&html, report), render.Numbers(&numbers, report)); err != nil {
		return audit.Bundle{}, err
	}
	// The report in the bundle is an entry of the ledger in the bundle.
	if err := t.Log(ctx, "report build", "report", map[string]string{"report": trial.DigestOf(html.String())}); err != nil {
		return audit.Bundle{}, err
	}
	if s.Ledger, err = t.Ledger(ctx); err != nil {
		return audit.Bundle{}, err
	}
	b := audit.Bundle{Trial: t.ID(), Title: t.Protocol.Trial.Title, Program: t.Who.Program, Ledger: s.Ledger, ReportHTML: html.Bytes(), Numbers: numbers.Bytes(), Rule: ruleFiles()}
	for _, v := range s.Versions {
		b.Protocols = append(b.Protocols, audit.Protocol{Version: v.Version, Text: v.Text})
	}
	for _, l := range s.Rosters {
		b.Rosters = append(b.Rosters, audit.Roster{Version: l.Version, Design: l.DesignText, Roster: l.RosterText, Pupils: l.PupilsText})
	}
	for _, r := range s.Receipts {
		b.Receipts = append(b.Receipts, r.Receipt)
	}
	if s.Commitment != nil {
		b.Commitment = s.Commitment.Text
	}
	if s.Draw != nil {
		b.Chance, b.Allocation, b.Evidence = s.Draw.Chance, s.Draw.AllocationText, s.Evidence
	}
	for i, w := range s.Waves {
		if i > 0 {
			b.Waves = append(b.Waves, audit.Wave{Roster: w.Draw.Roster, Commitment: w.Commitment.Text, Chance: w.Draw.Chance, Evidence: w.Evidence, Allocation: w.Draw.AllocationText})
		}
	}
	if s.Last != nil {
		flow := s.Flow
		b.Data, b.Results, b.Flow = s.Last.Data, s.Last.ResultsText, &flow
	}
	for _, r := range s.Beside {
		if b.Runs == nil {
			b.Runs = map[int]string{}
		}
		b.Runs[r.Run] = r.ResultsText
	}
	return b, nil
}

// ruleFiles are the drawing rule and the programs that repeat it.
func ruleFiles() []audit.File {
	return []audit.File{{Name: "RULE.md", Data: randomize.RuleText}, {Name: "redraw.py", Data: redraw.Python}, {Name: "redraw.R", Data: redraw.R}}
}
