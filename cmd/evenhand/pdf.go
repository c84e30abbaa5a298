package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"evenhand/reports"
	"evenhand/reports/figure"
	"evenhand/reports/render"
)

// printer is a program of this computer that makes PDF.
type printer struct {
	path   string
	office bool // LibreOffice; else a browser
}

// browsers and offices are the programs' names on the search path.
var (
	browsers = []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge", "microsoft-edge-stable", "msedge"}
	offices  = []string{"soffice", "libreoffice"}
)

// usualPlaces are where the programs stand on systems that do not put them on
// the search path.
func usualPlaces(system string, getenv func(string) string) (inBrowsers, inOffices []string) {
	switch system {
	case "darwin":
		for _, name := range []string{"Google Chrome", "Chromium", "Microsoft Edge"} {
			inBrowsers = append(inBrowsers, "/Applications/"+name+".app/Contents/MacOS/"+name)
		}
		inOffices = []string{"/Applications/LibreOffice.app/Contents/MacOS/soffice"}
	case "windows":
		for _, base := range []string{"ProgramFiles", "ProgramFiles(x86)", "LocalAppData"} {
			dir := getenv(base)
			if dir == "" {
				continue
			}
			for _, rest := range []string{`Google\Chrome\Application\chrome.exe`, `Chromium\Application\chrome.exe`, `Microsoft\Edge\Application\msedge.exe`} {
				inBrowsers = append(inBrowsers, dir+`\`+rest)
			}
			inOffices = append(inOffices, dir+`\LibreOffice\program\soffice.exe`)
		}
	}
	return inBrowsers, inOffices
}

// printers lists the programs that can make PDF, browsers first: they print the
// page as it is. EVENHAND_BROWSER names one that is to be used alone.
func printers(getenv func(string) string) []printer {
	if named := getenv("EVENHAND_BROWSER"); named != "" {
		base := strings.ToLower(filepath.Base(named))
		return []printer{{named, strings.Contains(base, "office")}}
	}
	var all []printer
	known := map[string]bool{}
	add := func(names, places []string, office bool) {
		for _, name := range names {
			if path, err := exec.LookPath(name); err == nil {
				places = append(places, path)
			}
		}
		for _, path := range places {
			real, err := filepath.EvalSymlinks(path)
			if err == nil && !known[real] {
				known[real] = true
				all = append(all, printer{path, office})
			}
		}
	}
	inBrowsers, inOffices := usualPlaces(runtime.GOOS, getenv)
	add(browsers, inBrowsers, false)
	add(offices, inOffices, true)
	return all
}

// pdfTime is how long one program may take.
const pdfTime = 90 * time.Second

// pdf makes the report as PDF by a browser or an office of this computer.
func (a *app) pdf(ctx context.Context, r *reports.Report) ([]byte, error) {
	const hint = "open the HTML report in any browser and print it into a file (“Save as PDF”); or install Chromium, Chrome, Edge or LibreOffice; or name such a program in EVENHAND_BROWSER"
	found := printers(a.getenv)
	if len(found) == 0 {
		return nil, withHint(errors.New("PDF is made by a browser or an office of this computer, and none was found"), hint)
	}
	var failed []error
	for _, p := range found {
		file, err := p.print(ctx, r)
		if err == nil {
			return file, nil
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		failed = append(failed, fmt.Errorf("%s: %w", p.path, err))
	}
	return nil, withHint(fmt.Errorf("no PDF was made: %w", errors.Join(failed...)), hint)
}

// print has the program write the report into a folder of its own, which is
// removed afterwards, and reads it.
func (p printer) print(ctx context.Context, r *reports.Report) (file []byte, err error) {
	dir, err := os.MkdirTemp("", "evenhand-pdf-")
	if err != nil {
		return nil, reason(err)
	}
	defer os.RemoveAll(dir)
	source, form := filepath.Join(dir, "report.html"), render.HTML
	if p.office {
		source, form = filepath.Join(dir, "report.docx"), render.DOCX
	}
	var b bytes.Buffer
	if err := form(&b, r); err != nil {
		return nil, err
	}
	if err := os.WriteFile(source, b.Bytes(), 0o600); err != nil {
		return nil, reason(err)
	}
	target := filepath.Join(dir, "report.pdf")
	// A profile of its own: nothing of the user's is read, changed or open.
	profile := filepath.Join(dir, "profile")
	args := []string{"--headless", "--disable-gpu", "--no-first-run", "--no-default-browser-check", "--disable-extensions", "--disable-sync", "--disable-background-networking", "--disable-component-update", "--disable-default-apps", "--disable-quic",
		"--user-data-dir=" + profile, "--no-pdf-header-footer", "--export-tagged-pdf", "--generate-pdf-document-outline", "--print-to-pdf=" + target, fileURL(source)}
	if p.office {
		args = []string{"--headless", "--norestore", "-env:UserInstallation=" + fileURL(profile), "--convert-to", "pdf", "--outdir", dir, source}
	} else if os.Geteuid() == 0 {
		args = append([]string{"--no-sandbox"}, args...) // the sandbox cannot be set up by root
	}
	ctx, stop := context.WithTimeout(ctx, pdfTime)
	defer stop()
	var said tail
	cmd := exec.CommandContext(ctx, p.path, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = dir, &said, &said, 5*time.Second
	ran := cmd.Run()
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("it did not finish within %v", pdfTime)
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	file, err = os.ReadFile(target)
	if err == nil && wholePDF(file) {
		return file, nil
	}
	what := "it wrote no whole PDF"
	if ran != nil {
		what = ran.Error()
	}
	if last := said.last(); last != "" {
		what += "; it said: " + last
	}
	return nil, errors.New(what)
}

// wholePDF says whether a file begins and ends as a PDF does.
func wholePDF(file []byte) bool {
	return bytes.HasPrefix(file, []byte("%PDF-")) && bytes.Contains(file[max(0, len(file)-1024):], []byte("%%EOF"))
}

func fileURL(path string) string {
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") { // C:/…
		path = "/" + path
	}
	return (&url.URL{Scheme: "file", Path: path}).String()
}

// tail keeps the end of what a program says.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b); n > 4096 {
		t.b = t.b[n-4096:]
	}
	return len(p), nil
}

// last is the last line with anything in it.
func (t *tail) last() string {
	lines := strings.Split(strings.TrimSpace(string(t.b)), "\n")
	return figure.Visible(strings.TrimSpace(lines[len(lines)-1]))
}
