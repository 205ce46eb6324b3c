package log

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"

	"github.com/faultline/faultline/agent/input/failure"
	"github.com/faultline/faultline/agent/input/glob"
	"github.com/faultline/faultline/agent/syslog"
	"github.com/faultline/faultline/plugins/input"
)

// file is one that is followed. It stays open, so that what is written to it until
// it is rotated away is read too; on Windows, where an open file could not be
// renamed, it is closed after each reading.
type file struct {
	f     *os.File // nil: closed meanwhile
	info  os.FileInfo
	place *place
	skip  bool // the rest of a line that was too long comes next
}

func (f *file) close() error {
	if f.f == nil {
		return nil
	}
	err := f.f.Close()
	f.f = nil
	return err
}

// readFiles reads on in every file that the pattern fits.
func (j *job) readFiles() error {
	found, err := glob.Files(j.settings.path)
	if err != nil {
		return err
	}
	j.many = len(found)
	if len(found) == 0 {
		return failure.As(failure.Missing, fmt.Errorf("log %s: no such file", j.settings.path))
	}
	var faults []error
	if len(found) > maxFiles {
		faults = append(faults, fmt.Errorf("log %s: %d files, of which the %d written last are read", j.settings.path, len(found), maxFiles))
		found = found[:maxFiles]
	}
	if err := j.matched(found); err != nil {
		faults = append(faults, err)
	}
	for _, g := range found {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		if err := j.follow(g); err != nil {
			faults = append(faults, fmt.Errorf("log %s: %w", g.Path, err))
		}
	}
	in := j.input
	if in.opts.Hear != nil && !in.state.Known[j.id] {
		in.state.Known[j.id], in.state.changed = true, true
	}
	if err := errors.Join(faults...); err != nil {
		if len(faults) >= len(found) { // none could be read
			return err
		}
		return input.Partial{Err: err}
	}
	return nil
}

// matched lays what is followed beside what was found. A file goes by another name
// when it was rotated; one whose name is gone, or another's, is read to its end.
func (j *job) matched(found []glob.Found) error {
	st := &j.input.state
	here, was := map[string]*file{}, map[*file]string{}
	for path, f := range j.reader.files {
		was[f] = path
	}
	for _, g := range found {
		for f, path := range was {
			if !os.SameFile(f.info, g.Info) {
				continue
			}
			here[g.Path] = f
			delete(was, f)
			if path != g.Path {
				delete(st.Files, j.key(path))
				st.changed = true
			}
			break
		}
	}
	var faults []error
	for f, path := range was {
		faults = append(faults, j.rest(path, f))
	}
	for path, f := range here {
		if f.place != nil {
			st.Files[j.key(path)] = f.place
		}
	}
	j.reader.files = here
	return errors.Join(faults...)
}

func (j *job) key(path string) string { return j.id + "\x00" + path }

// rest reads what is left of a file that was rotated away and lets go of it. What
// is more than a reading takes is passed over and counted.
func (j *job) rest(path string, f *file) error {
	if f.f == nil {
		return nil
	}
	behind := j.behind
	err := j.lines(path, f)
	j.reader.totals.skipped += float64(j.behind - behind)
	j.behind = behind
	delete(j.input.state.Files, j.key(path))
	j.input.state.changed = true
	return errors.Join(err, f.close())
}

// follow reads on in one file.
func (j *job) follow(g glob.Found) error {
	f := j.reader.files[g.Path]
	if f == nil {
		f = &file{info: g.Info}
	}
	if f.f == nil {
		opened, err := os.Open(g.Path)
		if err != nil {
			return err
		}
		f.f = opened
	}
	if j.input.opts.Hear == nil { // it can be opened: that is all that was asked
		return f.close()
	}
	j.reader.files[g.Path] = f
	err := j.begin(g, f)
	if err == nil {
		err = j.lines(g.Path, f)
	}
	if runtime.GOOS == "windows" {
		err = errors.Join(err, f.close())
	}
	return err
}

// begin finds where to read on.
func (j *job) begin(g glob.Found, f *file) error {
	st := &j.input.state
	if f.place == nil {
		p := st.Files[j.key(g.Path)]
		same := p != nil
		if same {
			var err error
			if same, err = p.is(f.f); err != nil {
				return err
			}
		}
		if !same {
			p = &place{}
			if !st.Known[j.id] { // its past is nobody's news
				p.Offset = g.Info.Size()
			}
		}
		f.place = p
		st.Files[j.key(g.Path)] = p
		st.changed = true
	}
	info, err := f.f.Stat()
	if err != nil {
		return err
	}
	same, err := f.place.is(f.f)
	if err != nil {
		return err
	}
	if info.Size() < f.place.Offset || !same { // emptied, and perhaps written anew
		*f.place, f.skip = place{}, false
		j.reader.totals.restarts++
	}
	if lag := info.Size() - f.place.Offset; lag > maxLag {
		j.reader.totals.skipped += float64(lag - maxLag)
		f.place.Offset, f.skip = info.Size()-maxLag, true
	}
	f.place.Seen = j.input.opts.Now()
	return f.place.note(f.f)
}

// lines hands over whole lines, within the bounds of a reading.
func (j *job) lines(path string, f *file) error {
	if f.place == nil {
		return nil
	}
	buf := make([]byte, 0, 64<<10)
	budget := int64(maxBytes)
	defer func() {
		if info, err := f.f.Stat(); err == nil {
			j.behind += max(info.Size()-f.place.Offset, 0)
		}
	}()
	for budget > 0 && j.left > 0 {
		if err := j.ctx.Err(); err != nil {
			return err
		}
		n, err := f.f.ReadAt(buf[:cap(buf)], f.place.Offset)
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, fs.ErrClosed) {
			return err
		}
		used, herr := j.chunk(path, f, buf[:n])
		if used > 0 {
			f.place.Offset += int64(used)
			j.reader.totals.bytes += float64(used)
			j.input.state.changed = true
		}
		if herr != nil {
			return herr
		}
		if budget -= int64(used); used == 0 || err != nil && used == n {
			return nil
		}
	}
	return nil
}

// chunk hands over the lines that end in b and returns how many bytes are done
// with. Of a line longer than maxLine the beginning is taken at once.
func (j *job) chunk(path string, f *file, b []byte) (int, error) {
	used := 0
	for used < len(b) && j.left > 0 {
		end := bytes.IndexByte(b[used:], '\n')
		line := b[used:]
		if end >= 0 {
			line = line[:end]
		}
		switch {
		case f.skip && end < 0:
			return len(b), nil
		case f.skip:
			f.skip = false
			used += end + 1
			continue
		case end < 0 && len(line) < maxLine:
			return used, nil // it is still being written
		}
		if len(line) > maxLine {
			line = line[:maxLine]
			j.reader.totals.cut++
		}
		if len(bytes.TrimSpace(line)) > 0 {
			if err := j.hear(syslog.Local{Line: line, Source: path}); err != nil {
				return used, err
			}
		}
		if end < 0 {
			f.skip = true
			return len(b), nil
		}
		used += end + 1
	}
	return used, nil
}
