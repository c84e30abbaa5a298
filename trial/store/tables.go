package store

// table is one table of the store: its columns and the key that orders its rows.
type table struct {
	name    string
	columns []string
	key     []string
}

// tables lists every table that holds trials, parents before children, with the
// columns in the order of the migrations (a test compares the two).
var tables = []table{
	{"trial", []string{"trial_id", "title", "made_at"}, []string{"trial_id"}},
	{"ledger", []string{"trial_id", "seq", "text", "digest"}, []string{"trial_id", "seq"}},
	{"protocol", []string{"trial_id", "version", "text", "digest", "at", "author", "reason"}, []string{"trial_id", "version"}},
	{"school", []string{"trial_id", "school_id", "name", "attributes", "stage", "since", "reason", "note", "source"}, []string{"trial_id", "school_id"}},
	{"stage_change", []string{"trial_id", "seq", "school_id", "from_stage", "to_stage", "changed_on", "reason", "note"}, []string{"trial_id", "seq"}},
	{"signature", []string{"trial_id", "school_id", "role", "signed_on"}, []string{"trial_id", "school_id", "role"}},
	{"identity", []string{"trial_id", "kind", "person", "name", "number", "email"}, []string{"trial_id", "kind", "person"}},
	{"leader", []string{"trial_id", "person", "school_id", "role", "named_on", "left_on"}, []string{"trial_id", "person"}},
	{"staff", []string{"trial_id", "staff_id", "school_id", "role", "years"}, []string{"trial_id", "staff_id"}},
	{"response", []string{"trial_id", "survey", "round", "staff_id", "answered_on"}, []string{"trial_id", "survey", "round", "staff_id"}},
	{"pupil", []string{"trial_id", "pupil_id", "school_id", "joiner", "attributes"}, []string{"trial_id", "pupil_id"}},
	{"score", []string{"trial_id", "measure", "person", "revision", "value", "missing"}, []string{"trial_id", "measure", "person", "revision"}},
	{"roster", []string{"trial_id", "version", "protocol", "design_text", "roster_text", "pupils_text", "at", "actor"}, []string{"trial_id", "version"}},
	{"commitment", []string{"trial_id", "roster", "source", "text", "at", "actor"}, []string{"trial_id"}},
	{"draw", []string{"trial_id", "roster", "chance", "allocation_text", "digest", "at", "actor", "confirmed_by"}, []string{"trial_id"}},
	{"assignment", []string{"trial_id", "school_id", "arm", "community"}, []string{"trial_id", "school_id"}},
	{"evidence", []string{"trial_id", "name", "text"}, []string{"trial_id", "name"}},
	{"wave_commitment", []string{"trial_id", "wave", "roster", "source", "text", "at", "actor"}, []string{"trial_id", "wave"}},
	{"wave_draw", []string{"trial_id", "wave", "roster", "chance", "allocation_text", "digest", "at", "actor", "confirmed_by"}, []string{"trial_id", "wave"}},
	{"wave_evidence", []string{"trial_id", "wave", "name", "text"}, []string{"trial_id", "wave", "name"}},
	{"draw_error", []string{"trial_id", "seq", "school_id", "kind", "note", "found_on", "at", "actor"}, []string{"trial_id", "seq"}},
	{"annulment", []string{"trial_id", "why", "at", "actor", "confirmed_by"}, []string{"trial_id"}},
	{"community_change", []string{"trial_id", "seq", "kind", "school_id", "arm", "from_community", "to_community", "changed_on", "reason", "at", "actor"}, []string{"trial_id", "seq"}},
	{"unblinding", []string{"trial_id", "outcome", "protocol", "plan_digest", "data_digest", "at", "actor", "confirmed_by"}, []string{"trial_id", "outcome"}},
	{"stop", []string{"trial_id", "stopped_on", "reason", "at", "actor"}, []string{"trial_id"}},
	{"attendance", []string{"trial_id", "session", "person", "school_id", "attended"}, []string{"trial_id", "session", "person"}},
	{"withdrawal", []string{"trial_id", "seq", "level", "subject", "left_what", "left_on", "reason", "note"}, []string{"trial_id", "seq"}},
	{"import", []string{"trial_id", "seq", "kind", "file", "digest", "rows", "stored", "not_stored", "at", "actor"}, []string{"trial_id", "seq"}},
	{"analysis", []string{"trial_id", "run", "protocol", "data_digest", "results_text", "digest", "at", "actor", "kind", "reason"}, []string{"trial_id", "run"}},
	{"flow", []string{"trial_id", "run", "outcome", "level", "arm", "randomised", "analysed", "lost"}, []string{"trial_id", "run", "outcome", "level", "arm"}},
	{"loss", []string{"trial_id", "run", "outcome", "level", "arm", "reason", "n"}, []string{"trial_id", "run", "outcome", "level", "arm", "reason"}},
	{"receipt", []string{"trial_id", "size", "head", "made_at", "holder"}, []string{"trial_id", "size", "holder"}},
}
