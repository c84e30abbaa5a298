package randomize

import _ "embed"

// RuleText is RULE.md: the drawing rule in words, for whoever implements it
// anew.
//
//go:embed RULE.md
var RuleText []byte
