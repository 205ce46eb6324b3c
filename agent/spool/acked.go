package spool

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"path/filepath"
)

// ackFileLimit bounds what is read of the file; spans merge, so it stays small.
const ackFileLimit = 4 << 20

// ackedFile is the content of the file acked: spans by lane, and their sum.
type ackedFile struct {
	Sum   uint32                 `json:"sum"` // CRC-32C of Lanes as written
	Lanes map[string][][2]uint64 `json:"lanes"`
}

func (a *ackedFile) sum() (uint32, error) {
	b, err := json.Marshal(a.Lanes) // keys are sorted
	return crc32.Checksum(b, castagnoli), err
}

func (s *Spool) ackedName() string { return filepath.Join(s.opt.Dir, "acked") }

// writeAcked writes the acknowledgements if they changed. The caller holds s.mu.
func (s *Spool) writeAcked() error {
	if !s.ackDirty {
		return nil
	}
	content := ackedFile{Lanes: map[string][][2]uint64{}}
	for _, ln := range s.lanes {
		list := [][2]uint64{}
		for _, a := range ln.acked {
			list = append(list, [2]uint64{a.from, a.to})
		}
		content.Lanes[ln.kind.String()] = list
	}
	if err := s.replaceAcked(&content); err != nil {
		s.stats.AckErrors++
		return fmt.Errorf("write acknowledgements: %w", hint(err))
	}
	s.ackDirty = false
	return nil
}

func (s *Spool) replaceAcked(content *ackedFile) (err error) {
	if content.Sum, err = content.sum(); err != nil {
		return err
	}
	b, err := json.Marshal(content)
	if err != nil {
		return err
	}
	tmp := s.ackedName() + ".tmp"
	if err := s.writeFile(tmp, b); err != nil {
		return err
	}
	if err := s.opt.FS.Rename(tmp, s.ackedName()); err != nil {
		return err
	}
	return s.opt.FS.SyncDir(s.opt.Dir)
}

// writeFile makes a file with a content and flushes it.
func (s *Spool) writeFile(name string, b []byte) error {
	f, err := s.opt.FS.Create(name)
	if err != nil {
		return err
	}
	if _, err = f.WriteAt(b, 0); err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// readAcked reads the acknowledgements. A missing or damaged file means that
// everything on disk is sent again.
func (s *Spool) readAcked() ([lanes]spans, error) {
	var out [lanes]spans
	files, err := s.list(s.opt.Dir)
	if err != nil {
		return out, fmt.Errorf("open spool: %w", err)
	}
	for _, info := range files {
		if info.Name != "acked" {
			continue
		}
		content, err := s.loadAcked(info.Size)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			s.opt.Logger.Warn("spool: acknowledgements unreadable, everything is sent again", "error", err)
			continue
		}
		for kind := range lanes {
			for _, a := range content.Lanes[kind.String()] {
				out[kind].add(a[0], a[1])
			}
		}
	}
	return out, nil
}

func (s *Spool) loadAcked(size int64) (*ackedFile, error) {
	if size > ackFileLimit {
		return nil, fmt.Errorf("%s has %d bytes", s.ackedName(), size)
	}
	f, err := s.opt.FS.Open(s.ackedName())
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := make([]byte, size)
	if err := readFull(f, b, 0); err != nil {
		return nil, err
	}
	var content ackedFile
	if err := json.Unmarshal(b, &content); err != nil {
		return nil, err
	}
	if sum, err := content.sum(); err != nil || sum != content.Sum {
		return nil, fmt.Errorf("%s has a wrong sum", s.ackedName())
	}
	return &content, nil
}
