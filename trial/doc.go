// Package trial is the domain: what a trial's protocol declares, the schools
// and their way through recruitment, the roster as locked, the people and
// their scores, the phases that a trial passes, the ledger's entries, and the
// one place where roster, allocation and outcomes are joined into analysis
// rows. It knows no database and no clock: trial/store keeps what it
// describes, trial/conduct does the steps.
package trial
