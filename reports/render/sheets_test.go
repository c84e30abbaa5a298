package render

import (
	"archive/zip"
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

// Numbers of the CSV read back as the cells' own values; texts never begin a
// formula, and negative numbers stay numbers.
func TestCSV(t *testing.T) {
	negative := 0
	for i := range len(sample.Hostiles()) {
		for _, table := range build(t, sample.Hostile(i)).Tables() {
			var b bytes.Buffer
			if err := CSV(&b, table); err != nil {
				t.Fatal(err)
			}
			lines, err := csv.NewReader(&b).ReadAll()
			if err != nil {
				t.Fatalf("table %s: %v", table.ID, err)
			}
			if len(lines) != len(table.Rows)+1 {
				t.Fatalf("table %s: %d lines of %d rows", table.ID, len(lines), len(table.Rows))
			}
			for r, row := range table.Rows {
				for c, cell := range row.Cells {
					got := lines[r+1][c]
					if cell.Kind == reports.Number {
						if v, err := strconv.ParseFloat(got, 64); err != nil || v != cell.Value {
							t.Errorf("cell %s is %v, in CSV %q", cell.Key(), cell.Value, got)
						}
						if cell.Value < 0 {
							negative++
						}
					} else if got != "" && strings.ContainsRune("=+-@\t\r", rune(got[0])) {
						t.Errorf("cell %s would begin a formula: %.40q", cell.Key(), got)
					}
				}
			}
		}
	}
	if negative < 50 {
		t.Errorf("only %d negative numbers were tried", negative)
	}
}

type xlsxCell struct {
	Ref   string `xml:"r,attr"`
	Type  string `xml:"t,attr"`
	Value string `xml:"v"`
	Text  string `xml:"is>t"`
	F     *struct {
		Text string `xml:",chardata"`
	} `xml:"f"`
}

// readXLSX reads the sheets' cells back.
func readXLSX(t *testing.T, b []byte) map[string]map[string]xlsxCell {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	open := func(name string) []byte {
		f, err := z.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(f)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	var book struct {
		Sheets []struct {
			Name string `xml:"name,attr"`
		} `xml:"sheets>sheet"`
	}
	if err := xml.Unmarshal(open("xl/workbook.xml"), &book); err != nil {
		t.Fatal(err)
	}
	out := map[string]map[string]xlsxCell{}
	for i, s := range book.Sheets {
		var sheet struct {
			Rows []struct {
				Cells []xlsxCell `xml:"c"`
			} `xml:"sheetData>row"`
		}
		if err := xml.Unmarshal(open(fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1)), &sheet); err != nil {
			t.Fatalf("sheet %q: %v", s.Name, err)
		}
		if len(s.Name) > 31 || out[s.Name] != nil {
			t.Errorf("sheet name %q is too long or stands twice", s.Name)
		}
		cells := map[string]xlsxCell{}
		for _, r := range sheet.Rows {
			for _, c := range r.Cells {
				cells[c.Ref] = c
			}
		}
		out[s.Name] = cells
	}
	return out
}

// Every number of every table is in the workbook as a number with all its
// digits, and nothing is a formula.
func TestXLSX(t *testing.T) {
	inputs := []reports.Input{sample.Input(), sample.Stopped()}
	for i := range len(sample.Hostiles()) {
		inputs = append(inputs, sample.Hostile(i))
	}
	for _, in := range inputs {
		r := build(t, in)
		var b, again bytes.Buffer
		if err := XLSX(&b, r); err != nil {
			t.Fatal(err)
		}
		if err := XLSX(&again, r); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(b.Bytes(), again.Bytes()) {
			t.Error("the same report gave two workbooks")
		}
		sheets := readXLSX(t, b.Bytes())
		numbers := 0
		for _, table := range r.Tables() {
			cells := sheets[sheetName(table)]
			first := 4
			if table.Groups != nil {
				first = 5
			}
			for k, row := range table.Rows {
				for c, cell := range row.Cells {
					got, ok := cells[columnName(c)+strconv.Itoa(first+k)]
					if !ok {
						t.Fatalf("cell %s is not in the workbook", cell.Key())
					}
					if cell.Kind == reports.Number {
						numbers++
						if v, err := strconv.ParseFloat(got.Value, 64); err != nil || v != cell.Value || got.Type != "" {
							t.Errorf("cell %s is %v, in the workbook %+v", cell.Key(), cell.Value, got)
						}
					} else if got.Type != "inlineStr" || strings.TrimSpace(got.Text) != strings.TrimSpace(show(cell.String())) {
						t.Errorf("cell %s is %.60q, in the workbook %.60q of type %q", cell.Key(), cell, got.Text, got.Type)
					}
					if got.F != nil {
						t.Errorf("cell %s is a formula", cell.Key())
					}
				}
			}
		}
		if numbers < 20 {
			t.Errorf("only %d numbers were compared", numbers)
		}
	}
}

func TestColumnName(t *testing.T) {
	for i, want := range map[int]string{0: "A", 25: "Z", 26: "AA", 51: "AZ", 52: "BA", 701: "ZZ", 702: "AAA"} {
		if got := columnName(i); got != want {
			t.Errorf("column %d is %q, want %q", i, got, want)
		}
	}
}

// The list of numbers has every number cell once, with all its digits, and the
// page shows each under its key.
func TestNumbers(t *testing.T) {
	r := build(t, sample.Input())
	var b bytes.Buffer
	if err := Numbers(&b, r); err != nil {
		t.Fatal(err)
	}
	lines, err := csv.NewReader(&b).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	page := asHTML(t, r)
	if len(lines) < 150 {
		t.Fatalf("only %d numbers", len(lines))
	}
	for _, l := range lines[1:] {
		if _, err := strconv.ParseFloat(l[1], 64); err != nil {
			t.Errorf("cell %s: %q is no number", l[0], l[1])
		}
		if !strings.Contains(page, `data-cell="`+l[0]+`"><bdi>`+strings.ReplaceAll(strings.ReplaceAll(l[2], "<", "&lt;"), "+", "&#43;")+`</bdi>`) {
			t.Errorf("cell %s does not read %q on the page", l[0], l[2])
		}
	}
}
