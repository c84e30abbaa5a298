package trial

import "testing"

// What strangers send is read without a crash, and what is read says the same
// when it is written again.
func FuzzParseReceipt(f *testing.F) {
	records := ledgerOf(f, 9)
	plain := receiptOf(records)
	signed, err := plain.Sign(keyOf(f, 1))
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", plain.Text(), signed.Text(), "Dear all,\r\n" + signed.Text(), plain.Text() + plain.Text(), receiptFirstLine, plain.Text() + "\nevenhand/rlc\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := ParseReceipt(text)
		if err != nil {
			return
		}
		_ = r.Check("rlc", records)
		_ = r.VerifySignature(keyOf(t, 1).Public())
		if again, err := ParseReceipt(r.Text()); err != nil || again.Text() != r.Text() {
			t.Fatalf("%v\n%q\n%q", err, r.Text(), again.Text())
		}
	})
}

func FuzzParseProof(f *testing.F) {
	records := ledgerOf(f, 9)
	entry, err := ProveEntry("rlc", records, 3, 9)
	if err != nil {
		f.Fatal(err)
	}
	growth, err := ProveGrowth("rlc", records, 4, 9)
	if err != nil {
		f.Fatal(err)
	}
	for _, text := range []string{"", entry.Text(), growth.Text(), "x\r\n" + growth.Text(), proofFirstLine + "\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParseProof(text)
		if err != nil {
			return
		}
		_ = p.Check()
		if again, err := ParseProof(p.Text()); err != nil || again.Text() != p.Text() {
			t.Fatalf("%v\n%q\n%q", err, p.Text(), again.Text())
		}
	})
}
