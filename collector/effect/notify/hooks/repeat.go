package hooks

import (
	"context"
	"fmt"
)

// RepeatHeader is set to "yes", and the body's "repeat" to true, on a message that
// may have arrived before: the collector died over it, or the connection broke
// before an answer. Its Idempotency-Key is that of the first attempt.
const RepeatHeader = "X-Faultline-Repeat"

// sending names the note of the message that is on its way. One is enough: a
// subscriber's messages go one after another. The note is not taken back when the
// message is answered, since then the notes of what was told have moved past it.
func (f *feed) sending() string { return f.prefix() + "sending" }

// leave notes that the message is about to leave: whoever goes on after a kill
// cannot know whether it arrived, and marks it.
func (f *feed) leave(ctx context.Context, id string) error {
	if f.noted == id {
		return nil
	}
	if err := f.o.Store.KVPut(ctx, f.sending(), id); err != nil {
		return fmt.Errorf("note that message %s leaves: %w", id, err)
	}
	f.noted = id
	return nil
}

// marked is the body of a message that may have arrived before. Both formats are
// JSON objects whose readers pass over keys they do not know.
func marked(body []byte) []byte {
	return append([]byte(`{"repeat":true,`), body[1:]...)
}
