package trial

import "testing"

func TestTemplates(t *testing.T) {
	for _, name := range TemplateNames() {
		text, err := Template(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParseProtocol(name+".yaml", []byte(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
