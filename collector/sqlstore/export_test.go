package sqlstore

import "context"

// InTransaction runs fn within a write transaction of s.
func InTransaction(ctx context.Context, s *Store, fn func() error) error {
	return s.tx(ctx, func(handle) error { return fn() })
}
