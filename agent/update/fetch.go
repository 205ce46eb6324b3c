package update

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/faultline/faultline/agent/link"
	"github.com/faultline/faultline/internal/release"
	"github.com/faultline/faultline/internal/wire"
)

const (
	partSize     = 256 << 10 // bytes of one request
	partPatience = 30 * time.Second
	mostRetries  = 100 // of parts, without any getting through
)

// fetch puts the program in its slot, part by part at the pace of Rate. What is
// on disk of an interrupted download is gone on with; only the whole counts.
func (u *Updater) fetch(ctx context.Context, l *link.Client, f release.File) error {
	slot := Slot{SHA256: f.SHA256}
	if u.state.intact(slot) {
		return nil
	}
	part := filepath.Join(u.o.Dir, f.SHA256+".part")
	for again := range 2 {
		if err := u.download(ctx, l, f, part); err != nil {
			return err
		}
		sum, err := sumOf(part)
		if err != nil {
			return err
		}
		if sum == f.SHA256 {
			return u.place(part, slot)
		}
		if err := os.Remove(part); err != nil {
			return err
		}
		if again == 1 {
			return fmt.Errorf("checksum is %s, the manifest says %s", sum, f.SHA256)
		}
	}
	return nil
}

// place moves a checked download to where it is run from.
func (u *Updater) place(part string, s Slot) error {
	to := u.state.program(s)
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	if err := os.Chmod(part, 0o700); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(to)), syncDir(u.o.Dir))
}

// download appends to the file until it has the size that was signed.
func (u *Updater) download(ctx context.Context, l *link.Client, f release.File, part string) error {
	out, err := os.OpenFile(part, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	defer func() { _ = out.Close() }()
	at, err := out.Seek(0, io.SeekEnd)
	if err != nil {
		return err
	}
	if at > f.Size {
		at = 0
		if err := out.Truncate(0); err != nil {
			return err
		}
	}
	var pace link.Backoff
	failed := 0
	for at < f.Size {
		b, err := u.part(ctx, l, f, at)
		wait := time.Duration(len(b)) * time.Second / time.Duration(u.o.Rate)
		if err != nil {
			if failed++; failed > mostRetries || errors.Is(err, errRefused) {
				return err
			}
			wait = pace.Next(time.Now())
		} else {
			failed, pace = 0, link.Backoff{}
			if _, err := out.WriteAt(b, at); err != nil {
				return err
			}
			at += int64(len(b))
		}
		if err := rest(ctx, wait); err != nil {
			return err
		}
	}
	return out.Sync()
}

var errRefused = errors.New("the collector does not hand it out")

// part asks for the next bytes.
func (u *Updater) part(ctx context.Context, l *link.Client, f release.File, at int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, partPatience)
	defer cancel()
	end := min(at+partSize, f.Size) - 1
	a, err := l.Do(ctx, link.Request{Method: http.MethodGet, Path: wire.PathAgentProgram + f.SHA256, Limit: partSize,
		Header: http.Header{"Range": {fmt.Sprintf("bytes=%d-%d", at, end)}}})
	switch {
	case err != nil:
		return nil, err
	case a.Status == http.StatusPartialContent && len(a.Body) > 0 && int64(len(a.Body)) <= end-at+1:
		return a.Body, nil
	case a.Status == http.StatusNotFound || a.Status == http.StatusForbidden || a.Status == http.StatusUnauthorized:
		return nil, fmt.Errorf("%w: status %d", errRefused, a.Status)
	}
	return nil, fmt.Errorf("status %d, %d bytes", a.Status, len(a.Body))
}

func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
