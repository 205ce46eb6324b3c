package post

import (
	"strings"
	"testing"
	"time"
)

// TestPost sends a mail to each mailbox and finds it there.
func TestPost(t *testing.T) {
	o := Open(t, "faultline@practice.example")
	for to, box := range map[string]string{"faultline+20261122-0001.abc@practice.example": Ours, "noc@carrier.practice.example": Vendors} {
		o.Send("somebody@vendor.test", to, []byte("From: somebody@vendor.test\r\nTo: "+to+"\r\nSubject: for "+box+"\r\n\r\nhello\r\n"))
	}
	for _, box := range []string{Ours, Vendors} {
		deadline := time.Now().Add(30 * time.Second)
		for len(o.Mails(box)) == 0 && time.Now().Before(deadline) {
			time.Sleep(20 * time.Millisecond)
		}
		mails := o.Mails(box)
		if len(mails) != 1 || mails[0].GetHeader("Subject") != "for "+box || !strings.Contains(mails[0].Text, "hello") {
			t.Fatalf("mailbox %s: %d mails", box, len(mails))
		}
	}
}
