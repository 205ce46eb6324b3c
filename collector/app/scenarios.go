package app

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/faultline/faultline/collector/config"
	"github.com/faultline/faultline/collector/scenario"
)

// checkScenarios plays the operator's scenarios (rules/scenarios of the directory
// that lies over the shipped rules) by the rules in force and returns how many
// there are; the error names everything that is not as expected, with file and
// line. Those shipped are played by go test.
func checkScenarios(ctx context.Context, cfg config.Config, b *basis) (int, error) {
	if cfg.Rules == "" {
		return 0, nil
	}
	dir := filepath.Join(cfg.Rules, "scenarios")
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	list, err := scenario.Load(os.DirFS(dir), b.graph.Inventory())
	if err != nil {
		return 0, fmt.Errorf("scenarios: %w", err)
	}
	set := &scenario.Rules{Alerts: b.rules.alerts, Causes: b.rules.causes, Routes: b.rules.routes, Processes: b.rules.processes, Calendars: b.rules.calendars}
	var faults []error
	for _, s := range list {
		if rep := scenario.PlayIn(ctx, s, set); rep.Err != nil {
			faults = append(faults, rep.Err)
		}
	}
	return len(list), errors.Join(faults...)
}
