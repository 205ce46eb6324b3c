package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/windows"
	"golang.org/x/sys/windows/svc"
	"golang.org/x/sys/windows/svc/mgr"
)

// serviceName is what the service is called; the MSI and install.ps1 say the same.
const serviceName = "faultline-agent"

// underService runs run as a Windows service, if the service manager started this
// program; handled tells whether it did. The manager's stop ends run's context.
func underService(log *slog.Logger, run func(context.Context) error) (handled bool, err error) {
	is, err := svc.IsWindowsService()
	if err != nil || !is {
		return false, err
	}
	h := &handler{run: run}
	if err := svc.Run(serviceName, h); err != nil {
		return true, fmt.Errorf("run as service: %w", err)
	}
	if h.err != nil { // nobody reads what a service prints
		log.Error("agent ended", "error", h.err)
	}
	return true, h.err
}

// handler is what the service manager talks to.
type handler struct {
	run func(context.Context) error
	err error // of run, when Execute has returned
}

// Execute implements svc.Handler.
func (h *handler) Execute(_ []string, requests <-chan svc.ChangeRequest, status chan<- svc.Status) (bool, uint32) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- h.run(ctx) }()
	now := svc.Status{State: svc.Running, Accepts: svc.AcceptStop | svc.AcceptShutdown | svc.AcceptPreShutdown}
	status <- now
	for {
		select {
		case h.err = <-ended:
			if h.err != nil {
				return true, 1 // the manager starts a service again that ended with an error
			}
			return false, 0
		case r := <-requests:
			switch r.Cmd {
			case svc.Interrogate:
				status <- now
			case svc.Stop, svc.Shutdown, svc.PreShutdown:
				now = svc.Status{State: svc.StopPending, WaitHint: uint32(stopPatience.Milliseconds())}
				status <- now
				cancel()
			}
		}
	}
}

// stopPatience is how long the manager is asked to wait for the last flush.
const stopPatience = 20 * time.Second

// installService makes the service, or changes the one that is there to this program.
func installService(config string) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("install service: %w", err)
	}
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("install service: service manager: %w (run this as administrator)", err)
	}
	defer func() { _ = m.Disconnect() }()
	want := mgr.Config{DisplayName: "Faultline Agent", Description: "Measures hosts, devices and lines of this site.",
		StartType: mgr.StartAutomatic, DelayedAutoStart: true, SidType: windows.SERVICE_SID_TYPE_UNRESTRICTED}
	s, err := m.OpenService(serviceName)
	switch {
	case err == nil:
		want.BinaryPathName = fmt.Sprintf(`"%s" run --config "%s"`, self, config)
		err = s.UpdateConfig(want)
	case errors.Is(err, windows.ERROR_SERVICE_DOES_NOT_EXIST):
		s, err = m.CreateService(serviceName, self, want, "run", "--config", config)
	}
	if err != nil {
		return fmt.Errorf("install service %s: %w", serviceName, err)
	}
	defer func() { _ = s.Close() }()
	again := func(after time.Duration) mgr.RecoveryAction {
		return mgr.RecoveryAction{Type: mgr.ServiceRestart, Delay: after}
	}
	if err := s.SetRecoveryActions([]mgr.RecoveryAction{again(time.Second), again(10 * time.Second), again(time.Minute)}, uint32((24 * time.Hour).Seconds())); err != nil {
		return fmt.Errorf("install service %s: restart after a fault: %w", serviceName, err)
	}
	return nil
}

// removeService stops the service and takes it out; data and configuration stay.
func removeService() error {
	m, err := mgr.Connect()
	if err != nil {
		return fmt.Errorf("remove service: service manager: %w (run this as administrator)", err)
	}
	defer func() { _ = m.Disconnect() }()
	s, err := m.OpenService(serviceName)
	if err != nil {
		return fmt.Errorf("remove service %s: %w", serviceName, err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Control(svc.Stop); err == nil {
		for deadline := time.Now().Add(stopPatience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
			if st, err := s.Query(); err != nil || st.State == svc.Stopped {
				break
			}
		}
	}
	if err := s.Delete(); err != nil {
		return fmt.Errorf("remove service %s: %w", serviceName, err)
	}
	return nil
}

// serviceLog is where a service writes, which has no standard error: a file beside
// the configuration, which becomes agent.log.old when it has become large.
func serviceLog(config string, level slog.Level) *slog.Logger {
	if is, err := svc.IsWindowsService(); err != nil || !is {
		return nil
	}
	const most = 10 << 20
	f, err := openRotating(filepath.Join(filepath.Dir(config), "agent.log"), most)
	if err != nil {
		return nil
	}
	return slog.New(slog.NewTextHandler(f, &slog.HandlerOptions{Level: level}))
}
