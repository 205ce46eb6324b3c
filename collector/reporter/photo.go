package reporter

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/jpeg"
	_ "image/png" // what telephones' screenshots are
)

// Bounds of a picture, in pixels.
const (
	maxPixels = 60_000_000
	longEdge  = 1920
	quality   = 82
)

// pictures makes fresh JPEGs of what was sent: upright, no larger than needed,
// and without anything that was in the file beside the picture (place, device,
// owner). What is no JPEG or PNG is refused.
func (s *Service) pictures(ctx context.Context, sent [][]byte) ([][]byte, error) {
	var out [][]byte
	for _, b := range sent {
		if len(b) == 0 {
			continue
		}
		select {
		case s.photos <- struct{}{}:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
		p, err := picture(b)
		<-s.photos
		if err != nil {
			return nil, err
		}
		out = append(out, p)
	}
	return out, nil
}

func picture(b []byte) ([]byte, error) {
	if len(b) > MaxPhoto {
		return nil, fault("photo", "照片超过 8 MiB", "a photo is larger than 8 MiB")
	}
	c, format, err := image.DecodeConfig(bytes.NewReader(b))
	if err != nil || format != "jpeg" && format != "png" {
		return nil, fault("photo", "照片须为 JPEG 或 PNG", "a photo must be a JPEG or PNG")
	}
	if c.Width <= 0 || c.Height <= 0 || c.Width > maxPixels/c.Height {
		return nil, fault("photo", "照片像素过多", "a photo has too many pixels")
	}
	img, _, err := image.Decode(bytes.NewReader(b))
	if err != nil {
		return nil, fault("photo", "照片已损坏", "a photo is damaged")
	}
	var fresh bytes.Buffer
	if err := jpeg.Encode(&fresh, upright(shrink(img), orientation(b)), &jpeg.Options{Quality: quality}); err != nil {
		return nil, err
	}
	return fresh.Bytes(), nil
}

// shrink returns the picture with at most longEdge pixels on its longer side,
// each the mean of those it stands for.
func shrink(src image.Image) *image.RGBA {
	b := src.Bounds()
	w, h := b.Dx(), b.Dy()
	f := max((max(w, h)+longEdge-1)/longEdge, 1)
	out := image.NewRGBA(image.Rect(0, 0, max(w/f, 1), max(h/f, 1)))
	for y := range out.Rect.Dy() {
		for x := range out.Rect.Dx() {
			var sum [3]uint32
			n := uint32(0)
			for dy := 0; dy < f && y*f+dy < h; dy++ {
				for dx := 0; dx < f && x*f+dx < w; dx++ {
					r, g, bl, a := src.At(b.Min.X+x*f+dx, b.Min.Y+y*f+dy).RGBA()
					white := 0xffff - a // transparency shows white
					sum[0], sum[1], sum[2] = sum[0]+(r+white)>>8, sum[1]+(g+white)>>8, sum[2]+(bl+white)>>8
					n++
				}
			}
			at := out.PixOffset(x, y)
			out.Pix[at], out.Pix[at+1], out.Pix[at+2], out.Pix[at+3] = uint8(sum[0]/n), uint8(sum[1]/n), uint8(sum[2]/n), 255
		}
	}
	return out
}

// upright turns the picture as its EXIF orientation (1 to 8) says.
func upright(src *image.RGBA, o int) *image.RGBA {
	if o < 2 || o > 8 {
		return src
	}
	w, h := src.Rect.Dx(), src.Rect.Dy()
	size := image.Rect(0, 0, w, h)
	if o >= 5 {
		size = image.Rect(0, 0, h, w)
	}
	out := image.NewRGBA(size)
	for y := range h {
		for x := range w {
			tx, ty := x, y
			switch o {
			case 2:
				tx = w - 1 - x
			case 3:
				tx, ty = w-1-x, h-1-y
			case 4:
				ty = h - 1 - y
			case 5:
				tx, ty = y, x
			case 6:
				tx, ty = h-1-y, x
			case 7:
				tx, ty = h-1-y, w-1-x
			case 8:
				tx, ty = y, w-1-x
			}
			out.SetRGBA(tx, ty, src.RGBAAt(x, y))
		}
	}
	return out
}

// orientation reads tag 0x0112 of the first EXIF directory of a JPEG (CIPA
// DC-008, TIFF 6.0); 1, upright, when there is none.
func orientation(b []byte) int {
	for at := 2; at+4 <= len(b) && b[at] == 0xff; {
		marker, size := b[at+1], int(binary.BigEndian.Uint16(b[at+2:]))
		if marker == 0xda || size < 2 || at+2+size > len(b) {
			return 1
		}
		if body := b[at+4 : at+2+size]; marker == 0xe1 && bytes.HasPrefix(body, []byte("Exif\x00\x00")) {
			return tiffOrientation(body[6:])
		}
		at += 2 + size
	}
	return 1
}

func tiffOrientation(t []byte) int {
	if len(t) < 8 {
		return 1
	}
	var order binary.ByteOrder = binary.BigEndian
	if t[0] == 'I' {
		order = binary.LittleEndian
	}
	at := int64(order.Uint32(t[4:]))
	if at+2 > int64(len(t)) {
		return 1
	}
	entries := t[at+2:]
	for range order.Uint16(t[at:]) {
		if len(entries) < 12 {
			return 1
		}
		if order.Uint16(entries) == 0x0112 {
			if o := int(order.Uint16(entries[8:])); o >= 1 && o <= 8 {
				return o
			}
			return 1
		}
		entries = entries[12:]
	}
	return 1
}
