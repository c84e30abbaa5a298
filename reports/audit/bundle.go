package audit

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/csv"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
)

// Bundle is what goes into a bundle. Texts are the very bytes that were
// recorded. What does not exist yet in the trial is empty.
type Bundle struct {
	Trial       string // the trial's ID
	Title       string
	Program     string // name and version of the program that writes the bundle
	Protocols   []Protocol
	Rosters     []Roster // all locked versions, oldest first
	Commitment  string
	Chance      string           // 64 hex digits
	Evidence    []trial.Evidence // what chance was taken from; nil where it is local
	Allocation  string
	Waves       []Wave // after the first, which the fields above are
	Rule        []File // how the draw is made, and programs that repeat it, e.g. RULE.md
	Ledger      []trial.Record
	Receipts    []trial.Receipt
	Data        []rows.Named   // one for each outcome analysed, in the order of the results
	Flow        *trial.Flow    // of the last analysis; nil before it
	Results     string         // JSON of []sap.Results, as recorded
	Runs        map[int]string // the same of runs outside the plan and earlier ones of it, by number
	ReportHTML  []byte         // nil for none
	Numbers     []byte         // the report's cells as CSV; nil for none
	NotIncluded []string       // what was left out on purpose, a sentence each

	// DataStay says that the data may not leave a secure room: the bundle then has
	// their digests and a stand-in of made-up values.
	DataStay bool

	// Sign signs the manifest (see Signer); nil for a bundle without signature.
	Sign func(manifest []byte) (string, error)
}

// Protocol is a version of the protocol.
type Protocol struct {
	Version int
	Text    string
}

// Roster is a locked version of the roster.
type Roster struct {
	Version                int
	Design, Roster, Pupils string
}

// File is a file by name, without a folder.
type File struct {
	Name string
	Data []byte
}

//go:embed FORMAT.md
var format []byte

// Programs that repeat what can be repeated, in languages that are not ours:
// every bundle holds them.
var (
	//go:embed scripts/verify.py
	verifyPython []byte
	//go:embed scripts/analysis.R
	analysisR []byte
	//go:embed scripts/analysis.py
	analysisPython []byte
)

// Names of files in a bundle.
const (
	readmeName     = "README.txt"
	manifestName   = "MANIFEST.txt"
	notCoveredName = "NOT-COVERED.txt"
	formatName     = "FORMAT.md"
	ledgerName     = "ledger.ndjson"
	digestsName    = "ledger.digests.txt"
	designName     = "design.txt"
	rosterName     = "roster.txt"
	pupilsName     = "pupils.txt"
	commitmentName = "commitment.txt"
	chanceName     = "chance.txt"
	allocationName = "allocation.txt"
	flowName       = "flow.json"
	resultsName    = "results.json"
	reportName     = "report.html"
	numbersName    = "report-numbers.csv"
)

// allowed are the names that a bundle may hold.
var allowed = regexp.MustCompile(`^(README\.txt|MANIFEST\.txt(\.minisig)?|NOT-COVERED\.txt|FORMAT\.md|ledger\.ndjson|ledger\.digests\.txt|design\.txt|roster\.txt|pupils\.txt|commitment\.txt|chance\.txt|allocation\.txt|flow\.json|results\.json|report\.html|report-numbers\.csv|protocol/[1-9][0-9]{0,4}\.yaml|rosters/[1-9][0-9]{0,4}\.(design|roster|pupils)\.txt|receipts/[0-9]{4}\.txt|runs/[1-9][0-9]{0,4}\.json|data\.digests\.txt|chance/[a-z0-9-]{1,32}\.txt|(rule|scripts)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}|wave-[1-9][0-9]{0,1}/((roster|pupils|commitment|chance|allocation)\.txt|chance-[a-z0-9-]{1,32}\.txt)|(data|synthetic)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}\.csv)$`)

// entry is a file of the bundle with its path.
type entry struct {
	name string
	data []byte
}

// Write writes the bundle as a zip file. It refuses records that contradict
// each other: a ledger whose chain is broken, a draw that the rule does not
// give, a name that cannot be a file's. The same bundle gives the same bytes.
func Write(w io.Writer, b Bundle) error {
	if b.DataStay && len(b.Data) > 0 {
		b.NotIncluded = append(slices.Clone(b.NotIncluded), withheld)
	}
	if err := b.check(); err != nil {
		return fmt.Errorf("write audit bundle of %q: %w", b.Trial, err)
	}
	entries, err := b.entries()
	if err != nil {
		return fmt.Errorf("write audit bundle of %q: %w", b.Trial, err)
	}
	if err := writeZip(w, entries); err != nil {
		return fmt.Errorf("write audit bundle of %q: %w", b.Trial, err)
	}
	return nil
}

// check says what is wrong with the bundle, all at once.
func (b Bundle) check() error {
	var faults []error
	if _, err := trial.CheckLedger(b.Ledger); err != nil {
		faults = append(faults, err)
	}
	if len(b.Ledger) == 0 {
		faults = append(faults, errors.New("the ledger is empty: every trial has at least the entry of its protocol"))
	}
	for i, p := range b.Protocols {
		if p.Version != i+1 {
			faults = append(faults, fmt.Errorf("version %d of the protocol stands where version %d should", p.Version, i+1))
		}
	}
	for i, r := range b.Rosters {
		if r.Version != i+1 {
			faults = append(faults, fmt.Errorf("version %d of the roster stands where version %d should", r.Version, i+1))
		}
	}
	var earlier []randomize.Drawn
	for i, w := range b.allWaves() {
		if err := w.checkEvidence(); err != nil {
			faults = append(faults, fmt.Errorf("the chance: %w", err))
		}
		r, err := b.roster(w.Roster)
		if err == nil {
			err = randomize.Verify([]byte(r.Design), []byte(r.Roster), randomize.Chance(w.Chance), []byte(w.Allocation), earlier...)
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("the draw: %w", err))
			break
		}
		roster, err1 := randomize.ParseRoster([]byte(r.Roster))
		allocation, err2 := randomize.ParseAllocation([]byte(w.Allocation))
		if err := errors.Join(err1, err2); err != nil {
			faults = append(faults, fmt.Errorf("the draw of wave %d: %w", i+1, err))
			break
		}
		earlier = append(earlier, randomize.Drawn{Roster: roster, Allocation: allocation})
	}
	return errors.Join(faults...)
}

// allWaves gives the waves drawn, the first too; none before the draw.
func (b Bundle) allWaves() []Wave {
	if b.Allocation == "" {
		return nil
	}
	first := Wave{Roster: b.drawnFrom(), Commitment: b.Commitment, Chance: b.Chance, Evidence: b.Evidence, Allocation: b.Allocation}
	return append([]Wave{first}, b.Waves...)
}

// drawnFrom is the version of the roster that the ledger's first entry of a
// draw names; 0 where there is none.
func (b Bundle) drawnFrom() int {
	for _, rec := range b.Ledger {
		e, err := rec.Entry()
		if err != nil || e.Action != actionDraw {
			continue
		}
		var after drawNote
		if json.Unmarshal(e.After, &after) == nil {
			return after.Roster
		}
	}
	return 0
}

func (b Bundle) roster(version int) (Roster, error) {
	i := slices.IndexFunc(b.Rosters, func(r Roster) bool { return r.Version == version })
	if i < 0 {
		return Roster{}, fmt.Errorf("it was made from version %d of the roster, which is not here", version)
	}
	return b.Rosters[i], nil
}

// entries gives the files, MANIFEST.txt first, the others by name.
func (b Bundle) entries() ([]entry, error) {
	var all []entry
	add := func(name string, data []byte) { all = append(all, entry{name, data}) }
	text := func(name, s string) {
		if s != "" {
			add(name, []byte(s))
		}
	}
	for _, p := range b.Protocols {
		text(fmt.Sprintf("protocol/%d.yaml", p.Version), p.Text)
	}
	waves := b.allWaves()
	waveOf := map[int]int{} // by version of the roster
	for i, w := range waves {
		waveOf[w.Roster] = i + 1
	}
	if n := len(b.Rosters); len(waves) == 0 && n > 0 {
		waveOf[b.Rosters[n-1].Version] = 1
	}
	for _, r := range b.Rosters {
		wave := waveOf[r.Version]
		switch {
		case wave == 0:
			text(fmt.Sprintf("rosters/%d.design.txt", r.Version), r.Design)
			text(fmt.Sprintf("rosters/%d.roster.txt", r.Version), r.Roster)
			text(fmt.Sprintf("rosters/%d.pupils.txt", r.Version), r.Pupils)
			continue
		case wave == 1:
			text(designName, r.Design)
		}
		text(waveFile(wave, rosterName), r.Roster)
		text(waveFile(wave, pupilsName), r.Pupils)
	}
	if len(waves) == 0 {
		text(commitmentName, b.Commitment)
	}
	for i, w := range waves {
		text(waveFile(i+1, commitmentName), w.Commitment)
		text(waveFile(i+1, chanceName), w.Chance+"\n")
		for _, e := range w.Evidence {
			text(waveFile(i+1, evidenceName(e.Name)), e.Text)
		}
		text(waveFile(i+1, allocationName), w.Allocation)
	}
	for _, f := range b.Rule {
		add("rule/"+f.Name, f.Data)
	}
	scripts, err := b.scripts()
	if err != nil {
		return nil, err
	}
	for _, f := range scripts {
		add("scripts/"+f.Name, f.Data)
	}
	var lines, digests strings.Builder
	for _, r := range b.Ledger {
		lines.WriteString(r.Text + "\n")
		fmt.Fprintf(&digests, "%d %s\n", r.Seq, r.Digest)
	}
	text(ledgerName, lines.String())
	text(digestsName, digests.String())
	receipts := slices.Clone(b.Receipts)
	sort.SliceStable(receipts, func(i, j int) bool {
		if receipts[i].Size != receipts[j].Size {
			return receipts[i].Size < receipts[j].Size
		}
		return receipts[i].At.Before(receipts[j].At)
	})
	for i, r := range receipts {
		text(fmt.Sprintf("receipts/%04d.txt", i+1), r.Text())
	}
	measured := b.measured
	if b.DataStay {
		measured = b.standIn
	}
	if len(b.Data) > 0 {
		files, err := measured()
		if err != nil {
			return nil, err
		}
		all = append(all, files...)
	}
	if b.Flow != nil {
		flow, err := json.MarshalIndent(b.Flow, "", "  ")
		if err != nil {
			return nil, err
		}
		add(flowName, append(flow, '\n'))
	}
	text(resultsName, b.Results)
	for run, results := range b.Runs {
		text(runName(run), results)
	}
	if b.ReportHTML != nil {
		add(reportName, b.ReportHTML)
	}
	if b.Numbers != nil {
		add(numbersName, b.Numbers)
	}
	add(formatName, format)
	add(readmeName, []byte(b.readme()))
	add(notCoveredName, []byte(b.notCovered()))
	for _, e := range all {
		if !allowed.MatchString(e.name) {
			return nil, fmt.Errorf("%q cannot be the name of a file in a bundle: use letters, digits, dots, hyphens and underscores", e.name)
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	for i := 1; i < len(all); i++ {
		if strings.EqualFold(all[i].name, all[i-1].name) {
			return nil, fmt.Errorf("two files are named %q", all[i].name)
		}
	}
	list := manifest(all)
	if b.Sign != nil {
		signature, err := b.Sign(list)
		if err != nil {
			return nil, fmt.Errorf("sign the manifest: %w", err)
		}
		add(signatureName, []byte(signature))
		sort.Slice(all, func(i, j int) bool { return all[i].name < all[j].name })
	}
	return append([]entry{{manifestName, list}}, all...), nil
}

// measured gives the files of the data, and of what was imputed for them.
func (b Bundle) measured() ([]entry, error) {
	var all []entry
	for _, d := range b.Data {
		names := rows.Names(d.Outcome)
		all = append(all, entry{names[0], d.Files.People}, entry{names[1], d.Files.Schools}, entry{names[2], d.Files.Codebook})
	}
	imputed, err := b.imputed()
	return append(all, imputed...), err
}

// mostOutcomes keeps a crafted file of results from being read for ever.
const mostOutcomes = 1000

// resultsOf reads a text of results.
func resultsOf(text string) ([]sap.Results, error) {
	d := json.NewDecoder(strings.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return nil, errors.New("results are a list, and this is none")
	}
	all := []sap.Results{}
	for d.More() {
		if len(all) == mostOutcomes {
			return nil, fmt.Errorf("results of more than the %d outcomes that a plan may have", mostOutcomes)
		}
		var r sap.Results
		if err := d.Decode(&r); err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	if _, err := d.Token(); err != nil {
		return nil, err
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("something follows the list of results")
	}
	return all, nil
}

// imputed gives the files of imputed values, one for each outcome whose plan
// imputed: with them somebody else can pool what we pooled.
func (b Bundle) imputed() ([]entry, error) {
	if b.Results == "" {
		return nil, nil
	}
	results, err := resultsOf(b.Results)
	if err != nil {
		return nil, err
	}
	var all []entry
	for _, named := range b.Data {
		for i := range results {
			r := &results[i]
			if r.Plan.Outcome != named.Outcome || r.Missing == nil || r.Missing.Imputation == nil {
				continue
			}
			d, err := rows.Read(named.Files)
			if err != nil {
				return nil, err
			}
			text, err := imputedText(r, d)
			if err != nil {
				return nil, fmt.Errorf("impute %s again: %w", named.Outcome, err)
			}
			all = append(all, entry{rows.ImputedName(named.Outcome), text})
		}
	}
	return all, nil
}

// imputedText is the file of the values imputed in r's run on d.
func imputedText(r *sap.Results, d *analysis.Dataset) ([]byte, error) {
	values, err := r.Imputed(d)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	w := csv.NewWriter(&text)
	line := []string{"imputation", "pupil", "column", "value"}
	err = w.Write(line)
	for _, x := range values {
		column := "outcome"
		if x.Column != "" {
			column = "x:" + x.Column
		}
		line[0], line[1], line[2], line[3] = strconv.Itoa(x.Imputation), d.ID[x.Row], column, rows.Decimal(x.Value)
		if x.Label != "" {
			line[3] = x.Label
		}
		err = errors.Join(err, w.Write(line))
	}
	w.Flush()
	return text.Bytes(), errors.Join(err, w.Error())
}

// scripts are the programs that go into the bundle.
func (b Bundle) scripts() ([]File, error) {
	all := []File{{"verify.py", verifyPython}}
	if b.Results == "" {
		return all, nil
	}
	results, err := resultsOf(b.Results)
	if err != nil {
		return nil, err
	}
	stata, err := stataScript(results, b.Data)
	if err != nil {
		return nil, fmt.Errorf("write analysis.do: %w", err)
	}
	return append(all, File{"analysis.R", analysisR}, File{"analysis.py", analysisPython}, File{"analysis.do", stata}), nil
}

// manifest lists the SHA-256 of every file as sha256sum does.
func manifest(all []entry) []byte {
	var m strings.Builder
	for _, e := range all {
		fmt.Fprintf(&m, "%s  %s\n", digest(e.data), e.name)
	}
	return []byte(m.String())
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func (b Bundle) readme() string {
	head := trial.ZeroDigest
	if n := len(b.Ledger); n > 0 {
		head = b.Ledger[n-1].Digest
	}
	return fmt.Sprintf(`AUDIT BUNDLE

Trial    %s (%s)
Ledger   %d entries, the last with digest
         %s
Program  %s

This file holds what is needed to check the trial: what was planned, which
schools were drawn into which arm and from which chance, who was lost and why,
the data that were analysed under pseudonymous numbers, and every result. It
holds no name of a pupil or a member of staff and no unique pupil number.


CHECKING WITHOUT OUR SOFTWARE

1. That no file was changed since the bundle was made. Unpack it, and in its
   folder run (macOS: shasum -a 256 -c MANIFEST.txt)

       sha256sum -c MANIFEST.txt

   Where MANIFEST.txt.minisig is there, the manifest is signed; with the tool
   minisign and a public key that you have from somebody you trust,

       minisign -Vm MANIFEST.txt -P KEY

2. That the ledger is whole. Every line of ledger.ndjson is one entry. Its
   SHA-256 (without the line end) stands in ledger.digests.txt and, as "prev",
   in the entry after it:

       sed -n 1p ledger.ndjson | tr -d '\n' | sha256sum

   If you hold a receipt from earlier, compare its "head" with the line of
   ledger.digests.txt that has its number of entries. THIS is the check that
   counts: a ledger can be written anew, but not so that it fits a receipt
   that somebody else has kept.

3. That the draw was made as committed. Find the entries "roster lock",
   "draw commit" and "draw run" in the ledger: they come in this order and hold
   the SHA-256 of design.txt, roster.txt, commitment.txt and allocation.txt.
   The rule by which schools are drawn is in the folder rule. One school by
   hand: the rule's section "Keys, orders, numbers" ends with the command.

4. That the numbers follow from the data. The files in the folder data are what
   was analysed, explained by their codebooks; results.json holds every result
   with all its digits. With R and the package lme4,

       Rscript scripts/analysis.R

   makes every number again with software that is not ours, and prints both and
   their difference; scripts/analysis.do does so with Stata for the main models
   (it was never run by those who wrote it, who have no Stata), and

       python3 scripts/analysis.py

   for the draw, the flow and attrition. Or fit the models with your own software
   and compare. report-numbers.csv says where in the report each number stands.

5. Most of this at once, with Python and nothing else:

       python3 scripts/verify.py --receipt YOUR-COPY.txt


CHECKING WITH IT

       evenhand-verify BUNDLE.zip --receipt YOUR-COPY.txt --commit YOUR-COPY.txt

It opens no network connection and no database, and says PASS, FAIL, NOTE or
CANNOT for every check. FORMAT.md describes all files exactly.


WHAT IS WHERE

MANIFEST.txt         SHA-256 of every other file
MANIFEST.txt.minisig its signature                       (if signed)
NOT-COVERED.txt      what nobody can learn from this bundle
protocol/            every version of the protocol
design.txt           what was declared for the draw      (if the roster is locked)
roster.txt           the schools with their strata, by ID
pupils.txt           the pupils listed at the lock, under pseudonymous numbers
commitment.txt       what was lodged before the draw     (if committed)
chance.txt           the random number it was made from  (if drawn)
chance/              what that number was taken from     (unless it is the computer's)
allocation.txt       each school's arm and community
rule/                the drawing rule, and programs that repeat it
scripts/             programs in other languages that check and repeat
ledger.ndjson        everything that was done, one entry a line
ledger.digests.txt   the number and the SHA-256 of each line
receipts/            dated copies of the ledger's size and last digest
data/                the rows analysed, one set of files an outcome
synthetic/           made-up values of the same form     (where the data stay in a secure room;
                     data.digests.txt then has the digests of the data)
flow.json            how many schools and pupils there were at every step
results.json         every result, unrounded
runs/                results of runs that were not in the plan, and of earlier ones that were
report.html          the report; open it in any browser
`, b.Title, b.Trial, len(b.Ledger), head, b.Program)
}

// cannot is what no bundle can show.
var cannot = []string{
	"that the schools and pupils listed exist and are who they are said to be",
	"that what was entered in the ledger was true when it was entered",
	"that tests were taken and marked by people who did not know the arms",
	"that nobody made a draw elsewhere, disliked it, and began again before the first receipt that somebody else holds",
	"that data were not changed before they were stored",
}

const leftOut = "\nLeft out of this bundle on purpose:\n\n"

func (b Bundle) notCovered() string {
	var s strings.Builder
	s.WriteString("NOT COVERED\n\nNobody can learn from this bundle:\n\n")
	for _, c := range cannot {
		s.WriteString("- " + c + ".\n")
	}
	latest := 0
	for _, r := range b.Receipts {
		latest = max(latest, r.Size)
	}
	s.WriteString("\nEntries of the ledger after the last receipt that somebody else holds could have\nbeen written anew. ")
	if latest == 0 {
		s.WriteString("No receipt was ever made: that is true of all of them.\n")
	} else {
		fmt.Fprintf(&s, "By the record the last receipt was made at entry %d of %d;\nwhether its holder still has it, only the holder can say.\n", latest, len(b.Ledger))
	}
	if len(b.NotIncluded) > 0 {
		s.WriteString(leftOut)
		for _, n := range b.NotIncluded {
			s.WriteString("- " + n + "\n")
		}
	}
	return s.String()
}
