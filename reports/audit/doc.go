// Package audit writes a trial's audit bundle and checks it: one zip file with
// everything that an outsider needs to check the trial without its database
// and without trusting whoever made the bundle. FORMAT.md says what is in it,
// exactly enough to write another checker from.
//
// Write gives the same bytes for the same records. Verify needs the file and
// nothing else; what an outsider holds from earlier (a receipt, the text of the
// commitment) makes it say more.
package audit
