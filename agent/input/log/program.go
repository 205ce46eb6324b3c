package log

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/syslog"
)

// maxEntry bounds one entry of a journal or event log, in bytes: longer ones are
// passed over and counted.
const maxEntry = 256 << 10

// ask runs a program and calls each with every record of what it prints, as split
// parts it, until each says false. The program is ended then, and with ctx.
func ask(ctx context.Context, split bufio.SplitFunc, each func([]byte) (more bool, err error), name string, args ...string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8", "SYSTEMD_COLORS=0", "SYSTEMD_PAGER=")
	cmd.WaitDelay = 2 * time.Second
	var complaint tail
	cmd.Stderr = &complaint
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		if errors.Is(err, exec.ErrNotFound) {
			return failure.As(failure.Missing, fmt.Errorf("%s is not installed", name))
		}
		return fmt.Errorf("run %s: %w", name, err)
	}
	stopped := false
	in := bufio.NewScanner(out)
	in.Buffer(make([]byte, 64<<10), maxEntry)
	in.Split(split)
	for in.Scan() {
		more, herr := each(in.Bytes())
		if err = herr; err != nil || !more {
			stopped = true
			break
		}
	}
	if err == nil && !stopped {
		err = in.Err()
	}
	if stopped || err != nil {
		cancel()
	}
	_, _ = io.Copy(io.Discard, out)
	if werr := cmd.Wait(); err == nil && !stopped && werr != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return failure.As(failure.Status, fmt.Errorf("%s: %w: %s", name, werr, complaint.text()))
	}
	return err
}

// tail keeps the first words of what a program complains of.
type tail struct{ b []byte }

// Write keeps as much as fits.
func (t *tail) Write(b []byte) (int, error) {
	if room := 300 - len(t.b); room > 0 {
		t.b = append(t.b, b[:min(room, len(b))]...)
	}
	return len(b), nil
}

func (t *tail) text() string { return strings.ToValidUTF8(strings.TrimSpace(string(t.b)), "?") }

// readJournal reads on in the journal of systemd. The entry that is newest when a
// target is first read is where it begins.
func (j *job) readJournal() error {
	st, name := &j.input.state, j.input.opts.Journalctl
	args := []string{"--output=json", "--quiet", "--no-pager", "--priority=" + strconv.Itoa(j.settings.level),
		"--output-fields=MESSAGE,PRIORITY,SYSLOG_FACILITY,SYSLOG_IDENTIFIER,_COMM,_PID,_HOSTNAME"}
	for _, u := range j.settings.units {
		args = append(args, "--unit="+u)
	}
	cursor := st.Cursors[j.id]
	first := cursor == "" || j.input.opts.Hear == nil
	if first {
		// A journal with nothing in it yet has no newest entry; the next reading
		// begins again then.
		args = append(args, "--lines=1")
	} else {
		args = append(args, "--after-cursor="+cursor)
	}
	err := ask(j.ctx, bufio.ScanLines, func(line []byte) (bool, error) {
		e, err := journalEntry(line)
		if err != nil {
			j.reader.totals.cut++
			return true, nil
		}
		if !first {
			j.reader.totals.bytes += float64(len(line))
			if err := j.hear(syslog.Local{Message: &e.message, Source: "journal"}); err != nil {
				return false, err
			}
		}
		if j.input.opts.Hear != nil {
			st.Cursors[j.id], st.changed = e.cursor, true
		}
		return j.left > 0, nil
	}, name, args...)
	if reason := failure.Reason(err); err != nil && !first && reason == failure.Status && st.Cursors[j.id] == cursor {
		delete(st.Cursors, j.id) // its entry is gone with its file: begin at the end
		st.changed = true
		j.reader.totals.restarts++
	}
	return err
}

// entry is one of a journal or event log.
type entry struct {
	cursor  string
	message syslog.Message
}

// journalEntry reads one line of journalctl's JSON (systemd.journal-fields(7)).
func journalEntry(line []byte) (entry, error) {
	var e struct {
		Cursor   string `json:"__CURSOR"`
		At       string `json:"__REALTIME_TIMESTAMP"`
		Message  field  `json:"MESSAGE"`
		Level    field  `json:"PRIORITY"`
		Facility field  `json:"SYSLOG_FACILITY"`
		App      field  `json:"SYSLOG_IDENTIFIER"`
		Command  field  `json:"_COMM"`
		PID      field  `json:"_PID"`
		Host     field  `json:"_HOSTNAME"`
	}
	if err := json.Unmarshal(line, &e); err != nil {
		return entry{}, err
	}
	m := syslog.Message{Facility: number(e.Facility, 23), Level: number(e.Level, 7), Host: string(e.Host), App: string(e.App), Proc: string(e.PID), Text: string(e.Message)}
	if m.App == "" {
		m.App = string(e.Command)
	}
	if at, err := strconv.ParseInt(e.At, 10, 64); err == nil {
		m.Sent, m.Zoned = time.UnixMicro(at), true
	}
	if e.Cursor == "" {
		return entry{}, errors.New("an entry without a cursor")
	}
	return entry{e.Cursor, m}, nil
}

func number(f field, most int) int {
	n, err := strconv.Atoi(string(f))
	if err != nil || n < 0 || n > most {
		return -1
	}
	return n
}

// field is a field's value: a text, bytes as numbers when it is no UTF-8, null
// when it is too long, or several values, of which the first counts.
type field string

// UnmarshalJSON takes any of the forms; what it does not know is empty.
func (f *field) UnmarshalJSON(b []byte) error {
	switch b = bytes.TrimSpace(b); {
	case len(b) == 0:
	case b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*f = field(s)
	case b[0] == '[':
		var numbers []uint16
		if json.Unmarshal(b, &numbers) == nil {
			text := make([]byte, len(numbers))
			for i, n := range numbers {
				text[i] = byte(n)
			}
			*f = field(text)
			return nil
		}
		var several []field
		if err := json.Unmarshal(b, &several); err == nil && len(several) > 0 {
			*f = several[0]
		}
	}
	return nil
}
