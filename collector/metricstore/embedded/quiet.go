package embedded

import (
	"context"
	"log/slog"
)

// quiet passes warnings and errors only: the engine tells every segment it
// reads and every block it writes.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}

// WithAttrs implements slog.Handler.
func (q quiet) WithAttrs(as []slog.Attr) slog.Handler { return quiet{q.Handler.WithAttrs(as)} }

// WithGroup implements slog.Handler.
func (q quiet) WithGroup(name string) slog.Handler { return quiet{q.Handler.WithGroup(name)} }

func quietLogger(l *slog.Logger, part string) *slog.Logger {
	return slog.New(quiet{l.Handler()}).With("part", part)
}
