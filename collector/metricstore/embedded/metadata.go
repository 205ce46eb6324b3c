package embedded

import (
	"sync"

	"github.com/faultline/faultline/collector/metricstore"
)

const maxMetadata = 50_000 // metrics; more are not remembered

// metadataStore keeps the newest metadata of each metric in memory. Senders
// repeat it, so nothing is lost for long by a restart.
type metadataStore struct {
	mu sync.RWMutex // guards m
	m  map[string]metricstore.Metadata
}

func newMetadataStore() *metadataStore { return &metadataStore{m: map[string]metricstore.Metadata{}} }

// KeepMetadata implements metricstore.MetadataKeeper.
func (s *Store) KeepMetadata(ms []metricstore.Metadata) {
	if s.metadata.knows(ms) {
		return
	}
	s.metadata.mu.Lock()
	defer s.metadata.mu.Unlock()
	for _, m := range ms {
		if _, known := s.metadata.m[m.Metric]; m.Metric != "" && (known || len(s.metadata.m) < maxMetadata) {
			s.metadata.m[m.Metric] = m
		}
	}
}

func (d *metadataStore) knows(ms []metricstore.Metadata) bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, m := range ms {
		if d.m[m.Metric] != m {
			return false
		}
	}
	return true
}

// get returns the metadata of one metric, or of all for "".
func (d *metadataStore) get(metric string) []metricstore.Metadata {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if metric != "" {
		if m, ok := d.m[metric]; ok {
			return []metricstore.Metadata{m}
		}
		return nil
	}
	all := make([]metricstore.Metadata, 0, len(d.m))
	for _, m := range d.m {
		all = append(all, m)
	}
	return all
}
