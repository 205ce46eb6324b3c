//go:build !linux

package host

import (
	"io"
	"os"
)

// read returns the file's content, valid until the next read.
func (e *emitter) read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	b := *e.buf
	for n := 0; ; {
		if n == len(b) {
			b = append(b, make([]byte, len(b))...)
			*e.buf = b
		}
		m, err := f.Read(b[n:])
		n += m
		if err == io.EOF {
			return b[:n], nil
		}
		if err != nil {
			return nil, err
		}
	}
}
