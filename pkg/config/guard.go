package config

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/aliasflat/aliasflat/pkg/flatten"
)

type writtenGuard struct {
	Change      string `mapstructure:"change"`
	Shrink      string `mapstructure:"shrink"`
	Convergence string `mapstructure:"convergence"`
	Confirm     string `mapstructure:"confirm"`
}

// guardKeys are those of the guards of a zone.
func guardKeys() []key {
	return []key{
		{"change", scalar, checkPart},
		{"shrink", scalar, checkPart},
		{"convergence", scalar, count(0, 1000)},
		{"confirm", scalar, count(0, 1000)},
	}
}

// parsePart reads a part of a whole, as in 30%.
func parsePart(text string) (float64, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	n, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
	if !ok || err != nil || !(n >= 0 && n <= 100) {
		return 0, valueError{message: fmt.Sprintf("%q is no part of 100 %%", text), hint: "write it as 30%; 100% lets everything through"}
	}
	return n / 100, nil
}

func checkPart(text string) error {
	_, err := parsePart(text)
	return err
}

// guards fills in the defaults.
func (w *writtenGuard) guards() flatten.Guards {
	g := flatten.DefaultGuards
	if part, err := parsePart(w.Change); err == nil {
		g.Change = part
	}
	if part, err := parsePart(w.Shrink); err == nil {
		g.Shrink = part
	}
	g.Convergence = number(w.Convergence, g.Convergence)
	g.Confirm = number(w.Confirm, g.Confirm)
	return g
}
