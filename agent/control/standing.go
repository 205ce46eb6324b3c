package control

import (
	"cmp"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/faultline/faultline/internal/wire"
)

// Standing is which work is in force, and which was refused.
type Standing struct {
	Version int64 // in force; 0: none
	Refused int64 // 0: none
	Problem string
	Since   time.Time
}

// standing is read by others while Run runs.
type standing struct {
	mu sync.Mutex // guards s
	s  Standing
}

func (st *standing) get() Standing {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.s
}

func (st *standing) set(s Standing) {
	st.mu.Lock()
	defer st.mu.Unlock()
	st.s = s
}

// Standing may be called from any goroutine.
func (c *Control) Standing() Standing { return c.standing.get() }

// path asks for work newer than what is in force or was refused.
func (c *Control) path() string {
	p := fmt.Sprintf("/api/v1/agents/self/work?after=%d", cmp.Or(c.standing.get().Refused, c.last.Version))
	if c.offered != "" {
		p += "&program=" + url.QueryEscape(c.offered)
	}
	return p
}

// try opens work and hands it over.
func (c *Control) try(w wire.Work) error {
	opened, err := c.opt.Open(w)
	if err != nil {
		return err
	}
	return c.opt.OnWork(opened)
}

// remember puts the work from before in force. When it cannot be opened any more,
// by a key that is gone, the collector is asked for it anew.
func (c *Control) remember() {
	if err := c.try(c.last); err != nil {
		c.opt.Logger.Error("control: the last work cannot be used, asking for it anew", "version", c.last.Version, "error", err)
		c.last = wire.Work{}
		return
	}
	c.standing.set(Standing{Version: c.last.Version, Since: c.opt.Now()})
}
