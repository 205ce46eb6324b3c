package service

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"

	"github.com/faultline/faultline/agent/input/failure"
)

// states asks the service manager for the services named; one that is not
// installed does not run. Written after its documentation, not tried.
func states(_ context.Context, _ string, names []string) ([]service, error) {
	m, err := mgr.Connect()
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	defer func() { _ = m.Disconnect() }()
	all, err := m.ListServices()
	if err != nil {
		return nil, fmt.Errorf("services: %w", err)
	}
	var out []service
	for _, have := range all {
		wanted := false
		for _, n := range names {
			wanted = wanted || fits(n, have)
		}
		if !wanted {
			continue
		}
		s, err := m.OpenService(have)
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", have, err)
		}
		st, err := s.Query()
		_ = s.Close()
		if err != nil {
			return nil, fmt.Errorf("service %s: %w", have, err)
		}
		out = append(out, service{have, st.State == svc.Running})
	}
	return out, nil
}

func short(name string) string { return name }

func processes(string) (map[string]int, error) {
	return nil, failure.As(failure.Status, errors.New("processes are counted on Linux only"))
}
