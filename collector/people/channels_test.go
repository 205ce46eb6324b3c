package people

import (
	"strings"
	"testing"
	"testing/fstest"
)

func TestChannelsAreKnown(t *testing.T) {
	file := fstest.MapFS{"p.yaml": {Data: []byte("apiVersion: faultline/v1\nkind: People\npeople:\n  - {id: li, name: 李工, channels: [email, pager]}\n")}}
	if _, err := Load(file, Options{Channels: []string{Email, "pager"}}); err != nil {
		t.Errorf("a known channel: %v", err)
	}
	_, err := Load(file, Options{Channels: []string{Email, "sms"}})
	if err == nil || !strings.Contains(err.Error(), `p.yaml:4`) || !strings.Contains(err.Error(), `no channel "pager": email, sms`) {
		t.Errorf("an unknown channel: %v", err)
	}
}
