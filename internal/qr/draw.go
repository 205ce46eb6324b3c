package qr

// draw places patterns and words, and takes the mask that is read best.
func draw(version int, words []byte) *Code {
	var best *Code
	least := 0
	for mask := range 8 {
		c := &Code{Version: version, Mask: mask, Size: 17 + 4*version}
		c.dark, c.fixed = make([]bool, c.Size*c.Size), make([]bool, c.Size*c.Size)
		c.patterns()
		c.place(words)
		c.applyMask()
		c.format()
		if p := c.penalty(); best == nil || p < least {
			best, least = c, p
		}
	}
	return best
}

func (c *Code) set(x, y int, dark bool) {
	c.dark[y*c.Size+x], c.fixed[y*c.Size+x] = dark, true
}

// patterns draws finders, timing, alignment and version, and keeps the places
// of the format free.
func (c *Code) patterns() {
	n := c.Size
	for i := range n {
		c.set(6, i, i%2 == 0)
		c.set(i, 6, i%2 == 0)
	}
	for _, at := range [][2]int{{3, 3}, {n - 4, 3}, {3, n - 4}} {
		for dy := -4; dy <= 4; dy++ {
			for dx := -4; dx <= 4; dx++ {
				x, y, r := at[0]+dx, at[1]+dy, max(abs(dx), abs(dy))
				if x >= 0 && x < n && y >= 0 && y < n {
					c.set(x, y, r != 2 && r != 4)
				}
			}
		}
	}
	centres := layouts[c.Version-1].align
	last := len(centres) - 1
	for i, y := range centres {
		for j, x := range centres {
			if i == 0 && j == 0 || i == 0 && j == last || i == last && j == 0 {
				continue // a finder is there
			}
			for dy := -2; dy <= 2; dy++ {
				for dx := -2; dx <= 2; dx++ {
					c.set(x+dx, y+dy, max(abs(dx), abs(dy)) != 1)
				}
			}
		}
	}
	c.format()
	c.version()
}

// format writes level and mask with their BCH code, twice.
func (c *Code) format() {
	data := c.Mask // level M is 00
	rem := data
	for range 10 {
		rem = rem<<1 ^ (rem>>9)*0x537
	}
	bits := (data<<10 | rem) ^ 0x5412
	bit := func(i int) bool { return bits>>i&1 == 1 }
	for i := range 6 {
		c.set(8, i, bit(i))
	}
	c.set(8, 7, bit(6))
	c.set(8, 8, bit(7))
	c.set(7, 8, bit(8))
	for i := 9; i < 15; i++ {
		c.set(14-i, 8, bit(i))
	}
	for i := range 8 {
		c.set(c.Size-1-i, 8, bit(i))
	}
	for i := 8; i < 15; i++ {
		c.set(8, c.Size-15+i, bit(i))
	}
	c.set(8, c.Size-8, true)
}

// version writes the version with its Golay code, from version 7 on.
func (c *Code) version() {
	if c.Version < 7 {
		return
	}
	rem := c.Version
	for range 12 {
		rem = rem<<1 ^ (rem>>11)*0x1f25
	}
	bits := c.Version<<12 | rem
	for i := range 18 {
		a, b := c.Size-11+i%3, i/3
		c.set(a, b, bits>>i&1 == 1)
		c.set(b, a, bits>>i&1 == 1)
	}
}

// place lays the words in two-module columns, up and down, from the right.
func (c *Code) place(words []byte) {
	at := 0
	for right := c.Size - 1; right >= 1; right -= 2 {
		if right == 6 {
			right = 5
		}
		for v := range c.Size {
			for j := range 2 {
				x, y := right-j, v
				if (right+1)&2 == 0 {
					y = c.Size - 1 - v
				}
				if c.fixed[y*c.Size+x] || at >= 8*len(words) {
					continue
				}
				c.dark[y*c.Size+x] = words[at/8]>>(7-at%8)&1 == 1
				at++
			}
		}
	}
}

// masked tells whether the mask turns the module.
func masked(mask, x, y int) bool {
	switch mask {
	case 0:
		return (x+y)%2 == 0
	case 1:
		return y%2 == 0
	case 2:
		return x%3 == 0
	case 3:
		return (x+y)%3 == 0
	case 4:
		return (x/3+y/2)%2 == 0
	case 5:
		return x*y%2+x*y%3 == 0
	case 6:
		return (x*y%2+x*y%3)%2 == 0
	}
	return ((x+y)%2+x*y%3)%2 == 0
}

func (c *Code) applyMask() {
	for y := range c.Size {
		for x := range c.Size {
			if i := y*c.Size + x; !c.fixed[i] && masked(c.Mask, x, y) {
				c.dark[i] = !c.dark[i]
			}
		}
	}
}

// penalty says how hard the code is to read: long runs, blocks, what looks like
// a finder, and too much of one colour.
func (c *Code) penalty() int {
	p, dark := 0, 0
	for a := range c.Size {
		for _, at := range []func(b int) bool{func(b int) bool { return c.Dark(b, a) }, func(b int) bool { return c.Dark(a, b) }} {
			p += c.line(at)
		}
	}
	for y := range c.Size {
		for x := range c.Size {
			if c.Dark(x, y) {
				dark++
			}
			if x > 0 && y > 0 && c.Dark(x, y) == c.Dark(x-1, y) && c.Dark(x, y) == c.Dark(x, y-1) && c.Dark(x, y) == c.Dark(x-1, y-1) {
				p += 3
			}
		}
	}
	total := c.Size * c.Size
	return p + 10*(abs(dark*20-total*10)/total)
}

// line is the penalty of one row or column.
func (c *Code) line(at func(int) bool) int {
	p, run, history := 0, 0, 0
	for b := range c.Size {
		if b > 0 && at(b) == at(b-1) {
			run++
		} else {
			run = 1
		}
		switch {
		case run == 5:
			p += 3
		case run > 5:
			p++
		}
		history = history << 1 & 0x7ff
		if at(b) {
			history |= 1
		}
		if b >= 10 && (history == 0x5d0 || history == 0x05d) {
			p += 40
		}
	}
	return p
}

func abs(n int) int {
	if n < 0 {
		return -n
	}
	return n
}
