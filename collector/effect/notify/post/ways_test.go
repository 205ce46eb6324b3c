package post

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/faultline/faultline/collector/people"
	"github.com/faultline/faultline/internal/lang"
	"github.com/faultline/faultline/plugins/notify"
	"github.com/faultline/faultline/plugins/ticket"
)

// way takes what comes or fails with err, and notes that it was asked.
type way struct {
	name  string
	err   error
	asked *[]string
}

func (w way) Name() string { return w.name }

func (w way) Reach(_ context.Context, p *people.Person, _ notify.Notice, language string) error {
	*w.asked = append(*w.asked, w.name+" "+p.Phone+" "+language)
	return w.err
}

// TestWays: which ways a message goes, by the person's channels.
func TestWays(t *testing.T) {
	final := &ticket.Error{Op: "sms", Err: errors.New("no such number")}
	busy := &ticket.Error{Op: "sms", Retryable: true, Err: errors.New("busy")}
	for _, tt := range []struct {
		name     string
		channels string
		priority int
		kind     string
		sms      error
		mail     error
		asked    string // ways in order
		state    string
		reason   string
	}{
		{"mail unless said", "[]", 1, "opened", nil, nil, "mail", people.MessageSent, ""},
		{"the first that takes it", "[sms, call, email]", 2, "opened", nil, nil, "sms", people.MessageSent, "by sms"},
		{"the next when one refuses for good", "[sms, call]", 2, "opened", final, nil, "sms,call", people.MessageSent, "by call"},
		{"the next when one is busy", "[sms, email]", 2, "opened", busy, nil, "sms,mail", people.MessageSent, "by email"},
		{"priority 1 goes all", "[email, sms, call]", 1, "opened", nil, nil, "mail,sms,call", people.MessageSent, "by email, sms, call"},
		{"priority 1 is told when one took it", "[email, sms]", 1, "opened", busy, nil, "mail,sms", people.MessageSent, "by email"},
		{"mail is not wanted where another way took it", "[sms]", 1, "opened", nil, nil, "sms", people.MessageSent, "by sms"},
		{"mail is the last way", "[sms]", 2, "opened", final, nil, "sms,mail", people.MessageSent, "by email"},
		{"again while one may pass", "[sms, email]", 2, "opened", busy, final, "sms,mail", people.MessageHeld, "made again"},
		{"failed when none may", "[sms]", 2, "opened", final, final, "sms,mail", people.MessageFailed, "no such number"},
		{"a channel that is gone", "[pager, email]", 2, "opened", nil, nil, "mail", people.MessageSent, "by email"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOffice(t)
			d, err := people.Load(fstest.MapFS{"p.yaml": {Data: []byte(`apiVersion: faultline/v1
kind: People
people:
  - {id: smith, name: Smith, roles: [hq_network], email: smith@example.com, phone: "+8613800000000", language: en, channels: ` + tt.channels + `}
`)}}, people.Options{})
			if err != nil {
				t.Fatal(err)
			}
			var asked []string
			o.o.Directory = func() *people.Directory { return d }
			o.o.Ways = []Way{way{"call", nil, &asked}, way{"sms", tt.sms, &asked}}
			o.o.Channel = mailWay{way{"mail", tt.mail, &asked}}
			o.take("1", tt.kind, tt.priority, "smith")
			o.step()
			got := strings.NewReplacer(" +8613800000000 en", "", " smith@example.com", "").Replace(strings.Join(asked, ","))
			if got != tt.asked {
				t.Errorf("went by %q, want %q", got, tt.asked)
			}
			for _, m := range o.store.messages {
				if m.State != tt.state || !strings.Contains(m.Reason.In(lang.EN), tt.reason) {
					t.Errorf("%s %q, want %s %q", m.State, m.Reason.In(lang.EN), tt.state, tt.reason)
				}
			}
		})
	}
}

// mailWay is a way as the mail channel.
type mailWay struct{ way }

func (w mailWay) Deliver(_ context.Context, n notify.Notice) error {
	*w.asked = append(*w.asked, w.name+" "+n.To)
	return w.err
}
