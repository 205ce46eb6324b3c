// Package qr makes QR codes (ISO/IEC 18004) of short texts: byte mode, error
// correction level M, versions 1 to 10, which is up to 213 bytes. It draws
// nothing but modules; SVG writes them as one path.
package qr

import (
	"errors"
	"fmt"
	"strings"
)

// ErrTooLong says that the text has more bytes than version 10 holds.
var ErrTooLong = errors.New("the text is too long for a QR code")

// Code is a square of modules, true is dark.
type Code struct {
	Version int // 1 to 10
	Mask    int // 0 to 7
	Size    int // modules a side, without the quiet zone
	dark    []bool
	fixed   []bool // modules of patterns and format, not of data
}

// Dark tells whether the module of the column and row is dark.
func (c *Code) Dark(x, y int) bool { return c.dark[y*c.Size+x] }

// layout is how one version is divided, at level M.
type layout struct {
	ecc    int    // error correction words of each block
	blocks [2]int // how many blocks, and how many of these have a data word more
	data   int    // data words of a short block
	align  []int  // centres of alignment patterns
}

// layouts are ISO/IEC 18004, tables 9 and E.1, level M.
var layouts = []layout{
	{10, [2]int{1, 0}, 16, nil}, {16, [2]int{1, 0}, 28, []int{6, 18}}, {26, [2]int{1, 0}, 44, []int{6, 22}}, {18, [2]int{2, 0}, 32, []int{6, 26}},
	{24, [2]int{2, 0}, 43, []int{6, 30}}, {16, [2]int{4, 0}, 27, []int{6, 34}}, {18, [2]int{4, 0}, 31, []int{6, 22, 38}}, {22, [2]int{4, 2}, 38, []int{6, 24, 42}},
	{22, [2]int{5, 2}, 36, []int{6, 26, 46}}, {26, [2]int{5, 1}, 43, []int{6, 28, 50}},
}

func (l layout) words() int { return l.blocks[0]*l.data + l.blocks[1] }

// Encode makes the smallest code that holds the text.
func Encode(text string) (*Code, error) {
	for v := 1; v <= len(layouts); v++ {
		if 4+lengthBits(v)+8*len(text) <= 8*layouts[v-1].words() {
			return draw(v, interleave(layouts[v-1], dataWords(v, text))), nil
		}
	}
	return nil, fmt.Errorf("%w: %d bytes", ErrTooLong, len(text))
}

func lengthBits(version int) int {
	if version < 10 {
		return 8
	}
	return 16
}

// dataWords are mode, length, text, terminator and padding.
func dataWords(version int, text string) []byte {
	total := layouts[version-1].words()
	out := make([]byte, total)
	at := 0
	put := func(v, n int) {
		for i := n - 1; i >= 0; i-- {
			if v>>i&1 == 1 {
				out[at/8] |= 0x80 >> (at % 8)
			}
			at++
		}
	}
	put(4, 4) // byte mode
	put(len(text), lengthBits(version))
	for i := range len(text) {
		put(int(text[i]), 8)
	}
	at = min(at+4, 8*total) // terminator
	for i, pad := (at+7)/8, byte(0xec); i < total; i, pad = i+1, pad^0xec^0x11 {
		out[i] = pad
	}
	return out
}

// interleave divides the words into blocks, adds each block's error correction
// and lays them column by column.
func interleave(l layout, words []byte) []byte {
	var blocks, checks [][]byte
	for i := range l.blocks[0] {
		n := l.data
		if i >= l.blocks[0]-l.blocks[1] {
			n++
		}
		blocks = append(blocks, words[:n])
		checks = append(checks, remainder(words[:n], l.ecc))
		words = words[n:]
	}
	var out []byte
	for i := range l.data + 1 {
		for _, b := range blocks {
			if i < len(b) {
				out = append(out, b[i])
			}
		}
	}
	for i := range l.ecc {
		for _, c := range checks {
			out = append(out, c[i])
		}
	}
	return out
}

// multiply multiplies in GF(2^8) modulo x^8+x^4+x^3+x^2+1.
func multiply(a, b byte) byte {
	p := 0
	for i := 7; i >= 0; i-- {
		p = p<<1 ^ (p>>7)*0x11d
		p ^= int(b>>i&1) * int(a)
	}
	return byte(p)
}

// remainder is the Reed-Solomon error correction of the words.
func remainder(words []byte, n int) []byte {
	generator := make([]byte, n)
	generator[n-1] = 1
	root := byte(1)
	for range n {
		for j := range n {
			generator[j] = multiply(generator[j], root)
			if j+1 < n {
				generator[j] ^= generator[j+1]
			}
		}
		root = multiply(root, 2)
	}
	out := make([]byte, n)
	for _, w := range words {
		factor := w ^ out[0]
		copy(out, out[1:])
		out[n-1] = 0
		for j := range n {
			out[j] ^= multiply(generator[j], factor)
		}
	}
	return out
}

// SVG returns the code as one path in a square of Size+8 units: the quiet zone
// is four modules. It has no colours of its own: style the classes qr and qr-dark.
func (c *Code) SVG(title string) string {
	var path strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			if !c.Dark(x, y) {
				continue
			}
			run := 1
			for x+run < c.Size && c.Dark(x+run, y) {
				run++
			}
			fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+4, y+4, run, run)
			x += run
		}
	}
	n := c.Size + 8
	return fmt.Sprintf(`<svg class="qr" xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" shape-rendering="crispEdges"><title>%s</title><rect width="%d" height="%d" fill="#fff"/><path d="%s" fill="#000"/></svg>`,
		n, n, escape(title), n, n, path.String())
}

func escape(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(s)
}
