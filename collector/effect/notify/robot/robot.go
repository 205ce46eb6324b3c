// Package robot knows how group robots are spoken to: what a message looks like
// to WeCom, DingTalk, Feishu, Slack, Teams and to gateways for SMS and voice,
// how requests are signed, and what the answers mean. Everything but Post is
// pure. When and to whom is written is decided elsewhere (packages budget, chat).
//
// The vendors' addresses, limits and codes are those of their public
// documentation as of 2026; group robots cannot call back (package callback is
// for apps).
package robot

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/faultline/faultline/internal/secret"
)

// Kind is the sort of robot.
type Kind string

// The kinds of robots.
const (
	WeCom    Kind = "wecom"
	DingTalk Kind = "dingtalk"
	Feishu   Kind = "feishu"
	Slack    Kind = "slack"
	Teams    Kind = "teams"
	SMS      Kind = "sms"   // a gateway behind the signed webhook
	Voice    Kind = "voice" // a gateway behind the signed webhook that reads Short aloud
	Hook     Kind = "webhook"
)

// Levels of messages. Critical is priority 1.
const (
	Critical = "critical"
	Major    = "major"
	Minor    = "minor"
	Info     = "info"
)

// Settings say where a robot is and whom it serves.
type Settings struct {
	Name      string          `yaml:"name"`
	Kind      Kind            `yaml:"kind"`
	URL       secret.String   `yaml:"url"`        // holds the key, so it is a secret itself
	URLFile   string          `yaml:"url_file"`   // a file that holds it instead
	Secret    secret.String   `yaml:"secret"`     // DingTalk, Feishu: signs; "" where the robot is guarded otherwise
	Keys      []secret.String `yaml:"keys"`       // SMS, voice, webhook: newest first, all of them sign
	To        []string        `yaml:"to"`         // SMS, voice: numbers
	Roles     []string        `yaml:"roles"`      // roles whose notices it gets
	Sites     []string        `yaml:"sites"`      // empty: all
	Language  string          `yaml:"language"`   // zh-CN (default) or en
	Levels    []string        `yaml:"levels"`     // severities it gets; empty: all
	AtMobiles []string        `yaml:"at_mobiles"` // called by name at priority 1: WeCom, DingTalk
	AtAll     bool            `yaml:"at_all"`     // everybody is called at priority 1
	PerMinute int             `yaml:"per_minute"` // messages; 0 is the kind's own (Limits)
	App       AppSettings     `yaml:"app"`        // of apps
}

// Limits bound what a kind of robot takes.
type Limits struct {
	PerMinute int           // messages we allow ourselves in any 60 s: below what the vendor allows
	Reserve   int           // of them, kept for priority 1
	Digests   int           // of the others, kept for digests
	Gap       time.Duration // the shortest time between two messages
	Mute      time.Duration // how long the robot refuses after "too fast" when it does not say
	Bytes     int           // of one message's text, UTF-8
}

// LimitsOf returns the limits of a kind. WeCom and DingTalk take 20 a minute
// (DingTalk is mute for 10 minutes beyond that), Feishu 100 a minute and 5 a
// second, Slack one a second, Teams 4 a second; we stay below all of them.
func LimitsOf(k Kind) Limits {
	l := Limits{PerMinute: 15, Reserve: 5, Digests: 4, Mute: time.Minute, Bytes: 4000}
	switch k {
	case WeCom, WeComApp, DingTalkApp:
	case DingTalk:
		l.Mute, l.Bytes = 10*time.Minute, 12000
	case Feishu, FeishuApp:
		l.PerMinute, l.Reserve, l.Gap, l.Bytes = 60, 15, 300*time.Millisecond, 12000
	case Slack:
		l.PerMinute, l.Reserve, l.Gap, l.Bytes = 40, 10, 1100*time.Millisecond, 3500
	case Teams:
		l.PerMinute, l.Reserve, l.Gap, l.Bytes = 40, 10, 500*time.Millisecond, 18000
	case SMS:
		l.PerMinute, l.Reserve, l.Digests, l.Bytes = 10, 5, 2, 1000
	case Voice:
		l.PerMinute, l.Reserve, l.Digests, l.Bytes = 4, 2, 1, 600
	}
	return l
}

// Limits returns the robot's limits.
func (s Settings) Limits() Limits {
	l := LimitsOf(s.Kind)
	if s.PerMinute > 0 {
		l.PerMinute = s.PerMinute
		l.Reserve = min(l.Reserve, max(1, s.PerMinute/3))
		l.Digests = min(l.Digests, max(1, (l.PerMinute-l.Reserve)/2))
	}
	return l
}

// Validate returns what is wrong with the settings, all of it.
func (s Settings) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("robot %s: "+format, append([]any{s.Name}, args...)...))
	}
	if s.Name == "" {
		bad("the name is missing")
	}
	if !s.IsApp() && !slices.Contains([]Kind{WeCom, DingTalk, Feishu, Slack, Teams, SMS, Voice, Hook}, s.Kind) {
		bad("kind %q is not wecom, dingtalk, feishu, one of these with -app, slack, teams, sms, voice or webhook", s.Kind)
	}
	if s.IsApp() {
		errs = append(errs, s.validateApp())
	}
	if u, err := url.Parse(s.URL.Reveal()); (s.URL != "" || !s.IsApp()) && (err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http") {
		bad("url is not a http or https address")
	}
	for n, k := range s.Keys {
		if len(k.Reveal()) < 16 {
			bad("key %d is shorter than 16 characters", n+1)
		}
	}
	if s.signed() && len(s.Keys) == 0 {
		bad("keys: a %s gateway knows us by a signature, so a key is needed", s.Kind)
	}
	for _, l := range s.Levels {
		if !slices.Contains([]string{Critical, Major, Minor, Info}, l) {
			bad("level %q is not critical, major, minor or info", l)
		}
	}
	if s.PerMinute < 0 || s.PerMinute > 0 && s.PerMinute < 3 {
		bad("per_minute: %d is below 3", s.PerMinute)
	}
	return errors.Join(errs...)
}

// signed tells whether the kind is one of our own signed webhooks.
func (s Settings) signed() bool { return s.Kind == SMS || s.Kind == Voice || s.Kind == Hook }

// Wants tells whether a notice to these roles about this site is for the robot.
func (s Settings) Wants(roles []string, site, level string) bool {
	has := slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(s.Roles, r) })
	return has && (len(s.Sites) == 0 || slices.Contains(s.Sites, site)) && (len(s.Levels) == 0 || slices.Contains(s.Levels, level))
}

// Lang is the language of the robot's group: Chinese unless another is set.
func (s Settings) Lang() string { return languageOf(s.Language) }

// Message is what a robot says. Text is plain: no part of it is markup.
type Message struct {
	Key      string // the same for every repeat
	Title    string // one line
	Text     string // lines
	Short    string // one sentence for SMS and voice; "" is Title
	URL      string
	Level    string
	Language string
	Repeat   bool     // it may have been said before
	Buttons  []Button // of apps
	Digest   int      // how many notices it tells of; 0 is a single one
	Fields   map[string]string
	At       time.Time
}

// Request is one POST.
type Request struct {
	URL    secret.String
	Header map[string]string
	Body   []byte
}

// maxTitle bounds a message's title, in bytes.
const maxTitle = 300

// Build makes the request that says m. now is the clock of the signature.
func Build(s Settings, m Message, now time.Time) (Request, error) {
	l := s.Limits()
	m.Text = Cut(m.Text, l.Bytes)
	m.Title = Cut(oneLine(m.Title), maxTitle)
	if m.Repeat {
		m.Title = repeatMark(m.Language) + m.Title
	}
	switch s.Kind {
	case WeCom:
		return buildWeCom(s, m)
	case DingTalk:
		return buildDingTalk(s, m, now)
	case Feishu:
		return buildFeishu(s, m, now)
	case Slack:
		return buildSlack(s, m)
	case Teams:
		return buildTeams(s, m)
	case SMS, Voice, Hook:
		return buildHook(s, m)
	case WeComApp:
		return buildWeComApp(s, m)
	case DingTalkApp:
		return buildDingTalkApp(s, m)
	case FeishuApp:
		return buildFeishuApp(s, m, now)
	}
	return Request{}, fmt.Errorf("robot %s: kind %q is not known", s.Name, s.Kind)
}

// oneLine folds white space.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
