package audit

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"evenhand/trial"
	"evenhand/trial/sign"
)

// signatureName is the signature of the manifest, and so of every file. It is
// not in the manifest itself.
const signatureName = manifestName + ".minisig"

// Signer gives a function that signs a bundle's manifest (Bundle.Sign). What it
// signs along with it, the trusted comment, names the trial, the day and the
// manifest's digest. The same key, bundle and time give the same bytes.
func Signer(key *sign.SecretKey, trialID string, at time.Time) func(manifest []byte) (string, error) {
	return func(manifest []byte) (string, error) {
		return key.Sign(manifest, fmt.Sprintf("evenhand audit bundle of trial %s, made %s, %s has SHA-256 %s", trialID, at.UTC().Format(time.RFC3339), manifestName, digest(manifest)))
	}
}

// signature checks who signed the manifest.
func (v *verifier) signature() {
	f := v.check(checkFiles)
	text, ok := v.files[signatureName]
	if !ok {
		if len(v.opts.PublicKeys) > 0 {
			f.add("the bundle is not signed: it has no %s, and you gave a public key", signatureName)
			return
		}
		v.say(Note, checkFiles, "the bundle is not signed: who made it, nothing in it says")
		return
	}
	s, err := sign.ParseSignature(string(text))
	if err != nil {
		f.add("%s: %v", signatureName, err)
		return
	}
	if len(v.opts.PublicKeys) == 0 {
		v.say(Note, checkFiles, "the bundle is signed by key %s, which you did not give: its signature was not checked (--public-key does that; whose key it is, you must know from elsewhere)", s.IDText())
		return
	}
	var faults []string
	for _, k := range v.opts.PublicKeys {
		err := k.Verify(v.files[manifestName], s)
		if err == nil {
			v.say(Pass, checkFiles, "signed by key %s, which you gave; its words: %s", s.IDText(), s.Comment)
			return
		}
		faults = append(faults, strings.TrimPrefix(err.Error(), sign.ErrSignature.Error()+": "))
	}
	f.add("%s does not hold: %s", signatureName, strings.Join(faults, "; "))
}

// receiptSignature says who signed a receipt that the checker brought, and
// whether that is true.
func (v *verifier) receiptSignature(f *failures, name string, r trial.Receipt) {
	if r.Signature == "" {
		return
	}
	if len(v.opts.PublicKeys) == 0 {
		v.say(Note, checkReceipts, "%s is signed by key %s, which you did not give: its signature was not checked", name, r.Key)
		return
	}
	var faults []error
	for _, k := range v.opts.PublicKeys {
		err := r.VerifySignature(k)
		if err == nil {
			v.say(Pass, checkReceipts, "%s was signed by key %s, which you gave: its holder cannot have made it up", name, r.Key)
			return
		}
		faults = append(faults, err)
	}
	f.add("%s: %v", name, errors.Join(faults...))
}
