//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

func provokeAll(context.Context, io.Writer, string, []string) error {
	return errors.New("faults are played on Linux only")
}
