package audit

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// A bundle with many pupils, written and checked: 114 schools with about 5,000
// pupils in all, and with EVENHAND_BIG set 500,000. Reported are seconds of each,
// and on Linux the most memory that the process ever held, in MB: run each size
// alone for that, e.g. EVENHAND_BIG=1 go test -run NONE -bench Bundle/500000.
func BenchmarkBundle(b *testing.B) {
	sizes := []struct{ pupils, a int }{{5000, 44}}
	if os.Getenv("EVENHAND_BIG") != "" {
		sizes = append(sizes, struct{ pupils, a int }{500000, 4390})
	}
	for _, size := range sizes {
		var m *maker
		b.Run(fmt.Sprint(size.pupils), func(b *testing.B) {
			if m == nil {
				m = finished(b, 114, size.a)
			}
			var wrote, checked time.Duration
			before := cpu()
			b.ResetTimer()
			for range b.N {
				start := time.Now()
				var buf bytes.Buffer
				if err := Write(&buf, m.b); err != nil {
					b.Fatal(err)
				}
				wrote += time.Since(start)
				start = time.Now()
				if f := verify(b, buf.Bytes(), Options{}); f.Failed() {
					b.Fatal(failed(f))
				}
				checked += time.Since(start)
				b.ReportMetric(float64(buf.Len())/1e6, "MB")
			}
			b.ReportMetric(wrote.Seconds()/float64(b.N), "s-written")
			b.ReportMetric(checked.Seconds()/float64(b.N), "s-checked")
			b.ReportMetric((cpu()-before)/float64(b.N), "s-processor")
			b.ReportMetric(peak(), "MB-peak")
		})
	}
}

// peak is the most memory that this process held, in MB; 0 where nobody tells.
func peak() float64 {
	var kB float64
	text, _ := os.ReadFile("/proc/self/status")
	if _, rest, ok := strings.Cut(string(text), "VmHWM:"); ok {
		fmt.Sscan(rest, &kB)
	}
	return kB / 1000
}

// cpu is the processor time that this process took, in seconds; 0 where nobody
// tells.
func cpu() float64 {
	text, _ := os.ReadFile("/proc/self/stat")
	_, rest, ok := strings.Cut(string(text), ") ")
	f := strings.Fields(rest)
	if !ok || len(f) < 13 {
		return 0
	}
	var user, system float64
	fmt.Sscan(f[11], &user)
	fmt.Sscan(f[12], &system)
	return (user + system) / 100
}
