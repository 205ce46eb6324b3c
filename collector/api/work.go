package api

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/internal/wire"
)

// pollFor is the longest an agent's poll waits; proxies cut at 30 s.
const pollFor = 25 * time.Second

// work answers GET /api/v1/agents/self/work?after=N&program=VERSION: at once when there is
// something new, else within pollFor with the version the agent has.
func (s *server) work(w http.ResponseWriter, r *http.Request) error {
	var after int64
	if v := r.URL.Query().Get("after"); v != "" {
		n, err := strconv.ParseInt(v, 10, 64)
		if err != nil || n < 0 {
			return invalid("after 必须是非负整数", "after must be a number, 0 or more")
		}
		after = n
	}
	// The server's write timeout is for answers that are sent at once.
	deadline := time.Now().Add(pollFor + 10*time.Second)
	if err := http.NewResponseController(w).SetWriteDeadline(deadline); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	p, _ := account.From(r.Context())
	ctx, cancel := context.WithTimeout(r.Context(), pollFor)
	defer cancel()
	work, err := s.Work.Poll(ctx, p.AgentID, after, r.URL.Query().Get("program"))
	if errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil {
		work, err = wire.Work{Version: after}, nil
	}
	if err != nil {
		return err
	}
	return answer(w, http.StatusOK, work)
}

// self answers GET /api/v1/agents/self: whom the collector takes the caller for.
// It asks nothing of the agent's work, so that it may be asked beside it.
func (s *server) self(w http.ResponseWriter, r *http.Request) error {
	p, _ := account.From(r.Context())
	site := ""
	if len(p.Sites) > 0 {
		site = p.Sites[0]
	}
	return answer(w, http.StatusOK, struct {
		Agent string `json:"agent"`
		Site  string `json:"site"`
	}{p.AgentID, site})
}
