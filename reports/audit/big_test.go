package audit

import (
	"bytes"
	"os"
	"strconv"
	"testing"
	"time"
)

// A bundle with many pupils is written and checked in time. EVENHAND_PUPILS
// says how many pupils a school has (114 schools); 44 (about 5,000 in all)
// without it.
func TestBigBundle(t *testing.T) {
	pupils, limit := 44, 6*time.Second // twice what is promised, for a busy machine
	if n, err := strconv.Atoi(os.Getenv("EVENHAND_PUPILS")); err == nil && n > 0 {
		pupils, limit = n, 120*time.Second
	}
	m := finished(t, 114, pupils)
	start := time.Now()
	var buf bytes.Buffer
	if err := Write(&buf, m.b); err != nil {
		t.Fatal(err)
	}
	wrote := time.Since(start)
	f := verify(t, buf.Bytes(), Options{})
	took := time.Since(start)
	if f.Failed() {
		t.Fatal(failed(f))
	}
	t.Logf("%d pupils, %.1f MB: written in %.2f s, checked in %.2f s", bytes.Count(m.b.Data[0].Files.People, []byte("\n"))-1, float64(buf.Len())/1e6, wrote.Seconds(), (took - wrote).Seconds())
	if took > limit {
		t.Errorf("it took %v, more than %v", took, limit)
	}
}
