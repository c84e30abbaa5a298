package main

import (
	"archive/zip"
	"bytes"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store/storetest"
)

// drawn gives every school's line of `draw show`, but for its name.
func (w *world) drawn() map[string]string {
	w.t.Helper()
	out := decode[struct {
		Schools []struct {
			School, Arm     string
			Community, Wave int
		}
	}](w.t, w.must("draw", "show", "--format", "json"))
	lines := map[string]string{}
	for _, s := range out.Schools {
		lines[s.School] = fmt.Sprint(s.Arm, s.Community)
	}
	return lines
}

// TestWavesOfSchools takes two waves through the program by every kind of
// method: each has its own roster, commitment, chance and draw, the second
// changes nothing of the first, and record, kit, analysis and bundle hold both.
func TestWavesOfSchools(t *testing.T) {
	const communities = "communities: [{arm: new, size: 2 to 4, notional for control: yes}]\n"
	for _, c := range []struct{ name, draw, more string }{
		{"blocks", "method: blocks, waves: 2, blocks: [2, 4], sequence: arrival", communities},
		{"minimisation", "method: minimisation, waves: 2, sequence: arrival, imbalance: sd, best arm: 80 %, balance: {region: 1, set: 1}", ""},
		{"efron", "method: efron, waves: 2, sequence: arrival, best arm: 66.7 %", ""},
		{"simple", "method: simple, waves: 2", ""},
		{"stratified", "method: stratified, waves: 2, chance: dice", communities},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.file("trial.yaml", strings.Replace(smallProtocol("region", c.draw, c.more), "covariates: []", "covariates: [strata], redraws: 200", 1))
			w.must("init", "{}")
			commit, run := []string{"draw", "commit"}, []string{"--as", "B", "draw", "run"}
			if strings.Contains(c.draw, "dice") {
				commit = append(commit, "--event", "50 dice in Room 4")
			}
			throw := func(digit string) []string {
				if !strings.Contains(c.draw, "dice") {
					return run
				}
				return append(append([]string{}, run...), "--dice", strings.Repeat(digit+" 2 5 3 6 ", 10), "--witness", "C", "--witness", "D")
			}
			w.recruit(0, 24)
			w.must("roster", "lock", "--wave", "1")
			w.must(commit...)
			w.must(throw("1")...)
			first := w.drawn()
			refused := func(want string, args ...string) {
				t.Helper()
				if r := w.give(args...); r.status == exitDone || !strings.Contains(r.stderr, want) {
					t.Errorf("%v: status %d, %q; want %q", args, r.status, r.stderr, want)
				}
			}
			refused("this trial's draw was made", throw("1")...)
			refused("there is nothing to draw", "roster", "lock")
			refused(`wave 2 is at "recruiting", and this is done at "roster locked"`, commit...)

			// The second wave. What the first was drawn with stays.
			w.recruit(24, 12)
			refused("school 200001 was drawn", "school", "correct", "200001", "--name", "X", "--why", "x")
			refused("school 200001 was drawn", "school", "stage", "200001", "withdrew before the draw", "--reason", "x")
			refused("the roster to be locked is that of wave 2, not of wave 1", "roster", "lock", "--wave", "1")
			if said := w.must("roster", "lock", "--wave", "2"); !strings.Contains(said, "wave 2: 12 schools are ready, 24 were drawn before") || !strings.Contains(said, "Roster version 2, of wave 2, is locked: 12 schools") {
				t.Errorf("the lock says %s", said)
			}
			refused(`wave 2 is at "roster locked", and this is done at "draw committed"`, throw("4")...)
			if said := w.must("draw", "rehearse", "--times", "30"); strings.Contains(said, "2000") {
				t.Errorf("the rehearsal says %s", said)
			}
			w.must("draw", "balance", "--rehearsals", "20")
			remembers := c.name == "minimisation" || c.name == "efron"
			if said := w.must("draw", "probabilities"); strings.Contains(said, "given the schools drawn before, method") != remembers {
				t.Errorf("the probabilities of the second wave: %s", said)
			}
			text := w.must(commit...)
			a, err := randomize.ParseAllocation([]byte(w.must("draw", "show", "--part", "allocation")))
			if err != nil {
				t.Fatal(err)
			}
			if want := "wave 2 after " + a.Digest(); !strings.Contains(text, want) {
				t.Errorf("the commitment is %s; it should say %s", text, want)
			}
			w.must(throw("4")...)
			second := w.drawn()
			if len(second) != 36 {
				t.Errorf("%d schools are drawn, want 36", len(second))
			}
			for id, was := range first {
				if second[id] != was {
					t.Errorf("school %s was %s, is now %s", id, was, second[id])
				}
			}
			refused("the draw of wave 2 was made", throw("4")...)
			refused("cannot lock the roster", "roster", "lock")
			if said := w.must("draw", "verify"); !strings.Contains(said, "PASS  wave 1 drawn again") || !strings.Contains(said, "PASS  wave 2 drawn again") || !strings.Contains(said, "all 36 schools") {
				t.Errorf("verify says %s", said)
			}
			w.must("ledger", "check")

			// Record, kit and letters hold both waves; the kit draws both again.
			w.must("draw", "record", "--out", "{}/record.txt")
			if text := w.read("record.txt"); !strings.Contains(text, "wave 2") || strings.Count(text, "chance itself") != 2 {
				t.Errorf("the record is\n%s", text)
			}
			w.must("draw", "balance")
			w.must("draw", "balance", "--rehearsals", "20")
			w.must("draw", "letters", "--dir", "{}/letters")
			w.must("draw", "picture", "--out", "{}/draw.svg")
			control := 0
			for _, line := range second {
				if strings.HasPrefix(line, "control") {
					control++
				}
			}
			if c.more == "" && !strings.Contains(w.read("draw.svg"), fmt.Sprintf(">%d<", control)) {
				t.Errorf("the picture does not say that %d schools of both waves are in the control arm", control)
			}
			w.must("draw", "kit", "--dir", "{}/kit")
			if readme := w.read("kit/README.txt"); strings.Contains(readme, "--after roster.txt allocation.txt") != remembers || !strings.Contains(readme, "wave-2/roster.txt") {
				t.Errorf("README is\n%s", readme)
			}
			args := []string{"draw", "replay", "--design", "{}/kit/design.txt", "--roster", "{}/kit/wave-2/roster.txt", "--chance", "{}/kit/wave-2/chance.txt"}
			if remembers {
				args = append(args, "--after", "{}/kit/roster.txt,{}/kit/allocation.txt")
			}
			if got, want := w.must(args...), w.read("kit/wave-2/allocation.txt"); got != want {
				t.Errorf("the replay of wave 2 gives %s, want %s", got, want)
			}
			if c.more != "" {
				w.must("communities", "show")
			}

			// Outcomes, analysis with redraws of both waves, and the bundle.
			outcomes := "school,READING\n"
			for i := range 36 {
				outcomes += fmt.Sprintf("%d,%d\n", 200001+i, 90+i*13%21)
			}
			w.file("outcomes.csv", outcomes)
			w.must("outcome", "import", "{}/outcomes.csv")
			w.must("analysis", "run")
			w.must("analysis", "rehearse")
			w.must("report", "build", "--out", "{}/report.html")
			for _, want := range []string{"Wave 2: allocation", "Wave 2: draw made", randomize.Digest([]byte(w.read("kit/wave-2/allocation.txt")))} {
				if !strings.Contains(w.read("report.html"), want) {
					t.Errorf("the report does not have %q", want)
				}
			}
			w.must("audit", "export", "--out", "{}/bundle.zip")
			said := w.must("audit", "verify", "{}/bundle.zip")
			if !strings.Contains(said, "2 waves, each with 1 commitment and 1 draw; no school in two") || strings.Contains(said, "FAIL") {
				t.Errorf("audit verify says %s", said)
			}
			if python, err := exec.LookPath("python3"); err == nil {
				unpack(t, w.read("bundle.zip"), w.dir+"/unpacked")
				out, err := exec.Command(python, w.dir+"/unpacked/scripts/verify.py", w.dir+"/unpacked").CombinedOutput()
				if err != nil || strings.Contains(string(out), "FAIL") {
					t.Errorf("verify.py: %v\n%s", err, out)
				}
			} else if os.Getenv("CI") != "" {
				t.Error("python3 is missing")
			}
			// With results under the arms' names the bundle's own programs repeat draw,
			// flow and the test by redraws of both waves.
			w.must("analysis", "unblind")
			w.must("analysis", "run")
			w.must("audit", "export", "--out", "{}/named.zip")
			if said := w.must("audit", "verify", "{}/named.zip"); strings.Contains(said, "FAIL") {
				t.Errorf("audit verify says %s", said)
			}
			unpack(t, w.read("named.zip"), w.dir+"/named")
			if python, err := exec.LookPath("python3"); err == nil {
				out, err := exec.Command(python, "-B", w.dir+"/named/scripts/analysis.py", w.dir+"/named").CombinedOutput()
				if err != nil || !strings.Contains(string(out), ", 0 differ") {
					t.Errorf("analysis.py: %v\n%s", err, out)
				}
			}
			if exec.Command("Rscript", "-e", "library(lme4); library(digest); library(clubSandwich); library(AER)").Run() == nil {
				out, err := exec.Command("Rscript", w.dir+"/named/scripts/analysis.R", w.dir+"/named", "--brief").CombinedOutput()
				if err != nil || !strings.Contains(string(out), ", 0 differ") || !strings.Contains(string(out), ", 0 not compared") || strings.Contains(string(out), "randomisation") {
					t.Errorf("analysis.R: %v\n%s", err, out)
				}
			} else if os.Getenv("EVENHAND_NEED_R") != "" {
				t.Error("R with lme4, digest, clubSandwich and AER is missing")
			}
			// Another arm for a school of the second wave is found, though the
			// manifest be made to fit.
			w.file("forged.zip", forged(t, w.read("bundle.zip"), "wave-2/allocation.txt"))
			if r := w.give("audit", "verify", "{}/forged.zip"); r.status != exitDisagreed || !strings.Contains(r.out, "drawn again from design.txt, wave-2/roster.txt and wave-2/chance.txt") {
				t.Errorf("a forged second wave: status %d, %s", r.status, r.out)
			}
			if c.name == "blocks" {
				w.must("store", "copy", "--to", storetest.Postgres(t))
				w.must("draw", "annul", "--why", "the wrong list", "--confirmed-by", "C")
			}
		})
	}
}

// unpack writes a bundle's files into a folder.
func unpack(t *testing.T, bundle, dir string) {
	t.Helper()
	from, err := zip.NewReader(strings.NewReader(bundle), int64(len(bundle)))
	if err == nil {
		err = os.CopyFS(dir, from)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// forged swaps the arms "new" and "control" in a file of a bundle, and makes the
// manifest fit.
func forged(t *testing.T, bundle, name string) string {
	t.Helper()
	from, err := zip.NewReader(strings.NewReader(bundle), int64(len(bundle)))
	if err != nil {
		t.Fatal(err)
	}
	texts, was := map[string]string{}, ""
	for _, f := range from.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		texts[f.Name] = string(data)
	}
	was = texts[name]
	texts[name] = strings.NewReplacer("\tnew\t", "\tcontrol\t", "\tcontrol\t", "\tnew\t").Replace(was)
	if texts[name] == was || !strings.Contains(texts["MANIFEST.txt"], trial.DigestOf(was)) {
		t.Fatalf("%s cannot be forged: %q", name, was)
	}
	texts["MANIFEST.txt"] = strings.Replace(texts["MANIFEST.txt"], trial.DigestOf(was), trial.DigestOf(texts[name]), 1)
	var out bytes.Buffer
	to := zip.NewWriter(&out)
	for _, f := range from.File {
		header := f.FileHeader
		header.CRC32, header.CompressedSize64, header.UncompressedSize64 = crc32.ChecksumIEEE([]byte(texts[f.Name])), uint64(len(texts[f.Name])), uint64(len(texts[f.Name]))
		w, err := to.CreateRaw(&header)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, texts[f.Name]); err != nil {
			t.Fatal(err)
		}
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return out.String()
}
