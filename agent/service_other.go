//go:build !windows

package main

import (
	"context"
	"errors"
	"log/slog"
)

// errNoService says how the agent is run as a service elsewhere.
var errNoService = errors.New("service: only on Windows; on Linux the packages bring a unit for systemd: systemctl enable --now faultline-agent")

func underService(*slog.Logger, func(context.Context) error) (handled bool, err error) {
	return false, nil
}

func installService(string) error { return errNoService }

func removeService() error { return errNoService }

func serviceLog(string, slog.Level) *slog.Logger { return nil }
