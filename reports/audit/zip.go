package audit

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"strings"
)

// Limits on a bundle that is read. A bundle stores its files uncompressed, so
// that it can never unpack to more than its own size.
const (
	maxFiles     = 5000
	maxBundle    = 1 << 30 // bytes
	maxDirectory = 4 << 20 // bytes of names in the central directory
)

// most is how many bytes a file may have: data, ledger and report grow with the
// trial, other files do not, and one that has is not read.
func most(name string) uint64 {
	folder, _, in := strings.Cut(name, "/")
	switch {
	case in && folder == "receipts":
		return 64 << 10
	case in && (folder == "data" || folder == "synthetic"):
		return 256 << 20
	case name == ledgerName:
		return 128 << 20
	case name == digestsName, name == reportName, name == resultsName, name == numbersName, name == pupilsName, in && (folder == "runs" || folder == "rosters"):
		return 64 << 20
	case name == rosterName, name == allocationName, name == flowName, in && folder == "chance":
		return 32 << 20
	}
	return 4 << 20
}

// writeZip writes the files in order: stored, without dates or attributes, so
// that equal files give equal bytes whatever program or version wrote them.
func writeZip(w io.Writer, entries []entry) error {
	z := zip.NewWriter(w)
	for _, e := range entries {
		f, err := z.CreateRaw(header(e.name, int64(len(e.data)), crc32.ChecksumIEEE(e.data)))
		if err != nil {
			return err
		}
		if _, err := f.Write(e.data); err != nil {
			return err
		}
	}
	return z.Close()
}

func header(name string, size int64, crc uint32) *zip.FileHeader {
	return &zip.FileHeader{Name: name, Method: zip.Store, CRC32: crc, CompressedSize64: uint64(size), UncompressedSize64: uint64(size)}
}

// HygieneError says why a file is not opened as a bundle at all.
type HygieneError struct{ Faults []string }

func (e *HygieneError) Error() string {
	return "this file is not opened: " + strings.Join(e.Faults, "; ")
}

// openZip reads the list of files, without reading any of them, and refuses
// whatever a bundle never has.
func openZip(r io.ReaderAt, size int64) (*zip.Reader, error) {
	e := &HygieneError{}
	fault := func(format string, a ...any) {
		if len(e.Faults) < 20 {
			e.Faults = append(e.Faults, fmt.Sprintf(format, a...))
		}
	}
	if size > maxBundle {
		fault("it has %d bytes, more than the %d that a bundle may have", size, int64(maxBundle))
		return nil, e
	}
	if err := directorySize(r, size); err != nil {
		fault("%v", err)
		return nil, e
	}
	z, err := zip.NewReader(r, size)
	if err != nil && !errors.Is(err, zip.ErrInsecurePath) {
		fault("it is not a whole zip file (%v)%s", err, firstDamaged(r, size))
		return nil, e
	}
	if len(z.File) > maxFiles {
		fault("it holds %d files, more than the %d that a bundle may have", len(z.File), maxFiles)
		return nil, e
	}
	seen := map[string]bool{}
	var total uint64
	for _, f := range z.File {
		name := f.Name
		lower := strings.ToLower(name)
		switch {
		case !allowed.MatchString(name):
			fault("%.80q is no file of a bundle", name)
		case seen[lower]:
			fault("%q stands twice", name)
		}
		seen[lower] = true
		if f.Method != zip.Store {
			fault("%.80q is compressed: bundles store files as they are", name)
		}
		if f.Flags&0x1 != 0 {
			fault("%.80q is encrypted", name)
		}
		if mode := f.Mode(); mode&(fs.ModeType) != 0 {
			fault("%.80q is a link or a folder", name)
		}
		if f.UncompressedSize64 != f.CompressedSize64 {
			fault("%.80q says that it unpacks from %d bytes to %d", name, f.CompressedSize64, f.UncompressedSize64)
		}
		if limit := most(name); f.UncompressedSize64 > limit {
			fault("%.80q has %d bytes, more than the %d that it may have", name, f.UncompressedSize64, limit)
		}
		total += f.UncompressedSize64
		if total > uint64(size) {
			fault("its files are said to hold more bytes than it has itself")
			return nil, e
		}
	}
	if len(e.Faults) > 0 {
		return nil, e
	}
	return z, nil
}

// firstDamaged reads the files one after another from the beginning, without the
// list at the end, and says in words which is the first that is not whole.
func firstDamaged(r io.ReaderAt, size int64) string {
	const fixed = 30
	at, last := int64(0), ""
	for range maxFiles {
		head := make([]byte, fixed)
		if n, err := r.ReadAt(head, at); n < fixed {
			if err != nil && err != io.EOF {
				return ""
			}
			return fmt.Sprintf("; it ends after %s", last)
		}
		if bytes.HasPrefix(head, []byte("PK\x01\x02")) {
			return fmt.Sprintf("; all files are whole, the last is %s: the damage is in the list of files", last)
		}
		name := make([]byte, min(int(binary.LittleEndian.Uint16(head[26:])), 200))
		length := int64(binary.LittleEndian.Uint32(head[18:]))
		if n, _ := r.ReadAt(name, at+fixed); n < len(name) || !bytes.HasPrefix(head, []byte("PK\x03\x04")) || !allowed.Match(name) || binary.LittleEndian.Uint16(head[28:]) != 0 || uint64(length) > most(string(name)) {
			if last == "" {
				return "; its first file is damaged"
			}
			return fmt.Sprintf("; the first damage is at the end of %s or at the beginning of the file after it", last)
		}
		sum := crc32.NewIEEE()
		begin := at + fixed + int64(len(name))
		if n, err := io.Copy(sum, io.NewSectionReader(r, begin, length)); err != nil || n < length || sum.Sum32() != binary.LittleEndian.Uint32(head[14:]) {
			return fmt.Sprintf("; the first damage is in %s", name)
		}
		at, last = begin+length, string(name)
	}
	return ""
}

// directorySize refuses a directory that would take long to read, before it
// is read.
func directorySize(r io.ReaderAt, size int64) error {
	const end = 22
	n := min(size, 1<<16+end)
	if n < end {
		return errors.New("it is too short to be a zip file")
	}
	b := make([]byte, n)
	if _, err := r.ReadAt(b, size-n); err != nil && err != io.EOF {
		return fmt.Errorf("it cannot be read (%v)", err)
	}
	i := bytes.LastIndex(b, []byte("PK\x05\x06"))
	if i < 0 || i+end > len(b) {
		return errors.New("it is not a zip file, or was cut off before its end")
	}
	if entries := binary.LittleEndian.Uint16(b[i+10:]); entries > maxFiles {
		return fmt.Errorf("it says that it holds %d files, more than the %d that a bundle may have", entries, maxFiles)
	}
	if dir := binary.LittleEndian.Uint32(b[i+12:]); dir > maxDirectory {
		return fmt.Errorf("its list of files takes %d bytes, more than the %d that a bundle's may", dir, maxDirectory)
	}
	return nil
}

// comparer is a writer that compares what is written with a reader's bytes.
type comparer struct {
	r    io.ReaderAt
	at   int64
	bad  int64 // offset of the first difference; -1 while there is none
	buf  []byte
	size int64
}

func (c *comparer) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), len(c.buf))
		got := c.buf[:n]
		m, err := c.r.ReadAt(got, c.at)
		if err != nil && err != io.EOF {
			return 0, err
		}
		if c.bad < 0 {
			for i := range n {
				if i >= m || got[i] != rest[i] {
					c.bad = c.at + int64(i)
					break
				}
			}
		}
		c.at += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// container compares the file with the one that writeZip makes of the same
// contents: every byte between, before and after the files is checked too. It
// returns where the first difference is, in words; "" for none.
func container(r io.ReaderAt, size int64, z *zip.Reader) (string, error) {
	c := &comparer{r: r, bad: -1, buf: make([]byte, 1<<16), size: size}
	w := zip.NewWriter(c)
	type part struct {
		name       string
		begin, end int64
	}
	var parts []part
	for _, f := range z.File {
		if err := w.Flush(); err != nil {
			return "", err
		}
		p := part{f.Name, c.at, 0}
		to, err := w.CreateRaw(header(f.Name, int64(f.UncompressedSize64), f.CRC32))
		if err != nil {
			return "", err
		}
		from, err := f.OpenRaw()
		if err != nil {
			return fmt.Sprintf("the header of %s is damaged", f.Name), nil
		}
		if _, err := io.Copy(to, from); err != nil {
			return "", err
		}
		if err := w.Flush(); err != nil {
			return "", err
		}
		p.end = c.at
		parts = append(parts, p)
	}
	if err := w.Close(); err != nil {
		return "", err
	}
	if c.bad < 0 && c.at != size {
		c.bad = min(c.at, size)
	}
	if c.bad < 0 {
		return "", nil
	}
	for _, p := range parts {
		if c.bad >= p.begin && c.bad < p.end {
			return fmt.Sprintf("byte %d, which belongs to %s, is not what the contents give", c.bad, p.name), nil
		}
	}
	return fmt.Sprintf("byte %d, in the zip file's list of files (MANIFEST.txt and the files themselves are intact where no other line says otherwise), is not what the contents give", c.bad), nil
}
