package main

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// everyCommand gives the commands that do something, without cobra's own.
func everyCommand(t *testing.T) []*cobra.Command {
	t.Helper()
	var all []*cobra.Command
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.HasSubCommands() {
			for _, sub := range c.Commands() {
				if sub.Name() != "help" && sub.Name() != "completion" {
					walk(sub)
				}
			}
			return
		}
		all = append(all, c)
	}
	walk((&app{}).root())
	if len(all) < 45 {
		t.Fatalf("only %d commands", len(all))
	}
	return all
}

// words splits a line as a shell does: quotation marks keep words together;
// what follows a |, > or < is not the command's.
func words(line string) []string {
	var all []string
	var word strings.Builder
	in, quoted := false, false
	end := func() {
		if in {
			all = append(all, word.String())
		}
		word.Reset()
		in = false
	}
	for _, r := range line {
		switch {
		case r == '"':
			quoted, in = !quoted, true
		case !quoted && r == ' ':
			end()
		case !quoted && strings.ContainsRune("|<>", r):
			end()
			return all
		default:
			word.WriteRune(r)
			in = true
		}
	}
	end()
	return all
}

// exampleFault says what is wrong with an example of a command, nil for
// nothing.
func exampleFault(of *cobra.Command, line string) error {
	args := words(line)
	if len(args) == 0 || args[0] != "evenhand" {
		return usagef("it does not begin with evenhand")
	}
	root := (&app{getenv: func(string) string { return "" }}).root()
	found, rest, err := root.Find(args[1:])
	if err != nil {
		return err
	}
	if found.CommandPath() != of.CommandPath() {
		return usagef("it is of %s", found.CommandPath())
	}
	if err := found.ParseFlags(rest); err != nil {
		return err
	}
	return found.ValidateArgs(found.Flags().Args())
}

// Every command says what it is for, has an example, and its examples are
// commands as it takes them.
func TestExamples(t *testing.T) {
	examples := 0
	for _, c := range everyCommand(t) {
		if c.Short == "" || c.Long == "" || c.Example == "" {
			t.Errorf("%s lacks a sentence, a text or an example", c.CommandPath())
		}
		for _, line := range strings.Split(c.Long, "\n") {
			if len([]rune(line)) > 110 {
				t.Errorf("%s: a line of %d signs in its help: %s", c.CommandPath(), len(line), line)
			}
		}
		for _, line := range strings.Split(c.Example, "\n") {
			examples++
			if err := exampleFault(c, strings.TrimSpace(line)); err != nil {
				t.Errorf("%s: example %q: %v", c.CommandPath(), strings.TrimSpace(line), err)
			}
		}
	}
	if examples < 50 {
		t.Errorf("only %d examples were tried", examples)
	}
	// The check can fail.
	verify, _, err := (&app{}).root().Find([]string{"audit", "verify"})
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"", "evenhand draw verify", "evenhand audit verify", "evenhand audit verify a b", "evenhand audit verify --recepit x y", "audit verify x", `evenhand audit "verify x"`} {
		if exampleFault(verify, bad) == nil {
			t.Errorf("the example %q was taken for one of audit verify", bad)
		}
	}
}

// Every flag says what it is for, and every command shows its help, in place
// of doing anything.
func TestHelp(t *testing.T) {
	w := newWorld(t)
	for _, c := range everyCommand(t) {
		args := append(strings.Fields(c.CommandPath())[1:], "--help")
		r := w.give(args...)
		for _, want := range []string{"Examples:\n  evenhand " + strings.Fields(c.CommandPath())[1], "Usage:", "--format text|json"} {
			if r.status != exitDone || !strings.Contains(r.out, want) {
				t.Errorf("%s: status %d, no %q in\n%s%s", strings.Join(args, " "), r.status, want, r.out, r.stderr)
			}
		}
	}
	if entries, err := os.ReadDir(w.dir); err != nil || len(entries) > 0 {
		t.Errorf("help left %v (%v)", entries, err)
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		if out := w.must("completion", shell); !strings.Contains(out, "evenhand") {
			t.Errorf("completion %s: %q", shell, out)
		}
	}
	for args, want := range map[string]string{"__complete --format ": "json", "__complete draw ": "rehearse", "__complete draw show --part ": "allocation", "__complete analysis fit --df ": "satterthwaite", "__complete init --template ": "minimal", "__complete withdrawal add --from ": "programme"} {
		if out := w.must(strings.Split(args, " ")...); !strings.Contains(out, want) {
			t.Errorf("%q completes to %q, want %q among it", args, out, want)
		}
	}
	if r := w.give("--version"); r.status != exitDone || !strings.HasPrefix(r.out, "evenhand version ") {
		t.Errorf("--version: %+v", r)
	}
	for _, args := range [][]string{{"--nonsense"}, {"nonsense"}, {"draw", "rnu"}, {"school", "list", "--stge", "x"}, {"school", "list", "extra"}, {"--format", "yaml", "school", "list"}} {
		if r := w.give(args...); r.status != exitUsage || r.out != "" || !strings.Contains(r.stderr, "evenhand: hint: ") && !strings.Contains(r.stderr, "json") {
			t.Errorf("%v: %+v, want status 2 and a hint", args, r)
		}
	}
}

// Texts that steer a screen, or are no text, come into no record.
func TestTextsAreOneLine(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("drawn", w.dir); err != nil {
		t.Fatal(err)
	}
	before := w.must("ledger", "show", "--format", "json")
	tried := 0
	for _, bad := range []string{"a\nb", "a\x1b[2Jb", "a\tb", "a\rb", "a\u202eb", "a\u0085b", "a\u2028b", "\xff\xfe", strings.Repeat("x", 10_001)} {
		for _, args := range [][]string{
			{"school", "add", "104233", "--name", bad},
			{"school", "add", "104233", "--name", "Oak", "--set", "region=" + bad},
			{"school", "correct", "101926", "--name", bad, "--why", "x"},
			{"school", "correct", "101926", "--set", "region=" + bad, "--why", "x"},
			{"school", "correct", "101926", "--name", "Oak", "--why", bad},
			{"school", "stage", "101926", "declined", "--reason", bad},
			{"school", "stage", "101926", "declined", "--reason", "no time", "--note", bad},
			{"school", "note", "101926", bad},
			{"school", "leader", "101926", "--role", "senior leader", "--name", bad},
			{"school", "leader", "101926", "--role", "senior leader", "--name", "x", "--email", bad},
			{"school", "leader-left", "101926-L1", "--why", bad},
			{"recruitment", "stop", bad},
			{"protocol", "amend", "--reason", bad},
			{"withdrawal", "add", "school", "101926", "--reason", bad},
			{"withdrawal", "add", "school", "101926", "--reason", "x", "--note", bad},
			{"outcome", "import", "{}/outcomes.csv", "--correct", bad},
			{"outcome", "baseline", "{}/outcomes.csv", "--correct", bad},
			{"draw", "run", "--confirmed-by", bad},
			{"ledger", "receipt", "--holder", bad},
			{"--as", bad, "school", "note", "101926", "x"},
		} {
			tried++
			if r := w.give(args...); r.status != exitUsage || r.out != "" || strings.Contains(r.stderr, bad) && len(bad) < 100 {
				t.Errorf("%q: status %d, %q", args, r.status, r.stderr)
			}
		}
	}
	if after := w.must("ledger", "show", "--format", "json"); after != before {
		t.Error("the ledger has grown")
	}
	w.must("school", "note", "101926", "Zoë's naïve 学校 — “quoted” <b>=1+1</b>")
	if out := w.must("ledger", "show", "--last", "1"); !strings.Contains(out, "Zoë's naïve 学校 — “quoted” <b>=1+1</b>") {
		t.Errorf("a good text was stored as %q", out)
	}
}

// Drawn again by the command, every frozen draw is the same to the byte; its
// texts, broken, are refused without a line of output.
func TestReplayVectors(t *testing.T) {
	const vectors = "../../randomize/testdata/vectors"
	designs, err := filepath.Glob(vectors + "/*.design")
	if err != nil || len(designs) < 20 {
		t.Fatalf("%d vectors, %v", len(designs), err)
	}
	w := newWorld(t)
	read := func(name string) string {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	for _, design := range designs {
		base := strings.TrimSuffix(design, ".design")
		name := filepath.Base(base)
		args := []string{"draw", "replay", "--design", design, "--roster", base + ".roster", "--chance", base + ".chance"}
		if _, err := os.Stat(base + ".rehearsal"); err == nil {
			args = append(args, "--rehearsal", strings.TrimSpace(read(base+".rehearsal")))
		}
		if _, err := os.Stat(base + ".after"); err == nil {
			before := filepath.Join(vectors, strings.TrimSpace(read(base+".after")))
			args = append(args, "--after", before+".roster,"+before+".allocation")
		}
		r := w.give(args...)
		if want := read(base + ".allocation"); r.status != exitDone || r.out != want {
			t.Errorf("%s: status %d, %s; drawn again it differs: %v", name, r.status, r.stderr, r.out != want)
		}
		for _, part := range []string{"design", "roster", "chance"} {
			text := read(base + "." + part)
			for _, broken := range []string{"", text[:len(text)-1], strings.Replace(text, "\n", "\n\n", 1), text + "more\n", "\ufeff" + text, strings.ToUpper(text)} {
				if part == "chance" && strings.TrimSpace(broken) == strings.TrimSpace(text) {
					continue // its line end may be missing
				}
				with := slices.Clone(args)
				with[slices.Index(with, "--"+part)+1] = w.file("broken."+part, broken)
				if r := w.give(with...); r.status != exitFailed || r.out != "" || !strings.Contains(r.stderr, "broken."+part+": ") {
					t.Errorf("%s with a broken %s %.40q: status %d, %q, %q", name, part, broken, r.status, r.out, r.stderr)
				}
			}
		}
	}
}

// One byte changed in any file of the bundle, whichever: the command fails
// with status 3 and names the file.
func TestVerifyNamesTheChangedFile(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	bundle := filepath.Join(w.dir, "audit.zip")
	w.must("audit", "verify", bundle)
	data, err := os.ReadFile(bundle)
	if err != nil {
		t.Fatal(err)
	}
	r, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.File) < 15 {
		t.Fatalf("the bundle has %d files", len(r.File))
	}
	for i, changed := range r.File {
		var b bytes.Buffer
		z := zip.NewWriter(&b)
		for _, f := range r.File {
			from, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(from)
			if err != nil {
				t.Fatal(err)
			}
			if f.Name == changed.Name {
				text[(len(text)*(i+1))/(len(r.File)+1)] ^= 1
			}
			header := f.FileHeader
			to, err := z.CreateHeader(&header)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := to.Write(text); err != nil {
				t.Fatal(err)
			}
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		got := w.give("audit", "verify", w.file("changed.zip", b.String()))
		if got.status != exitDisagreed || !strings.Contains(got.stderr, "verification disagreed") {
			t.Errorf("%s changed: status %d\n%s", changed.Name, got.status, got.out)
		}
		named := slices.ContainsFunc(strings.Split(got.out, "\n"), func(line string) bool {
			return strings.HasPrefix(line, "FAIL") && strings.Contains(line, changed.Name)
		})
		if !named {
			t.Errorf("%s changed: no FAIL line names it\n%s", changed.Name, got.out)
		}
	}
	if got := w.give("audit", "verify", w.file("cut.zip", string(data[:len(data)/2]))); got.status != exitDisagreed {
		t.Errorf("half a bundle: status %d", got.status)
	}
}

// What stands in a file does not steer the screen of whoever is told of it.
func TestFilesDoNotSteerScreens(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("listed", w.dir); err != nil {
		t.Fatal(err)
	}
	const evil = "\x1b[2Jx\u202ey\u0085"
	header := "school,role,name," + evil + "\n"
	for _, r := range []result{
		w.give("school", "leaders", w.file("f.csv", header+"101926,senior leader,A,b\n")),
		w.give("school", "leaders", w.file("f.csv", header+"101926,"+evil+",A,b\n")),
		w.give("school", "leaders", w.file("f.csv", "schol,"+evil+"\n1,2\n")),
		w.give("school", "import", w.file("f.csv", "URN,EstablishmentName,PhaseOfEducation (name),EstablishmentStatus (name),GOR (name),KS2 average\n104233,a\u202ex,Primary,Open,London,28\n")),
		w.give("school", "list"),
		w.give("school", "show", "104233"),
		w.give("analysis", "fit", "--data", w.file("f.csv", "y,"+evil+"\n1,2\n"), "--outcome", "z", "--arm", "a", "--cluster", "s"),
		w.give("protocol", "check", w.file("f.yaml", "evenhand: 1\n\""+strings.ReplaceAll(evil, "\x1b", "\\e")+"\": 1\n")),
		w.give("draw", "replay", "--design", w.file("d", evil), "--roster", w.file("r", evil), "--chance", w.file("c", evil)),
		w.give("ledger", "check", "--receipt", w.file("receipt", "evenhand-receipt 1\n"+evil+"\n")),
		w.give("audit", "verify", w.file(evil+".zip", "x")),
	} {
		for _, text := range []string{r.out, r.stderr} {
			if strings.ContainsFunc(text, func(r rune) bool { return r != '\n' && hidden(r) }) {
				t.Errorf("status %d: %q", r.status, text)
			}
		}
		if !strings.Contains(r.out+r.stderr, `\u202ex`) && !strings.Contains(r.out+r.stderr, `\x1b[2Jx\u202ey`) && !strings.Contains(r.out+r.stderr, "f.csv") && !strings.Contains(r.out+r.stderr, "f.yaml") {
			t.Errorf("status %d, and the text is not shown: %q %q", r.status, r.out, r.stderr)
		}
	}
}
