package host

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/faultline/faultline/plugins/host/spec"
)

// Refusal is an error that says a plugin must not run as it is.
type Refusal struct {
	Plugin string
	Hint   string
	Err    error
}

// Error returns what is refused, why and what to do.
func (r *Refusal) Error() string {
	return fmt.Sprintf("plugin %s refused: %v (%s)", r.Plugin, r.Err, r.Hint)
}

// Unwrap returns the cause.
func (r *Refusal) Unwrap() error { return r.Err }

// maxProgram bounds a plugin's files, in bytes each.
const maxProgram = 512 << 20

// stage copies a plugin's files into a directory that only this user can write
// and checks the checksums of what was copied, so that what is started is what
// was checked, whoever writes to the original meanwhile. It returns the copy of
// the program.
func stage(p *spec.Plugin, dir string) (program string, err error) {
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("stage plugin %s: %w", p.Name, err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("stage plugin %s: %w", p.Name, err)
	}
	program = filepath.Join(dir, filepath.Base(p.Path))
	if err := pinned(p.Name, p.Path, program, p.SHA256, 0o500); err != nil {
		return "", err
	}
	for _, f := range p.Files {
		rel, err := f.Beside(p.Path)
		if err != nil {
			return "", &Refusal{Plugin: p.Name, Hint: "name files beside or below the program", Err: err}
		}
		to := filepath.Join(dir, rel)
		if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
			return "", fmt.Errorf("stage plugin %s: %w", p.Name, err)
		}
		if err := pinned(p.Name, filepath.Join(filepath.Dir(p.Path), rel), to, f.SHA256, 0o400); err != nil {
			return "", err
		}
	}
	return program, nil
}

// pinned copies a file whose checksum is the one expected.
func pinned(plugin, from, to, want string, mode os.FileMode) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return &Refusal{Plugin: plugin, Hint: "put the file there, or take the plugin out of the configuration", Err: err}
	}
	defer func() { _ = in.Close() }()
	if st, serr := in.Stat(); serr != nil || !st.Mode().IsRegular() {
		return &Refusal{Plugin: plugin, Hint: "name the program itself", Err: fmt.Errorf("%s is no regular file", from)}
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("stage plugin %s: %w", plugin, err)
	}
	h := sha256.New()
	_, err = io.Copy(io.MultiWriter(out, h), io.LimitReader(in, maxProgram))
	if err = errors.Join(err, out.Close()); err != nil {
		return fmt.Errorf("stage plugin %s: copy %s: %w", plugin, from, err)
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		_ = os.Remove(to)
		return &Refusal{Plugin: plugin, Hint: "if you changed it yourself, pin it anew: faultline-plugin-host sum " + from,
			Err: fmt.Errorf("%s has SHA-256 %s, pinned is %s", from, got, strings.ToLower(want))}
	}
	return nil
}
