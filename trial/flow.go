package trial

// Flow is the way of schools and pupils through the trial, counted from the
// records: what a CONSORT diagram shows. At both levels and in every arm,
// Randomised = Analysed + the sum of Lost.
type Flow struct {
	Stages []StageCount // recruitment: schools that reached each stage, in order
	Exits  []Count      // schools that left before the draw, by stage and reason
	Arms   []ArmFlow    // in the protocol's order
}

// StageCount is how many schools reached a stage (and, of those, how many are
// at it now).
type StageCount struct {
	Stage   Stage `json:"stage"`
	Reached int   `json:"reached"`
	Now     int   `json:"now"`
}

// Count is a number with what it counts.
type Count struct {
	What string `json:"what"`
	N    int    `json:"n"`
}

// ArmFlow is one arm's part of the flow.
type ArmFlow struct {
	Arm     string    `json:"arm"`
	Label   string    `json:"label"`
	Control bool      `json:"control"`
	Schools LevelFlow `json:"schools"`
	Pupils  LevelFlow `json:"pupils"`
}

// LevelFlow is the flow of one arm at one level.
type LevelFlow struct {
	Randomised        int     `json:"randomised"`
	WithdrewProgramme int     `json:"withdrew_programme"` // left the programme, whether or not data were still collected
	Lost              []Count `json:"lost"`               // not analysed, by reason; in order of reason
	Analysed          int     `json:"analysed"`
	Joiners           int     `json:"joiners"` // came after the lock; never among the Randomised
}
