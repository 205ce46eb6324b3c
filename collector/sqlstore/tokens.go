package sqlstore

import (
	"context"
	"fmt"

	"github.com/faultline/faultline/collector/account"
)

var _ account.Manager = (*Store)(nil)

// Tokens implements account.Manager.
func (s *Store) Tokens(ctx context.Context) ([]account.Token, error) {
	list, err := bodies[account.Token](ctx, s.reader(), `SELECT body FROM tokens ORDER BY name, hash`)
	if err != nil {
		return nil, fmt.Errorf("read tokens: %w", err)
	}
	return list, nil
}
