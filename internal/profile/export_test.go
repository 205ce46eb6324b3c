package profile

// ParseCond reads a condition.
func ParseCond(text string) (*Cond, error) { return parseCond(text) }

// Holds tells whether the condition is true of a text.
func (c *Cond) Holds(text string) bool { return c.holds(text) }
