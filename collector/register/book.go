package register

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/faultline/faultline/collector/inventory"
	"github.com/faultline/faultline/internal/lang"
)

// States of an import.
const (
	Previewed = "previewed"
	Applied   = "applied"
	Undone    = "undone"
)

// Import is one file that somebody brought, and what became of it.
type Import struct {
	ID        string    `json:"id"`
	At        time.Time `json:"at"`
	By        string    `json:"by"` // account
	File      string    `json:"file"`
	State     string    `json:"state"`
	ChangedAt time.Time `json:"changed_at,omitzero"` // applied or undone
	ChangedBy string    `json:"changed_by,omitempty"`
	Plan      Plan      `json:"plan"`
}

// Applicable tells whether it can be applied as it stands.
func (i Import) Applicable() bool {
	return i.State == Previewed && len(i.Plan.Problems) == 0 && len(i.Plan.Files) > 0
}

// Store keeps imports. Import returns an error when there is none of that id.
type Store interface {
	PutImport(ctx context.Context, i Import) error
	Import(ctx context.Context, id string) (Import, error)
	// Imports returns the newest imports, newest first, without their files' texts.
	Imports(ctx context.Context, limit int) ([]Import, error)
}

// Refused says why something was not done, to the person who asked for it.
type Refused struct{ Text, Hint lang.Text }

// Error returns the text in English.
func (r *Refused) Error() string { return r.Text.EN }

func refuse(text, hint lang.Text) error { return &Refused{text, hint} }

// BookOptions are what a Book needs.
type BookOptions struct {
	Path   string // the inventory: file or directory
	Store  Store
	Reload func(ctx context.Context) error // puts the inventory's files in force, or leaves the old set and says why
	Now    func() time.Time
}

// Book applies imports to the inventory's files. Its methods may be called from
// several goroutines.
type Book struct {
	o  BookOptions
	mu sync.Mutex // held while files are changed
}

// NewBook returns a Book.
func NewBook(o BookOptions) (*Book, error) {
	if o.Path == "" || o.Store == nil || o.Reload == nil {
		return nil, errors.New("register: the inventory's path, a store and the reload are required")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Book{o: o}, nil
}

// Preview reads a file that somebody brings and keeps what applying it would do.
// Nothing is changed.
func (b *Book) Preview(ctx context.Context, by, name string, data []byte) (Import, error) {
	if len(data) > MaxFile {
		return Import{}, refuse(t(fmt.Sprintf("文件超过 %d MB", MaxFile>>20), fmt.Sprintf("the file has more than %d MiB", MaxFile>>20)), lang.Text{})
	}
	rows, problems, err := read(name, data)
	if err != nil {
		return Import{}, refuse(t("无法读取文件："+err.Error(), err.Error()), t("请使用本页导出的 Excel 或 YAML 文件", "use an Excel or YAML file as exported here"))
	}
	files, err := inventory.ReadFiles(b.o.Path)
	if err != nil {
		return Import{}, err
	}
	plan, err := MakePlan(files, b.extra(), rows)
	if err != nil {
		return Import{}, refuse(t("现有清单文件有错误，请先修正："+err.Error(), "the inventory as it stands is faulty: "+err.Error()), lang.Text{})
	}
	if plan.Problems = append(problems, plan.Problems...); len(plan.Problems) > 0 {
		plan.Files = nil
	}
	i := Import{ID: strings.ToLower(rand.Text()), At: b.o.Now(), By: by, File: filepath.Base(name), State: Previewed, Plan: plan}
	return i, b.o.Store.PutImport(ctx, i)
}

// read tells the formats apart by what is in the file.
func read(name string, data []byte) ([]Row, []Problem, error) {
	switch {
	case bytes.HasPrefix(data, []byte("PK\x03\x04")):
		return ReadExcel(data)
	case bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0")):
		return nil, nil, errors.New("this is the old .xls or a protected workbook: save it as .xlsx without a password")
	case bytes.IndexByte(data, 0) >= 0:
		return nil, nil, fmt.Errorf("%s is neither Excel nor YAML", filepath.Base(name))
	}
	return ReadYAML(data)
}

// extra is the file for new entries no file has a list for.
func (b *Book) extra() string {
	if info, err := os.Stat(b.o.Path); err == nil && info.IsDir() {
		return filepath.Join(b.o.Path, "register.yaml")
	}
	return b.o.Path
}

// Apply carries out an import that was previewed, unless the files changed
// meanwhile.
func (b *Book) Apply(ctx context.Context, by, id string) (Import, error) {
	return b.turn(ctx, by, id, Applied)
}

// Undo puts back what the files said before an import, unless they changed
// since.
func (b *Book) Undo(ctx context.Context, by, id string) (Import, error) {
	return b.turn(ctx, by, id, Undone)
}

func (b *Book) turn(ctx context.Context, by, id, to string) (Import, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i, err := b.o.Store.Import(ctx, id)
	if err != nil {
		return i, err
	}
	edits := i.Plan.Files
	switch {
	case to == Applied && !i.Applicable():
		return i, refuse(t("此导入不能应用：已应用、有问题或没有变化", "this import cannot be applied: it was already, has problems, or changes nothing"), lang.Text{})
	case to == Undone && i.State != Applied:
		return i, refuse(t("此导入未应用，无可撤销", "this import is not applied: there is nothing to undo"), lang.Text{})
	case to == Undone:
		edits = reversed(edits)
	}
	if err := b.swap(ctx, edits); err != nil {
		return i, err
	}
	i.State, i.ChangedAt, i.ChangedBy = to, b.o.Now(), by
	return i, b.o.Store.PutImport(ctx, i)
}

func reversed(edits []FileEdit) []FileEdit {
	out := make([]FileEdit, len(edits))
	for i, e := range edits {
		out[i] = FileEdit{Name: e.Name, Before: e.After, After: e.Before, New: e.New}
	}
	return out
}

// swap writes all files and puts them in force; when that is refused the old
// texts are put back.
func (b *Book) swap(ctx context.Context, edits []FileEdit) error {
	for _, e := range edits {
		now, err := os.ReadFile(e.Name)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("read %s: %w", e.Name, err)
		}
		if string(now) != e.Before {
			return refuse(t(filepath.Base(e.Name)+" 在此期间已被修改", filepath.Base(e.Name)+" was changed meanwhile"), t("请重新预览后再应用", "preview the file again, then apply it"))
		}
	}
	var done []FileEdit
	var err error
	for _, e := range edits {
		if err = replace(e); err != nil {
			break
		}
		done = append(done, e)
	}
	if err == nil {
		if err = b.o.Reload(ctx); err == nil {
			return nil
		}
	}
	for _, e := range reversed(done) {
		err = errors.Join(err, replace(e))
	}
	if len(done) == len(edits) { // part of the refused set may be in force
		err = errors.Join(err, b.o.Reload(ctx))
	}
	if errors.Is(err, fs.ErrPermission) || strings.Contains(err.Error(), "read-only file system") {
		return refuse(t("清单文件不可写："+err.Error(), "the inventory's files cannot be written: "+err.Error()),
			t("请下载修改后的文件，由管理员放入清单目录", "download the changed files and have an administrator put them into the inventory's directory"))
	}
	return fmt.Errorf("apply import: %w", err)
}

// replace writes a file whole or not at all, with the mode it had. A file that
// is new again goes.
func replace(e FileEdit) error {
	if e.New && e.After == "" {
		return os.Remove(e.Name)
	}
	mode := fs.FileMode(0o640)
	if info, err := os.Stat(e.Name); err == nil {
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(filepath.Dir(e.Name), ".register-*")
	if err != nil {
		return err
	}
	_, err = f.WriteString(e.After)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), e.Name)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
