package wire

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/faultline/faultline/plugins/base"
)

// EncodeEvents encodes one batch: the version byte, then one JSON object a line.
func EncodeEvents(events []base.Event) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteByte(eventsV1)
	enc := json.NewEncoder(&buf)
	for i := range events {
		if err := enc.Encode(&events[i]); err != nil {
			return nil, fmt.Errorf("encode event %s: %w", events[i].ID, err)
		}
	}
	if buf.Len() > MaxBatchBytes {
		return nil, fmt.Errorf("encode events: %d events take %d bytes, at most %d, split them: %w", len(events), buf.Len(), MaxBatchBytes, ErrTooLarge)
	}
	return buf.Bytes(), nil
}

// DecodeEvents reads a batch written by EncodeEvents. A line that cannot be
// read makes the whole batch corrupt.
func DecodeEvents(batch []byte) ([]base.Event, error) {
	if len(batch) == 0 {
		return nil, fmt.Errorf("decode events: empty: %w", ErrCorrupt)
	}
	if batch[0] != eventsV1 {
		return nil, fmt.Errorf("decode events: first byte %#02x: %w", batch[0], ErrVersion)
	}
	if len(batch) > MaxBatchBytes {
		return nil, fmt.Errorf("decode events: %d bytes, at most %d: %w", len(batch), MaxBatchBytes, ErrTooLarge)
	}
	var events []base.Event
	line := 0
	for text := range bytes.Lines(batch[1:]) {
		line++
		var e base.Event
		if err := json.Unmarshal(text, &e); err != nil {
			return nil, fmt.Errorf("decode events: line %d: %w: %w", line, ErrCorrupt, err)
		}
		events = append(events, e)
	}
	return events, nil
}
