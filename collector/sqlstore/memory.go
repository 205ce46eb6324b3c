package sqlstore

import (
	"context"
	"errors"
	"fmt"

	"github.com/faultline/faultline/collector/engine"
)

// memoryName is the setting that holds the engine's memory.
const memoryName = "engine/memory"

// remember writes the engine's memory; "" leaves it as it is.
func (h handle) remember(ctx context.Context, text string) error {
	if text == "" {
		return nil
	}
	if _, err := h.exec(ctx, `INSERT INTO kv (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value`, memoryName, text); err != nil {
		return fmt.Errorf("engine's memory: %w", err)
	}
	return nil
}

// Memory implements engine.Store.
func (s *Store) Memory(ctx context.Context) (string, error) {
	text, err := s.KVGet(ctx, memoryName)
	if errors.Is(err, engine.ErrNotFound) {
		return "", nil
	}
	return text, err
}
