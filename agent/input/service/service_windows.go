package service

import (
	"context"
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
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

// processes counts the processes by the name of their program, "sqlservr.exe".
func processes(string) (map[string]int, error) {
	list, err := windows.CreateToolhelp32Snapshot(windows.TH32CS_SNAPPROCESS, 0)
	if err != nil {
		return nil, fmt.Errorf("processes: %w", err)
	}
	defer func() { _ = windows.CloseHandle(list) }()
	counts := map[string]int{}
	e := windows.ProcessEntry32{Size: uint32(unsafe.Sizeof(windows.ProcessEntry32{}))}
	for err = windows.Process32First(list, &e); err == nil; err = windows.Process32Next(list, &e) {
		counts[windows.UTF16ToString(e.ExeFile[:])]++
	}
	if !errors.Is(err, windows.ERROR_NO_MORE_FILES) {
		return nil, fmt.Errorf("processes: %w", err)
	}
	return counts, nil
}
