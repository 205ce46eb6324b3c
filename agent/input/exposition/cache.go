package exposition

import (
	"errors"
	"fmt"
	"iter"

	"github.com/faultline/faultline/plugins/base"
	"github.com/faultline/faultline/plugins/input"
)

// Cache keeps the labels of a page's series, so that a page whose series have
// been met is read without making any of them anew. The zero value is ready; it
// is used by one goroutine at a time.
type Cache struct {
	// Rename gives a label another name; nil keeps all. It must not change.
	Rename func(name string) string
	// OwnTimes says that samples with a timestamp keep it: their end is the
	// exporter's to tell, and Ended does not. It must not change.
	OwnTimes bool

	series map[string]*cached
	page   uint32
	living int // series that live
	again  int // of these, met on the page under way
	fresh  int // met on the page under way, not living before
}

type cached struct {
	labels base.Labels
	at     int64  // timestamp of the last sample
	page   uint32 // the last that had it
	ends   bool   // its end is to be told
	lives  bool   // the last whole page had it, and its end is to be told
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
	c.again, c.fresh = 0, 0
	if c.page%keepPages != 0 {
		return
	}
	for k, s := range c.series {
		if s.page+keepPages < c.page && !s.lives {
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
	if k.page != c.page {
		k.ends = (s.Time == 0 || !c.OwnTimes) && !Own(k.labels.Name())
		c.count(k)
	}
	k.page, k.at = c.page, s.Time
	return k.labels, nil
}

// count notes a series that is met for the first time on this page.
func (c *Cache) count(k *cached) {
	switch {
	case k.lives && k.ends:
		c.again++
	case k.ends:
		c.fresh++
	}
}

// Ended yields the labels of the series that the page before had and the page
// under way, which is whole, has not: each once. Labels of a series that is only
// written in another way are not yielded.
func (c *Cache) Ended() iter.Seq[base.Labels] {
	return func(yield func(base.Labels) bool) {
		if c.again == c.living && c.fresh == 0 {
			return
		}
		var gone []base.Labels
		var came map[string]bool
		if c.again < c.living {
			came = make(map[string]bool, c.fresh)
		}
		c.living = 0
		for _, s := range c.series {
			was := s.lives
			s.lives = s.ends && s.page == c.page
			switch {
			case s.lives:
				c.living++
				if !was && came != nil {
					came[key(s.labels)] = true
				}
			case was && s.page != c.page:
				gone = append(gone, s.labels)
			}
		}
		for _, ls := range gone {
			if !came[key(ls)] && !yield(ls) {
				return
			}
		}
	}
}

// End yields the labels of every series that lives, each once: the page is gone.
func (c *Cache) End() iter.Seq[base.Labels] {
	return func(yield func(base.Labels) bool) {
		for _, s := range c.series {
			if !s.lives {
				continue
			}
			s.lives = false
			c.living--
			if !yield(s.labels) {
				return
			}
		}
	}
}

// Stop says of each series that it ended at a time in milliseconds.
func Stop(series iter.Seq[base.Labels], at int64, sink input.Sink) {
	for ls := range series {
		sink.Sample(base.Sample{Labels: ls, Time: at, Value: base.Stale()})
	}
}

// key is one text for one set of labels.
func key(ls base.Labels) string {
	var b []byte
	for _, l := range ls {
		b = append(append(append(append(b, l.Name...), 0), l.Value...), 0)
	}
	return string(b)
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
