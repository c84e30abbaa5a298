package audit

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/sign"
)

// Kind is what a finding says.
type Kind string

// The kinds of finding.
const (
	Pass   Kind = "PASS"   // checked, and it holds
	Fail   Kind = "FAIL"   // checked, and it does not hold
	Note   Kind = "NOTE"   // to be known when reading the others; nothing is wrong by itself
	Cannot Kind = "CANNOT" // nobody can check this from the bundle
)

// Finding is the outcome of one check. Several findings of one check share its
// number.
type Finding struct {
	Kind   Kind   `json:"kind"`
	Number int    `json:"number"`
	Title  string `json:"title"`
	Detail string `json:"detail"`
}

// Findings is everything that was found.
type Findings struct {
	Trial string    `json:"trial"` // the trial's ID, "" if it could not be read
	List  []Finding `json:"findings"`

	// The ledger, if it is one chain: number of entries, digest of the last,
	// root of the tree over them.
	Entries int    `json:"entries,omitempty"`
	Head    string `json:"head,omitempty"`
	Tree    string `json:"tree,omitempty"`
}

// Failed says whether any check failed.
func (f *Findings) Failed() bool {
	return slices.ContainsFunc(f.List, func(x Finding) bool { return x.Kind == Fail })
}

// Text is the findings, one a line, as they are printed.
func (f *Findings) Text() string {
	var b strings.Builder
	width := 0
	for _, x := range f.List {
		width = max(width, len(x.Title))
	}
	for _, x := range f.List {
		fmt.Fprintf(&b, "%-6s %2d  %-*s  %s\n", x.Kind, x.Number, width, x.Title, x.Detail)
	}
	return b.String()
}

// Options is what the checker holds besides the bundle.
type Options struct {
	Receipts   []trial.Receipt  // kept by the checker or another outsider since earlier
	Commitment string           // the text of the commitment as lodged elsewhere; "" for none
	Earlier    [][]trial.Record // ledgers of earlier bundles that were kept; see LedgerOf
	PublicKeys []sign.PublicKey // keys whose owners the checker knows from elsewhere
	// Fit runs an analysis again. Nil means sap.Run.
	Fit func(sap.Plan, *analysis.Dataset) (*sap.Results, error)
	// Progress is told what is done next; nil for nobody.
	Progress func(what string)
}

// Tolerance is how far a number that is computed again may be from the one in
// the bundle, relative to the larger of the two. Processors may differ in the
// last digits of floating-point sums.
const Tolerance = 1e-9

// absTolerance is for numbers that are zero but for rounding.
const absTolerance = 1e-12

// Actions of the ledger that the checks look for.
const (
	actionProtocol = "protocol record"
	actionLock     = "roster lock"
	actionRehearse = "draw rehearse"
	actionCommit   = "draw commit"
	actionDraw     = "draw run"
	actionAnalyse  = "analysis run"
	actionReport   = "report build"
)

type protocolNote struct {
	Version int    `json:"version"`
	Digest  string `json:"digest"`
}

type lockNote struct {
	Protocol int    `json:"protocol"`
	Design   string `json:"design"`
	Roster   string `json:"roster"`
	List     string `json:"pupil_list"`
}

type commitNote struct {
	Commitment string `json:"commitment"`
	Design     string `json:"design"`
	Roster     string `json:"roster"`
}

type drawNote struct {
	Commitment string         `json:"commitment"`
	Roster     int            `json:"roster"`
	Chance     string         `json:"chance"`
	Allocation string         `json:"allocation"`
	Evidence   []evidenceNote `json:"evidence"`
}

type analyseNote struct {
	Run      int    `json:"run"`
	Protocol int    `json:"protocol"`
	Plan     string `json:"plan"`
	Data     string `json:"data"`
	Results  string `json:"results"`
}

// The checks, in order, with the numbers under which they are reported.
const (
	checkFiles = iota + 1
	checkLedger
	checkReceipts
	checkOrder
	checkRecords
	checkDraw
	checkOneDraw
	checkKnew
	checkFlow
	checkFit
	checkPage
	checkCovered
	checkCannot
)

var titles = map[int]string{
	checkFiles: "file set", checkLedger: "ledger", checkReceipts: "receipts", checkOrder: "order", checkRecords: "records", checkDraw: "draw",
	checkOneDraw: "one draw", checkKnew: "who knew", checkFlow: "flow", checkFit: "analysis", checkPage: "report", checkCovered: "not covered", checkCannot: "cannot be shown",
}

// Verify checks a bundle and says what it found. It reads nothing but the
// bundle, and an error means that the bundle could not be read at all, e.g.
// because the disk failed: whatever is wrong with it is a finding.
func Verify(r io.ReaderAt, size int64, opts Options) (*Findings, error) {
	v := &verifier{opts: opts, found: &Findings{}, files: map[string][]byte{}}
	if v.opts.Fit == nil {
		v.opts.Fit = v.run
	}
	err := v.fileSet(r, size)
	if err != nil {
		return nil, err
	}
	whole := !v.found.Failed() || v.contents // the container's bytes alone may differ
	for _, step := range []struct {
		what string
		do   func()
		long bool // not on files that are not the manifest's
	}{
		{"checking the signature", v.signature, false},
		{"reading the ledger", v.ledger, false},
		{"holding the ledger to the receipts", v.receipts, false},
		{"looking at the order of events", v.events, false},
		{"looking at the unblinding", v.unblinding, false},
		{"looking at what was made outside", v.outside, false},
		{"holding every text to the ledger", v.records, false},
		{"drawing again", v.draw, true},
		{"taking the chance again", v.chance, false},
		{"looking at who knew", v.knew, false},
		{"counting again", v.flow, true},
		{"running the plan again", v.fit, true},
		{"running again what was run beside the plan", v.explored, true},
		{"reading the report", v.page, false},
		{"seeing how far receipts reach", v.covered, false},
	} {
		if len(v.files) == 0 {
			break
		}
		if v.opts.Progress != nil {
			v.opts.Progress(step.what)
		}
		if whole || !step.long {
			step.do()
		}
	}
	if !whole && len(v.files) > 0 {
		v.say(Note, checkCovered, "the draw, the flow and the analysis were not made again: the files are not those that %s lists", manifestName)
	}
	for _, c := range cannot {
		v.say(Cannot, checkCannot, "%s", c)
	}
	return v.found, nil
}

type verifier struct {
	redrawing sync.Once // the outcomes share the redraws
	redraws   *trial.Redraws
	noRedraws error
	opts      Options
	found     *Findings
	files     map[string][]byte
	lines     []trial.Record
	entries   []trial.Entry // of the lines that could be read, in order
	reach     int
	held      []trial.Receipt // the checker's receipts that the ledger fits
	contents  bool            // whether all files are the manifest's
}

func (v *verifier) say(k Kind, number int, format string, a ...any) {
	v.found.List = append(v.found.List, Finding{k, number, titles[number], oneLine(fmt.Sprintf(format, a...))})
}

// failures collects the failures of one check, at most so many in words.
type failures struct {
	v      *verifier
	number int
	n      int
}

const mostFailures = 25

func (v *verifier) check(number int) *failures { return &failures{v: v, number: number} }

func (f *failures) add(format string, a ...any) {
	if f.n++; f.n <= mostFailures {
		f.v.say(Fail, f.number, format, a...)
	}
}

// done says PASS with the words given unless something failed.
func (f *failures) done(format string, a ...any) {
	switch {
	case f.n == 0:
		f.v.say(Pass, f.number, format, a...)
	case f.n > mostFailures:
		f.v.say(Fail, f.number, "and %d more", f.n-mostFailures)
	}
}

// fileSet opens the zip file, reads everything, and holds it to the manifest.
func (v *verifier) fileSet(r io.ReaderAt, size int64) error {
	f := v.check(checkFiles)
	z, err := openZip(r, size)
	if err != nil {
		var h *HygieneError
		if !errors.As(err, &h) {
			return err
		}
		f.add("%v", h)
		return nil
	}
	// The manifest first: where it does not list these files, no other is read.
	if i := slices.IndexFunc(z.File, func(x *zip.File) bool { return x.Name == manifestName }); i >= 0 {
		text, err := readEntry(z.File[i])
		if listed, bad := parseManifest(string(text)); err == nil && bad == nil {
			there := map[string]bool{}
			for _, file := range z.File {
				there[file.Name] = true
				if _, ok := listed[file.Name]; !ok && file.Name != manifestName && file.Name != signatureName {
					f.add("%s is not in %s", file.Name, manifestName)
				}
			}
			for _, name := range sortedNames(listed) {
				if !there[name] {
					f.add("%s stands in %s and is missing", name, manifestName)
				}
			}
			if f.n > 0 {
				f.done("")
				return nil
			}
		}
	}
	for _, file := range z.File {
		data, err := readEntry(file)
		if err != nil {
			f.add("%s: its bytes are not those that the zip file was made with (%v)", file.Name, err)
		}
		v.files[file.Name] = data
	}
	where, err := container(r, size, z)
	if err != nil {
		return fmt.Errorf("read the bundle again: %w", err)
	}
	before := f.n
	defer func() { v.contents = f.n == before || f.n == before+1 && where != "" }()
	if where != "" {
		f.add("%s: the zip file is not as it was written", where)
	}
	for _, name := range []string{readmeName, notCoveredName, formatName, ledgerName, digestsName} {
		if _, ok := v.files[name]; !ok {
			f.add("%s is missing", name)
		}
	}
	text, ok := v.files[manifestName]
	if !ok {
		f.add("%s is missing: nothing says which files belong to the bundle", manifestName)
		return nil
	}
	listed, err := parseManifest(string(text))
	if err != nil {
		f.add("%s: %v", manifestName, err)
	}
	for _, name := range sortedNames(listed) {
		data, ok := v.files[name]
		if !ok {
			f.add("%s stands in %s and is missing", name, manifestName)
		} else if got := digest(data); got != listed[name] {
			f.add("%s was changed: %s has SHA-256 %s, the file has %s", name, manifestName, listed[name], got)
		}
	}
	for _, name := range sortedNames(v.files) {
		if _, ok := listed[name]; !ok && name != manifestName && name != signatureName && err == nil {
			f.add("%s is not in %s", name, manifestName)
		}
	}
	f.done("%d files, all as %s says; nothing else is in the zip file", len(v.files), manifestName)
	return nil
}

func readEntry(file *zip.File) ([]byte, error) {
	rc, err := file.Open()
	if err != nil {
		return nil, err
	}
	defer rc.Close()
	data := make([]byte, 0, file.UncompressedSize64)
	buf := make([]byte, 1<<15)
	for {
		n, err := rc.Read(buf)
		data = append(data, buf[:n]...)
		if err == io.EOF {
			return data, nil
		}
		if err != nil {
			return data, err
		}
	}
}

func parseManifest(text string) (map[string]string, error) {
	listed := map[string]string{}
	last := ""
	if !strings.HasSuffix(text, "\n") {
		return listed, errors.New("its last line has no end")
	}
	for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
		sum, name, ok := strings.Cut(line, "  ")
		if !ok || !isDigest(sum) || !allowed.MatchString(name) || name == manifestName {
			return listed, fmt.Errorf("line %d is not a digest, two spaces and the name of a file: %.100q", i+1, line)
		}
		if name <= last {
			return listed, fmt.Errorf("line %d: %s is out of order or stands twice", i+1, name)
		}
		last = name
		listed[name] = sum
	}
	return listed, nil
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

func sortedNames[V any](m map[string]V) []string {
	names := make([]string, 0, len(m))
	for n := range m {
		names = append(names, n)
	}
	sort.Strings(names)
	return names
}

// ledger checks the chain and reads the entries.
func (v *verifier) ledger() {
	f := v.check(checkLedger)
	text, digests := string(v.files[ledgerName]), string(v.files[digestsName])
	if !strings.HasSuffix(text, "\n") || !strings.HasSuffix(digests, "\n") {
		f.add("%s or %s is cut off: the last line has no end", ledgerName, digestsName)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	sums := strings.Split(strings.TrimSuffix(digests, "\n"), "\n")
	if len(lines) != len(sums) {
		f.add("%s has %d entries, %s has %d", ledgerName, len(lines), digestsName, len(sums))
	}
	for i, line := range lines {
		r := trial.Record{Seq: i + 1, Text: line}
		if i < len(sums) {
			seq, sum, _ := strings.Cut(sums[i], " ")
			if seq != strconv.Itoa(i+1) || !isDigest(sum) {
				f.add("%s: line %d is not the number %d and a digest", digestsName, i+1, i+1)
			}
			r.Digest = sum
		}
		v.lines = append(v.lines, r)
		e, err := r.Entry()
		if err != nil {
			if f.add("entry %d cannot be read: %v", i+1, err); f.n > mostFailures {
				break // this is no ledger
			}
			continue
		}
		v.entries = append(v.entries, e)
	}
	if head, err := trial.CheckLedger(v.lines); err != nil {
		f.add("%v%s", err, v.consequenceOf(err))
	} else {
		v.found.Entries, v.found.Head, v.found.Tree = len(v.lines), head, trial.Root(v.lines)
	}
	for _, e := range v.entries {
		if e.Action != actionProtocol {
			continue
		}
		var n protocolNote
		if err := json.Unmarshal(e.After, &n); err == nil {
			if p, err := trial.ParseProtocol("protocol", v.files[fmt.Sprintf("protocol/%d.yaml", n.Version)]); err == nil {
				v.found.Trial = p.Trial.ID
			}
		}
	}
	f.done("%d entries in one chain from the first to the last", len(v.lines))
}

// trialID is the trial's ID; where it could not be read, the receipt's own.
func (v *verifier) trialID(r trial.Receipt) string {
	if v.found.Trial == "" {
		return r.Trial
	}
	return v.found.Trial
}

// of lists the entries with an action.
func (v *verifier) of(action string) []trial.Entry {
	var all []trial.Entry
	for _, e := range v.entries {
		if e.Action == action {
			all = append(all, e)
		}
	}
	return all
}

// step is something that happened at an entry of the ledger.
type step struct {
	seq   int
	words string
}

// events checks that what must come before something else does.
func (v *verifier) events() {
	f := v.check(checkOrder)
	locks, commits, draws, analyses := v.of(actionLock), v.of(actionCommit), v.of(actionDraw), v.of(actionAnalyse)
	for i := 1; i < len(v.entries); i++ {
		if v.entries[i].At.Before(v.entries[i-1].At) {
			v.say(Note, checkOrder, "entry %d is dated %s, before entry %d (%s): a clock was set back, or two computers differ; the order of entries is what counts", v.entries[i].Seq, v.entries[i].At.Format("2006-01-02 15:04:05"), v.entries[i-1].Seq, v.entries[i-1].At.Format("2006-01-02 15:04:05"))
			break
		}
	}
	if len(draws) == 0 {
		if len(analyses) > 0 {
			f.add("entry %d analyses outcomes, and no draw was made", analyses[0].Seq)
		}
		f.done("no draw was made yet")
		return
	}
	if len(locks) == 0 || len(commits) == 0 {
		f.add("the draw is entry %d, but %s", draws[0].Seq, map[bool]string{true: "no roster was locked before it", false: "nothing was committed before it"}[len(locks) == 0])
		f.done("")
		return
	}
	draw := draws[0]
	var steps []step
	for i, draw := range draws { // one for each wave
		if i >= len(commits) {
			break // said at the draw
		}
		commit, from, to := commits[i], 0, draw.Seq
		if i > 0 {
			from = draws[i-1].Seq
		}
		if i+1 == len(draws) && v.plannedWaves() <= len(draws) {
			to = len(v.entries) + 1 // no roster is to be locked after it either
		}
		var lock trial.Entry
		for _, l := range locks {
			if l.Seq > from && l.Seq < to {
				lock = l
			}
		}
		switch {
		case lock.Seq == 0:
			f.add("the draw is entry %d, but no roster was locked before it, after entry %d", draw.Seq, from)
		case lock.Seq > commit.Seq:
			f.add("the roster was locked anew by entry %d, after the commitment of entry %d", lock.Seq, commit.Seq)
		}
		if commit.Seq > draw.Seq {
			f.add("the draw is entry %d, before the commitment of entry %d", draw.Seq, commit.Seq)
		}
		steps = append(steps, step{lock.Seq, fmt.Sprintf("roster locked (entry %d)", lock.Seq)}, step{commit.Seq, fmt.Sprintf("draw committed (entry %d)", commit.Seq)}, step{draw.Seq, fmt.Sprintf("draw (entry %d)", draw.Seq)})
	}
	for _, a := range analyses {
		if a.Seq < draw.Seq {
			f.add("entry %d analyses outcomes before the draw of entry %d", a.Seq, draw.Seq)
		}
	}
	if n := len(analyses); n > 0 {
		steps = append(steps, step{analyses[n-1].Seq, fmt.Sprintf("analysis (entry %d)", analyses[n-1].Seq)})
	}
	for _, r := range v.held {
		steps = append(steps, step{r.Size, fmt.Sprintf("your receipt of %s (entries 1 to %d)", r.At.Format("2006-01-02"), r.Size)})
	}
	slices.SortStableFunc(steps, func(a, b step) int { return a.seq - b.seq })
	words := make([]string, len(steps))
	for i, s := range steps {
		words[i] = s.words
	}
	f.done("%s", strings.Join(words, " → "))
}

// records holds every text to the digest that the ledger has of it.
func (v *verifier) records() {
	f := v.check(checkRecords)
	n := 0
	same := func(name, want string, seq int) {
		data, ok := v.files[name]
		switch {
		case !ok:
			f.add("entry %d of the ledger records %s, and the file is missing", seq, name)
		case digest(data) != want:
			f.add("%s has SHA-256 %s, entry %d of the ledger records %s", name, digest(data), seq, want)
		default:
			n++
		}
	}
	accounted := map[string]bool{}
	note := func(e trial.Entry, to any) bool {
		if err := json.Unmarshal(e.After, to); err != nil {
			f.add("entry %d, %q: %v", e.Seq, e.Action, err)
			return false
		}
		return true
	}
	for _, e := range v.of(actionProtocol) {
		var x protocolNote
		if note(e, &x) {
			name := fmt.Sprintf("protocol/%d.yaml", x.Version)
			same(name, x.Digest, e.Seq)
			accounted[name] = true
		}
	}
	locks, commits, draws := v.of(actionLock), v.of(actionCommit), v.of(actionDraw)
	drawn := make([]drawNote, len(draws))
	waveOf := map[int]int{} // by version of the roster
	for i, e := range draws {
		if note(e, &drawn[i]) {
			waveOf[drawn[i].Roster] = i + 1
		}
	}
	if len(draws) == 0 && len(locks) > 0 {
		waveOf[len(locks)] = 1
	}
	lockOf := map[int]lockNote{} // by wave
	for i, e := range locks {
		var x lockNote
		if !note(e, &x) {
			continue
		}
		names := make([]string, 3)
		wave := waveOf[i+1]
		for k, part := range []string{"design", "roster", "pupils"} {
			names[k] = fmt.Sprintf("rosters/%d.%s.txt", i+1, part)
			if wave > 0 {
				names[k] = waveFile(wave, part+".txt")
			}
		}
		if wave > 0 {
			lockOf[wave] = x
			names[0] = designName // every wave has the first one's design
		}
		same(names[0], x.Design, e.Seq)
		same(names[1], x.Roster, e.Seq)
		same(names[2], x.List, e.Seq)
		for _, name := range names {
			accounted[name] = true
		}
	}
	commitOf := map[int]commitNote{}
	for i, e := range commits {
		var commit commitNote
		wave := i + 1
		if !note(e, &commit) {
			continue
		}
		commitOf[wave] = commit
		if wave > len(draws) && wave > 1 {
			continue // committed and not drawn yet: its text goes with the draw
		}
		same(waveFile(wave, commitmentName), commit.Commitment, e.Seq)
		accounted[waveFile(wave, commitmentName)] = true
		if lock := lockOf[wave]; commit.Design != lock.Design || commit.Roster != lock.Roster {
			f.add("entry %d commits to another design or roster than the one locked", e.Seq)
		}
	}
	for i, e := range draws {
		wave, drawn := i+1, drawn[i]
		if drawn.Commitment != commitOf[wave].Commitment {
			f.add("entry %d draws from another commitment than the one made", e.Seq)
		}
		allocationName, chanceName := waveFile(wave, allocationName), waveFile(wave, chanceName)
		same(allocationName, drawn.Allocation, e.Seq)
		if got := strings.TrimSuffix(string(v.files[chanceName]), "\n"); got != drawn.Chance || string(v.files[chanceName]) != got+"\n" {
			f.add("%s holds %.70q, entry %d of the ledger records %s", chanceName, got, e.Seq, drawn.Chance)
		} else {
			n++
		}
		accounted[allocationName], accounted[chanceName] = true, true
		for _, name := range evidenceRecorded(wave, drawn.Evidence, func(name, want string) { same(name, want, e.Seq) }) {
			accounted[name] = true
		}
	}
	if runs := v.of(actionAnalyse); len(runs) > 0 {
		e := runs[len(runs)-1]
		var x analyseNote
		if note(e, &x) {
			same(resultsName, x.Results, e.Seq)
			accounted[resultsName] = true
			if err := v.plan(e.Seq, x); err != nil {
				f.add("%v", err)
			} else {
				n++
			}
			data, err := v.data()
			if v.away() {
				v.sameForm(f)
				if v.recordedAway(f, e.Seq, x.Data) {
					n++
				}
			} else if err != nil {
				f.add("%v", err)
			} else if got := rows.Digest(data); got != x.Data {
				f.add("the files in data have the digest %s together, entry %d of the ledger records %s", got, e.Seq, x.Data)
			} else {
				n++
				for _, d := range data {
					for _, name := range rows.Names(d.Outcome) {
						accounted[name] = true
					}
					accounted[rows.ImputedName(d.Outcome)] = true // held to our own imputations; see fit
				}
			}
		}
	}
	entries, notes := v.beside()
	for i, e := range entries {
		same(runName(notes[i].Run), notes[i].Results, e.Seq)
		accounted[runName(notes[i].Run)] = true
	}
	if data, ok := v.files[reportName]; ok {
		if reports := v.of(actionReport); len(reports) > 0 {
			if v.reportEntry() == 0 {
				f.add("%s has SHA-256 %s, and no entry of the ledger records such a report", reportName, digest(data))
			} else {
				n++
			}
		}
	}
	for _, name := range sortedNames(v.files) {
		folder, _, in := strings.Cut(name, "/")
		switch {
		case accounted[name]:
		case standsIn(name) && len(v.of(actionAnalyse)) == 0:
			f.add("no entry of the ledger accounts for %s", name)
		case in && (folder == "protocol" || folder == "rosters" || folder == "runs" || folder == "data" || folder == "chance" || strings.HasPrefix(folder, "wave-")), name == designName, name == rosterName, name == pupilsName, name == commitmentName, name == chanceName, name == allocationName, name == resultsName, name == flowName && len(v.of(actionAnalyse)) == 0:
			f.add("no entry of the ledger accounts for %s", name)
		}
	}
	if v.opts.Commitment != "" {
		if trimmed(v.opts.Commitment) != trimmed(string(v.files[commitmentName])) {
			f.add("your copy of the commitment is not %s: %s", commitmentName, firstDifference(trimmed(v.opts.Commitment), trimmed(string(v.files[commitmentName]))))
		} else {
			n++
		}
	}
	f.done("%d texts have the digests that the ledger recorded when they were made", n)
}

// plan holds the plans in the results to the protocol's, and those to the
// digest that the ledger recorded.
func (v *verifier) plan(seq int, note analyseNote) error {
	name := fmt.Sprintf("protocol/%d.yaml", note.Protocol)
	got, plans, err := v.plansOf(note.Protocol)
	if err != nil {
		return err
	}
	if got != note.Plan {
		return fmt.Errorf("the plan of %s has digest %s, entry %d of the ledger records %s", name, got, seq, note.Plan)
	}
	all, err := v.results()
	if err != nil {
		return err
	}
	for _, r := range all {
		if !slices.ContainsFunc(plans, func(x sap.Plan) bool { return reflect.DeepEqual(x, r.Plan) }) {
			return fmt.Errorf("%s: the plan of %q is not one of %s", resultsName, r.Plan.Outcome, name)
		}
	}
	return nil
}

// reportEntry is the number of the entry that records the report in the
// bundle; 0 for none.
func (v *verifier) reportEntry() int {
	for _, e := range v.of(actionReport) {
		var x struct {
			Report string `json:"report"`
		}
		if json.Unmarshal(e.After, &x) == nil && x.Report == digest(v.files[reportName]) {
			return e.Seq
		}
	}
	return 0
}

// trimmed takes out what mail programs put in: carriage returns and spaces at
// the ends of lines and of the text.
func trimmed(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r", ""), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " \t")
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}

func firstDifference(a, b string) string {
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for i := range max(len(x), len(y)) {
		p, q := "nothing", "nothing"
		if i < len(x) {
			p = fmt.Sprintf("%.120q", x[i])
		}
		if i < len(y) {
			q = fmt.Sprintf("%.120q", y[i])
		}
		if p != q {
			return fmt.Sprintf("line %d is %s in your copy and %s in the bundle", i+1, p, q)
		}
	}
	return "they differ"
}

// results reads the results.
func (v *verifier) results() ([]sap.Results, error) {
	text, ok := v.files[resultsName]
	if !ok {
		return nil, nil
	}
	all, err := resultsOf(string(text))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", resultsName, err)
	}
	return all, nil
}

// data gathers the data's files in the order of the results.
func (v *verifier) data() ([]rows.Named, error) {
	all, err := v.results()
	if err != nil {
		return nil, err
	}
	var out []rows.Named
	for _, r := range all {
		if slices.ContainsFunc(out, func(n rows.Named) bool { return n.Outcome == r.Plan.Outcome }) {
			continue
		}
		names := rows.Names(r.Plan.Outcome)
		n := rows.Named{Outcome: r.Plan.Outcome}
		for i, to := range []*[]byte{&n.Files.People, &n.Files.Schools, &n.Files.Codebook} {
			text, ok := v.files[names[i]]
			if !ok {
				return nil, fmt.Errorf("%s analyses %q, but %s is missing", resultsName, r.Plan.Outcome, names[i])
			}
			*to = text
		}
		out = append(out, n)
	}
	return out, nil
}

// draw makes the draw again.
func (v *verifier) draw() {
	f := v.check(checkDraw)
	draws := v.of(actionDraw)
	one := v.check(checkOneDraw)
	rehearsals := 0
	for _, e := range v.of(actionRehearse) {
		var x struct {
			Times int `json:"times"`
		}
		if json.Unmarshal(e.After, &x) == nil {
			rehearsals += x.Times
		}
	}
	if len(draws) == 0 {
		v.say(Note, checkDraw, "no draw was made yet")
		return
	}
	arms := map[string]int{}
	_, all, err := v.waves()
	for _, err := range wrapped(err) {
		f.add("%v", err)
	}
	for i, w := range all {
		rosterName, chanceName, allocationName := waveFile(i+1, rosterName), waveFile(i+1, chanceName), waveFile(i+1, allocationName)
		if err := randomize.Verify(v.files[designName], v.files[rosterName], w.wave.Chance, v.files[allocationName], earlierOf(all[:i])...); err != nil {
			f.add("drawn again from %s, %s and %s: %v", designName, rosterName, chanceName, err)
		}
		for _, x := range w.allocation.Assignments {
			arms[x.Arm]++
		}
	}
	var sizes []string
	n := 0
	for _, arm := range sortedNames(arms) {
		sizes = append(sizes, fmt.Sprintf("%s %d", arm, arms[arm]))
		n += arms[arm]
	}
	f.done("drawn again: %d schools (%s), all with the same arm and community", n, strings.Join(sizes, ", "))
	commits := len(v.of(actionCommit))
	if planned := v.plannedWaves(); len(draws) > planned || commits > planned || commits < len(draws) {
		one.add("the ledger has %d draws and %d commitments; the protocol has %s", len(draws), commits, map[bool]string{true: "one draw", false: fmt.Sprintf("%d waves", planned)}[planned == 1])
	}
	for n := 2; n <= len(draws); n++ {
		before := digest(v.files[waveFile(n-1, allocationName)])
		if !strings.Contains(string(v.files[waveFile(n, commitmentName)]), fmt.Sprintf("\nwave %d after %s\n", n, before)) {
			one.add("%s does not say that it is wave %d, after the allocation with digest %s", waveFile(n, commitmentName), n, before)
		}
	}
	if len(draws) > 1 {
		one.done("%d waves, each with 1 commitment and 1 draw; no school in two; %d rehearsals, from chance of their own", len(draws), rehearsals)
		return
	}
	one.done("1 commitment, 1 draw; %d rehearsals, from chance of their own", rehearsals)
}

// perSchool gathers what is wrong with pupils: one line a school and fault, in
// which the first of them stands. A school in another arm takes all its pupils
// along, and so many lines would hide whatever else failed.
type perSchool struct {
	first []string
	at    map[[2]string]int
	more  []int
}

func (p *perSchool) add(school, format string, a ...any) {
	if p.at == nil {
		p.at = map[[2]string]int{}
	}
	key := [2]string{school, format}
	i, ok := p.at[key]
	if !ok {
		i = len(p.first)
		p.at[key], p.first, p.more = i, append(p.first, fmt.Sprintf(format, a...)), append(p.more, 0)
		return
	}
	p.more[i]++
}

func (p *perSchool) say(f *failures, name string) {
	for i, first := range p.first {
		more := ""
		if p.more[i] > 0 {
			more = fmt.Sprintf(" (so it is for %d more of that school's pupils)", p.more[i])
		}
		f.add("%s: %s%s", name, first, more)
	}
}

// people holds the rows of one outcome to the roster, the allocation and the
// list of pupils.
func (v *verifier) people(f *failures, name string, d *analysis.Dataset) {
	_, all, err := v.waves()
	if err != nil {
		return // said at the draw
	}
	allocation := together(all)
	strata := map[string]string{}
	for _, w := range all {
		for _, u := range w.wave.Roster.Units {
			strata[u.ID] = u.Stratum
		}
	}
	if len(d.Clusters) != len(strata) {
		f.add("%s has %d schools, %s has %d", name, len(d.Clusters), rosterName, len(strata))
	}
	listed := v.listed()
	seen := map[string]bool{}
	var wrong perSchool
	for i, id := range d.ID {
		school := d.Clusters[d.Cluster[i]]
		if seen[id] {
			f.add("%s: %s stands twice", name, id)
		}
		seen[id] = true
		a, ok := allocation.Of(school)
		switch {
		case !ok:
			wrong.add(school, "%s is in school %s, which was not drawn", id, school)
			continue
		case a.Arm != d.Arms[d.Arm[i]]:
			wrong.add(school, "%s, of school %s, stands in arm %s; the school was drawn into %s", id, school, d.Arms[d.Arm[i]], a.Arm)
		case (a.Community == 0) != (d.Community[i] < 0):
			wrong.add(school, "%s, of school %s, has a community where the draw gave none, or none where it gave one", id, school)
		case strata[school] != d.Strata[d.Stratum[i]]:
			wrong.add(school, "%s, of school %s, stands in stratum %q; the roster says %q", id, school, d.Strata[d.Stratum[i]], strata[school])
		}
		if len(listed) > 0 && listed[id] != school {
			wrong.add(school, "%s of school %s is not so on the list of pupils as locked", id, school)
		}
	}
	wrong.say(f, name)
	if len(listed) > 0 && len(d.ID) != len(listed) {
		missing := ""
		for _, id := range sortedNames(listed) {
			if !seen[id] {
				missing = fmt.Sprintf(", the first missing is %s", id)
				break
			}
		}
		f.add("%s has %d pupils, the list as locked has %d%s", name, len(d.ID), len(listed), missing)
	}
}

// flow counts again who was randomised, lost and analysed.
func (v *verifier) flow() {
	f := v.check(checkFlow)
	all, err := v.results()
	if err != nil || len(all) == 0 {
		if err != nil {
			f.add("%v", err)
		} else {
			v.say(Note, checkFlow, "nothing was analysed yet")
		}
		return
	}
	text, ok := v.files[flowName]
	if !ok {
		f.add("%s is missing", flowName)
		return
	}
	var flow trial.Flow
	if err := json.Unmarshal(text, &flow); err != nil {
		f.add("%s cannot be read: %v", flowName, err)
		return
	}
	if again, err := json.MarshalIndent(flow, "", "  "); err != nil || string(again)+"\n" != string(text) {
		f.add("%s is not written as the program writes it", flowName)
	}
	n := 0
	equal := func(what, from string, in, got int) {
		if in != got {
			f.add("%s: %s says %d, counted again from %s it is %d", what, flowName, in, from, got)
		}
		n++
	}
	v.boxes(f, &flow, equal)
	v.labels(f, &flow)
	if v.away() {
		v.flowAway(f, &flow, equal)
		f.done("%d counts made again from the ledger, the draw and the list of pupils, all equal", n)
		v.say(Note, checkFlow, "who was lost and why was not counted again: the data stay in a secure room")
		return
	}
	data, err := v.data()
	if err != nil {
		f.add("%v", err)
		return
	}
	for k, named := range data {
		name := rows.Names(named.Outcome)[0]
		d, err := rows.Read(named.Files)
		if err != nil {
			f.add("%s: %v", name, err)
			continue
		}
		v.people(f, name, d)
		if k > 0 {
			continue
		}
		counts, err := sap.CountsByArm(all[0].Plan, d)
		if err != nil {
			f.add("%s: count the rows: %v", name, err)
			continue
		}
		for i, id := range d.Arms {
			at := slices.IndexFunc(flow.Arms, func(a trial.ArmFlow) bool { return a.Arm == id })
			if at < 0 {
				f.add("%s has no arm %s", flowName, id)
				continue
			}
			a, c := flow.Arms[at], counts[i]
			levels := []struct {
				name       string
				flow       trial.LevelFlow
				randomised int
				used       int
				lost       []analysis.Loss
			}{{"schools", a.Schools, c.SchoolsRandomised, c.SchoolsUsed, c.SchoolsLost}}
			if !schoolsMeasured(d) {
				levels = append(levels, struct {
					name       string
					flow       trial.LevelFlow
					randomised int
					used       int
					lost       []analysis.Loss
				}{"pupils", a.Pupils, c.PupilsRandomised, c.PupilsUsed, c.PupilsLost})
			}
			for _, l := range levels {
				equal(fmt.Sprintf("arm %s, %s randomised", id, l.name), "the data", l.flow.Randomised, l.randomised)
				equal(fmt.Sprintf("arm %s, %s analysed", id, l.name), "the data", l.flow.Analysed, l.used)
				said, counted := map[string]int{}, map[string]int{}
				for _, x := range l.flow.Lost {
					said[x.What] += x.N
					counted[x.What] += 0
				}
				for _, x := range l.lost {
					counted[x.Reason] += x.N
				}
				for _, reason := range sortedNames(counted) {
					equal(fmt.Sprintf("arm %s, %s lost, %s", id, l.name, reason), "the data", said[reason], counted[reason])
				}
			}
			if _, waves, err := v.waves(); err == nil {
				allocation := together(waves)
				equal("arm "+id+", schools drawn", "the draw", a.Schools.Randomised, allocation.Size(id))
			}
		}
		if len(flow.Arms) != len(d.Arms) {
			f.add("%s has %d arms, the data %d", flowName, len(flow.Arms), len(d.Arms))
		}
	}
	f.done("%[1]d of %[1]d counts made again, recruitment and departures from the ledger, the rest from the data, all equal; every pupil and school stands where the draw put them", n)
}

// schoolsMeasured says whether the rows are schools themselves.
func schoolsMeasured(d *analysis.Dataset) bool {
	for i, id := range d.ID {
		if d.Clusters[d.Cluster[i]] != id {
			return false
		}
	}
	return len(d.ID) > 0
}

// fit runs every analysis again and compares every number.
func (v *verifier) fit() {
	f := v.check(checkFit)
	all, err := v.results()
	if err != nil || len(all) == 0 {
		if err == nil {
			v.say(Note, checkFit, "nothing was analysed yet")
		} else {
			f.add("%v", err)
		}
		return
	}
	if v.away() {
		v.say(Cannot, checkFit, "that the results follow from the data: those stay in a secure room. Where they are, sha256sum shows whether they have the digests of %s, and scripts/analysis.R fits the plan", dataDigestsName)
		return
	}
	data, err := v.data()
	if err != nil {
		return // said at the flow
	}
	// The bytes say no more than the results do: no field is passed over.
	if again, err := json.Marshal(all); err == nil {
		var was, is any
		if json.Unmarshal(v.files[resultsName], &was) == nil && json.Unmarshal(again, &is) == nil {
			c := comparison{}
			c.compare("", was, is)
			for _, w := range c.differ {
				f.add("%s: %s is not what this program reads there", resultsName, w)
			}
		}
	}
	n, worst := 0, 0.0
	var fitted []sap.Results
	var place []int // of each fitted outcome among all
	read, again, faults := make([]*analysis.Dataset, len(all)), make([]*sap.Results, len(all)), make([]error, len(all))
	var wait sync.WaitGroup
	for i, r := range all {
		k := slices.IndexFunc(data, func(x rows.Named) bool { return x.Outcome == r.Plan.Outcome })
		if read[i], err = rows.Read(data[k].Files); err != nil {
			continue // said at the flow
		}
		wait.Go(func() { again[i], faults[i] = v.opts.Fit(r.Plan, read[i]) })
	}
	wait.Wait()
	for i, r := range all {
		if faults[i] != nil {
			f.add("%s: fitting it again: %v", r.Plan.Outcome, faults[i])
			continue
		}
		if again[i] == nil {
			continue
		}
		v.imputed(f, again[i], read[i])
		fitted, place = append(fitted, *again[i]), append(place, i)
	}
	// Adjusted p-values belong to all outcomes together.
	if err := sap.Adjust(fitted); err != nil {
		f.add("%v", err)
	}
	for k, again := range fitted {
		i := place[k]
		r := all[i]
		c := comparison{}
		c.compare(fmt.Sprintf("results[%d] (%s)", i, r.Plan.Outcome), plain(r), plain(again))
		n += c.numbers
		worst = math.Max(worst, c.worst)
		for _, w := range c.differ {
			f.add("%s", w)
		}
	}
	f.done("%d numbers of %d outcomes computed again from the data; the largest difference is %.1e of the number", n, len(all), worst)
}

// imputed holds the file of imputed values to those of the plan run again: the
// same numbers, but for the last digits.
func (v *verifier) imputed(f *failures, again *sap.Results, d *analysis.Dataset) {
	name := rows.ImputedName(again.Plan.Outcome)
	in, there := v.files[name]
	if again.Missing == nil || again.Missing.Imputation == nil {
		if there {
			f.add("%s: nothing is imputed for this outcome", name)
		}
		return
	}
	if !there {
		f.add("%s imputes for %s, and %s is missing", resultsName, again.Plan.Outcome, name)
		return
	}
	want, err := imputedText(again, d)
	if err != nil {
		f.add("%s: %v", name, err)
		return
	}
	if bytes.Equal(in, want) {
		return
	}
	was, is := strings.Split(string(in), "\n"), strings.Split(string(want), "\n")
	for i := range max(len(was), len(is)) {
		if i >= len(was) || i >= len(is) || !sameImputed(was[i], is[i]) {
			f.add("%s, line %d, is not what is imputed again (%d lines, again %d)", name, i+1, len(was), len(is))
			return
		}
	}
}

// sameImputed compares two lines, their values within Tolerance.
func sameImputed(a, b string) bool {
	i, j := strings.LastIndexByte(a, ','), strings.LastIndexByte(b, ',')
	if a == b {
		return true
	}
	if i < 0 || i != j || a[:i] != b[:j] {
		return false
	}
	x, err1 := strconv.ParseFloat(a[i+1:], 64)
	y, err2 := strconv.ParseFloat(b[j+1:], 64)
	return err1 == nil && err2 == nil && math.Abs(x-y) <= Tolerance*math.Max(math.Abs(x), math.Abs(y))
}

// run runs a plan again, with redraws of the bundle's design.
func (v *verifier) run(plan sap.Plan, d *analysis.Dataset) (*sap.Results, error) {
	if plan.Redraws == 0 {
		return sap.Run(plan, d, nil)
	}
	design, all, err := v.waves()
	if err != nil {
		return nil, err
	}
	waves := make([]randomize.Wave, len(all))
	for i, w := range all {
		waves[i] = w.wave
	}
	v.redrawing.Do(func() { v.redraws, v.noRedraws = trial.NewRedraws(design, waves, plan.Redraws) })
	if v.noRedraws != nil {
		return nil, v.noRedraws
	}
	redraw, err := v.redraws.For(d)
	if err != nil {
		return nil, err
	}
	return sap.Run(plan, d, redraw)
}

// plain turns results into maps, lists and numbers.
func plain(r sap.Results) any {
	text, err := json.Marshal(r)
	if err != nil {
		return fmt.Sprint(err)
	}
	var x any
	if err := json.Unmarshal(text, &x); err != nil {
		return fmt.Sprint(err)
	}
	return x
}

// comparison compares two JSON values: numbers within Tolerance, all else
// exactly.
type comparison struct {
	numbers int
	worst   float64
	differ  []string
}

func (c *comparison) fault(format string, a ...any) {
	c.differ = append(c.differ, fmt.Sprintf(format, a...))
}

func (c *comparison) compare(path string, was, is any) {
	switch x := was.(type) {
	case float64:
		y, ok := is.(float64)
		if !ok {
			c.fault("%s is %v in the bundle, computed again it is %v", path, was, is)
			return
		}
		c.numbers++
		scale := math.Max(math.Abs(x), math.Abs(y))
		if off := math.Abs(x - y); off > absTolerance && !solverDetail(path) {
			c.worst = math.Max(c.worst, off/scale)
			if !(off <= Tolerance*scale) {
				c.fault("%s is %v in the bundle, computed again it is %v", path, x, y)
			}
		}
	case []any:
		y, ok := is.([]any)
		if !ok || len(x) != len(y) {
			c.fault("%s is a list of %d in the bundle, and is not when it is computed again", path, len(x))
			return
		}
		for i := range x {
			c.compare(fmt.Sprintf("%s[%d]", path, i), x[i], y[i])
		}
	case map[string]any:
		y, ok := is.(map[string]any)
		if !ok {
			c.fault("%s is missing when it is computed again", path)
			return
		}
		for _, k := range sortedNames(x) {
			z, there := y[k]
			if !there {
				c.fault("%s.%s is not there when it is computed again", path, k)
				continue
			}
			c.compare(path+"."+k, x[k], z)
		}
		for _, k := range sortedNames(y) {
			if _, there := x[k]; !there {
				c.fault("%s.%s is missing in the bundle", path, k)
			}
		}
	default:
		if was != is {
			c.fault("%s is %.100v in the bundle, computed again it is %.100v", path, was, is)
		}
	}
}

// solverDetail says whether a number tells how the search went and not what it
// found: the gradient left at the end and the number of steps differ from
// processor to processor.
func solverDetail(path string) bool {
	return strings.HasSuffix(path, ".fit.gradient") || strings.HasSuffix(path, ".fit.iterations")
}

// covered says how far the receipts reach.
func (v *verifier) covered() {
	switch n := len(v.lines); {
	case len(v.opts.Receipts) == 0 && len(v.opts.Earlier) == 0:
		v.say(Note, checkCovered, "you gave no receipt of your own: all %d entries could have been written anew together", n)
	case v.reach < n:
		which := fmt.Sprintf("entries %d to %d", v.reach+1, n)
		if v.reach+1 == n {
			which = fmt.Sprintf("entry %d", n)
		}
		v.say(Note, checkCovered, "%s came after your latest receipt and could have been written anew", which)
	}
	if v.opts.Commitment == "" && len(v.of(actionCommit)) > 0 {
		v.say(Note, checkCovered, "you gave no copy of the commitment of your own")
	}
	v.prose()
}

// prose says which texts for people are not this program's own: another version
// wrote the bundle, or they were changed along with the manifest.
func (v *verifier) prose() {
	b := Bundle{Trial: v.found.Trial, Ledger: v.lines}
	readme := string(v.files[readmeName])
	if m := programLine.FindStringSubmatch(readme); m != nil {
		b.Program = m[1]
	}
	if runs := v.of(actionProtocol); len(runs) > 0 {
		if p, err := trial.ParseProtocol("protocol", v.files[fmt.Sprintf("protocol/%d.yaml", len(runs))]); err == nil {
			b.Title = p.Trial.Title
		}
	}
	for _, name := range sortedNames(v.files) {
		if strings.HasPrefix(name, "receipts/") {
			if r, err := trial.ParseReceipt(string(v.files[name])); err == nil {
				b.Receipts = append(b.Receipts, r)
			}
		}
	}
	_, left, _ := strings.Cut(string(v.files[notCoveredName]), leftOut)
	for _, line := range strings.Split(left, "\n") {
		if s, ok := strings.CutPrefix(line, "- "); ok {
			b.NotIncluded = append(b.NotIncluded, s)
		}
	}
	for _, x := range []struct{ name, want string }{{readmeName, b.readme()}, {formatName, string(format)}, {notCoveredName, b.notCovered()}} {
		if got := string(v.files[x.name]); got != x.want {
			v.say(Note, checkCovered, "%s is not the text that this program writes: another version wrote the bundle, or somebody changed it together with %s", x.name, manifestName)
		}
	}
	scripts := []File{{"scripts/verify.py", verifyPython}, {"scripts/analysis.R", analysisR}, {"scripts/analysis.py", analysisPython}}
	if all, err := v.results(); err == nil && len(all) > 0 {
		if data, err := v.data(); err == nil {
			if stata, err := stataScript(all, data); err == nil {
				scripts = append(scripts, File{"scripts/analysis.do", stata})
			}
		}
	}
	for _, script := range scripts {
		if got, ok := v.files[script.Name]; ok && string(got) != string(script.Data) {
			v.say(Note, checkCovered, "%s is not the program that this program writes: read it before you run it", script.Name)
		}
	}
	for _, n := range b.NotIncluded {
		v.say(Note, checkCovered, "left out of the bundle: %s", n)
	}
	if v.files[reportName] != nil && v.reportEntry() == 0 {
		v.say(Note, checkCovered, "%s is held to %s only: the ledger has no entry of it", reportName, manifestName)
	}
	if rule, ok := v.files["rule/RULE.md"]; ok && string(rule) != string(randomize.RuleText) {
		v.say(Note, checkCovered, "rule/RULE.md is not the text that this program holds; the draw was made again by this program's own rule")
	}
}

var programLine = regexp.MustCompile(`(?m)^Program  (.*)$`)
