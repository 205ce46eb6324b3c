// Package callback takes what people answer in chat apps: a button of a card or
// a word to the robot, by WeCom, DingTalk or Feishu. It checks who speaks
// (signature, decryption, clock) and what the button is bound to, and hands a
// Press on; what a person may do is decided by the one who takes it (api.Gate).
// Group robots cannot call back: this is for apps.
package callback

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Actions that a button or a word can stand for; they are package api's words.
const (
	Ack     = "ack"
	Approve = "approve"
	Reject  = "reject"
	Comment = "comment"
)

// Press is what somebody did in a chat app.
type Press struct {
	ID       string // of the callback: a repeat has the same
	App      string // name of the app in our settings
	User     string // the app's ID of the person
	Incident string // ID, from a button; "" of a word
	Number   string // from a word
	Step     string // the step that the button was made for: it does nothing at another; "" of a word
	Action   string
	Comment  string
	At       time.Time
}

// Button binds an action to one incident at one step, for a time.
type Button struct {
	Incident string
	Step     string
	Action   string
	Expires  time.Time
}

// ErrButton says that a button's value is forged, another app's or too old.
var ErrButton = errors.New("this button does not work any more")

// Seal writes the button as the value that the app sends back. Only the holder
// of the key can make one: a value for one incident works for no other.
func (b Button) Seal(key []byte) string {
	text := strings.Join([]string{"1", b.Incident, b.Step, b.Action, strconv.FormatInt(b.Expires.Unix(), 10)}, "|")
	return base64.RawURLEncoding.EncodeToString([]byte(text)) + "." + mac(key, text)
}

// Unseal reads a value that Seal wrote.
func Unseal(key []byte, value string, now time.Time) (Button, error) {
	encoded, sum, _ := strings.Cut(value, ".")
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(key) == 0 || !same(sum, mac(key, string(raw))) {
		return Button{}, ErrButton
	}
	part := strings.Split(string(raw), "|")
	if len(part) != 5 || part[0] != "1" {
		return Button{}, ErrButton
	}
	unix, err := strconv.ParseInt(part[4], 10, 64)
	if err != nil || !now.Before(time.Unix(unix, 0)) {
		return Button{}, ErrButton
	}
	return Button{Incident: part[1], Step: part[2], Action: part[3], Expires: time.Unix(unix, 0)}, nil
}

func mac(key []byte, text string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte("chat button\n" + text))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}

// words are what people may write to a robot, with the incident's number.
var words = map[string]string{
	"确认": Ack, "接单": Ack, "收到": Ack, "ack": Ack, "acknowledge": Ack,
	"批准": Approve, "同意": Approve, "approve": Approve,
	"驳回": Reject, "拒绝": Reject, "不同意": Reject, "reject": Reject,
	"备注": Comment, "说明": Comment, "comment": Comment, "note": Comment,
}

// ErrWords says that a text is no command.
var ErrWords = errors.New("write 确认/批准/驳回/备注 and the incident's number, e.g. 确认 20261121-0042")

// ParseWords reads a text such as "@机器人 确认 20261121-0042 已电话联系". The
// number is required: a word alone could mean any incident.
func ParseWords(text string) (action, number, comment string, err error) {
	fields := strings.Fields(strings.ReplaceAll(text, "\u00a0", " "))
	fields = slices.DeleteFunc(fields, func(f string) bool { return strings.HasPrefix(f, "@") })
	if len(fields) < 2 {
		return "", "", "", ErrWords
	}
	action, ok := words[strings.ToLower(strings.Trim(fields[0], "：:，,。.!！"))]
	number = strings.Trim(strings.ToUpper(fields[1]), "[]：:，,。.")
	number = strings.TrimPrefix(strings.TrimPrefix(number, "FL"), "#")
	if !ok || !isNumber(number) {
		return "", "", "", ErrWords
	}
	comment = strings.Join(fields[2:], " ")
	if action == Reject && comment == "" || action == Comment && comment == "" {
		return "", "", "", fmt.Errorf("%s %s: say why: %w", fields[0], number, ErrWords)
	}
	return action, number, comment, nil
}

// isNumber tells whether s is an incident's number: 20261121-0042.
func isNumber(s string) bool {
	day, n, ok := strings.Cut(s, "-")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	return ok && len(day) == 8 && len(n) >= 4 && len(n) <= 9 && digits(day) && digits(n)
}
