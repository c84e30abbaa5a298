package simulate

import (
	"testing"
)

func BenchmarkCalibrate(b *testing.B) {
	for _, c := range []Cell{{10, 0.15, Equal, NotNested}, {114, 0.15, Equal, NotNested}, {114, 0.15, Unequal, Partial}} {
		b.Run(c.name(), func(b *testing.B) {
			s := DefaultCalibration()
			s.Trials = 200
			for b.Loop() {
				if _, err := Calibrate(c, s, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
