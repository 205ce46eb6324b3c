package qr

import (
	"bytes"
	"errors"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/faultline/faultline/internal/lab/need"
)

// TestRemainder is the worked example of ISO/IEC 18004, annex I: 01234567 as a
// symbol of version 1-M.
func TestRemainder(t *testing.T) {
	data := []byte{0x10, 0x20, 0x0c, 0x56, 0x61, 0x80, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11, 0xec, 0x11}
	want := []byte{0xa5, 0x24, 0xd4, 0xc1, 0xed, 0x36, 0xc7, 0x87, 0x2c, 0x55}
	if got := remainder(data, 10); !bytes.Equal(got, want) {
		t.Errorf("% x, want % x", got, want)
	}
}

// TestFormatAndVersion are values of ISO/IEC 18004, tables C.1 and D.1: level M
// with mask 5 (100000011001110), version 7 (000111110010010100).
func TestFormatAndVersion(t *testing.T) {
	c := &Code{Version: 7, Mask: 5, Size: 45}
	c.dark, c.fixed = make([]bool, 45*45), make([]bool, 45*45)
	c.patterns()
	var format, version strings.Builder
	one := func(b *strings.Builder, dark bool) {
		if dark {
			b.WriteByte('1')
		} else {
			b.WriteByte('0')
		}
	}
	for i := 14; i >= 8; i-- {
		one(&format, c.Dark(8, c.Size-15+i))
	}
	for i := 7; i >= 0; i-- {
		one(&format, c.Dark(c.Size-1-i, 8))
	}
	for i := 17; i >= 0; i-- {
		one(&version, c.Dark(c.Size-11+i%3, i/3))
	}
	if format.String() != "100000011001110" || version.String() != "000111110010010100" {
		t.Errorf("format %s, version %s", format.String(), version.String())
	}
}

// TestReadsBack reads every code again the way a scanner does, by another road
// than it was made: format from the other copy, mask, words, blocks, syndromes,
// text.
func TestReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOfN(rapid.Byte(), 0, 213).Draw(t, "text"))
		c, err := Encode(text)
		if err != nil {
			t.Fatal(err)
		}
		got, err := read(c)
		if err != nil || got != text {
			t.Fatalf("version %d mask %d: %q, %v, want %q", c.Version, c.Mask, got, err, text)
		}
	})
}

func read(c *Code) (string, error) {
	format := 0
	for i := range 15 { // the copy beside the top left finder, bit 0 first
		x, y := 8, i
		switch {
		case i == 6, i == 7:
			y = i + 1
		case i == 8:
			x, y = 7, 8
		case i > 8:
			x, y = 14-i, 8
		}
		if c.Dark(x, y) {
			format |= 1 << i
		}
	}
	format ^= 0x5412
	if format>>13 != 0 {
		return "", errors.New("not level M")
	}
	mask := format >> 10 & 7
	var bits []bool
	up := true
	for x := c.Size - 1; x > 0; x -= 2 {
		if x == 6 {
			x--
		}
		for k := range c.Size {
			y := k
			if up {
				y = c.Size - 1 - k
			}
			for _, at := range []int{x, x - 1} {
				if !c.fixed[y*c.Size+at] {
					bits = append(bits, c.Dark(at, y) != masked(mask, at, y))
				}
			}
		}
		up = !up
	}
	words := make([]byte, len(bits)/8)
	for i := range len(words) * 8 {
		if bits[i] {
			words[i/8] |= 0x80 >> (i % 8)
		}
	}
	return text(c.Version, words)
}

func text(version int, words []byte) (string, error) {
	l := layouts[version-1]
	n := l.blocks[0]
	blocks := make([][]byte, n)
	at := 0
	for i := range l.data + 1 {
		for b := range n {
			if i < l.data || b >= n-l.blocks[1] {
				blocks[b] = append(blocks[b], words[at])
				at++
			}
		}
	}
	var data []byte
	for b := range n {
		data = append(data, blocks[b]...)
	}
	for range l.ecc {
		for b := range n {
			blocks[b] = append(blocks[b], words[at])
			at++
		}
	}
	root := byte(1)
	for range l.ecc { // every syndrome of an undamaged block is 0
		for _, b := range blocks {
			s := byte(0)
			for _, w := range b {
				s = multiply(s, root) ^ w
			}
			if s != 0 {
				return "", errors.New("damaged")
			}
		}
		root = multiply(root, 2)
	}
	if data[0]>>4 != 4 {
		return "", errors.New("not byte mode")
	}
	nibbles := func(i int) byte { return data[i]<<4 | data[i+1]>>4 }
	length, from := int(nibbles(0)), 1
	if lengthBits(version) == 16 {
		length, from = length<<8|int(nibbles(1)), 2
	}
	out := make([]byte, length)
	for i := range out {
		out[i] = nibbles(from + i)
	}
	return string(out), nil
}

func TestTooLong(t *testing.T) {
	if _, err := Encode(strings.Repeat("x", 214)); !errors.Is(err, ErrTooLong) {
		t.Errorf("214 bytes: %v", err)
	}
	if c, err := Encode(strings.Repeat("x", 213)); err != nil || c.Version != 10 {
		t.Errorf("213 bytes: %v", err)
	}
}

func TestSVGIsSafe(t *testing.T) {
	c, err := Encode("https://faultline.example/devices/b2rtr")
	if err != nil {
		t.Fatal(err)
	}
	if s := c.SVG(`<script>"x"`); strings.Contains(s, "<script>") || !strings.Contains(s, "&lt;script&gt;") || strings.Contains(s, "style=") {
		t.Error(s[:200])
	}
}

// TestScannerReadsIt has zbar's scanner read a code, where it is installed.
func TestScannerReadsIt(t *testing.T) {
	zbar, err := exec.LookPath("zbarimg")
	if err != nil {
		need.Missing(t, "zbarimg (Debian: zbar-tools); TestReadsBack holds without it")
	}
	want := "https://faultline.example/devices/%E5%88%86%E5%85%AC%E5%8F%B8-2"
	c, err := Encode(want)
	if err != nil {
		t.Fatal(err)
	}
	const scale = 4
	side := (c.Size + 8) * scale
	pgm := []byte("P5 " + strconv.Itoa(side) + " " + strconv.Itoa(side) + " 255\n")
	for y := range side {
		for x := range side {
			a, b := x/scale-4, y/scale-4
			v := byte(255)
			if a >= 0 && b >= 0 && a < c.Size && b < c.Size && c.Dark(a, b) {
				v = 0
			}
			pgm = append(pgm, v)
		}
	}
	cmd := exec.CommandContext(t.Context(), zbar, "-q", "--raw", "-")
	cmd.Stdin = bytes.NewReader(pgm)
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("zbar read %q, %v", out, err)
	}
}
