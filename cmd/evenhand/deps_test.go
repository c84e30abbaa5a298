package main

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// layers says which packages of this module each package may import; a name
// that ends in /... stands for everything below it, itself included. It is the
// rule of ARCHITECTURE.md: change it there first, never here to mend a build.
var layers = map[string][]string{
	"randomize":                 {},
	"randomize/redraw":          {},
	"randomize/beacon":          {"randomize"},
	"analysis":                  {},
	"analysis/internal/...":     {"analysis"},
	"analysis/rows":             {"analysis"},
	"analysis/describe":         {"analysis"},
	"analysis/attrition":        {"analysis", "analysis/internal/..."},
	"analysis/power":            {"analysis", "analysis/internal/..."},
	"analysis/network":          {"analysis", "analysis/internal/..."},
	"analysis/scale":            {"analysis", "analysis/internal/..."},
	"analysis/mixed":            {"analysis", "analysis/internal/..."},
	"analysis/robust":           {"analysis", "analysis/internal/..."},
	"analysis/means":            {"analysis", "analysis/internal/...", "analysis/robust"},
	"analysis/permute":          {"analysis", "analysis/internal/..."},
	"analysis/missing":          {"analysis", "analysis/internal/...", "analysis/permute", "analysis/robust", "analysis/mixed"},
	"analysis/bayes":            {"analysis", "analysis/internal/...", "analysis/mixed"},
	"analysis/effectsize":       {"analysis", "analysis/internal/...", "analysis/mixed"},
	"analysis/simulate":         {"analysis", "analysis/internal/...", "analysis/mixed", "analysis/robust", "analysis/power"},
	"analysis/sap":              {"analysis/..."},
	"trial/sign":                {},
	"trial":                     {"randomize", "randomize/beacon", "analysis", "analysis/sap", "trial/sign"},
	"trial/intake":              {"trial", "randomize"},
	"trial/trialtest":           {"trial", "randomize"},
	"trial/store":               {"trial", "randomize", "analysis", "analysis/sap"},
	"trial/store/storetest":     {},
	"trial/conduct":             {"trial", "trial/store", "randomize", "analysis/..."},
	"reports":                   {"trial", "randomize", "analysis/...", "reports/figure", "reports/disclosure"},
	"reports/disclosure":        {},
	"reports/figure":            {"trial", "randomize", "analysis/..."},
	"reports/internal/...":      {"reports", "trial", "randomize", "analysis/..."},
	"reports/render":            {"reports", "reports/figure"},
	"reports/audit":             {"reports", "trial", "trial/sign", "randomize", "analysis/..."},
	"cmd/evenhand":              {"randomize", "randomize/redraw", "randomize/beacon", "analysis/...", "trial/...", "reports/...", "cmd/evenhand/internal/...", "cmd/internal/..."},
	"cmd/internal/...":          {"trial/sign"},
	"cmd/evenhand/internal/...": {"trial", "trial/conduct", "trial/store", "reports/..."},
	"cmd/evenhand-verify":       {"reports/audit", "trial", "trial/sign", "cmd/internal/...", "randomize", "analysis/..."},
}

// outside says who alone may import a package of others.
var outside = map[string][]string{
	"database/sql":                  {"trial/store", "trial/store/storetest"},
	"database/sql/driver":           {"trial/store"},
	"github.com/jmoiron/sqlx":       {"trial/store"},
	"github.com/lib/pq":             {"trial/store", "trial/store/storetest"},
	"modernc.org/sqlite":            {"trial/store"},
	"modernc.org/sqlite/lib":        {"trial/store"},
	"net/http":                      {"cmd/evenhand/internal/web"},
	"crypto/rand":                   {"cmd/evenhand"},
	"github.com/montanaflynn/stats": {"analysis/describe"},
	"github.com/spf13/cobra":        {"cmd/evenhand"},
	"math/rand":                     {},
	"os/exec":                       {"trial/store/storetest", "cmd/evenhand"}, // the programs that print PDF
}

// without says what a package and those below it must not import.
var without = map[string][]string{
	"randomize":           {"time", "os", "net", "math/rand/v2"},
	"analysis":            {"time", "os", "net"},
	"reports":             {"os", "net"},
	"trial/trialtest":     {"os", "net", "time"},
	"cmd/evenhand-verify": {"net/http", "database/sql"},
}

type listed struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

func listPackages(t *testing.T) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = "../.."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var all []listed
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	if len(all) < 20 {
		t.Fatalf("go list found only %d packages", len(all))
	}
	return all
}

// matches says whether a package is the pattern, or below one that ends in
// /...
func matches(pattern, pkg string) bool {
	if base, ok := strings.CutSuffix(pattern, "/..."); ok {
		return pkg == base || strings.HasPrefix(pkg, base+"/")
	}
	return pattern == pkg
}

// ruleOf gives the most particular rule for a package.
func ruleOf(pkg string) (rule []string, ok bool) {
	if rule, ok := layers[pkg]; ok {
		return rule, true
	}
	for pattern, rule := range layers {
		if strings.HasSuffix(pattern, "/...") && matches(pattern, pkg) {
			return rule, true
		}
	}
	return nil, false
}

func TestLayers(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range listPackages(t) {
		pkg := strings.TrimPrefix(p.ImportPath, "evenhand/")
		seen[pkg] = true
		rule, ok := ruleOf(pkg)
		if !ok {
			t.Errorf("package %s has no place in the order: give it one in ARCHITECTURE.md, then here", pkg)
		}
		for _, i := range p.Imports {
			if own, ok := strings.CutPrefix(i, "evenhand/"); ok {
				if !slices.ContainsFunc(rule, func(pattern string) bool { return matches(pattern, own) }) {
					t.Errorf("%s imports %s, which stands above or beside it", pkg, own)
				}
			}
			if who, ok := outside[i]; ok && !slices.Contains(who, pkg) {
				t.Errorf("%s imports %s, which only %v may", pkg, i, who)
			}
		}
		for top, banned := range without {
			if pkg != top && !strings.HasPrefix(pkg, top+"/") || pkg == "reports/internal/sample" {
				continue
			}
			from := p.Imports
			if top == "cmd/evenhand-verify" {
				from = p.Deps
			}
			for _, b := range banned {
				if slices.Contains(from, b) {
					t.Errorf("%s imports %s, which nothing in %s may", pkg, b, top)
				}
			}
		}
	}
	for pattern := range layers {
		if !strings.HasSuffix(pattern, "/...") && !seen[pattern] && !future[pattern] {
			t.Errorf("the order names %s, which does not exist", pattern)
		}
	}
	for pkg := range future {
		if seen[pkg] {
			t.Errorf("%s exists now: take it out of the list of those to come", pkg)
		}
	}
}

// future are packages that have a place in the order before their first code.
var future = map[string]bool{}

// TestMatches is the test of the test's own comparison.
func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, pkg string
		want         bool
	}{{"a", "a", true}, {"a", "a/b", false}, {"a/...", "a", true}, {"a/...", "a/b", true}, {"a/...", "ab", false}} {
		if got := matches(c.pattern, c.pkg); got != c.want {
			t.Errorf("matches(%q, %q) = %v, want %v", c.pattern, c.pkg, got, c.want)
		}
	}
}
