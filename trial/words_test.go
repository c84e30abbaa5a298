package trial

import (
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	if len(words) != 256 || !slices.IsSorted(words) {
		t.Fatalf("%d words, sorted %v; want 256 in order", len(words), slices.IsSorted(words))
	}
	begins := map[string]string{}
	for _, w := range words {
		k := w[:min(4, len(w))]
		if begins[k] != "" {
			t.Errorf("%s and %s begin alike", begins[k], w)
		}
		begins[k] = w
	}
	got, err := WordsOf("00017f80fffe0a0b" + strings.Repeat("0", 48))
	if want := "acorn actor iron island turtle tunnel arrow atlas"; got != want || err != nil {
		t.Errorf("WordsOf = %q, %v; want %q", got, err, want)
	}
	for _, bad := range []string{"", "0123", strings.Repeat("g", 64)} {
		if _, err := WordsOf(bad); err == nil {
			t.Errorf("WordsOf(%q) gives words", bad)
		}
	}
}
