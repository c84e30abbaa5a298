package audit

import (
	"encoding/json"
	"fmt"
)

// Actions of the ledger about a secure room.
const (
	actionRoomPack   = "analysis room-pack"
	actionRoomReturn = "analysis room-return"
)

// roomNote is what the checker reads of their entries.
type roomNote struct {
	Pack     string       `json:"pack"`
	Protocol int          `json:"protocol"`
	Plan     string       `json:"plan"`
	Rows     string       `json:"rows"`
	Outcomes []string     `json:"outcomes"`
	Scores   string       `json:"scores"`
	Results  []RoomResult `json:"results"`
}

// outside holds what came back from a secure room to what went in, and says that
// it was made outside.
func (v *verifier) outside() {
	packs := map[string]roomNote{}
	scores := map[string]string{} // by pack
	f := v.check(checkOrder)
	for _, e := range v.entries {
		if e.Action != actionRoomPack && e.Action != actionRoomReturn {
			continue
		}
		var x roomNote
		if err := json.Unmarshal(e.After, &x); err != nil {
			f.add("entry %d, %q, cannot be read: %v", e.Seq, e.Action, err)
			continue
		}
		if e.Action == actionRoomPack {
			packs[x.Pack] = x
			if got, _, err := v.plansOf(x.Protocol); err != nil {
				f.add("entry %d: %v", e.Seq, err)
			} else if got != x.Plan {
				f.add("entry %d carries a plan with digest %s into a room, that of protocol version %d has %s", e.Seq, x.Plan, x.Protocol, got)
			}
			continue
		}
		went, ok := packs[x.Pack]
		if before := scores[x.Pack]; before != "" && x.Scores != "" && before != x.Scores {
			v.say(Note, checkFit, "entry %d: these numbers were made from a file of outcomes with digest %.16s…, earlier ones of the same pack from another, %.16s…", e.Seq, x.Scores, before)
		}
		if x.Scores != "" {
			scores[x.Pack] = x.Scores
		}
		switch {
		case !ok:
			f.add("entry %d brings results back of pack %.16s…, which no entry before it carried in", e.Seq, x.Pack)
		case went.Plan != x.Plan || went.Rows != x.Rows:
			f.add("entry %d brings results back of another plan or other rows than its pack had", e.Seq)
		default:
			v.say(Note, checkFit, "entry %d: %d numbers were made outside, in a secure room, with plan %.16s…, rows %.16s… and %s, and cleared by %q: nothing in the bundle gives them again", e.Seq, len(x.Results), x.Plan, x.Rows, scoresOf(x), e.Why)
		}
	}
}

func scoresOf(x roomNote) string {
	if x.Scores == "" {
		return "scores whose digest did not leave it"
	}
	return fmt.Sprintf("scores %.16s…", x.Scores)
}
