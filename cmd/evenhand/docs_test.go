package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func readRoot(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// declares says whether a Go file declares a symbol: Name, or Type.Method.
func declares(file, symbol string) (bool, error) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		return false, err
	}
	recv, name, method := strings.Cut(symbol, ".")
	if !method {
		recv, name = "", symbol
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			of := ""
			if d.Recv != nil {
				e := d.Recv.List[0].Type
				if star, ok := e.(*ast.StarExpr); ok {
					e = star.X
				}
				if id, ok := e.(*ast.Ident); ok {
					of = id.Name
				}
			}
			if d.Name.Name == name && of == recv {
				return true, nil
			}
		case *ast.GenDecl:
			for _, s := range d.Specs {
				switch s := s.(type) {
				case *ast.TypeSpec:
					if s.Name.Name == symbol {
						return true, nil
					}
				case *ast.ValueSpec:
					for _, n := range s.Names {
						if n.Name == symbol {
							return true, nil
						}
					}
				}
			}
		}
	}
	return false, nil
}

// Every line of ARCHITECTURE.md's table names a file that declares the symbol.
func TestWhereIs(t *testing.T) {
	text := readRoot(t, "ARCHITECTURE.md")
	_, table, ok := strings.Cut(text, "## Where is …")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no section \"Where is …\"")
	}
	table, _, _ = strings.Cut(table, "\n## ")
	rows := 0
	for _, line := range strings.Split(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.Contains(line, "---") || strings.TrimSpace(cells[1]) == "what" {
			continue
		}
		rows++
		file, symbol := strings.TrimSpace(cells[2]), strings.TrimSpace(cells[3])
		path := filepath.Join("../..", file)
		if _, err := os.Stat(path); err != nil {
			t.Errorf("%s: there is no such file", file)
			continue
		}
		if symbol == "" {
			continue
		}
		if ok, err := declares(path, symbol); err != nil || !ok {
			t.Errorf("%s does not declare %s (%v)", file, symbol, err)
		}
	}
	if rows < 40 {
		t.Errorf("only %d lines of the table were read", rows)
	}
	// The check itself can fail.
	for _, symbol := range []string{"nothing", "app.nothing", "run"} {
		if ok, _ := declares("app.go", symbol); ok {
			t.Errorf("declares(app.go, %s) = true", symbol)
		}
	}
}

// Every evenhand command in the documents is one that exists.
func TestDocumentedCommands(t *testing.T) {
	a := &app{}
	root := a.root()
	command := regexp.MustCompile("`(?:evenhand )?((?:" + nouns(t, a) + ")(?: [a-z-]+)?)[^`]*`|(?m)^evenhand ([a-z]+(?: [a-z-]+)?)")
	found := 0
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md"} {
		for _, m := range command.FindAllStringSubmatch(readRoot(t, name), -1) {
			words := strings.Fields(m[1] + m[2])
			cmd, rest, err := root.Find(words)
			if err != nil || cmd == root || cmd.HasSubCommands() && len(rest) > 0 {
				t.Errorf("%s: there is no command `evenhand %s`", name, strings.Join(words, " "))
			}
			found++
		}
	}
	if found < 30 {
		t.Errorf("only %d commands were found in the documents", found)
	}
	for _, want := range []string{"go run ./cmd/evenhand demo", "go test ./..."} {
		if !strings.Contains(readRoot(t, "README.md"), "\n"+want+"\n") {
			t.Errorf("README.md does not give the command %q", want)
		}
	}
}

func nouns(t *testing.T, a *app) string {
	var all []string
	for _, c := range a.root().Commands() {
		all = append(all, c.Name())
	}
	if len(all) < 15 {
		t.Fatalf("only %d commands", len(all))
	}
	return strings.Join(all, "|")
}

// Links between the documents lead somewhere.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#]+)\)`)
	found := 0
	for _, name := range []string{"README.md", "CONTRIBUTING.md", "ARCHITECTURE.md", "METHODS.md", "CHANGELOG.md"} {
		for _, m := range link.FindAllStringSubmatch(readRoot(t, name), -1) {
			if strings.HasPrefix(m[1], "https://") {
				continue
			}
			found++
			if _, err := os.Stat(filepath.Join("../..", m[1])); err != nil {
				t.Errorf("%s links to %s, which is not there", name, m[1])
			}
		}
	}
	if found < 5 {
		t.Errorf("only %d links were found", found)
	}
}

// Every Go file that METHODS.md names is there: by its path, or by its name in
// the folder that its section gives: "Code: `folder`", or in its heading.
func TestMethodsFiles(t *testing.T) {
	file := regexp.MustCompile("`([A-Za-z0-9_./-]+\\.go)`")
	heading := regexp.MustCompile("\\(`([a-z/]+)`\\)")
	code := regexp.MustCompile("^Code: `([a-z/]+)`")
	folder, found := "", map[string]bool{}
	for n, line := range strings.Split(readRoot(t, "METHODS.md"), "\n") {
		if strings.HasPrefix(line, "## ") {
			folder = ""
			if m := heading.FindStringSubmatch(line); m != nil {
				folder = m[1]
			}
		}
		if m := code.FindStringSubmatch(line); m != nil {
			folder = m[1]
		}
		for _, m := range file.FindAllStringSubmatch(line, -1) {
			path := m[1]
			if !strings.Contains(path, "/") {
				path = folder + "/" + path
			}
			found[path] = true
			if _, err := os.Stat(filepath.Join("../..", path)); err != nil {
				t.Errorf("METHODS.md line %d names %s, which is not there", n+1, path)
			}
		}
	}
	if len(found) < 30 {
		t.Errorf("METHODS.md names only %d files", len(found))
	}
}

// Every command reports in JSON where JSON.md says so, and JSON.md names every
// command that does.
func TestJSONDocumented(t *testing.T) {
	text, err := os.ReadFile("JSON.md")
	if err != nil {
		t.Fatal(err)
	}
	a := &app{}
	n := 0
	for _, noun := range a.root().Commands() {
		for _, c := range noun.Commands() {
			path := strings.TrimPrefix(c.CommandPath(), "evenhand ")
			if noJSON[path] || noun.Name() == "completion" || noun.Name() == "help" {
				continue
			}
			n++
			if !strings.Contains(string(text), fmt.Sprintf("\n## %s\n", path)) {
				t.Errorf("JSON.md says nothing of `%s`", path)
			}
		}
	}
	if n < 30 {
		t.Errorf("only %d commands were looked at", n)
	}
}

// noJSON are commands that print an exact text, not a report.
var noJSON = map[string]bool{"draw replay": true, "protocol schema": true, "roster show": true}
