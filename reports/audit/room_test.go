package audit

import (
	"strings"
	"testing"

	"evenhand/analysis/rows"
	"evenhand/trial"
)

// roomPackOf is a pack of a finished trial's outcomes, without their scores.
func roomPackOf(t testing.TB) RoomPack {
	t.Helper()
	m := finished(t, 12, 3)
	p, err := trial.ParseProtocol("p", []byte(m.b.Protocols[0].Text))
	if err != nil {
		t.Fatal(err)
	}
	pack := RoomPack{Trial: m.b.Trial, Title: m.b.Title, Protocol: m.b.Protocols[0], Plans: p.Plans()}
	for _, n := range m.b.Data {
		d, err := rows.Read(n.Files)
		if err != nil {
			t.Fatal(err)
		}
		for i := range d.ID {
			d.Outcome[i], d.Observed[i] = 0, false
			if d.Lost[i] == "" {
				d.Lost[i] = trial.LostNoScore
			}
		}
		files, err := rows.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		pack.Rows = append(pack.Rows, rows.Named{Outcome: n.Outcome, Files: files})
	}
	return pack
}

func TestRoomPack(t *testing.T) {
	pack := roomPackOf(t)
	files, err := pack.Files()
	if err != nil {
		t.Fatal(err)
	}
	text := map[string]string{}
	for _, f := range files {
		text[f.Name] = string(f.Data)
	}
	checkStata(t, text["scripts/room.do"])
	for _, line := range strings.Split(strings.TrimSpace(text[manifestName]), "\n") {
		sum, name, _ := strings.Cut(line, "  ")
		if digest([]byte(text[name])) != sum {
			t.Errorf("%s is not what %s says", name, manifestName)
		}
	}
	if n := strings.Count(text[manifestName], "\n"); n != len(files)-1 {
		t.Errorf("%s lists %d files of %d", manifestName, n, len(files))
	}
	again, _ := pack.Files()
	for i := range files {
		if string(files[i].Data) != string(again[i].Data) {
			t.Errorf("%s is another the second time", files[i].Name)
		}
	}
	// Scores do not go in, nor a model that the room's programs do not know.
	m := finished(t, 12, 3)
	bad := pack
	bad.Rows = m.b.Data
	if _, err := bad.Files(); err == nil || !strings.Contains(err.Error(), "its rows hold scores") {
		t.Errorf("scores went into the pack: %v", err)
	}
	other := roomPackOf(t)
	other.Plans[0].Model = "crossed"
	if _, err := other.Files(); err == nil || !strings.Contains(err.Error(), "asks for crossed") {
		t.Errorf("a model that is not known: %v", err)
	}
}

// What comes out of the room is somebody else's file: whatever it holds, it is
// read or refused.
func FuzzRoomResults(f *testing.F) {
	pack := roomPackOf(f)
	name, err := pack.Digest()
	if err != nil {
		f.Fatal(err)
	}
	head := "outcome,quantity,arm,value\n,pack,," + name + "\n"
	f.Add(head + "reading,difference,rlc,1\nreading,\"difference, SE\",rlc,suppressed\n")
	f.Add(head + "reading,pupils analysed,control,1e999\n\"")
	f.Add(head + ",scores,," + name + "\n,scores,,x\nreading,difference,rlc,1\n")
	f.Add("outcome,quantity,arm,value\r\n\r\n,,,\n")
	f.Add("\ufeff" + head)
	f.Fuzz(func(t *testing.T, text string) {
		back, err := ReadRoomResults(strings.NewReader(text))
		if err != nil {
			return
		}
		if len(back.Results) != len(back.Lines) {
			t.Fatalf("%d numbers and %d rows", len(back.Results), len(back.Lines))
		}
		_ = pack.Check(back.Results, back.Lines)
	})
}
