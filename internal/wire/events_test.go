package wire

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/faultline/faultline/plugins/base"
)

func TestEventsRoundTrip(t *testing.T) {
	want := []base.Event{
		{ID: "1", Kind: base.EventTrap, At: time.Date(2026, 11, 21, 1, 2, 3, 4000, time.UTC), Text: "机房\nline two", Attrs: map[string]string{"oid": "1.3.6"}},
		{ID: "2", Kind: base.EventLastGasp},
	}
	b, err := EncodeEvents(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeEvents(b)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(got, want); diff != "" {
		t.Errorf("got (-), want (+):\n%s", diff)
	}
}

func TestDecodeEventsFaults(t *testing.T) {
	cases := map[string]struct {
		batch string
		want  error
	}{
		"empty":          {"", ErrCorrupt},
		"samples":        {"\x01x", ErrVersion},
		"not JSON":       {"\x41{}\n{", ErrCorrupt},
		"too large":      {"\x41" + strings.Repeat(" ", MaxBatchBytes), ErrTooLarge},
		"wrong in field": {"\x41{\"id\":7}\n", ErrCorrupt},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if _, err := DecodeEvents([]byte(c.batch)); !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func FuzzDecodeEvents(f *testing.F) {
	f.Add([]byte("\x41{\"id\":\"1\",\"kind\":\"trap\",\"at\":\"2026-11-21T00:00:00Z\"}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		events, err := DecodeEvents(b)
		if err != nil {
			return
		}
		again, err := EncodeEvents(events)
		if err != nil {
			return // a time that JSON reads but does not write
		}
		if _, err := DecodeEvents(again); err != nil && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("decode what was encoded: %v", err)
		}
	})
}
