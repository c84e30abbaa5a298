package audit

import (
	"strings"
	"testing"

	"evenhand/analysis/rows"
)

// A school moved to the other arm is one line, however many pupils it has, and
// hides nothing else that failed.
func TestFaultsPerSchool(t *testing.T) {
	m := finished(t, 12, 40)
	for k, n := range m.b.Data {
		d, err := rows.Read(n.Files)
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.ID {
			if school := d.Clusters[d.Cluster[i]]; school == "100001" || school == "100002" {
				d.Arm[i] = 1 - d.Arm[i]
			}
		}
		if m.b.Data[k].Files, err = rows.Write(d); err != nil {
			t.Fatal(err)
		}
	}
	got := failed(verify(t, write(t, m.b), Options{}))
	for _, want := range []string{"of school 100001, stands in arm", "(so it is for 39 more of that school's pupils)", "of school 100002, stands in arm"} {
		if !strings.Contains(got, want) {
			t.Errorf("no failure has %q:\n%s", want, got)
		}
	}
	if n := strings.Count(got, "stands in arm"); n != 4 { // two schools, two outcomes
		t.Errorf("%d lines for two schools and two outcomes:\n%s", n, got)
	}
	if strings.Contains(got, "and 1 more") || strings.Contains(got, "more\n") {
		t.Errorf("lines were left out:\n%s", got)
	}
}
