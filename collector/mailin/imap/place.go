package imap

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	goimap "github.com/emersion/go-imap/v2"
)

// place is how far the mailbox has been read.
type place struct {
	Validity uint32     `json:"validity"`
	UID      goimap.UID `json:"uid"`
}

func (w *Watcher) placeName() string {
	return "mailin/place/" + w.o.User + "@" + w.o.Addr + "/" + w.o.Mailbox
}

func (w *Watcher) place(ctx context.Context) (p place, known bool, err error) {
	s, err := w.o.Store.KVGet(ctx, w.placeName())
	if errors.Is(err, w.o.NotFound) {
		return place{}, false, nil
	}
	if err != nil {
		return place{}, false, fmt.Errorf("mailbox place: %w", err)
	}
	return p, json.Unmarshal([]byte(s), &p) == nil, nil
}

func (w *Watcher) keep(ctx context.Context, p place) error {
	b, err := json.Marshal(p)
	if err != nil {
		return err
	}
	if err := w.o.Store.KVPut(ctx, w.placeName(), string(b)); err != nil {
		return fmt.Errorf("mailbox place: %w", err)
	}
	return nil
}
