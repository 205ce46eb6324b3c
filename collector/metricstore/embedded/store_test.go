package embedded

import (
	"testing"

	"github.com/faultline/faultline/collector/metricstore/metricstoretest"
)

func open(t *testing.T, opts Options) *Store {
	t.Helper()
	if opts.Dir == "" {
		opts.Dir = t.TempDir()
	}
	if opts.MinFree == 0 {
		opts.MinFree = 1 << 20
	}
	s, err := Open(opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func TestContract(t *testing.T) {
	metricstoretest.Run(t, func(t *testing.T) metricstoretest.Engine { return open(t, Options{}) })
}
