package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// PracticeCall is what the command line asks of a running collector.
type PracticeCall struct {
	URL, Token   string
	Action, What string // break and a fault's name, or mend
}

// Practice breaks or mends something on the practice branch.
func Practice(ctx context.Context, c PracticeCall) error {
	if c.Token == "" {
		return errors.New("no API token: set FAULTLINE_TOKEN, e.g. FAULTLINE_TOKEN=$(cat data/admin.token)")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	body, err := json.Marshal(map[string]string{"action": c.Action, "fault": c.What})
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/api/v1/practice", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("practice %s: %w", c.Action, err)
	}
	req.Header.Set("Authorization", "Bearer "+c.Token)
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("practice %s: %w (is the collector running there? set FAULTLINE_URL)", c.Action, err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return fmt.Errorf("practice %s: %w", c.Action, err)
	}
	if res.StatusCode == http.StatusOK {
		return nil
	}
	var problem struct{ Error, Hint string }
	if json.Unmarshal(answer, &problem) != nil || problem.Error == "" {
		problem.Error = res.Status
	}
	if problem.Hint != "" {
		problem.Error += " (" + problem.Hint + ")"
	}
	return fmt.Errorf("practice %s: %s", c.Action, problem.Error)
}
