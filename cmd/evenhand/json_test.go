package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// jsonSections reads JSON.md: by command, the words in back quotes of its
// section and of those that it refers to.
func jsonSections(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile("JSON.md")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(string(text), "\n## ")
	bodies := map[string]string{}
	for _, p := range parts[1:] {
		name, body, _ := strings.Cut(p, "\n")
		bodies[name] = body
	}
	if len(bodies) < 40 {
		t.Fatalf("JSON.md has %d sections", len(bodies))
	}
	quoted := regexp.MustCompile("`([^`]+)`")
	var fields func(name string, deep int) map[string]bool
	fields = func(name string, deep int) map[string]bool {
		all := map[string]bool{}
		for _, m := range quoted.FindAllStringSubmatch(bodies[name], -1) {
			all[m[1]] = true
			if _, ok := bodies[m[1]]; ok && deep < 4 {
				maps.Copy(all, fields(m[1], deep+1))
			}
		}
		return all
	}
	sections := map[string]map[string]bool{}
	for name := range bodies {
		sections[name] = fields(name, 0)
	}
	return sections
}

// undocumented lists the fields of a JSON value that are not among those
// documented. Objects whose keys are data are not looked into by key.
func undocumented(v any, documented map[string]bool, keysAreData map[string]bool, path string) []string {
	var all []string
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if !documented[k] {
				all = append(all, path+"."+k)
			}
			if keysAreData[k] {
				if inner, ok := v[k].(map[string]any); ok {
					for _, name := range slices.Sorted(maps.Keys(inner)) {
						all = append(all, undocumented(inner[name], documented, keysAreData, path+"."+k+".*")...)
					}
					continue
				}
			}
			all = append(all, undocumented(v[k], documented, keysAreData, path+"."+k)...)
		}
	case []any:
		for _, e := range v {
			all = append(all, undocumented(e, documented, keysAreData, path+"[]")...)
		}
	}
	return slices.Compact(all)
}

// Every field that a command prints as JSON stands in its section of JSON.md.
func TestJSONIsDocumented(t *testing.T) {
	sections := jsonSections(t)
	keysAreData := map[string]bool{"leaders": true, "attributes": true, "sizes": true, "levels": true}
	w := newWorld(t)
	w.file("staff2.csv", "school,staff,role,years\n101926,T9,teacher,5\n")
	w.file("answers.csv", "staff,answered\nT9,2014-09-09\n")
	w.file("leaders2.csv", "school,role,name\n101926,senior leader,X\n")
	w.file("pupils2.csv", "school,pupil,KS1_READPOINTS,EVERFSM_6_P\n101926,Q1,15,yes\n")
	w.file("schools2.csv", "URN,EstablishmentName,PhaseOfEducation (name),EstablishmentStatus (name),GOR (name),KS2 average\n101926,Other,Primary,Open,London,28\n")
	w.file("one.csv", "pupil,KS2_READSCORE\nP000002,99\n")
	tried := 0
	for _, c := range []struct {
		stage    string // put in place before it; "" to go on with the one before
		commands []string
	}{
		{"listed", []string{
			"protocol check", "protocol show", "school list", "school show 101926", "school import {}/schools2.csv", "school add 104233 --name Oak", "school correct 104233 --name Elm --why x",
			"school stage 104233 approached", "school note 104233 x", "school leader 101926 --role head", "survey staff {}/staff2.csv", "survey responses {}/answers.csv --round baseline",
			"school leaders {}/leaders2.csv", "school leader-left 101926-L1 --why x", "pupil import {}/pupils2.csv", "recruitment status", "roster check", "store info", "ledger show --last 3",
		}},
		{"ready", []string{"roster lock", "draw rehearse --times 3", "draw commit", "draw run", "draw verify", "draw show", "draw show --part chance --out {}/c.txt", "roster show --out {}/r.txt", "attrition status", "session status"}},
		{"collected", []string{"session import {}/attendance.csv", "withdrawal import {}/withdrawals.csv", "withdrawal add school 101926 --reason x", "outcome import {}/one.csv --correct x", "attrition status", "session status", "analysis rehearse", "analysis run", "analysis show", "analysis unblind", "analysis run", "analysis run --exploratory x --covariates strata --subgroups everfsm6", "analysis show", "report build --out {}/x.html", "audit export --out {}/x.zip", "audit verify {}/x.zip", "ledger check", "ledger receipt", "store backup {}/b.db", "store copy --to {}/c.db"}},
		{"ready", []string{"recruitment stop x"}},
		{"", []string{"analysis fit --data " + simCRT + " --outcome Posttest --arm Treat --cluster School"}},
	} {
		if c.stage != "" {
			if err := placeTrial(c.stage, w.dir); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range c.commands {
			args := strings.Fields(line)
			if args[0] == "school" && args[1] == "leader" {
				args = []string{"school", "leader", "101926", "--role", "senior leader", "--name", "X"}
			}
			cmd, _, err := (&app{}).root().Find(args)
			if err != nil {
				t.Fatal(err)
			}
			name := strings.TrimPrefix(cmd.CommandPath(), "evenhand ")
			r := w.give(append(args, "--format", "json")...)
			if r.status != exitDone && name != "roster check" {
				t.Errorf("%s: status %d, %s", line, r.status, r.stderr)
				continue
			}
			var v any
			if err := json.Unmarshal([]byte(r.out), &v); err != nil {
				t.Errorf("%s: %v in %.200q", line, err, r.out)
				continue
			}
			documented, ok := sections[name]
			if !ok {
				t.Errorf("JSON.md has no section on %s", name)
				continue
			}
			tried++
			for _, field := range undocumented(v, documented, keysAreData, "") {
				t.Errorf("%s: JSON.md does not name %s", name, field)
			}
		}
	}
	if tried < 45 {
		t.Errorf("only %d outputs were held against JSON.md", tried)
	}
	// The check can fail.
	if got := fmt.Sprint(undocumented(map[string]any{"a": []any{map[string]any{"b": 1, "c": 2}}}, map[string]bool{"a": true, "b": true}, nil, "")); got != "[.a[].c]" {
		t.Errorf("undocumented = %s", got)
	}
}
