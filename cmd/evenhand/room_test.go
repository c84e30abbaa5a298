package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Into the room and back: the pack has no score and no name; what comes back is
// held to it, kept in the ledger, shown in the report as made outside, and the
// audit says so.
func TestRoom(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	packed := decode[roomPacked](t, w.must("analysis", "room-pack", "--dir", "{}/room", "--outcome", "ks2_reading", "--format", "json"))
	text := func(name string) string {
		b, err := os.ReadFile(filepath.Join(w.dir, filepath.FromSlash(name)))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	for _, line := range strings.Split(strings.TrimSpace(text("room/rows/ks2_reading.csv")), "\n")[1:] {
		if fields := strings.Split(line, ","); fields[len(fields)-4] != "" && !strings.Contains(line, ",,") {
			t.Fatalf("a row of the pack has a score: %s", line)
		}
	}
	if !strings.Contains(text("room/pack.txt"), "pack "+packed.Pack+"\n") || !strings.Contains(text("room/scripts/room.do"), ",pack,,"+packed.Pack) {
		t.Error("the pack does not name itself")
	}
	if again := w.give("analysis", "room-pack", "--dir", "{}/room", "--outcome", "ks2_reading"); again.status == exitDone {
		t.Error("a folder was written over")
	}
	head := "outcome,quantity,arm,value\n,pack,," + packed.Pack + "\n"
	good := head + "ks2_reading,difference,rlc,0.85\nks2_reading,\"difference, SE\",rlc,0.4\nks2_reading,\"difference, low\",rlc,0.05\nks2_reading,\"difference, high\",rlc,1.65\nks2_reading,\"difference, p\",rlc,0.04\nks2_reading,effect size,rlc,0.1\nks2_reading,\"effect size, low\",rlc,0.01\nks2_reading,\"effect size, high\",rlc,0.19\nks2_reading,\"effect size, SD\",rlc,8.5\nks2_reading,pupils analysed,rlc,suppressed\n"
	w.file("results.csv", good)
	for name, c := range map[string]struct{ text, want string }{
		"another pack":        {strings.Replace(good, packed.Pack, strings.Repeat("0", 64), 1), "was not made from this trial"},
		"no pack":             {strings.Replace(good, ",pack,,"+packed.Pack+"\n", "", 1), `the row "pack" is missing`},
		"no number":           {strings.Replace(good, "0.85", "=1+1", 1), `row 3: "=1+1" is no number`},
		"infinite":            {strings.Replace(good, "0.85", "Inf", 1), `row 3: "Inf" is no number`},
		"another outcome":     {strings.Replace(good, "ks2_reading,effect size,", "ks2_gps,effect size,", 1), `row 8: outcome "ks2_gps" was not packed`},
		"another arm":         {strings.Replace(good, "effect size,rlc", "effect size,control", 1), "row 8: effect size: arm \"control\" is none that it could belong to"},
		"another quantity":    {strings.Replace(good, "effect size,rlc", "odds ratio,rlc", 1), `row 8: "odds ratio" is no quantity that comes back`},
		"a p above 1":         {strings.Replace(good, "0.04", "1.04", 1), "row 7: difference, p is 1.04, and must lie between 0 and 1"},
		"outside its ends":    {strings.Replace(good, "0.85", "2.85", 1), "row 3: difference is 2.85, outside its own interval, 0.05 to 1.65"},
		"not its difference":  {strings.Replace(good, ",8.5", ",4.5", 1), "row 8: the effect size 0.1 times its SD 4.5 is not the difference 0.85"},
		"a column more":       {strings.Replace(good, ",0.85", ",0.85,x", 1), "row 3 has 5 columns"},
		"twice":               {good + "ks2_reading,difference,rlc,0.9\n", "row 13: difference of ks2_reading stands in row 3 already, with another value"},
		"too many analysed":   {good + "ks2_reading,pupils analysed,control,99999\n", "row 13: arm control has 99999 pupils analysed"},
		"other rows":          {good + "ks2_reading,schools randomised,control,11\n", "row 13: arm control has 11 schools randomised"},
		"half a count":        {good + "ks2_reading,schools analysed,control,1.5\n", "row 13: schools analysed is 1.5, and a count is a whole number"},
		"its SE missing":      {strings.Replace(good, "ks2_reading,\"difference, SE\",rlc,0.4\n", "", 1), "difference, SE of ks2_reading, arm rlc, is missing"},
		"a file of no result": {"a,b\n1,2\n", "its first line is not outcome,quantity,arm,value"},
	} {
		w.file("bad.csv", c.text)
		if r := w.give("analysis", "room-return", "{}/bad.csv", "--cleared", "x"); r.status != exitFailed || !strings.Contains(r.stderr, c.want) {
			t.Errorf("%s: status %d, want %q in\n%s", name, r.status, c.want, r.stderr)
		}
	}
	before := w.must("ledger", "show", "--last", "1", "--format", "json")
	back := decode[roomReturned](t, w.must("analysis", "room-return", "{}/results.csv", "--cleared", "ONS, 3 May 2027", "--format", "json"))
	if back.Pack != packed.Pack || back.Plan != packed.Plan || len(back.Results) != 10 || back.Results[9].Value != nil {
		t.Errorf("%+v came back of %+v", back, packed)
	}
	if after := w.must("ledger", "show", "--last", "1"); !strings.Contains(after, "analysis room-return") || !strings.Contains(after, "ONS, 3 May 2027") || strings.Contains(before, "room-return") {
		t.Errorf("the ledger's last entry: %s", after)
	}
	w.must("report", "build", "--out", "{}/with.html")
	if page := text("with.html"); !strings.Contains(page, "Estimates made in a secure room") || !strings.Contains(page, "ONS, 3 May 2027") || !strings.Contains(page, "made outside this program") {
		t.Error("the report does not show what came back")
	}
	w.must("audit", "export", "--out", "{}/with.zip")
	if out := w.must("audit", "verify", "{}/with.zip"); !strings.Contains(out, "10 numbers were made outside, in a secure room") {
		t.Errorf("the audit does not say what was made outside:\n%s", out)
	}
}

// Made with the room's R program on the very scores that are stored here, the
// numbers are those of `analysis run`, but for where R's search stops; Python's
// counts are the same.
func TestRoomPrograms(t *testing.T) {
	if err := exec.Command("Rscript", "-e", "library(lmerTest)").Run(); err != nil {
		if os.Getenv("EVENHAND_NEED_R") != "" {
			t.Fatal("R with lmerTest is needed here, and is not installed")
		}
		t.Skip("NOT RUN: R with lmerTest is not installed")
	}
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	w.must("analysis", "room-pack", "--dir", "{}/room", "--outcome", "ks2_reading", "--outcome", "ks2_gps")
	scores, err := os.ReadFile(filepath.Join(w.dir, "outcomes.csv"))
	if err != nil {
		t.Fatal(err)
	}
	var inRoom strings.Builder
	for i, line := range strings.Split(strings.TrimSpace(string(scores)), "\n") {
		f := strings.Split(line, ",") // school,pupil,KS2_READSCORE,…_missing,KS2_GPSSCORE,…
		if i == 0 {
			f[1], f[2], f[4] = "pupil", "ks2_reading", "ks2_gps"
		}
		fmt.Fprintf(&inRoom, "%s,%s,%s\n", f[1], f[2], f[4])
	}
	file := w.file("scores.csv", inRoom.String())
	for _, program := range [][]string{{"Rscript", filepath.Join(w.dir, "room", "scripts", "room.R"), file}, {"python3", "-B", filepath.Join(w.dir, "room", "scripts", "room.py"), file}} {
		if out, err := exec.Command(program[0], program[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", program[0], err, out)
		}
	}
	back := decode[roomReturned](t, w.must("analysis", "room-return", "{}/counts.csv", "{}/results.csv", "--cleared", "test", "--format", "json"))
	run := decode[struct {
		Results []struct {
			Plan      struct{ Outcome string }
			Contrasts []struct {
				Arm        string
				Difference struct{ Value, SE, DF, P float64 }
				EffectSize struct {
					Value, SD float64
				} `json:"effect_size"`
			}
		}
	}](t, w.must("analysis", "show", "--format", "json"))
	compared := 0
	for _, r := range run.Results {
		for _, c := range r.Contrasts {
			for quantity, want := range map[string]float64{"difference": c.Difference.Value, "difference, SE": c.Difference.SE, "difference, df": c.Difference.DF, "difference, p": c.Difference.P, "effect size": c.EffectSize.Value, "effect size, SD": c.EffectSize.SD} {
				for _, x := range back.Results {
					if x.Outcome == r.Plan.Outcome && x.Arm == c.Arm && x.Quantity == quantity {
						compared++
						if !agrees(*x.Value, want, 1e-4) {
							t.Errorf("%s, %s: %v in the room, %v here", x.Outcome, quantity, *x.Value, want)
						}
					}
				}
			}
		}
	}
	if compared != 12 {
		t.Errorf("%d numbers were compared", compared)
	}
	// A score changed in the room's file of outcomes is seen by Python, with its row.
	w.file("scores.csv", regexp.MustCompile(`(?m)^(P\d+),\d+`).ReplaceAllString(inRoom.String(), "$1,n.a."))
	if out, err := exec.Command("python3", "-B", filepath.Join(w.dir, "room", "scripts", "room.py"), file).CombinedOutput(); err == nil || !strings.Contains(string(out), "row 2, column ks2_reading: 'n.a.' is no number") {
		t.Errorf("scores that are none: %v\n%s", err, out)
	}
}
