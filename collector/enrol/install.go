package enrol

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"github.com/faultline/faultline/internal/pki"
)

// Paths of the installers.
const (
	PathInstallSh    = "/install.sh"
	PathInstallPs1   = "/install.ps1"
	PathInstallFiles = "/install/"
)

//go:embed install.sh.tmpl
var shText string

//go:embed install.ps1.tmpl
var ps1Text string

// Installer serves the scripts that bring an agent onto a machine, and the files
// they fetch. The line that a person pastes carries the script's checksum, the
// script carries the files' checksums, the token carries the authority's: so
// nothing depends on a public certificate or on the machine's clock. The token
// is never in the script nor in an address, and so in no log.
type Installer struct {
	url, pin string
	dir      string

	mu   sync.Mutex // guards sums
	sums map[string]sumOf
}

type sumOf struct {
	size int64
	at   time.Time
	sum  string
}

var (
	installURL  = regexp.MustCompile(`^https://[A-Za-z0-9.\-_\[\]:]+(/[A-Za-z0-9._~\-/]*)?$`)
	installFile = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+~-]{0,100}$`)
)

// NewInstaller makes an installer. The address is how agents reach this
// collector, dir holds the programs and packages to be fetched; pin is the
// authority's fingerprint.
func NewInstaller(address, dir, pin string) (*Installer, error) {
	address = strings.TrimSuffix(address, "/")
	if u, err := url.Parse(address); err != nil || u.Host == "" || !installURL.MatchString(address) {
		return nil, fmt.Errorf("installer: address %q: write it as https://host:port", address)
	}
	if dir == "" || len(pin) != 2*sha256.Size {
		return nil, errors.New("installer: the directory of files or the authority's fingerprint is missing")
	}
	return &Installer{url: address, pin: pin, dir: dir, sums: map[string]sumOf{}}, nil
}

// File is something an installer fetches.
type File struct {
	Name string
	SHA  string // SHA-256, hexadecimal
	Size int64  // bytes
}

// Files are the programs and packages there are, by name. Checksums are made
// anew when a file changes.
func (i *Installer) Files() ([]File, error) {
	entries, err := os.ReadDir(i.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("installer files: %w", err)
	}
	var out []File
	for _, e := range entries {
		if !installFile.MatchString(e.Name()) || !e.Type().IsRegular() {
			continue
		}
		f, err := i.file(e.Name())
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b File) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (i *Installer) file(name string) (File, error) {
	f, err := os.Open(filepath.Join(i.dir, name))
	if err != nil {
		return File{}, fmt.Errorf("installer file: %w", err)
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil {
		return File{}, fmt.Errorf("installer file: %w", err)
	}
	i.mu.Lock()
	known, ok := i.sums[name]
	i.mu.Unlock()
	if !ok || known.size != fi.Size() || !known.at.Equal(fi.ModTime()) {
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			return File{}, fmt.Errorf("installer file %s: %w", name, err)
		}
		known = sumOf{size: fi.Size(), at: fi.ModTime(), sum: hex.EncodeToString(h.Sum(nil))}
		i.mu.Lock()
		i.sums[name] = known
		i.mu.Unlock()
	}
	return File{Name: name, SHA: known.sum, Size: known.size}, nil
}

// Script is the installer at that path: PathInstallSh or PathInstallPs1. It is
// the same text until the files or the address change.
func (i *Installer) Script(path string) ([]byte, error) {
	text := shText
	if path == PathInstallPs1 {
		text = ps1Text
	}
	t, err := template.New(path).Parse(text)
	if err != nil {
		return nil, err
	}
	files, err := i.Files()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, map[string]any{"URL": i.url, "Pin": i.pin, "Files": files}); err != nil {
		return nil, err
	}
	if path == PathInstallPs1 { // what Windows' own tools expect
		return bytes.ReplaceAll(b.Bytes(), []byte("\n"), []byte("\r\n")), nil
	}
	return b.Bytes(), nil
}

// Line is what a person pastes on a machine of that kind: "linux" or "windows".
func (i *Installer) Line(system string, token pki.Token) (string, error) {
	path := PathInstallSh
	if system == "windows" {
		path = PathInstallPs1
	}
	script, err := i.Script(path)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(script)
	if system == "windows" {
		return fmt.Sprintf(`powershell -NoProfile -ExecutionPolicy Bypass -Command "$f=\"$env:TEMP\faultline-install.ps1\"; curl.exe -fsSk -o $f %s%s; `+
			`if ((Get-FileHash $f -Algorithm SHA256).Hash -ne '%X') { throw 'faultline: the script is not the one head office made' }; & $f -Token '%s'"`,
			i.url, path, sum, token.Text()), nil
	}
	return fmt.Sprintf(`f=$(mktemp) && { curl -fsSk -o "$f" %[1]s%[2]s || wget -q --no-check-certificate -O "$f" %[1]s%[2]s; } && `+
		`echo "%[3]x  $f" | sha256sum -c - && sudo sh "$f" --token %[4]s`, i.url, path, sum, token.Text()), nil
}

func (i *Installer) mount(mux *http.ServeMux) {
	for path, kind := range map[string]string{PathInstallSh: "text/x-shellscript; charset=utf-8", PathInstallPs1: "text/plain; charset=utf-8"} {
		mux.HandleFunc("GET "+path, func(w http.ResponseWriter, _ *http.Request) {
			b, err := i.Script(path)
			if err != nil {
				http.Error(w, "the installer cannot be read at the moment", http.StatusServiceUnavailable)
				return
			}
			sum := sha256.Sum256(b)
			w.Header().Set("Content-Type", kind)
			w.Header().Set("Cache-Control", "no-cache")
			w.Header().Set("X-Content-Type-Options", "nosniff")
			w.Header().Set("ETag", `"`+hex.EncodeToString(sum[:])+`"`)
			_, _ = w.Write(b)
		})
	}
	mux.HandleFunc("GET "+PathInstallFiles+"SHA256SUMS", i.serveSums)
	mux.HandleFunc("GET "+PathInstallFiles+"{name}", i.serveFile)
}

// serveSums answers with the checksums as sha256sum writes them.
func (i *Installer) serveSums(w http.ResponseWriter, _ *http.Request) {
	files, err := i.Files()
	if err != nil {
		http.Error(w, "the files cannot be read at the moment", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, f := range files {
		_, _ = fmt.Fprintf(w, "%s  %s\n", f.SHA, f.Name)
	}
}

// serveFile answers with one file, in ranges if asked: a cut line goes on where
// it was.
func (i *Installer) serveFile(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	if !installFile.MatchString(name) {
		http.NotFound(w, r)
		return
	}
	f, err := os.Open(filepath.Join(i.dir, name))
	if err != nil {
		http.NotFound(w, r)
		return
	}
	defer func() { _ = f.Close() }()
	fi, err := f.Stat()
	if err != nil || !fi.Mode().IsRegular() {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	http.ServeContent(w, r, name, fi.ModTime(), f)
}
