package audit

import (
	"bytes"
	"strings"
	"testing"
)

// A stranger's bundle writes no line of its own into the findings.
func TestFindingsAreLines(t *testing.T) {
	for in, want := range map[string]string{
		"plain – words": "plain – words", "two\nlines": "two / lines", "\x1b[2Jgone": `\x1b[2Jgone`, "a\u202eb": `a\u202eb`, "tab\tx": `tab\tx`, "bad\xff": `bad\ufffd`,
	} {
		if got := oneLine(in); got != want {
			t.Errorf("oneLine(%q) = %q, want %q", in, got, want)
		}
	}
	m := early(t)
	files := unzip(t, write(t, m.b))
	for i, e := range files {
		if e.name == "receipts/0001.txt" {
			files[i].data = []byte("evenhand-receipt 1\ntrial x\x1b[2J\x0b\nentries 2\nhead " + strings.Repeat("0", 64) + "\nmade 2016-01-01T00:00:00Z\n")
		}
		if e.name == ledgerName {
			files[i].data = bytes.Replace(e.data, []byte(`"actor":"sam"`), []byte(`"actor":"\u001b[2J\nPASS   1"`), 1)
		}
	}
	f := verify(t, sealAgain(t, files, nil), Options{})
	if !f.Failed() || strings.ContainsFunc(strings.ReplaceAll(f.Text(), "\n", ""), steers) || strings.Count(f.Text(), "\n") != len(f.List) {
		t.Errorf("the findings are not lines:\n%q", f.Text())
	}
}
