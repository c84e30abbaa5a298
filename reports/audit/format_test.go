package audit

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"strings"
	"testing"
)

// The zip file written down again from FORMAT.md, section 1, without any zip
// library, has the very bytes of the bundle; and FORMAT.md names every folder
// and file that a bundle may hold.
func TestFormatIsExact(t *testing.T) {
	m := finished(t, 12, 2)
	good := write(t, m.b)
	var out, list bytes.Buffer
	le := func(to *bytes.Buffer, values ...any) {
		for _, v := range values {
			if err := binary.Write(to, binary.LittleEndian, v); err != nil {
				t.Fatal(err)
			}
		}
	}
	files := unzip(t, good)
	if files[0].name != manifestName {
		t.Errorf("the first file is %s", files[0].name)
	}
	for i, e := range files {
		if i > 1 && e.name <= files[i-1].name {
			t.Errorf("%s does not follow %s", e.name, files[i-1].name)
		}
		at, size := uint32(out.Len()), uint32(len(e.data))
		fields := []any{uint16(0), uint16(0), uint16(0), uint16(0), uint16(0), crc32.ChecksumIEEE(e.data), size, size, uint16(len(e.name)), uint16(0)}
		le(&out, uint32(0x04034b50))
		le(&out, fields...)
		out.WriteString(e.name)
		out.Write(e.data)
		le(&list, uint32(0x02014b50), uint16(0))
		le(&list, fields...)
		le(&list, uint16(0), uint16(0), uint16(0), uint32(0), at)
		list.WriteString(e.name)
	}
	at, n := uint32(out.Len()), uint16(len(files))
	out.Write(list.Bytes())
	le(&out, uint32(0x06054b50), uint16(0), uint16(0), n, n, uint32(list.Len()), at, uint16(0))
	if !bytes.Equal(out.Bytes(), good) {
		t.Errorf("written by FORMAT.md the file has %d bytes, the bundle %d, and they differ", out.Len(), len(good))
	}
	text, err := os.ReadFile("FORMAT.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range files {
		name := e.name
		for _, r := range [][2]string{{"data/reading", "data/O"}, {"data/maths", "data/O"}, {"receipts/0001", "receipts/NNNN"}, {"receipts/0002", "receipts/NNNN"}, {"protocol/1", "protocol/N"}, {"rosters/1", "rosters/N"}, {"runs/1", "runs/N"}, {"rule/RULE.md", "rule/NAME"}} {
			name = strings.Replace(name, r[0], r[1], 1)
		}
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("FORMAT.md does not describe %s", e.name)
		}
	}
}
