//go:build !linux

package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
)

func discover(context.Context, *net.Interface) ([]offer, error) {
	return nil, fmt.Errorf("ask for addresses: %w", errors.ErrUnsupported)
}
