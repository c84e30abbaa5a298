package beacon

import (
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"fmt"
	"strings"
)

// rootsPEM are the root certificates of DigiCert, which has issued the beacon's
// certificates: Global Root G2, Global Root CA and TLS RSA4096 Root G5, as
// browsers carry them. A test holds their SHA-256 digests.
//
//go:embed roots.pem
var rootsPEM []byte

// beaconHost is where NIST's beacon is; its certificates are made out to names
// below it.
const beaconHost = "beacon.nist.gov"

// followed is how far a certificate could be followed towards a known root.
type followed struct {
	shown    string // "" where nothing was shown
	notShown string
}

// follow follows the certificate to a root, at the pulse's time: by the further
// certificates that stand after it in the PEM text, to one of the roots that this
// program carries. Certificates that are given and do not lead there are an
// error, since somebody took them for the chain.
func follow(leaf *x509.Certificate, rest []byte, at string, carried []byte) (followed, error) {
	when := leaf.NotBefore // of its type; package time, with its clock, is not for this package
	if err := when.UnmarshalText([]byte(at)); err != nil {
		return followed{}, refuse("its time %q is none", at)
	}
	between, n, err := certificates(rest)
	if err != nil {
		return followed{}, err
	}
	issuer := fmt.Sprintf("%q, issued by %q", leaf.Subject.CommonName, leaf.Issuer.CommonName)
	if n == 0 {
		return followed{notShown: "that the certificate is NIST's: it calls itself " + issuer + "; its issuer's signature was not checked, since the file holds no issuer's certificate after it"}, nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(carried)
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: when, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	if err != nil {
		return followed{}, refuse("the certificates given do not lead from %s to a root that this program knows: %v", issuer, err)
	}
	chain := chains[0]
	root := chain[len(chain)-1].Subject.CommonName
	name := ""
	for _, host := range append(leaf.DNSNames, leaf.Subject.CommonName) {
		if host == beaconHost || strings.HasSuffix(host, "."+beaconHost) {
			name = host
		}
	}
	if name == "" {
		return followed{}, refuse("the certificate is made out to %q, not to a name below %s", leaf.Subject.CommonName, beaconHost)
	}
	return followed{
		shown:    fmt.Sprintf("the certificate is made out to %s, was valid at the pulse's time, and leads through %d certificates given to the root %q that this program carries", name, len(chain)-2, root),
		notShown: "that the certificate had not been revoked, and that its issuer gave it to NIST alone",
	}, nil
}

// certificates reads PEM text that holds certificates and nothing else.
func certificates(text []byte) (pool *x509.CertPool, n int, err error) {
	pool = x509.NewCertPool()
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, 0, refuse("after the certificate stands a %s, and only its issuers' certificates belong there", strings.ToLower(block.Type))
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, 0, refuse("certificate %d after the first cannot be read: %v", n+1, err)
		}
		pool.AddCert(c)
		n++
		text = rest
	}
	return pool, n, nil
}
