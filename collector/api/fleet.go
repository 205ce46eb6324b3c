package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/fleet"
	"github.com/faultline/faultline/collector/rollout"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/internal/wire"
)

// stateLimit bounds what an agent says of itself, in bytes.
const stateLimit = 64 << 10

// FleetGate is the one way in which people and programs look at what agents have,
// and move roll-outs: it checks whose agents they are and writes the audit trail.
type FleetGate struct {
	Accounts *account.Service
	Fleet    *fleet.Fleet
	// Program opens a program of a signed release by its SHA-256; nil: there are none.
	Program func(sha256 string) (*os.File, error)
}

// Agents are those the principal may see.
func (g *FleetGate) Agents(p account.Principal) []fleet.View {
	return slices.DeleteFunc(g.Fleet.Agents(), func(v fleet.View) bool { return !p.Sees(v.Site) })
}

// MayCommand tells whether the principal may move roll-outs: they concern all sites.
func (g *FleetGate) MayCommand(p account.Principal) bool { return p.MayAct() && p.SeesAll() }

// Command pauses, continues, aborts or retries a roll-out in the principal's name.
func (g *FleetGate) Command(ctx context.Context, p account.Principal, kind, action, remote string) error {
	if !g.MayCommand(p) {
		return &Refusal{Why: Forbidden, Text: lang.Text{ZH: "下发涉及所有站点，只有总公司可以操作", EN: "a roll-out concerns all sites: head office's to move"}}
	}
	if err := g.Accounts.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "rollout." + action, Object: kind, Remote: remote}); err != nil {
		return err
	}
	err := g.Fleet.Command(ctx, kind, action, p.Name)
	switch {
	case errors.Is(err, fleet.ErrUnknown):
		return invalid("没有此项下发或操作", "no such roll-out or command: settings or program; pause, continue, abort or retry")
	case errors.Is(err, rollout.ErrOver), errors.Is(err, rollout.ErrNotOver):
		return &Refusal{Why: NotNow, Text: lang.Text{ZH: "当前状态下不能这样操作", EN: "not in the state the roll-out is in"}}
	case errors.Is(err, fleet.ErrNotHere):
		return &Refusal{Why: NotNow, Text: lang.Text{ZH: "当前由另一采集中心决定", EN: "another collector decides at the moment"}, Hint: lang.Text{ZH: "请在那里操作", EN: "ask that one"}}
	}
	return err
}

// errNoFleet says that this collector keeps none.
var errNoFleet = &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "此采集中心不管理代理设置", EN: "this collector keeps no agents' settings"}}

// putAgentState takes what an agent says of itself.
func (s *server) putAgentState(w http.ResponseWriter, r *http.Request) error {
	if s.Fleet == nil {
		return errNoFleet
	}
	var st wire.AgentState
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, stateLimit)).Decode(&st); err != nil { // later agents may say more
		return invalid("内容不是代理状态", "the body is not an agent's state")
	}
	p, _ := account.From(r.Context())
	if err := s.Fleet.Fleet.Reported(r.Context(), p.AgentID, st); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// getProgram sends a program to an agent, from where the agent's Range says.
func (s *server) getProgram(w http.ResponseWriter, r *http.Request) error {
	lost := &httpError{status: http.StatusNotFound, text: lang.Text{ZH: "没有此程序", EN: "no such program"}}
	if s.Fleet == nil || s.Fleet.Program == nil {
		return lost
	}
	f, err := s.Fleet.Program(r.PathValue("sha256"))
	if errors.Is(err, os.ErrNotExist) {
		return lost
	}
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(pollFor + 10*time.Second)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+r.PathValue("sha256")+`"`)
	http.ServeContent(w, r, "", time.Time{}, f)
	return nil
}

func (s *server) listAgents(w http.ResponseWriter, r *http.Request) error {
	if s.Fleet == nil {
		return errNoFleet
	}
	p, _ := account.From(r.Context())
	agents := s.Fleet.Agents(p)
	if site := r.URL.Query().Get("site"); site != "" {
		agents = slices.DeleteFunc(agents, func(v fleet.View) bool { return v.Site != site })
	}
	return answer(w, http.StatusOK, map[string]any{"agents": agents})
}

func (s *server) listRollouts(w http.ResponseWriter, _ *http.Request) error {
	if s.Fleet == nil {
		return errNoFleet
	}
	return answer(w, http.StatusOK, map[string]any{"rollouts": s.Fleet.Fleet.Rollouts()})
}

func (s *server) postRollout(w http.ResponseWriter, r *http.Request) error {
	if s.Fleet == nil {
		return errNoFleet
	}
	var in struct {
		Action string `json:"action"`
	}
	if err := decode(w, r, &in); err != nil {
		return err
	}
	p, _ := account.From(r.Context())
	if err := s.Fleet.Command(r.Context(), p, r.PathValue("kind"), in.Action, account.Remote(r)); err != nil {
		return err
	}
	return s.listRollouts(w, r)
}
