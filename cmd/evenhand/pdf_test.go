package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"evenhand/reports"
	"evenhand/reports/figure"
)

// document is a small report with hostile words.
func document() *reports.Report {
	return &reports.Report{Title: "A <b>trial</b> with \u202e marks", Subtitle: "Evaluation report", GeneratedAt: time.Date(2016, 11, 21, 9, 30, 0, 0, time.UTC),
		Sections: []reports.Section{{ID: "s", Title: "Only section", Blocks: []reports.Block{{Paragraph: &reports.Paragraph{Spans: []reports.Span{{Words: "One sentence."}}}},
			{Figure: &reports.Figure{ID: "f", Number: 1, Title: "Bars", Drawing: figure.Funnel{Title: "Bars", Desc: "Bars.", Bars: []figure.Bar{{Label: "Listed", N: 3, Text: "3"}}}}}}}}}
}

// script makes a program that stands in for a browser; $out is where the PDF
// is wanted.
func script(t *testing.T, name, body string) string {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("the programs that stand in for browsers are shell scripts")
	}
	file := filepath.Join(t.TempDir(), name)
	text := "#!/bin/sh\nfor a in \"$@\"; do case \"$a\" in --print-to-pdf=*) out=\"${a#--print-to-pdf=}\";; esac; done\n" + body + "\n"
	if err := os.WriteFile(file, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

// left counts what PDF printing left behind.
func left(t *testing.T) int {
	t.Helper()
	all, err := filepath.Glob(filepath.Join(os.TempDir(), "evenhand-pdf-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

func TestPDFPrograms(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for name, c := range map[string]struct{ body, want string }{
		"whole":        {`printf '%%PDF-1.4\nbody\n%%%%EOF\n' > "$out"`, ""},
		"half":         {`printf '%%PDF-1.4\nbody' > "$out"`, "no whole PDF"},
		"none":         {`true`, "no whole PDF"},
		"failed":       {`echo 'cannot open display' >&2; exit 7`, "exit status 7; it said: cannot open display"},
		"control":      {`printf 'bad\033[31m' >&2; exit 1`, "bad⟨U+001B⟩[31m"},
		"error in end": {`printf '%%PDF-1.4\nbody\n%%%%EOF\n' > "$out"; exit 1`, ""}, // some versions of Chromium end so
	} {
		file, err := printer{path: script(t, "browser", c.body)}.print(context.Background(), document())
		switch {
		case c.want == "" && (err != nil || !bytes.HasPrefix(file, []byte("%PDF-"))):
			t.Errorf("%s: %v", name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if n := left(t); n > 0 {
			t.Errorf("%s: %d folders are left behind", name, n)
		}
	}
}

// A program that hangs is ended when the command is.
func TestPDFHangs(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	ctx, stop := context.WithCancel(context.Background())
	time.AfterFunc(300*time.Millisecond, stop)
	if _, err := (printer{path: script(t, "browser", "exec sleep 600")}).print(ctx, document()); err != context.Canceled {
		t.Errorf("a hanging program: %v", err)
	}
	if n := left(t); n > 0 {
		t.Errorf("%d folders are left behind", n)
	}
}

func TestPrinters(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	none := func(string) string { return "" }
	if runtime.GOOS == "linux" {
		if got := printers(none); len(got) != 0 {
			t.Errorf("on an empty path: %v", got)
		}
		for _, name := range []string{"soffice", "google-chrome", "chromium"} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\n"), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Symlink("chromium", filepath.Join(dir, "chromium-browser")); err != nil {
			t.Fatal(err)
		}
		got := printers(none)
		if len(got) != 3 || filepath.Base(got[0].path) != "chromium" || got[0].office || !got[2].office {
			t.Errorf("found %v", got)
		}
	}
	if got := printers(func(string) string { return "/opt/LibreOffice/soffice" }); len(got) != 1 || !got[0].office {
		t.Errorf("named: %v", got)
	}
	b, o := usualPlaces("windows", func(k string) string { return map[string]string{"ProgramFiles": `C:\Program Files`}[k] })
	if len(b) != 3 || len(o) != 1 || o[0] != `C:\Program Files\LibreOffice\program\soffice.exe` {
		t.Errorf("on Windows: %q, %q", b, o)
	}
	if b, o := usualPlaces("darwin", none); len(b) != 3 || len(o) != 1 {
		t.Errorf("on macOS: %q, %q", b, o)
	}
	if got := fileURL(`/tmp/a b/r#1.html`); got != "file:///tmp/a%20b/r%231.html" {
		t.Errorf("a file's address: %s", got)
	}
}

// Each program of this computer makes a whole PDF of real pages.
func TestPDFForReal(t *testing.T) {
	found := printers(os.Getenv)
	if len(found) == 0 {
		t.Skip("NOT TESTED: neither a browser nor LibreOffice is installed here")
	}
	for _, p := range found {
		file, err := p.print(context.Background(), document())
		if err != nil || !wholePDF(file) || !bytes.Contains(file, []byte("/Page")) {
			t.Errorf("%s: %d bytes, %v", p.path, len(file), err)
		}
	}
}
