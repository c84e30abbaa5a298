package beacon

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"strings"
	"testing"
)

func record(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

const at = "2026-08-31T19:04:00Z"

// Real records of both beacons hold, signatures and all.
func TestRealRecords(t *testing.T) {
	v, err := VerifyDrand(record(t, "drand-657413.json"), 657413)
	if err != nil {
		t.Fatal(err)
	}
	if want := "fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587"; v.Value != want {
		t.Errorf("round 657413 has value %s, want %s", v.Value, want)
	}
	// By hand: printf 'evenhand-beacon 1\ndrand-quicknet\n657413\n…\n' | sha256sum
	if want := "32b5cc1a14b9a98e84fd2a7af44d2a1f01bb7346fc8fc6a8ceae6ac54e0fb6d7"; string(v.Chance()) != want {
		t.Errorf("its chance is %s, want %s", v.Chance(), want)
	}
	if err := v.Chance().Validate(); err != nil {
		t.Error(err)
	}
	n, err := VerifyNIST(record(t, "nist-1921300.json"), record(t, "nist-certificate.pem"), at)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(n.Value, "ebc85c439a72062c703bc1ddfa8f7f55") || len(n.Shown) != 4 || len(n.NotShown) != 3 || !strings.Contains(n.NotShown[0], "engine.beacon.nist.gov") {
		t.Errorf("the pulse gives %+v", n)
	}
	// Without the certificate the value is the same, and the gap is said first.
	without, err := VerifyNIST(record(t, "nist-1921300.json"), nil, at)
	if err != nil || without.Value != n.Value || !strings.Contains(without.NotShown[0], "the RSA signature") {
		t.Errorf("without its certificate the pulse gives %+v, %v", without, err)
	}
}

// The constants of quicknet belong together: the chain's hash is made of them.
func TestChainHash(t *testing.T) {
	key, _ := hex.DecodeString(PublicKey)
	group, _ := hex.DecodeString("f477d5c89f21a17c863a7f937c6a6d15859414d2be09cd448d4279af331c5d3e")
	b := binary.BigEndian.AppendUint32(nil, Period)
	b = binary.BigEndian.AppendUint64(b, Genesis)
	b = append(append(append(b, key...), group...), "quicknet"...)
	if sum := sha256.Sum256(b); hex.EncodeToString(sum[:]) != ChainHash {
		t.Errorf("the constants give chain hash %x, want %s", sum, ChainHash)
	}
}

// Of the Ruby gem drand's README: the round at two instants.
func TestRounds(t *testing.T) {
	for _, c := range []struct {
		unix  int64
		round uint64
	}{{1776643200, 27946612}, {1776688245, 27961627}, {Genesis, 1}, {Genesis - 5, 1}, {Genesis + 3, 2}} {
		got := RoundAt(c.unix)
		if got != c.round {
			t.Errorf("RoundAt(%d) = %d, want %d", c.unix, got, c.round)
		}
		if when, ok := TimeOf(got); !ok || when < c.unix || when >= c.unix+Period && c.unix >= Genesis {
			t.Errorf("round %d is at %d, %v; it was asked for at %d", got, when, ok, c.unix)
		}
	}
	if got := RoundAt(Genesis + 1); got != 2 {
		t.Errorf("RoundAt one second after the genesis = %d, want 2, the first not yet published", got)
	}
	for _, bad := range []uint64{0, 1 << 60, 1<<64 - 1} {
		if _, ok := TimeOf(bad); ok || ValidRound(bad) == nil {
			t.Errorf("round %d is taken", bad)
		}
	}
}

// Whatever is changed in a record is noticed.
func TestTampered(t *testing.T) {
	drand, nist, certificate := record(t, "drand-657413.json"), record(t, "nist-1921300.json"), record(t, "nist-certificate.pem")
	for _, c := range []struct{ name, old, new, says string }{
		{"round", "657413", "657414", "round 657414"},
		{"randomness", "fc1873", "fc1874", "SHA-256 of its signature"},
		{"both", `"randomness":"fc1873a13f3545aeade8401532ef5519920652eee6b0d2b19ca12643b87b3587","signature":"b7`, `"signature":"97`, "not that of chain quicknet"},
		{"short", "b713718a", "b713718", "96 hexadecimal"},
		{"no round", `"round":657413,`, "", "no \"round\""},
		{"chained", `{"round"`, `{"previous_signature":"00","round"`, "another chain"},
		{"cut", "}", "", "not a JSON object"},
	} {
		changed := bytes.Replace(drand, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(changed, drand) {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if _, err := VerifyDrand(changed, 657413); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("drand, %s: %v, want %q", c.name, err, c.says)
		}
	}
	// A true record of another round is not the one committed.
	if err := checkBLS(must(hex.DecodeString("b713718a38ae728dfd477991af2822e08d2f305e47718cef9f7848ce4050e7be41076862b98fad56e91a6b85b89cd97b")), 657414); !errors.Is(err, ErrRecord) {
		t.Errorf("a signature over another round: %v, want ErrRecord", err)
	}
	for _, c := range []struct{ name, old, new, says string }{
		{"time", "19:04:00.000Z", "19:05:00.000Z", "was committed"},
		{"version", `"version": "2.0"`, `"version": "2.1"`, "version"},
		{"address", "pulse/1921300", "pulse/1921301", "address"},
		{"local value", "3D7C711F", "3D7C711E", "output value"},
		{"previous", "EBE3439B", "EBE3439C", "output value"},
		{"order", `"type": "hour"`, `"type": "day"`, "called"},
		{"signature", "583FA9F2", "583FA9F3", "output value"},
		{"output", "EBC85C43", "EBC85C44", "output value"},
		{"length", "C742BC46", "C742BC", "precommitmentValue"},
	} {
		changed := bytes.Replace(nist, []byte(c.old), []byte(c.new), 1)
		if bytes.Equal(changed, nist) {
			t.Fatalf("%s: nothing was changed", c.name)
		}
		if _, err := VerifyNIST(changed, certificate, at); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("nist, %s: %v, want %q", c.name, err, c.says)
		}
	}
	if _, err := VerifyNIST(nist, bytes.Replace(certificate, []byte("MIIIDDCC"), []byte("MIIIDDCD"), 1), at); !errors.Is(err, ErrRecord) {
		t.Errorf("another certificate: %v, want ErrRecord", err)
	}
	if _, err := VerifyNIST(nist, []byte("not PEM"), at); !errors.Is(err, ErrRecord) {
		t.Errorf("no certificate: %v, want ErrRecord", err)
	}
	// A pulse forged whole, with an output value that fits, fails at the key.
	forged, err := VerifyNIST(refit(t, nist), nil, at)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := VerifyNIST(refit(t, nist), certificate, at); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "certificate's key") {
		t.Errorf("a forged pulse (%.8s…): %v, want a signature that fails", forged.Value, err)
	}
}

// refit changes a field and makes the output value fit again.
func refit(t *testing.T, nist []byte) []byte {
	t.Helper()
	changed := bytes.Replace(nist, []byte("3D7C711F"), []byte("3D7C711E"), 1)
	_, err := VerifyNIST(changed, nil, at)
	if err == nil {
		t.Fatal("a changed field is not noticed")
	}
	_, after, _ := strings.Cut(err.Error(), "signature is ")
	head := after[:40]
	// The sentence gives 40 digits; the whole value is computed by the same
	// layout here.
	p := must(parse(changed))
	signed := must(p.signedFields())
	out := strings.ToUpper(outputOf(signed, must(hex.DecodeString(p.SignatureValue))))
	if !strings.EqualFold(out[:40], head) {
		t.Fatalf("the value is %s, the sentence says %s", out[:40], head)
	}
	return bytes.Replace(changed, []byte(p.OutputValue), []byte(out), 1)
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"round":1,"signature":"00"}`))
	f.Add([]byte(`{"pulse":{"version":"2.0"}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := VerifyDrand(text, 7); !errors.Is(err, ErrRecord) {
			t.Errorf("a record made up is taken: %v", err)
		}
		if _, err := VerifyNIST(text, nil, at); err != nil && !errors.Is(err, ErrRecord) {
			t.Errorf("an error of another kind: %v", err)
		}
	})
}
