package intake

import (
	"fmt"
	"io"
	"strconv"

	"evenhand/trial"
)

// maxMinutes is the longest journey that is read: a day.
const maxMinutes = 24 * 60

// Minutes reads a file of minutes between schools: a header of "school" and the
// schools' IDs, then a row for each school with the whole minutes from it to
// each of the others. The cells of a school to itself may be empty or 0.
func Minutes(name string, r io.Reader) (trial.Minutes, error) {
	s := readSheet(name, r)
	from := s.need("the school that a row's journeys begin at", "school", "id", "urn")
	var to []column
	for i, h := range s.header {
		if i != from.at && h != "" {
			to = append(to, s.find(h)) // two columns of one name are a fault
		}
	}
	m := trial.Minutes{}
	for _, row := range s.rows {
		id, ok := s.text(row, from, "the school's ID")
		if !ok {
			continue
		}
		if m[id] != nil {
			s.fault(row, from, "the school has a row already", "only one of them could be read: take one out")
			continue
		}
		m[id] = map[string]int64{}
		for _, c := range to {
			v := s.value(row, c)
			if c.header == id && (v == "" || v == "0") {
				continue
			}
			minutes, err := strconv.ParseInt(v, 10, 64)
			switch {
			case v == "":
				s.fault(row, c, "the cell is empty", "give the minutes from the row's school to the column's, on the usual way")
			case err != nil || minutes < 0:
				s.fault(row, c, fmt.Sprintf("%q is no whole number of minutes", v), "the draw meets whole numbers only: round it, as in 35")
			case minutes > maxMinutes:
				s.fault(row, c, fmt.Sprintf("%d minutes are more than a day", minutes), "are these seconds or metres? Give whole minutes")
			case c.header == id:
				s.fault(row, c, "the way from a school to itself takes time", "are the columns in another order than their headers? Leave the cell empty")
			default:
				m[id][c.header] = minutes
			}
		}
	}
	if err := s.faults.err(); err != nil {
		return nil, err
	}
	return m, nil
}
