package audit

import (
	"bytes"
	"encoding/csv"
	"html"
	"regexp"
	"strings"
)

// cellOnPage finds a cell on the report's page: its key, then its text.
var cellOnPage = regexp.MustCompile(`data-cell="([^"]*)">(?:<bdi>)?([^<]*)`)

// page holds the report's page to the list of its numbers: every number stands
// on the page at its place, and wherever a cell is shown, in its table or in a
// sentence, it reads the same.
func (v *verifier) page() {
	list, ok := v.files[numbersName]
	if !ok {
		return
	}
	f := v.check(checkPage)
	defer func() {
		f.done("%s: every number stands at its place, and reads the same in tables and sentences", reportName)
	}()
	lines, err := csv.NewReader(bytes.NewReader(list)).ReadAll()
	if err != nil || len(lines) == 0 || strings.Join(lines[0], ",") != "cell,value,shown" {
		f.add("%s cannot be read: its columns are cell, value and shown", numbersName)
		return
	}
	shown := map[string]string{}
	for i, line := range lines[1:] {
		if _, twice := shown[line[0]]; twice {
			f.add("%s, line %d: cell %s stands twice", numbersName, i+2, line[0])
		}
		shown[line[0]] = line[2]
	}
	seen := map[string]bool{}
	for _, m := range cellOnPage.FindAllStringSubmatch(string(v.files[reportName]), -1) {
		want, number := shown[m[1]]
		if !number {
			continue // a cell of words
		}
		seen[m[1]] = true
		if got := html.UnescapeString(m[2]); got != want {
			f.add("%s: cell %s reads %.60q, %s says %q", reportName, m[1], got, numbersName, want)
		}
	}
	missing := []string{}
	for _, key := range sortedNames(shown) {
		if !seen[key] {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		f.add("%s: %d numbers of %s are not on the page, the first is cell %s", reportName, len(missing), numbersName, missing[0])
	}
	if len(shown) == 0 {
		f.add("%s lists no number", numbersName)
	}
}
