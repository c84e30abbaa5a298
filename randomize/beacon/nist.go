package beacon

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"
)

// pulse is a pulse of the NIST beacon 2.0 as its service gives it in JSON.
type pulse struct {
	URI              string `json:"uri"`
	Version          string `json:"version"`
	CipherSuite      uint32 `json:"cipherSuite"`
	Period           uint32 `json:"period"`
	CertificateID    string `json:"certificateId"`
	ChainIndex       uint64 `json:"chainIndex"`
	PulseIndex       uint64 `json:"pulseIndex"`
	TimeStamp        string `json:"timeStamp"`
	LocalRandomValue string `json:"localRandomValue"`
	External         struct {
		SourceID   string `json:"sourceId"`
		StatusCode uint32 `json:"statusCode"`
		Value      string `json:"value"`
	} `json:"external"`
	ListValues []struct {
		URI   string `json:"uri"`
		Type  string `json:"type"`
		Value string `json:"value"`
	} `json:"listValues"`
	PrecommitmentValue string `json:"precommitmentValue"`
	StatusCode         uint32 `json:"statusCode"`
	SignatureValue     string `json:"signatureValue"`
	OutputValue        string `json:"outputValue"`
}

// pastTypes are the earlier pulses that a pulse names, in the order in which
// they are signed.
var pastTypes = []string{"previous", "hour", "day", "month", "year"}

// VerifyNIST checks the pulse of the NIST beacon 2.0 with the time stamp
// committed, written 2006-01-02T15:04:00Z. certificate is the PEM text of the
// certificate that the pulse names by its SHA-512, and after it, if they are at
// hand, its issuers' certificates (see follow); without it ("" or nil) the
// signature cannot be checked, and Verified.NotShown says so. The error wraps
// ErrRecord.
//
// The signed fields are laid out as in NISTIR 8213: every text and every hash as
// its length in four bytes and its bytes, numbers in four bytes (the indices in
// eight), all with the most significant byte first. The output value is the
// SHA-512 of these and the signature, which the service appends without its
// length.
func VerifyNIST(record, certificate []byte, at string) (Verified, error) {
	p, err := parse(record)
	if err != nil {
		return Verified{}, err
	}
	stamp := strings.TrimSuffix(at, "Z") + ".000Z"
	switch {
	case p.TimeStamp != stamp:
		return Verified{}, refuse("its pulse is of %q, and %s was committed", p.TimeStamp, stamp)
	case p.Version != "2.0" || p.CipherSuite != 0:
		return Verified{}, refuse("its version is %q and its cipher suite %d; this program knows version 2.0 with cipher suite 0 (SHA-512 and RSA)", p.Version, p.CipherSuite)
	case p.URI != fmt.Sprintf("https://beacon.nist.gov/beacon/2.0/chain/%d/pulse/%d", p.ChainIndex, p.PulseIndex):
		return Verified{}, refuse("its address %q is not that of chain %d, pulse %d at NIST", p.URI, p.ChainIndex, p.PulseIndex)
	case p.StatusCode&1 != 0:
		return Verified{}, refuse("its status %d says that a new chain begins with it, without a tie to what came before", p.StatusCode)
	}
	signed, err := p.signedFields()
	if err != nil {
		return Verified{}, err
	}
	if len(p.SignatureValue)%2 != 0 || !isHex(p.SignatureValue, len(p.SignatureValue)) || p.SignatureValue == "" {
		return Verified{}, refuse("its signature is not hexadecimal")
	}
	signature, err := hex.DecodeString(p.SignatureValue)
	if err != nil {
		return Verified{}, refuse("its signature: %v", err)
	}
	v := Verified{Beacon: NIST, Round: at, Value: outputOf(signed, signature)}
	if !strings.EqualFold(p.OutputValue, v.Value) {
		return Verified{}, refuse("its output value is %.40s…, but the SHA-512 of its signed fields and signature is %.40s…", p.OutputValue, v.Value)
	}
	v.Shown = []string{
		"it is the pulse of " + at + ", as committed",
		"the output value is the SHA-512 of the signed fields and the signature",
	}
	v.NotShown = []string{
		"that NIST, the one operator, did not know or choose the value early",
		"when the record became known: only a copy of the commitment held by somebody else shows that it was made before the pulse",
	}
	if len(bytes.TrimSpace(certificate)) == 0 {
		v.NotShown = append([]string{"the RSA signature: the certificate was not given, so that anybody could have made this pulse; fetch https://beacon.nist.gov/beacon/2.0/certificate/" + strings.ToLower(p.CertificateID)}, v.NotShown...)
		return v, nil
	}
	chain, err := p.checkRSA(signed, signature, certificate, at, rootsPEM)
	if err != nil {
		return Verified{}, err
	}
	v.Shown = append(v.Shown, "the certificate given is the one that the pulse names", "the RSA signature over the signed fields is that of this certificate's key")
	if chain.shown != "" {
		v.Shown = append(v.Shown, chain.shown)
	}
	v.NotShown = append([]string{chain.notShown}, v.NotShown...)
	return v, nil
}

// parse reads a pulse.
func parse(record []byte) (*pulse, error) {
	var r struct {
		Pulse *pulse `json:"pulse"`
	}
	if err := json.Unmarshal(record, &r); err != nil {
		return nil, refuse("it is not a JSON object as NIST's service gives it (%v)", err)
	}
	if r.Pulse == nil {
		return nil, refuse("it has no \"pulse\"")
	}
	return r.Pulse, nil
}

// outputOf is the output value that belongs to the signed fields and the
// signature, in lower-case hexadecimal.
func outputOf(signed, signature []byte) string {
	sum := sha512.Sum512(append(bytes.Clone(signed), signature...))
	return hex.EncodeToString(sum[:])
}

// signedFields lays out the fields that NIST signs.
func (p *pulse) signedFields() ([]byte, error) {
	var b bytes.Buffer
	var bad []string
	number := func(n uint32) { b.Write(binary.BigEndian.AppendUint32(nil, n)) }
	index := func(n uint64) { b.Write(binary.BigEndian.AppendUint64(nil, n)) }
	text := func(s string) {
		number(uint32(len(s)))
		b.WriteString(s)
	}
	hash := func(name, s string) {
		raw, err := hex.DecodeString(s)
		if err != nil || len(raw) != 64 {
			bad = append(bad, name)
		}
		number(uint32(len(raw)))
		b.Write(raw)
	}
	text(p.URI)
	text(p.Version)
	number(p.CipherSuite)
	number(p.Period)
	hash("certificateId", p.CertificateID)
	index(p.ChainIndex)
	index(p.PulseIndex)
	text(p.TimeStamp)
	hash("localRandomValue", p.LocalRandomValue)
	hash("external.sourceId", p.External.SourceID)
	number(p.External.StatusCode)
	hash("external.value", p.External.Value)
	if len(p.ListValues) != len(pastTypes) {
		return nil, refuse("it names %d earlier pulses, want those of: %s", len(p.ListValues), strings.Join(pastTypes, ", "))
	}
	for i, past := range p.ListValues {
		if past.Type != pastTypes[i] {
			return nil, refuse("the earlier pulse number %d is called %q, want %q", i+1, past.Type, pastTypes[i])
		}
		hash("listValues "+past.Type, past.Value)
	}
	hash("precommitmentValue", p.PrecommitmentValue)
	number(p.StatusCode)
	if len(bad) > 0 {
		return nil, refuse("not 128 hexadecimal digits: %s", strings.Join(bad, ", "))
	}
	return b.Bytes(), nil
}

// checkRSA holds the certificate to the pulse, the signature (PKCS #1 v1.5 with
// SHA-512) to the certificate, and follows that to a root.
func (p *pulse) checkRSA(signed, signature, certificate []byte, at string, roots []byte) (followed, error) {
	block, rest := pem.Decode(certificate)
	if block == nil || block.Type != "CERTIFICATE" {
		return followed{}, refuse("the certificate is not in PEM form (-----BEGIN CERTIFICATE-----)")
	}
	id := sha512.Sum512(block.Bytes)
	if got := hex.EncodeToString(id[:]); !strings.EqualFold(got, p.CertificateID) {
		return followed{}, refuse("the certificate has SHA-512 %.40s…, the pulse names %.40s…", got, p.CertificateID)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return followed{}, refuse("the certificate cannot be read: %v", err)
	}
	key, ok := c.PublicKey.(*rsa.PublicKey)
	if !ok {
		return followed{}, refuse("the certificate's key is not an RSA key")
	}
	if err := signedBy(key, signed, signature); err != nil {
		return followed{}, err
	}
	return follow(c, rest, at, roots)
}

// signedBy checks the signature over the fields.
func signedBy(key *rsa.PublicKey, signed, signature []byte) error {
	digest := sha512.Sum512(signed)
	if rsa.VerifyPKCS1v15(key, crypto.SHA512, digest[:], signature) != nil {
		return refuse("its signature is not that of the certificate's key over its fields: the record was changed")
	}
	return nil
}
