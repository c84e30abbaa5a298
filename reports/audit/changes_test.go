package audit

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// Every action that the programs write into a ledger has a word on what its
// change would change.
func TestEveryActionMatters(t *testing.T) {
	said := regexp.MustCompile(`(?:t\.log\(tx, [^,]+(?:\(\))?, |\.Log(?:Why)?\(ctx, )"([a-z][a-z -]+)"`)
	found := 0
	for _, folder := range []string{"../../trial/conduct", "../../cmd/evenhand"} {
		files, err := filepath.Glob(folder + "/*.go")
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range said.FindAllStringSubmatch(string(text), -1) {
				found++
				known := m[1] == "audit export" // changes nothing of the trial
				for _, x := range matters {
					known = known || strings.HasPrefix(m[1], x.action)
				}
				if !known {
					t.Errorf("%s: action %q has no word on what it would change", filepath.Base(file), m[1])
				}
			}
		}
	}
	if found < 15 {
		t.Errorf("only %d actions were found in the sources", found)
	}
}
