package render

import (
	"bytes"
	"encoding/xml"
	"flag"
	"fmt"
	"html"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

var update = flag.Bool("update", false, "write the golden files anew")

func build(t testing.TB, in reports.Input) *reports.Report {
	t.Helper()
	r, err := reports.Build(in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func asHTML(t testing.TB, r *reports.Report) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func inputs() map[string]reports.Input {
	return map[string]reports.Input{"finished": sample.Input(), "stopped": sample.Stopped(), "recruiting": sample.Recruiting(), "blind": sample.Blind()}
}

// Golden files: rewritten with -update, looked at in a browser when they change.
func TestGolden(t *testing.T) {
	for _, name := range []string{"finished", "stopped"} {
		in := inputs()[name]
		r := build(t, in)
		var text bytes.Buffer
		if err := Text(&text, r); err != nil {
			t.Fatal(err)
		}
		for ext, got := range map[string]string{".html": asHTML(t, r), ".txt": text.String()} {
			file := filepath.Join("testdata", name+ext)
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				continue
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				at := 0
				for at < len(got) && at < len(want) && got[at] == want[at] {
					at++
				}
				t.Errorf("%s: differs from byte %d:\n got …%.120q\nwant …%.120q\n(go test -run TestGolden -update writes it anew)", file, at, got[max(0, at-40):], string(want[max(0, at-40):]))
			}
			if again := asHTML(t, build(t, in)); ext == ".html" && again != got {
				t.Errorf("%s: the same input gave two different pages", name)
			}
		}
	}
}

// piece is a text of a page with the tags that it stands in.
type piece struct {
	text string
	tags []string // innermost last, e.g. `span class="c" data-cell="x"`
}

func (p piece) in(part string) bool {
	for _, t := range p.tags {
		if strings.Contains(t, part) {
			return true
		}
	}
	return false
}

var voidTags = map[string]bool{"meta": true, "link": true, "br": true, "img": true, "!doctype": true}

// pieces takes a page apart. It fails on a page whose tags are not balanced,
// which is what broken escaping looks like.
func pieces(t testing.TB, page string) []piece {
	t.Helper()
	var all []piece
	var stack []string
	for len(page) > 0 {
		i := strings.IndexByte(page, '<')
		if i < 0 {
			i = len(page)
		}
		if text := html.UnescapeString(page[:i]); strings.TrimSpace(text) != "" {
			all = append(all, piece{text, append([]string{}, stack...)})
		}
		if i == len(page) {
			break
		}
		end := strings.IndexByte(page[i:], '>')
		if end < 0 {
			t.Fatalf("a tag without an end: %.80q", page[i:])
		}
		tag := page[i+1 : i+end]
		page = page[i+end+1:]
		name := strings.ToLower(strings.TrimSuffix(strings.Fields(tag + " ")[0], "/"))
		switch {
		case strings.HasPrefix(tag, "/"):
			if len(stack) == 0 || strings.Fields(stack[len(stack)-1])[0] != tag[1:] {
				t.Fatalf("</%s> closes nothing; open are %q", tag[1:], stack)
			}
			stack = stack[:len(stack)-1]
		case voidTags[name] || strings.HasSuffix(tag, "/"):
		case name == "style":
			j := strings.Index(page, "</style>")
			page = page[j+len("</style>"):]
		default:
			stack = append(stack, tag)
		}
	}
	if len(stack) > 0 {
		t.Fatalf("never closed: %q", stack)
	}
	return all
}

var numberIn = regexp.MustCompile(`[−-]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?`)

// orphans lists the numbers of a page that are no cell's.
func orphans(t testing.TB, r *reports.Report, page string) []string {
	t.Helper()
	known := map[string]bool{}
	byKey := map[string]string{}
	learn := func(s string) {
		for _, n := range numberIn.FindAllString(s, -1) {
			known[n] = true
		}
	}
	for _, tab := range r.Tables() {
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				if len(c.Refs) > 0 {
					continue
				}
				learn(c.String())
				byKey[c.Key()] = c.String()
			}
		}
	}
	for _, tab := range r.Beside { // sentences may have their cells, and only they
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				byKey[c.Key()] = c.String()
			}
		}
	}
	labels := map[string]string{} // of tables and figures by their ID
	for _, tab := range r.Tables() {
		labels[tab.ID] = fmt.Sprint("Table ", tab.Number)
	}
	for _, f := range r.Figures() {
		labels[f.ID] = fmt.Sprint("Figure ", f.Number)
	}
	for _, s := range r.Sections {
		labels[s.ID] = s.Title
	}
	// Names that somebody else chose, and the sentences of warnings.
	for _, f := range r.Facts {
		learn(f.Value)
	}
	for _, n := range r.Notes {
		learn(n.Text)
	}
	for _, tab := range r.Tables() {
		for _, f := range tab.Foot {
			learn(f)
		}
	}
	learn(r.Draft)
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Gap != nil {
				learn(b.Gap.Why)
			}
		}
	}
	var out []string
	cells := 0
	for _, p := range pieces(t, page) {
		if p.in(`class="no"`) || p.in("sup") || p.in("mute tick") || p.in("footer") || p.in(`class="lines"`) {
			continue // numbers of tables, figures and notes; marks on an axis; the page's own date; lines of R and Stata
		}
		if p.in(`class="ref"`) { // a reference says what stands where it leads
			_, rest, _ := strings.Cut(p.tags[len(p.tags)-1], `href="#`)
			if id, _, _ := strings.Cut(rest, `"`); labels[id] != p.text {
				out = append(out, fmt.Sprintf("%q refers to %s, which is %q", p.text, id, labels[id]))
			}
			continue
		}
		for _, tag := range p.tags {
			if _, rest, ok := strings.Cut(tag, `data-cell="`); ok {
				key, _, _ := strings.Cut(rest, `"`)
				want, known := byKey[key]
				if !known && (p.text == ", " || p.text == "–") {
					continue // a cell of references
				}
				if want != p.text {
					out = append(out, fmt.Sprintf("%q stands for cell %s, which is %q", p.text, key, byKey[key]))
				}
				cells++
			}
		}
		if key := cellOf(p); key != "" && byKey[key] == p.text {
			continue
		}
		// A sentence outside its cells has no digit at all.
		if len(p.tags) > 0 && strings.HasPrefix(p.tags[len(p.tags)-1], "p") && p.in("main") && !p.in("foot") && strings.ContainsAny(p.text, "0123456789") {
			out = append(out, fmt.Sprintf("a sentence has a number of its own: %q", p.text))
		}
		for _, n := range numberIn.FindAllString(p.text, -1) {
			if !known[n] {
				out = append(out, fmt.Sprintf("%s in %q", n, p.text))
			}
		}
	}
	for _, c := range numberCells(r) {
		if !strings.Contains(page, `data-cell="`+c.Key()+`"`) {
			out = append(out, "cell "+c.Key()+" is not on the page")
		}
	}
	if cells < 20 {
		t.Fatalf("only %d cells were found on the page", cells)
	}
	return out
}

// cellOf gives the key of the cell that a piece stands in.
func cellOf(p piece) string {
	for _, tag := range p.tags {
		if _, rest, ok := strings.Cut(tag, `data-cell="`); ok {
			key, _, _ := strings.Cut(rest, `"`)
			return key
		}
	}
	return ""
}

// Every number on the page is a cell's: in sentences, tables and pictures.
func TestEveryNumberIsACell(t *testing.T) {
	for name, in := range inputs() {
		r := build(t, in)
		for _, o := range orphans(t, r, asHTML(t, r)) {
			t.Errorf("%s: %s", name, o)
		}
	}
}

// The check above must see a number that is no cell's, wherever it stands.
func TestOrphansAreSeen(t *testing.T) {
	r := build(t, sample.Input())
	good := asHTML(t, r)
	for name, c := range map[string][2]string{
		"sentence": {"pupils were randomised", "pupils (3,697) were randomised"},
		"table":    {">308<", ">3,697<"},
		"picture":  {"0.26 (−0.16 to 0.68)", "0.27 (−0.16 to 0.68)"},
		"caption":  {"Effect on the primary outcome", "Effect on 77 outcomes"},
	} {
		bad := strings.Replace(good, c[0], c[1], 1)
		if bad == good {
			t.Fatalf("%s: %q is not on the page", name, c[0])
		}
		if len(orphans(t, r, bad)) == 0 {
			t.Errorf("%s: a wrong number was not seen", name)
		}
	}
}

// The page loads nothing, runs nothing and links to nothing outside.
func TestSelfContained(t *testing.T) {
	page := regexp.MustCompile(`(?s)<pre>.*?</pre>`).ReplaceAllString(asHTML(t, build(t, sample.Input())), "") // Stata's remarks begin with //
	for _, bad := range []string{"<script", "http:", "https:", "//", "url(", "@import", "<link", "<img", "<iframe", "javascript:", " on"} {
		text := strings.ReplaceAll(page, `xmlns="http://www.w3.org/2000/svg"`, "")
		if bad == " on" {
			if m := regexp.MustCompile(`<[^>]* on[a-z]+=`).FindString(text); m != "" {
				t.Errorf("an event handler: %q", m)
			}
			continue
		}
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("%q is on the page: …%.80q", bad, text[max(0, i-30):])
		}
	}
	if !strings.Contains(page, `content="default-src 'none'; style-src 'unsafe-inline'`) {
		t.Error("no content security policy")
	}
}

// Structure for keyboards and screen readers: one h1, every section named by
// its heading, every table with caption and scopes, every picture with title
// and description, identifiers unique and link targets there.
func TestAccessible(t *testing.T) {
	for name, in := range inputs() {
		page := asHTML(t, build(t, in))
		count := func(s string) int { return strings.Count(page, s) }
		if count("<h1") != 1 {
			t.Errorf("%s: %d headings of the first order", name, count("<h1"))
		}
		if count("<table>") != count("<caption") || count("<table>") == 0 {
			t.Errorf("%s: %d tables, %d captions", name, count("<table>"), count("<caption"))
		}
		if count("<svg") != count("<title id=") || count("<svg") != count("<desc id=") || count("<svg") != count(`role="img"`) {
			t.Errorf("%s: %d pictures, %d titles, %d descriptions", name, count("<svg"), count("<title id="), count("<desc id="))
		}
		ids := map[string]bool{}
		for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if ids[m[1]] {
				t.Errorf("%s: two elements with the ID %s", name, m[1])
			}
			ids[m[1]] = true
		}
		for _, m := range regexp.MustCompile(` (?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(page, -1) {
			for _, id := range strings.Fields(m[1]) {
				if !ids[id] {
					t.Errorf("%s: nothing has the ID %s, which is referred to", name, id)
				}
			}
		}
		if regexp.MustCompile(`<th(?: class="n")?>`).MatchString(page) {
			t.Errorf("%s: a heading of a table without a scope", name)
		}
	}
}

// Text stands out from what it stands on by 4.5 to 1 and marks by 3 to 1, as
// WCAG 2 asks at level AA, on light, dark and printed pages.
func TestContrast(t *testing.T) {
	css := mustRead("templates/report.css")
	sets := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(css, -1)
	if len(sets) != 3 {
		t.Fatalf("%d sets of colours, not those of light, dark and print", len(sets))
	}
	luminance := func(hex string) float64 {
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		v, err := strconv.ParseUint(hex, 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		part := func(b uint64) float64 {
			x := float64(b&0xff) / 255
			if x <= 0.04045 {
				return x / 12.92
			}
			return math.Pow((x+0.055)/1.055, 2.4)
		}
		return 0.2126*part(v>>16) + 0.7152*part(v>>8) + 0.0722*part(v)
	}
	contrast := func(a, b string) float64 {
		x, y := luminance(a), luminance(b)
		return (math.Max(x, y) + 0.05) / (math.Min(x, y) + 0.05)
	}
	if c := contrast("767676", "fff"); math.Abs(c-4.54) > 0.01 {
		t.Fatalf("the measure is wrong: %v", c)
	}
	for i, set := range sets {
		colour := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(set[1], -1) {
			colour[m[1]] = m[2]
		}
		check := func(what, on string, least float64) {
			if colour[what] == "" || colour[on] == "" {
				t.Errorf("set %d lacks %s or %s", i, what, on)
			} else if c := contrast(colour[what], colour[on]); c < least {
				t.Errorf("set %d: %s on %s has a contrast of %.2f, less than %v", i, what, on, c, least)
			}
		}
		for _, on := range []string{"paper", "tint", "box", "shade", "zone1", "zone2"} {
			check("ink", on, 4.5)
			check("mute", on, 4.5)
		}
		check("ink", "warn-tint", 4.5)
		check("warn", "warn-tint", 4.5)
		check("accent", "paper", 4.5)
		check("accent", "warn-tint", 4.5)
		for a := range 6 {
			check(fmt.Sprint("arm", a), "paper", 3)
		}
	}
}

// Names that try to be markup, turn the text around or are very long are
// shown, whole or with a word on what was cut, and nothing else changes.
func TestHostileNames(t *testing.T) {
	names := sample.Hostiles()
	if len(names) < 15 {
		t.Fatalf("only %d hostile names", len(names))
	}
	tagsOf := regexp.MustCompile(`<[a-z!/][^\s>]*`)
	plain := map[string]bool{}
	for _, m := range tagsOf.FindAllString(asHTML(t, build(t, sample.Input())), -1) {
		plain[m] = true
	}
	for i, name := range names {
		page := asHTML(t, build(t, sample.Hostile(i)))
		pieces(t, page) // balanced
		for _, m := range tagsOf.FindAllString(page, -1) {
			if !plain[m] {
				t.Errorf("%.40q made the tag %s", name, m)
			}
		}
		for _, r := range page {
			if r < ' ' && r != '\n' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200b || r == 0xfeff || r == 0x2028 {
				t.Errorf("%.40q: the character U+%04X is on the page", name, r)
				break
			}
		}
		if m := regexp.MustCompile(`<[^>]*\son[a-z]+\s*=`).FindString(page); m != "" {
			t.Errorf("%.40q made an event handler: %q", name, m)
		}
		if len(page) > 800_000 {
			t.Errorf("%.40q made a page of %d bytes", name, len(page))
		}
		shown := html.EscapeString(show(name))
		if !strings.Contains(page, strings.ReplaceAll(shown, "+", "&#43;")) && !strings.Contains(page, shown) {
			t.Errorf("%.40q is not on the page", name)
		}
		// each picture by itself is well-formed XML
		for _, f := range build(t, sample.Hostile(i)).Figures() {
			d := xml.NewDecoder(strings.NewReader(f.Drawing.Draw("x")))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Errorf("%.40q: figure %s is not well-formed: %v", name, f.ID, err)
					break
				}
			}
		}
		var text bytes.Buffer
		if err := Text(&text, build(t, sample.Hostile(i))); err != nil {
			t.Fatal(err)
		}
		if strings.ContainsAny(text.String(), "\x00\x07\x1b\r") {
			t.Errorf("%.40q: control characters are in the text", name)
		}
	}
}
