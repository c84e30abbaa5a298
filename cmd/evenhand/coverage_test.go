package main

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// scriptWords splits a script's line as testscript does: '…' keeps words
// together, ” within it is a quotation mark.
func scriptWords(line string) []string {
	var all []string
	var word strings.Builder
	in, quoted := false, false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\'' && quoted && i+1 < len(line) && line[i+1] == '\'':
			word.WriteByte('\'')
			i++
		case c == '\'':
			quoted, in = !quoted, true
		case !quoted && (c == ' ' || c == '\t'):
			if in {
				all = append(all, word.String())
			}
			word.Reset()
			in = false
		case !quoted && c == '#' && !in:
			return all
		default:
			word.WriteByte(c)
			in = true
		}
	}
	if in {
		all = append(all, word.String())
	}
	return all
}

// The scripts use every command at least once so that it succeeds, in text and
// for programs. Every flag is used there with its command's noun (the commands
// of power share theirs), or in a test written in Go.
func TestScriptsUseEverything(t *testing.T) {
	files, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d scripts, %v", len(files), err)
	}
	sources, err := filepath.Glob("*_test.go")
	if err != nil || len(sources) < 10 {
		t.Fatalf("%d tests, %v", len(sources), err)
	}
	tests := ""
	for _, file := range sources {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests += string(text)
	}
	type use struct{ well, json bool }
	used := map[string]*use{}
	flags := map[string]bool{}
	lines := 0
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		script, _, _ := strings.Cut(string(text), "\n-- ")
		for _, line := range strings.Split(script, "\n") {
			args := scriptWords(line)
			at := slices.Index(args, "evenhand")
			if at < 0 || at+1 == len(args) {
				continue
			}
			lines++
			well := slices.Equal(args[:at], []string{"exec"}) || slices.Equal(args[:at], []string{"status", "0"})
			root := (&app{getenv: func(string) string { return "" }}).root()
			root.SetOut(io.Discard)
			c, rest, err := root.Find(args[at+1:])
			if err != nil {
				continue
			}
			if err := c.ParseFlags(rest); err != nil && !errors.Is(err, pflag.ErrHelp) {
				continue
			}
			if help, err := c.Flags().GetBool("help"); err == nil && help {
				continue
			}
			u := used[c.CommandPath()]
			if u == nil {
				u = &use{}
				used[c.CommandPath()] = u
			}
			u.well = u.well || well
			u.json = u.json || c.Flag("format") != nil && c.Flag("format").Value.String() == "json"
			c.Flags().Visit(func(f *pflag.Flag) { flags[noun(c)+" --"+f.Name] = true })
		}
	}
	if lines < 300 {
		t.Errorf("only %d lines of scripts were read", lines)
	}
	printsText := map[string]bool{} // commands that print an exact text or are for people only
	for _, path := range []string{"draw replay", "protocol schema", "demo"} {
		printsText["evenhand "+path] = true
	}
	for _, c := range everyCommand(t) {
		path := c.CommandPath()
		u := used[path]
		switch {
		case u == nil:
			t.Errorf("no script uses %s", path)
			continue
		case !u.well:
			t.Errorf("no script uses %s so that it succeeds", path)
		case !u.json && !printsText[path]:
			t.Errorf("no script uses %s --format json", path)
		}
		c.LocalFlags().VisitAll(func(f *pflag.Flag) {
			if f.Name != "help" && c.InheritedFlags().Lookup(f.Name) == nil && !flags[noun(c)+" --"+f.Name] && !strings.Contains(tests, "\"--"+f.Name) {
				t.Errorf("no test uses %s --%s", path, f.Name)
			}
		})
	}
	for _, f := range []string{"as", "store", "protocol", "trial", "format"} {
		if !slices.ContainsFunc(keys(flags), func(s string) bool { return strings.HasSuffix(s, " --"+f) }) {
			t.Errorf("no script uses --%s", f)
		}
	}
}

// noun is the first word of a command.
func noun(c *cobra.Command) string { return strings.Fields(c.CommandPath())[1] }

func keys(m map[string]bool) []string {
	var all []string
	for k := range m {
		all = append(all, k)
	}
	return all
}
