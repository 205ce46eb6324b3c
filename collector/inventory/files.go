package inventory

import (
	"fmt"
	"os"
)

// File is one file of an inventory.
type File struct {
	Name string // path
	Data []byte
}

// ReadFiles returns the files that Load reads at path, in its order.
func ReadFiles(path string) ([]File, error) {
	names, err := filesOf(path)
	if err == nil {
		var files []File
		if files, err = readFiles(names); err == nil {
			return files, nil
		}
	}
	return nil, fmt.Errorf("read inventory %s: %w", path, err)
}

func readFiles(names []string) ([]File, error) {
	files := make([]File, 0, len(names))
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		files = append(files, File{name, data})
	}
	return files, nil
}

// ParseFiles reads an inventory from the texts of its files. The error is of
// type Faults.
func ParseFiles(files []File) (*Inventory, error) {
	sources := make([]*source, 0, len(files))
	for _, f := range files {
		sources = append(sources, parse(f.Name, f.Data))
	}
	return assemble(sources)
}

// Own returns what one file says by itself, unchecked: which entries stand in it,
// in the order of its lists.
func Own(f File) Inventory { return parse(f.Name, f.Data).inv }
