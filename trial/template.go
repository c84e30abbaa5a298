package trial

import (
	"embed"
	"fmt"
	"strings"
)

//go:embed templates/*.yaml
var templates embed.FS

// TemplateNames lists the templates, the fullest first.
func TemplateNames() []string { return []string{"rlc", "minimal"} }

// Template gives a protocol to start from: "rlc" (the Research Learning
// Communities trial) or "minimal".
func Template(name string) (string, error) {
	text, err := templates.ReadFile("templates/" + name + ".yaml")
	if err != nil {
		return "", fmt.Errorf("there is no template %q; the templates are: %s", name, strings.Join(TemplateNames(), ", "))
	}
	return string(text), nil
}
