package drill

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/faultline/faultline/collector/account"
	"github.com/faultline/faultline/collector/engine"
	"github.com/faultline/faultline/collector/incident"
	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/collector/process"
	"github.com/faultline/faultline/collector/scenario"
	"github.com/faultline/faultline/internal/lang"
)

// Bounds of what a drill may be.
const (
	mostAtOnce   = 4
	DefaultLimit = 2 * time.Hour
	LongestLimit = 8 * time.Hour
	ShortestHold = 10 * time.Second
	mostWords    = 500
)

// keyPrefix is where records are kept.
const keyPrefix = "drill/"

// Store is what a Desk needs of the relational state. KVGet and Incident return
// engine.ErrNotFound for what is not there.
type Store interface {
	KVGet(ctx context.Context, name string) (string, error)
	KVPut(ctx context.Context, name, value string) error
	KVList(ctx context.Context, prefix string) (map[string]string, error)
	Incident(ctx context.Context, id string) (incident.Incident, error)
	Events(ctx context.Context, id string) ([]incident.Event, error)
}

// Engine is what a Desk needs of the engine; *engine.Engine is one.
type Engine interface {
	HandleDrill(ctx context.Context, r engine.DrillRound) error
	EndDrill(ctx context.Context, id string, by incident.Actor, reason string) (int, error)
	Incidents(ctx context.Context) ([]*incident.Incident, error)
}

// Options configure a Desk. All but Logger are required.
type Options struct {
	Store     Store
	Engine    Engine
	Leads     func() bool // this collector may write
	Stories   func() []*scenario.Story
	Rules     func() *scenario.Rules
	Inventory func() *inventory.Inventory
	Processes func() *process.Set
	Record    func(ctx context.Context, e account.AuditEntry) error
	Dir       string // for the drills' measurements
	Now       func() time.Time
	Logger    *slog.Logger
}

// Desk is the one way in which drills are started, led and read. Its methods may
// be called from several goroutines.
type Desk struct {
	o     Options
	again replays

	mu     sync.Mutex // guards the fields below
	played map[string]*played
}

// played is a drill that runs on this collector.
type played struct {
	rec  Record
	live *scenario.Live
	dir  string
}

// New makes a Desk; Run plays what was started.
func New(o Options) (*Desk, error) {
	if o.Store == nil || o.Engine == nil || o.Leads == nil || o.Stories == nil || o.Rules == nil || o.Inventory == nil || o.Processes == nil || o.Record == nil || o.Dir == "" || o.Now == nil {
		return nil, errors.New("drill options: all but the logger are required")
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return &Desk{o: o, played: map[string]*played{}}, nil
}

// Refused is why something was not done, for the person who asked.
type Refused struct {
	Text      lang.Text
	Forbidden bool // it is not theirs to do
	Missing   bool // there is no such drill
}

// Error returns the text in English.
func (r *Refused) Error() string { return r.Text.EN }

func refuse(zh, en string) error { return &Refused{Text: lang.Text{ZH: zh, EN: en}} }

// leaders are the roles that start drills and lead them: those who answer for a
// process, and the manager.
func (d *Desk) leaders() []string {
	out, set := []string{"hq_it_manager"}, d.o.Processes()
	for _, id := range set.IDs() {
		if def, ok := set.Latest(id); ok && !slices.Contains(out, def.Owner) {
			out = append(out, def.Owner)
		}
	}
	return out
}

// MayLead tells whether somebody may start a drill at the site, and lead it.
func (d *Desk) MayLead(p account.Principal, site string) bool {
	return p.MayAct() && p.Sees(site) && slices.ContainsFunc(d.leaders(), p.Has)
}

// Offer is a story that may be played at a site, or why not.
type Offer struct {
	ID      string    `json:"id"`
	Title   lang.Text `json:"title"`
	Brief   lang.Text `json:"brief"`
	Missing lang.Text `json:"missing,omitzero"` // things that the site has not
}

// Offers are the stories for a site.
func (d *Desk) Offers(site string) []Offer {
	out := []Offer{}
	for _, s := range d.o.Stories() {
		o := Offer{ID: s.ID, Title: s.Title, Brief: s.Brief}
		_, err := s.At(d.o.Inventory(), site)
		var missing *scenario.MissingError
		if errors.As(err, &missing) {
			o.Missing = missing.Text()
		}
		out = append(out, o)
	}
	return out
}

// Start is what somebody asks for.
type Start struct {
	Site, Story string
	Limit       time.Duration // it ends then at the latest; 0: DefaultLimit
	RepairAfter time.Duration // the fault is over then at the latest; 0: when the leader says so
	Hold        time.Duration // for how long recovery must be measured; 0: as the process says
	Vendors     bool
}

// Start begins a drill in the principal's name. The error may be a *Refused.
func (d *Desk) Start(ctx context.Context, p account.Principal, in Start, remote string) (Record, error) {
	if !d.MayLead(p, in.Site) {
		return Record{}, &Refused{Forbidden: true, Text: lang.Text{ZH: "演练由流程负责人或信息技术部领导启动", EN: "drills are started by who answers for a process, or the IT manager"}}
	}
	if !d.o.Leads() {
		return Record{}, refuse("此采集中心目前不是主节点，请稍后重试", "another collector leads now: try again")
	}
	in.Limit = cmp.Or(in.Limit, DefaultLimit)
	if in.Limit < time.Minute || in.Limit > LongestLimit || in.RepairAfter < 0 || in.RepairAfter >= in.Limit || in.Hold != 0 && (in.Hold < ShortestHold || in.Hold > in.Limit) {
		return Record{}, refuse("时长不合理：最长 8 小时，修复时间应早于结束时间，恢复保持时间至少 10 秒", "these times do not go together: at most 8 hours, the repair before the end, the hold at least 10 seconds")
	}
	r, err := d.record(p, in)
	if err != nil {
		return Record{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, x := range d.played {
		if x.rec.Site == in.Site {
			return Record{}, refuse("该站点正在演练", "a drill runs at this site already")
		}
	}
	if len(d.played) >= mostAtOnce {
		return Record{}, refuse("同时进行的演练过多", "too many drills run at once")
	}
	pl, err := d.open(r)
	if err != nil {
		return Record{}, err
	}
	if err := d.o.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "drill.start", Object: r.ID, Detail: r.Story + " " + r.Site, Remote: remote}); err != nil {
		return Record{}, errors.Join(err, d.drop(pl))
	}
	if err := d.keep(ctx, r); err != nil {
		return Record{}, errors.Join(err, d.drop(pl))
	}
	d.played[r.ID] = pl
	return r, nil
}

// record writes down what is to be played.
func (d *Desk) record(p account.Principal, in Start) (Record, error) {
	stories := d.o.Stories()
	n := slices.IndexFunc(stories, func(s *scenario.Story) bool { return s.ID == in.Story })
	switch {
	case in.Story == "":
		return Record{}, refuse("请选择演练情景", "choose a story")
	case n < 0:
		return Record{}, refuse("没有此演练情景："+in.Story, "no such story: "+in.Story)
	}
	story, now := stories[n], d.o.Now().UTC().Truncate(time.Second)
	text, err := story.At(d.o.Inventory(), in.Site)
	var missing *scenario.MissingError
	if errors.As(err, &missing) {
		return Record{}, refuse("该站点的资产清单中没有："+missing.Text().ZH, "the site's inventory has not: "+missing.Text().EN)
	}
	if err != nil {
		return Record{}, err
	}
	s, err := scenario.ParseAt(story.ID+".yaml", text, d.o.Inventory(), in.Site)
	if err != nil {
		return Record{}, refuse("演练情景不能在该站点进行："+err.Error(), "the story cannot be played there: "+err.Error())
	}
	r := Record{ID: strings.ToLower(rand.Text())[:16], State: Running, Story: story.ID, Title: story.Title, Brief: story.Brief, Site: in.Site, Scenario: text, Truth: s.Truth(),
		Vendors: in.Vendors, Hold: in.Hold, Leader: p.Name, StartedAt: now, Limit: now.Add(in.Limit), Incidents: []Chain{}}
	if in.RepairAfter > 0 {
		r.RepairBy = now.Add(in.RepairAfter)
	}
	sum, err := digest(text)
	if err != nil {
		return r, err
	}
	r.add(now, p.Name, ActStarted, story.ID+" "+in.Site+" "+sum)
	return r, nil
}

func (d *Desk) keep(ctx context.Context, r Record) error {
	b, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("keep drill %s: %w", r.ID, err)
	}
	return d.o.Store.KVPut(ctx, keyPrefix+r.ID, string(b))
}

// List returns the drills that the principal may see, newest first.
func (d *Desk) List(ctx context.Context, p account.Principal) ([]Record, error) {
	kept, err := d.o.Store.KVList(ctx, keyPrefix)
	if err != nil {
		return nil, err
	}
	out := []Record{}
	for name, text := range kept {
		r, err := decode(name, text)
		if err != nil {
			return nil, err
		}
		if p.Sees(r.Site) {
			out = append(out, r)
		}
	}
	slices.SortFunc(out, func(a, b Record) int { return cmp.Or(b.StartedAt.Compare(a.StartedAt), cmp.Compare(a.ID, b.ID)) })
	return out, nil
}

func decode(name, text string) (r Record, err error) {
	if err = json.Unmarshal([]byte(text), &r); err != nil {
		err = fmt.Errorf("setting %s: %w", name, err)
	}
	return r, err
}

// errNone says there is no such drill, or none this principal may see.
var errNone = &Refused{Missing: true, Text: lang.Text{ZH: "没有此演练", EN: "no such drill"}}

// Get returns one drill.
func (d *Desk) Get(ctx context.Context, p account.Principal, id string) (Record, error) {
	r, err := d.read(ctx, id)
	if err == nil && !p.Sees(r.Site) {
		return Record{}, errNone
	}
	return r, err
}

func (d *Desk) read(ctx context.Context, id string) (Record, error) {
	text, err := d.o.Store.KVGet(ctx, keyPrefix+id)
	if errors.Is(err, engine.ErrNotFound) {
		return Record{}, errNone
	}
	if err != nil {
		return Record{}, err
	}
	return decode(keyPrefix+id, text)
}

// led is the drill that runs here and that the principal may lead. d.mu is held.
func (d *Desk) led(p account.Principal, id string) (*played, error) {
	pl := d.played[id]
	switch {
	case pl == nil:
		return nil, refuse("演练已结束，或由另一采集中心进行", "the drill is over, or another collector plays it")
	case !d.MayLead(p, pl.rec.Site):
		return nil, &Refused{Forbidden: true, Text: lang.Text{ZH: "只有演练负责人可以操作", EN: "only who may lead a drill does that"}}
	}
	return pl, nil
}

// Repair ends the story's fault: from now on everything is measured well again.
func (d *Desk) Repair(ctx context.Context, p account.Principal, id, remote string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	pl, err := d.led(p, id)
	if err != nil {
		return err
	}
	if !pl.rec.MendedAt.IsZero() {
		return refuse("故障已修复", "it is repaired already")
	}
	if err := d.o.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "drill.repair", Object: id, Remote: remote}); err != nil {
		return err
	}
	return d.mend(ctx, pl, p.Name)
}

// mend ends the fault. d.mu is held.
func (d *Desk) mend(ctx context.Context, pl *played, by string) error {
	next := pl.rec
	next.MendedAt = d.o.Now().UTC().Truncate(time.Second)
	next.add(next.MendedAt, by, ActRepaired, "")
	if err := d.keep(ctx, next); err != nil {
		return err
	}
	pl.rec = next
	pl.live.Mend(next.MendedAt)
	return nil
}

// Stop ends a drill before its end.
func (d *Desk) Stop(ctx context.Context, p account.Principal, id, words, remote string) error {
	words = strings.TrimSpace(words)
	if words == "" || utf8.RuneCountInString(words) > mostWords {
		return refuse("请说明终止原因（500 字以内）", "say why it is stopped, in at most 500 characters")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	pl, err := d.led(p, id)
	if err != nil {
		return err
	}
	if err := d.o.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "drill.stop", Object: id, Detail: words, Remote: remote}); err != nil {
		return err
	}
	next := pl.rec
	next.Words = words
	next.add(d.o.Now(), p.Name, ActStopped, words)
	pl.rec = next
	return d.end(ctx, pl, ReasonStopped, p.Actor(""))
}

// Sign puts the leader's name under the report of a drill that is over.
func (d *Desk) Sign(ctx context.Context, p account.Principal, id, name, remote string) (Record, error) {
	name = strings.TrimSpace(name)
	d.mu.Lock()
	defer d.mu.Unlock()
	r, err := d.read(ctx, id)
	switch {
	case err != nil:
		return r, err
	case !d.MayLead(p, r.Site) || p.Kind != account.KindPerson:
		return r, &Refused{Forbidden: true, Text: lang.Text{ZH: "演练报告由有权组织演练的人员本人签发", EN: "a drill's report is signed by a person who may lead it"}}
	case r.Score == nil:
		return r, refuse("演练尚未评分", "the drill is not scored yet")
	case r.Signed != nil:
		return r, refuse("演练报告已签发", "the report is signed already")
	case name == "" || utf8.RuneCountInString(name) > 80:
		return r, refuse("签发人请填写姓名", "whoever signs writes their name")
	}
	if err := d.o.Record(ctx, account.AuditEntry{Actor: p.Name, Action: "drill.sign", Object: id, Detail: name, Remote: remote}); err != nil {
		return r, err
	}
	r.Signed = &Signature{By: p.Name, Name: name, At: d.o.Now().UTC()}
	sum, err := digest(r.Score)
	if err != nil {
		return r, err
	}
	r.add(r.Signed.At, p.Name, ActSigned, name+" "+sum)
	return r, d.keep(ctx, r)
}
