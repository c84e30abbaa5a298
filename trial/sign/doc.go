// Package sign makes and checks signatures: Ed25519 keys and signatures in the
// file formats of minisign (so that a file signed here is checked with that
// tool, and the other way round), and signed checkpoints in the note format of
// golang.org/x/mod/sumdb/note, with the same keys.
//
// It is pure: files are texts, and entropy comes in as an argument. A signature
// says who signed, if one knows from elsewhere whose key it is; what was true
// it does not say.
package sign
