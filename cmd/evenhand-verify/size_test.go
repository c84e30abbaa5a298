package main

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// The auditor's program is small, needs no library of the system, and has
// neither database nor network in it.
func TestSmallAndStatic(t *testing.T) {
	file := filepath.Join(t.TempDir(), "evenhand-verify")
	build := exec.Command("go", "build", "-o", file, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() >= 15_000_000 {
		t.Errorf("it has %d bytes; 15 MB are too many", info.Size())
	}
	t.Logf("%.1f MB", float64(info.Size())/1e6)
	if runtime.GOOS == "linux" {
		f, err := elf.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		libraries, err := f.ImportedLibraries()
		if err == nil && len(libraries) > 0 || slices.ContainsFunc(f.Progs, func(p *elf.Prog) bool { return p.Type == elf.PT_INTERP }) {
			t.Errorf("it needs libraries of the system: %q", libraries)
		}
	}
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, dep := range strings.Fields(string(out)) {
		if strings.HasPrefix(dep, "net/http") || strings.HasPrefix(dep, "database/") || dep == "evenhand/trial/store" || dep == "evenhand/trial/conduct" || strings.Contains(dep, "sqlite") {
			t.Errorf("it depends on %s", dep)
		}
	}
}
