package config

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	quiet = 300 * time.Millisecond // after which a first prompt is taken for one
	short = 5 * time.Second        // for a prepared command's answer
)

// dialogue types at a device's terminal and reads what it shows.
type dialogue struct {
	v        *vendor
	in       io.Writer
	out      chan []byte // closed when the device ends
	screen   *terminal
	prompt   string // as it was after login
	most     int
	answered int // questions
}

// converse types the vendor's commands and returns what the last one shows.
func (in *Input) converse(ctx context.Context, session *ssh.Session, s *settings) (string, error) {
	// A page without end and very wide: many devices page and fold by it.
	if err := session.RequestPty("vt100", 0, 512, ssh.TerminalModes{ssh.ECHO: 0}); err != nil {
		return "", fmt.Errorf("ask for a terminal: %w", err)
	}
	stdin, err := session.StdinPipe()
	if err != nil {
		return "", err
	}
	stdout, err := session.StdoutPipe()
	if err != nil {
		return "", err
	}
	if err := session.Shell(); err != nil {
		return "", fmt.Errorf("ask for a shell: %w", err)
	}
	d := &dialogue{v: s.vendor, in: stdin, out: make(chan []byte), screen: &terminal{}, most: in.opts.MaxBytes}
	done := make(chan struct{})
	defer close(done)
	go d.listen(stdout, done) // ends with the connection, which the caller closes
	if err := d.login(ctx); err != nil {
		return "", err
	}
	if err := d.enable(ctx, s); err != nil {
		return "", err
	}
	for _, command := range s.vendor.Prepare {
		if _, err := d.run(ctx, command, short); err != nil {
			return "", err
		}
	}
	text, err := d.run(ctx, s.vendor.Command, 0)
	if err == nil {
		_, _ = io.WriteString(d.in, "exit\n")
	}
	return text, err
}

// listen hands over what the device writes until it ends or done is closed.
func (d *dialogue) listen(r io.Reader, done <-chan struct{}) {
	defer close(d.out)
	for {
		b := make([]byte, 8192)
		n, err := r.Read(b)
		if n > 0 {
			select {
			case d.out <- b[:n]:
			case <-done:
				return
			}
		}
		if err != nil {
			return
		}
	}
}

func (d *dialogue) say(text string) error {
	if _, err := io.WriteString(d.in, text); err != nil {
		return fmt.Errorf("write to the device: %w", err)
	}
	return nil
}

var errEnded = errors.New("the device ended the session")

// until reads until ready says so of the last line and the device is silent for
// a while, or the limit is over (0: none but ctx's).
func (d *dialogue) until(ctx context.Context, ready func(last string) bool, silent, limit time.Duration) error {
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		if ready(d.screen.last()) {
			wait = silent
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for the device's prompt after %q: %w", clipped(d.screen.last()), ctx.Err())
		case <-timer.C:
			return nil
		case b, ok := <-d.out:
			if !ok {
				return errEnded
			}
			_, _ = d.screen.Write(b)
			if d.screen.size() > d.most {
				return fmt.Errorf("the configuration is larger than %d bytes", d.most)
			}
			if err := d.respond(); err != nil {
				return err
			}
		}
	}
}

// clipped is the end of a line, for a message; it may be a configuration's line
// and is shown only as far as a prompt is long.
func clipped(s string) string {
	const most = 40
	if r := []rune(s); len(r) > most {
		return "…" + string(r[len(r)-most:])
	}
	return s
}

// respond answers a pager, and questions at login.
func (d *dialogue) respond() error {
	last := d.screen.last()
	if d.v.more != nil {
		if at := d.v.more.FindStringIndex(last); at != nil && strings.TrimSpace(last[at[1]:]) == "" {
			d.screen.line, d.screen.at = d.screen.line[:0], 0
			return d.say(" ")
		}
	}
	const most = 5
	if d.prompt != "" || d.answered >= most {
		return nil
	}
	for _, a := range d.v.Answers {
		if a.question.MatchString(last) {
			d.answered++
			return d.say(a.Say + "\n")
		}
	}
	return nil
}

// login waits for the first prompt.
func (d *dialogue) login(ctx context.Context) error {
	err := d.until(ctx, d.v.prompt.MatchString, quiet, 0)
	if err != nil {
		return fmt.Errorf("log in: %w", err)
	}
	d.learn()
	return nil
}

// learn takes the last line for the prompt.
func (d *dialogue) learn() {
	d.prompt = strings.TrimSpace(d.screen.last())
	d.screen.take()
}

// enable enters the privileged mode where reading needs it.
func (d *dialogue) enable(ctx context.Context, s *settings) error {
	e := d.v.Enable
	if e == nil || e.done.MatchString(d.prompt) {
		return nil
	}
	if err := d.say(e.Command + "\n"); err != nil {
		return err
	}
	asked := false
	ready := func(last string) bool {
		asked = e.ask.MatchString(last)
		return asked || d.v.prompt.MatchString(last) && strings.TrimSpace(d.screen.lines.String()) != ""
	}
	if err := d.until(ctx, ready, quiet, short); err != nil {
		return fmt.Errorf("%s: %w", e.Command, err)
	}
	if asked {
		d.screen.take()
		d.screen.line, d.screen.at = nil, 0
		if err := d.say(s.enable.Reveal() + "\n"); err != nil {
			return err
		}
		again := func(last string) bool { return e.ask.MatchString(last) || d.v.prompt.MatchString(last) }
		if err := d.until(ctx, again, quiet, short); err != nil {
			return fmt.Errorf("%s: %w", e.Command, err)
		}
	}
	if !e.done.MatchString(d.screen.last()) {
		return fmt.Errorf("%s: the device refuses the enable_password", e.Command)
	}
	d.learn()
	return nil
}

// run types a command and returns what the device shows until its prompt.
func (d *dialogue) run(ctx context.Context, command string, limit time.Duration) (string, error) {
	d.screen.take()
	d.screen.line, d.screen.at = nil, 0
	if err := d.say(command + "\n"); err != nil {
		return "", err
	}
	ready := func(last string) bool { return strings.TrimSpace(last) == d.prompt }
	if err := d.until(ctx, ready, quiet/3, limit); err != nil {
		return "", fmt.Errorf("%s: %w", command, err)
	}
	return withoutEcho(d.screen.take(), command), nil
}

// withoutEcho leaves out the command where the device shows it again.
func withoutEcho(text, command string) string {
	first, rest, _ := strings.Cut(text, "\n")
	if strings.Contains(first, command) {
		return rest
	}
	return text
}
