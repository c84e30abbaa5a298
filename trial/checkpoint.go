package trial

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"evenhand/trial/sign"
)

// origin is the name under which a trial's checkpoints are signed.
func origin(trialID string) string { return "evenhand/" + trialID }

// Checkpoint is what a signed receipt signs: origin, number of entries and root
// of their tree, each on a line, as checkpoints of transparency logs have them
// (C2SP tlog-checkpoint), then lines of our own with the rest of the receipt.
func (r Receipt) Checkpoint() string {
	return fmt.Sprintf("%s\n%d\n%s\nhead %s\nmade %s\nkey %s\n", origin(r.Trial), r.Size, r.Tree, r.Head, r.At.UTC().Format(time.RFC3339), r.Key)
}

// Sign gives the receipt signed with a key. It must have the tree's root.
func (r Receipt) Sign(key *sign.SecretKey) (Receipt, error) {
	if r.Tree == "" {
		return r, errors.New("a receipt without the root of the tree cannot be signed")
	}
	r.Key = key.Public().IDText()
	var err error
	r.Signature, err = key.SignNote(origin(r.Trial), r.Checkpoint())
	return r, err
}

// ErrUnsigned says that a receipt bears no signature.
var ErrUnsigned = errors.New("the receipt is not signed")

// VerifySignature says whether the key signed the receipt, all of it.
func (r Receipt) VerifySignature(key sign.PublicKey) error {
	switch {
	case r.Signature == "":
		return ErrUnsigned
	case r.Key != key.IDText():
		return fmt.Errorf("%w: the receipt was signed by key %s, and this is key %s", sign.ErrSignature, r.Key, key.IDText())
	}
	return key.VerifyNote(origin(r.Trial), r.Checkpoint(), r.Signature)
}

// signatureText is what stands below the lines of a receipt: nothing, or the
// signed checkpoint, which is a whole signed note.
func (r Receipt) signatureText() string {
	if r.Signature == "" {
		return ""
	}
	return "\n" + r.Checkpoint() + "\n" + signatureLine(r.Trial) + r.Signature + "\n"
}

func signatureLine(trialID string) string { return "— " + origin(trialID) + " " }

// parseTree reads what may follow the lines of a receipt: the tree's root, and
// the signed checkpoint. What follows and is neither is passed over.
func (r *Receipt) parseTree(lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	root, ok := strings.CutPrefix(lines[0], "tree ")
	if !ok {
		return nil
	}
	if _, err := hashOf(root); err != nil {
		return fmt.Errorf("tree: %w", err)
	}
	r.Tree = root
	// Blank lines may come and go on the way.
	var note []string
	for _, line := range lines[1:] {
		if line != "" {
			note = append(note, line)
		}
	}
	if len(note) == 0 || note[0] != origin(r.Trial) {
		return nil
	}
	const keyLine = 5
	if len(note) > keyLine {
		r.Key, _ = strings.CutPrefix(note[keyLine], "key ")
	}
	if n, err := strconv.ParseUint(r.Key, 16, 64); err != nil || fmt.Sprintf("%016X", n) != r.Key {
		return fmt.Errorf("the checkpoint below the receipt names the key %q, which is not 16 capital hexadecimal digits", r.Key)
	}
	want := strings.Split(strings.TrimSuffix(r.Checkpoint(), "\n"), "\n")
	for i, line := range want {
		if note[i] != line {
			return fmt.Errorf("line %d of the checkpoint below the receipt is %q; by the receipt it should be %q", i+1, note[i], line)
		}
	}
	if len(note) > len(want) {
		r.Signature, ok = strings.CutPrefix(note[len(want)], signatureLine(r.Trial))
	}
	if !ok || r.Signature == "" {
		return fmt.Errorf("the checkpoint below the receipt is not followed by its signature, a line that begins %q", signatureLine(r.Trial))
	}
	return nil
}
