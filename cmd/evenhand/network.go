package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis/network"
	"evenhand/reports/figure"
)

// networkJSON is one network's measures.
type networkJSON struct {
	Network string `json:"network"` // "" where there is only one
	network.Measures
}

// networkFlags are those of analysis network.
type networkFlags struct {
	ties, people, by string
	undirected       bool
	picture          string
}

func (a *app) networkCommand() *cobra.Command {
	var f networkFlags
	c := command("network", "Describe networks of staff or schools: who turns to whom",
		"Describe networks from a CSV file of ties with the columns from and to, one tie a row: how dense the\nties are, how often they are returned, whether they run through a few people, and who these are.\nWith --by, each value of that column is a network of its own, say a school.\n\nThe file of --people lists everybody: a column person, and where there are such columns answered\n(yes or no: whether the person was there to name others) and group (for the E-I index); with --by that\ncolumn too. Without it, the people are those in the ties, and all count as having answered.\n\n--picture writes the networks as a picture (.svg or .png); the same ties always give the same picture.",
		"evenhand analysis network --ties advice.csv\nevenhand analysis network --ties advice.csv --people staff.csv --by school --picture advice.svg\nevenhand analysis network --ties advice.csv --undirected --format json", noArgs,
		func(_ context.Context, _ []string) error {
			if f.ties == "" {
				return usagef("analysis network needs --ties: a CSV file with the columns from and to")
			}
			if err := pictureForm(f.picture); err != nil {
				return err
			}
			names, networks, err := a.readNetworks(f)
			if err != nil {
				return err
			}
			out := make([]networkJSON, len(networks))
			var faults []error
			for i, n := range networks {
				m, err := n.Describe()
				if err != nil {
					if names[i] != "" {
						err = fmt.Errorf("%s: %w", names[i], err)
					}
					faults = append(faults, err)
				}
				out[i] = networkJSON{names[i], m}
			}
			if len(faults) > 0 {
				return errors.Join(faults...)
			}
			if f.picture != "" {
				if err := a.writePicture(f.picture, sociogram(names, networks, out)); err != nil {
					return err
				}
			}
			return a.print(map[string][]networkJSON{"networks": out}, func() { a.showNetworks(out, f.undirected) })
		})
	flags := c.Flags()
	flags.StringVar(&f.ties, "ties", "", "the CSV file of ties, with the columns from and to")
	flags.StringVar(&f.people, "people", "", "a CSV file of everybody, with the column person")
	flags.StringVar(&f.by, "by", "", "a column of both files: each of its values is a network of its own")
	flags.BoolVar(&f.undirected, "undirected", false, "ties run both ways, and each is listed once")
	flags.StringVar(&f.picture, "picture", "", "write a picture of the networks to this file: .svg or .png")
	return c
}

// readNetworks reads the networks, by name.
func (a *app) readNetworks(f networkFlags) (names []string, networks []*network.Network, err error) {
	ties, err := a.readTable(f.ties)
	if err != nil {
		return nil, nil, err
	}
	by := map[string]*network.Network{}
	at := map[string]map[string]int{} // of each network's people
	get := func(name string) *network.Network {
		if by[name] == nil {
			by[name], at[name] = &network.Network{Undirected: f.undirected}, map[string]int{}
		}
		return by[name]
	}
	// name gives the network that a row belongs to.
	name := func(d *tableData, row []string, col int) string {
		if col < 0 {
			return ""
		}
		return row[col]
	}
	column := func(d *tableData, header string) int {
		if header == "" {
			return -1
		}
		return d.find("by", header)
	}
	groups := map[string]map[string]int{}
	if f.people != "" {
		d, err := a.readTable(f.people)
		if err != nil {
			return nil, nil, err
		}
		person, in := d.find("people", "person"), column(d, f.by)
		answered, group := slices.Index(d.t.Header, "answered"), slices.Index(d.t.Header, "group")
		for i, row := range d.t.Rows {
			if person < 0 || f.by != "" && in < 0 {
				break
			}
			key, id := name(d, row, in), row[person]
			n := get(key)
			if _, twice := at[key][id]; twice || id == "" {
				d.faults = append(d.faults, fmt.Sprintf("%s row %d: person %q is empty or listed twice: each stands once", d.file, d.t.At[i], id))
				continue
			}
			at[key][id] = len(n.People)
			n.People = append(n.People, id)
			if answered >= 0 {
				switch strings.ToLower(row[answered]) {
				case "yes", "no":
					n.Answered = append(n.Answered, strings.EqualFold(row[answered], "yes"))
				default:
					d.faults = append(d.faults, fmt.Sprintf("%s row %d, answered: %q is neither yes nor no", d.file, d.t.At[i], row[answered]))
				}
			}
			if group >= 0 {
				if groups[key] == nil {
					groups[key] = map[string]int{}
				}
				if _, known := groups[key][row[group]]; !known {
					groups[key][row[group]] = len(groups[key])
				}
				n.Group = append(n.Group, groups[key][row[group]])
			}
		}
		if len(d.faults) > 0 {
			return nil, nil, d.fault()
		}
	}
	from, to, in := ties.find("ties", "from"), ties.find("ties", "to"), column(ties, f.by)
	for i, row := range ties.t.Rows {
		if from < 0 || to < 0 || f.by != "" && in < 0 {
			break
		}
		key := name(ties, row, in)
		n := get(key)
		tie := [2]int{}
		for k, id := range []string{row[from], row[to]} {
			who, known := at[key][id]
			switch {
			case id == "":
				ties.faults = append(ties.faults, fmt.Sprintf("%s row %d: a tie needs somebody at both ends", ties.file, ties.t.At[i]))
			case !known && f.people != "":
				ties.faults = append(ties.faults, fmt.Sprintf("%s row %d: %q is not in %s: add a row there, or mend the name", ties.file, ties.t.At[i], id, f.people))
			case !known:
				who = len(n.People)
				at[key][id] = who
				n.People = append(n.People, id)
			}
			tie[k] = who
		}
		n.Ties = append(n.Ties, tie)
	}
	if len(ties.faults) > 0 {
		return nil, nil, ties.fault()
	}
	for key := range by {
		names = append(names, key)
	}
	slices.Sort(names)
	for _, key := range names {
		networks = append(networks, by[key])
	}
	if len(networks) == 0 {
		return nil, nil, fmt.Errorf("%s has no tie, so there is no network", ties.file)
	}
	return names, networks, nil
}

// sociogram is the picture of the networks: who did not answer is open.
func sociogram(names []string, networks []*network.Network, measures []networkJSON) figure.Drawing {
	p := figure.Sociogram{Title: "Networks", Desc: "Who turns to whom: "}
	for i, n := range networks {
		m := measures[i]
		net := figure.Net{Label: names[i], Text: fmt.Sprintf("%d people, %s", m.People, count(m.Ties, "tie"))}
		for k, id := range n.People {
			net.Members = append(net.Members, figure.Member{ID: id, Label: id, Arm: figure.Arm{Index: 0, Control: n.Answered != nil && !n.Answered[k]}, Size: 1 + float64(m.Each[k].In)/2})
		}
		for _, t := range n.Ties {
			net.Ties = append(net.Ties, figure.Tie{A: t[0], B: t[1], Arrow: !n.Undirected})
		}
		p.Nets = append(p.Nets, net)
		p.Desc += strings.TrimPrefix(names[i]+": ", ": ") + net.Text + "; "
	}
	p.Desc = strings.TrimSuffix(p.Desc, "; ") + ". Larger marks are named by more people; open ones did not answer."
	return p
}

func (a *app) showNetworks(all []networkJSON, undirected bool) {
	rows := [][]string{{"network", "people", "answered", "ties", "density", "returned", "transitivity", "centralisation", "parts", "E-I"}}
	full := func(v float64) string { return fmt.Sprintf("%.3f", v) }
	for _, m := range all {
		central, returned, ei := full(m.CentralisationIn), full(m.ReciprocityTies), "–"
		if undirected {
			central, returned = full(m.CentralisationDegree), "–"
		}
		if m.HasGroups {
			ei = full(m.EI)
		}
		rows = append(rows, []string{m.Network, fmt.Sprint(m.People), fmt.Sprint(m.Respondents), fmt.Sprint(m.Ties), full(m.Density), returned, full(m.Transitivity), central, fmt.Sprint(m.Components), ei})
	}
	a.table(rows)
	for _, m := range all {
		for _, w := range m.Warnings {
			a.say("%s", strings.TrimPrefix(m.Network+": ", ": ")+w.Text)
		}
	}
	a.say("Returned: share of ties that are returned. Centralisation: of being named, or of ties where they run both ways (Freeman). Each person's measures: --format json.")
}
