package snmp

import "time"

// deadlines is a heap of what is waited for, soonest first. Its owner's lock
// guards it.
type deadlines []*pending

func (d deadlines) less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }

func (d deadlines) swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d deadlines) up(i int) {
	for i > 0 && d.less(i, (i-1)/2) {
		d.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
}

func (d deadlines) down(i int) {
	for {
		least := i
		for c := 2*i + 1; c <= 2*i+2 && c < len(d); c++ {
			if d.less(c, least) {
				least = c
			}
		}
		if least == i {
			return
		}
		d.swap(i, least)
		i = least
	}
}

// add puts p in by its deadline.
func (d *deadlines) add(p *pending) {
	p.place = len(*d)
	*d = append(*d, p)
	d.up(p.place)
}

// remove takes p out, if it is in.
func (d *deadlines) remove(p *pending) {
	i := p.place
	if i < 0 {
		return
	}
	last := len(*d) - 1
	d.swap(i, last)
	(*d)[last] = nil
	*d = (*d)[:last]
	p.place = -1
	if i < last {
		d.up(i)
		d.down(i)
	}
}

// due takes out the first one whose deadline is not after now, or returns nil.
func (d *deadlines) due(now time.Time) *pending {
	if len(*d) == 0 || (*d)[0].deadline.After(now) {
		return nil
	}
	p := (*d)[0]
	d.remove(p)
	return p
}
