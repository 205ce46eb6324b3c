package database

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"sync"
	"time"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// watched is one target and what is remembered of it between polls. mu is held
// while it is gathered and guards everything but forget.
type watched struct {
	opts    Options
	address string // as the target names it
	options map[string]string
	set     *settings
	forget  func() // drops it from the Input
	keep    time.Duration

	mu      sync.Mutex
	retired bool
	idle    *time.Timer // logs out when nobody gathers any more
	login   login       // nil: none
	pause   time.Time   // no login before it
	refusal *Failure    // why there is a pause
	silent  int         // logins in a row that were not answered

	due      map[string]time.Time     // of sections read now and then
	faults   map[string]error         // of the last reading, by section
	details  map[string][]base.Sample // what was read now and then, repeated until it is read again
	families map[string]map[string]base.Labels
	blocks   blockade
	slow     map[int64]float64 // statements already told: session and beginning, Unix seconds
	started  float64           // when the server started, Unix seconds
	replica  *bool
	cluster  bool            // of Galera
	channels map[string]bool // whether replication runs, by channel
	costs    map[string]cost // of statements, by their digest
	limit    float64         // on connections, as a server says that says it apart
}

// login is a session with a server and what can be asked in it.
type login interface {
	// ping has the smallest query answered.
	ping(ctx context.Context) error
	// sections are what can be read; the list may grow after the first reading.
	sections() []section
	// reason classifies an error of this kind of server.
	reason(err error) reason
	// broken tells whether the session is of no more use.
	broken() bool
	close()
}

// section is one thing to read. Sections fail one by one.
type section struct {
	name   string
	detail bool // read only once in details_every
	read   func(ctx context.Context, r *reading) error
}

// kind is what the two sorts of servers have apart.
type kind struct {
	up     string // the exporter's name for "answers": pg_up
	failed string // and for "something could not be read"
	login  func(ctx context.Context, nc net.Conn, s *settings) (login, error)
	reason func(err error) reason
}

var kinds = map[string]kind{
	kindPostgreSQL: {up: "pg_up", failed: "pg_exporter_last_scrape_error", login: loginPostgres, reason: postgresReason},
	kindMySQL:      {up: "mysql_up", failed: "mysql_exporter_last_scrape_error", login: loginMySQL, reason: mysqlReason},
}

// Times that are not settings.
const (
	idleLeast     = 2 * time.Minute  // a login nobody uses is kept for that long
	passwordPause = 30 * time.Second // between two tries with a password that was refused: servers lock accounts
	silencePause  = 15 * time.Second // at most, between two logins that are not answered: MySQL blocks hosts that break off a hundred
	defaultWait   = 10 * time.Second // of a Gather without a deadline
)

func newWatched(opts Options, t base.Target, s *settings) *watched {
	w := &watched{opts: opts, address: t.Address, options: maps.Clone(t.Options), set: s, keep: max(idleLeast, 3*t.Interval),
		due: map[string]time.Time{}, faults: map[string]error{}, details: map[string][]base.Sample{}, families: map[string]map[string]base.Labels{},
		slow: map[int64]float64{}, channels: map[string]bool{}}
	w.idle = time.AfterFunc(w.keep, w.expire)
	return w
}

// expire logs out of a target that is no longer gathered.
func (w *watched) expire() {
	if !w.mu.TryLock() {
		return // gathered this very moment; the timer is set again at its end
	}
	defer w.mu.Unlock()
	w.retireLocked()
	w.forget()
}

// retire logs out for good.
func (w *watched) retire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.retireLocked()
}

func (w *watched) retireLocked() {
	w.retired = true
	w.idle.Stop()
	w.dropLocked()
}

func (w *watched) dropLocked() {
	if w.login != nil {
		w.login.close()
		w.login = nil
	}
}

// state is how far a poll has come.
type state struct {
	port, login, query bool
	connectTook        time.Duration // zero: not connected in this poll
	loginTook          time.Duration
	queryTook          time.Duration
	untried            bool // nothing was asked: an earlier refusal still stands
}

// gather polls once. The caller holds mu.
func (w *watched) gather(ctx context.Context, sink input.Sink) error {
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, defaultWait)
		defer cancel()
	}
	r := &reading{w: w, sink: sink}
	r.now()
	var st state
	failure := w.ask(ctx, &st)
	r.putState(st, failure)
	if failure != nil {
		w.dropLocked()
		return failure
	}
	return w.read(ctx, r)
}

// ask has a query answered, over the login there is or a new one.
func (w *watched) ask(ctx context.Context, st *state) *Failure {
	if w.login != nil {
		half, cancel := part(ctx, 2)
		defer cancel()
		if w.ping(half, st) == nil {
			st.port, st.login = true, true
			return nil
		}
		w.dropLocked() // why it ended does not say how the server is; a new login does
		*st = state{}
	}
	if now := w.opts.Now(); w.refusal != nil && now.Before(w.pause) {
		st.untried = true
		return w.refusal
	}
	w.refusal = nil
	if f := w.enter(ctx, st); f != nil {
		w.spare(f, st.port)
		return f
	}
	w.silent = 0
	if err := w.ping(ctx, st); err != nil {
		return w.failure("ask", err, queryFailed)
	}
	return nil
}

// spare sets a pause after failures that must not be repeated often.
func (w *watched) spare(f *Failure, connected bool) {
	var pause time.Duration
	switch {
	case f.reason == password:
		pause = passwordPause
	case f.reason == timedOut && connected:
		if w.silent > 0 {
			pause = min(time.Second<<min(w.silent, 8), silencePause)
		}
		w.silent++
	default:
		w.silent = 0
	}
	if pause > 0 {
		w.pause, w.refusal = w.opts.Now().Add(pause), f
	}
}

// ping asks the smallest query and takes the time.
func (w *watched) ping(ctx context.Context, st *state) error {
	start := time.Now()
	err := w.login.ping(ctx)
	st.queryTook, st.query = time.Since(start), err == nil
	return err
}

// enter connects and logs in.
func (w *watched) enter(ctx context.Context, st *state) *Failure {
	half, cancel := part(ctx, 2)
	defer cancel()
	start := time.Now()
	nc, err := w.opts.Dial(half, "tcp", w.set.address)
	if err != nil {
		return w.failure("connect", plain(err), otherFailure)
	}
	st.port, st.connectTook = true, time.Since(start)
	start = time.Now()
	l, err := kinds[w.set.kind].login(ctx, nc, w.set)
	if err != nil {
		_ = nc.Close()
		return w.failure("log in as "+w.set.user, err, otherFailure)
	}
	st.login, st.loginTook = true, time.Since(start)
	w.login = l
	return nil
}

// failure classifies an error; otherwise is the reason when nothing better is
// known.
func (w *watched) failure(op string, err error, otherwise reason) *Failure {
	r := cmp.Or(kinds[w.set.kind].reason(err), commonReason(err), otherwise)
	return &Failure{Kind: w.set.kind, Address: w.set.address, Op: op, Reason: string(r), Err: err, reason: r}
}

// plain leaves out our own port, which is another at every try, and the
// address, which the failure says itself.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return op.Err
	}
	return err
}

// part gives the n-th part of the time that is left.
func part(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, _ := ctx.Deadline()
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}

// settingsError says that a file or variable named by the settings is missing.
type settingsError struct{ err error }

// Error returns the cause's words.
func (e *settingsError) Error() string { return e.err.Error() }

// Unwrap returns the cause.
func (e *settingsError) Unwrap() error { return e.err }

// read reads every section that is due. What fails is remembered and said until
// the section is read again.
func (w *watched) read(ctx context.Context, r *reading) error {
	list := w.login.sections()
	for i := 0; i < len(list); i++ {
		sec := list[i]
		if w.login.broken() {
			w.faults[sec.name] = errors.New("not read: the connection was lost")
			continue
		}
		r.now()
		if now := w.opts.Now(); sec.detail {
			if now.Before(w.due[sec.name]) {
				r.again(w.details[sec.name])
				continue
			}
			w.due[sec.name] = now.Add(w.set.details)
			r.kept = []base.Sample{}
		}
		w.faults[sec.name] = w.hint(sec.read(ctx, r))
		if sec.detail {
			w.details[sec.name], r.kept = r.kept, nil
		}
		if i == 0 {
			list = w.login.sections()
		}
	}
	if w.login.broken() {
		w.dropLocked()
	}
	return w.verdict(r, list)
}

// hint replaces errors by what people can act on.
func (w *watched) hint(err error) error {
	switch {
	case err == nil:
		return nil
	case kinds[w.set.kind].reason(err) == timedOut || commonReason(err) == timedOut:
		return errors.New("no answer within the time limit")
	default:
		return err
	}
}

// verdict says of each section whether it could be read.
func (w *watched) verdict(r *reading, list []section) error {
	var faults []error
	for _, sec := range list {
		err := w.faults[sec.name]
		r.put("faultline_database_section_success", truth(err == nil), "section", sec.name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", sec.name, err))
		}
	}
	r.put(kinds[w.set.kind].failed, truth(len(faults) > 0))
	if w.set.backupAge > 0 {
		r.put("faultline_database_backup_max_age_seconds", w.set.backupAge.Seconds())
	}
	if len(faults) > 0 {
		return input.Partial{Err: fmt.Errorf("%s %s: %w", w.set.kind, w.set.address, errors.Join(faults...))}
	}
	return nil
}
