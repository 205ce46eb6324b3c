package exposition

import (
	"errors"
	"fmt"

	"github.com/faultline/faultline/plugins/base"
)

// Cache keeps the labels of a page's series, so that a page whose series have
// been met is read without making any of them anew. The zero value is ready; it
// is used by one goroutine at a time.
type Cache struct {
	// Rename gives a label another name; nil keeps all. It must not change.
	Rename func(name string) string

	series map[string]*cached
	page   uint32
}

type cached struct {
	labels base.Labels
	at     int64  // timestamp of the last sample
	page   uint32 // the last that had it
}

// keepPages is for how many pages a series that is no longer met is kept.
const keepPages = 10

// ErrDuplicate says that a page has a series twice at the same moment.
var ErrDuplicate = errors.New("series is there twice")

// Next begins a page.
func (c *Cache) Next() {
	if c.series == nil {
		c.series = map[string]*cached{}
	}
	c.page++
	if c.page%keepPages != 0 {
		return
	}
	for k, s := range c.series {
		if s.page+keepPages < c.page {
			delete(c.series, k)
		}
	}
}

// Labels returns the labels of a sample of the page under way, or ErrDuplicate.
func (c *Cache) Labels(s Sample) (base.Labels, error) {
	k := c.series[string(s.Series)]
	if k == nil {
		ls, err := Labels(s.Series)
		if err != nil {
			return nil, err
		}
		k = &cached{labels: c.renamed(ls)}
		c.series[string(s.Series)] = k
	} else if k.page == c.page && k.at == s.Time {
		return nil, fmt.Errorf("%.100q: %w", s.Series, ErrDuplicate)
	}
	k.page, k.at = c.page, s.Time
	return k.labels, nil
}

func (c *Cache) renamed(ls base.Labels) base.Labels {
	if c.Rename == nil {
		return ls
	}
	for i := range ls {
		if ls[i].Name != base.MetricName {
			ls[i].Name = c.Rename(ls[i].Name)
		}
	}
	ls.Sort()
	return ls
}
