package beacon

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"strings"
	"testing"
	"time"
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
	if want := "8652bf805421c544b7cc67158ccebe1620aae32dab9b2f84270511e40611accd"; string(v.Chance()) != want {
		t.Errorf("its chance is %s, want %s", v.Chance(), want)
	}
	if err := v.Chance().Validate(); err != nil {
		t.Error(err)
	}
	n, err := VerifyNIST(record(t, "nist-1921300.json"), nil, at)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(n.Value, "ebc85c439a72062c703bc1ddfa8f7f55") || len(n.Shown) != 2 || !strings.Contains(n.NotShown[0], "the RSA signature") {
		t.Errorf("the pulse gives %+v", n)
	}
	// NIST's key, of the certificate that the pulse names, made its signature.
	block, _ := pem.Decode(record(t, "nist-key.pem"))
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	p := must(parse(record(t, "nist-1921300.json")))
	signed, signature := must(p.signedFields()), must(hex.DecodeString(p.SignatureValue))
	if len(signed) != 807 {
		t.Errorf("the signed fields have %d bytes, want 807", len(signed))
	}
	if err := signedBy(key.(*rsa.PublicKey), signed, signature); err != nil {
		t.Error(err)
	}
	signed[100] ^= 1
	if err := signedBy(key.(*rsa.PublicKey), signed, signature); !errors.Is(err, ErrRecord) {
		t.Errorf("a changed field: %v, want ErrRecord", err)
	}
}

// certified makes a certificate and a pulse signed with its key.
func certified(t *testing.T) (pulseText, certificate []byte) {
	t.Helper()
	key := must(rsa.GenerateKey(rand.Reader, 2048))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "a beacon of the tests"}, NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	id := sha512.Sum512(der)
	text := bytes.Replace(record(t, "nist-1921300.json"), []byte("528943a555f5f8ca54423be6dfb95925a35c7b552046420e7d7cd072058a14d6536ad3a8e9754b6582f164a90b0cd86a65d659f5426a2659a947595d1c816c8c"), []byte(hex.EncodeToString(id[:])), 1)
	p := must(parse(text))
	signed := must(p.signedFields())
	sum := sha512.Sum512(signed)
	signature := must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, sum[:]))
	text = bytes.Replace(text, []byte(p.SignatureValue), []byte(hex.EncodeToString(signature)), 1)
	text = bytes.Replace(text, []byte(p.OutputValue), []byte(outputOf(signed, signature)), 1)
	return text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func TestCertificate(t *testing.T) {
	text, certificate := certified(t)
	v, err := VerifyNIST(text, certificate, at)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Shown) != 4 || !strings.Contains(v.NotShown[0], `calls itself "a beacon of the tests"`) {
		t.Errorf("VerifyNIST = %+v", v)
	}
	without, err := VerifyNIST(text, nil, at)
	if err != nil || without.Value != v.Value {
		t.Errorf("without its certificate the pulse gives %+v, %v", without, err)
	}
	_, other := certified(t)
	if _, err := VerifyNIST(text, other, at); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "the certificate has") {
		t.Errorf("another certificate: %v, want ErrRecord", err)
	}
	if _, err := VerifyNIST(text, []byte("not PEM"), at); !errors.Is(err, ErrRecord) {
		t.Errorf("no certificate: %v, want ErrRecord", err)
	}
	// A pulse forged whole, with an output value that fits, fails at the key.
	changed := bytes.Replace(text, []byte("3D7C711F"), []byte("3D7C711E"), 1)
	p := must(parse(changed))
	forged := bytes.Replace(changed, []byte(p.OutputValue), []byte(outputOf(must(p.signedFields()), must(hex.DecodeString(p.SignatureValue)))), 1)
	if _, err := VerifyNIST(forged, nil, at); err != nil {
		t.Errorf("the forged pulse does not even fit itself: %v", err)
	}
	if _, err := VerifyNIST(forged, certificate, at); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), "certificate's key") {
		t.Errorf("a forged pulse: %v, want a signature that fails", err)
	}
}

// TestChain: a certificate is followed through its issuers' to a root carried, at
// the pulse's time; what does not lead there is refused.
func TestChain(t *testing.T) {
	at := func(year int) string { return fmt.Sprintf("%d-01-01T00:00:00Z", year) }
	day := func(year int) time.Time { return time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC) }
	keys := []*rsa.PrivateKey{must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048)), must(rsa.GenerateKey(rand.Reader, 2048))}
	issue := func(name string, host []string, of, by int, parent *x509.Certificate, until time.Time) *x509.Certificate {
		c := &x509.Certificate{SerialNumber: big.NewInt(int64(of + 1)), Subject: pkix.Name{CommonName: name}, NotBefore: day(2020), NotAfter: until, DNSNames: host, IsCA: of < 2, BasicConstraintsValid: true}
		if of < 2 {
			c.KeyUsage = x509.KeyUsageCertSign
		}
		if parent == nil {
			parent = c
		}
		return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, c, parent, &keys[of].PublicKey, keys[by]))))
	}
	pemOf := func(all ...*x509.Certificate) (text []byte) {
		for _, c := range all {
			text = append(text, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})...)
		}
		return text
	}
	root := issue("the root", nil, 0, 0, nil, day(2100))
	between := issue("the issuer", nil, 1, 0, root, day(2100))
	leaf := issue("engine.beacon.nist.gov", []string{"engine.beacon.nist.gov"}, 2, 1, between, day(2030))
	got, err := follow(leaf, pemOf(between), at(2026), pemOf(root))
	if err != nil || !strings.Contains(got.shown, `made out to engine.beacon.nist.gov, was valid at the pulse's time, and leads through 1 certificates given to the root "the root"`) {
		t.Errorf("follow = %+v, %v", got, err)
	}
	if got, err := follow(leaf, nil, at(2026), pemOf(root)); err != nil || got.shown != "" || !strings.Contains(got.notShown, `issued by "the issuer"; its issuer's signature was not checked`) {
		t.Errorf("without a chain: %+v, %v", got, err)
	}
	for want, x := range map[string]struct {
		leaf  *x509.Certificate
		rest  []byte
		at    string
		roots []byte
	}{
		"expired":                              {leaf, pemOf(between), at(2031), pemOf(root)},
		"unknown authority":                    {leaf, pemOf(between), at(2026), rootsPEM},
		"do not lead from":                     {leaf, pemOf(root), at(2026), pemOf(root)},
		"not to a name below":                  {issue("beacon.nist.gov.example", nil, 2, 1, between, day(2030)), pemOf(between), at(2026), pemOf(root)},
		"only its issuers' certificates":       {leaf, []byte("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"), at(2026), pemOf(root)},
		"certificate 1 after the first cannot": {leaf, []byte("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"), at(2026), pemOf(root)},
	} {
		if _, err := follow(x.leaf, x.rest, x.at, x.roots); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), want) {
			t.Errorf("follow = %v, want %q", err, want)
		}
	}
	// The roots carried are those that browsers carry, by their SHA-256.
	want := []string{"cb3ccbb76031e5e0138f8dd39a23f9de47ffc35e43c1144cea27d46a5ab1cb5f", "4348a0e9444c78cb265e058d5e8944b4d84f9662bd26db257f8934a443c70161", "371a00dc0533b3721a7eeb40e8419e70799d2b0a0f2c1d80693165f7cec4ad75"}
	rest := rootsPEM
	for _, w := range want {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if sum := sha256.Sum256(block.Bytes); hex.EncodeToString(sum[:]) != w {
			t.Errorf("a root has SHA-256 %x, want %s", sum, w)
		}
	}
	if block, _ := pem.Decode(rest); block != nil {
		t.Error("another root is carried")
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
	drand, nist := record(t, "drand-657413.json"), record(t, "nist-1921300.json")
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
		if _, err := VerifyNIST(changed, nil, at); !errors.Is(err, ErrRecord) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("nist, %s: %v, want %q", c.name, err, c.says)
		}
	}
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
