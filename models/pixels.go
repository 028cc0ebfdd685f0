package models

import (
	"encoding/binary"
	"math"
)

// pixels converts BGR bytes to the input of the network.
type pixels struct {
	flip  bool       // quantised = pixel - 128, which flips the highest bit
	swap  bool       // the network's colour order is RGB
	table [256]uint8 // quantised value of each pixel value, if not flip
}

func newPixels(in Input) pixels {
	p := pixels{swap: in.Color == "RGB", flip: in.Color == "BGR"}
	for v := range p.table {
		q := math.Round((float64(v)-in.Mean)/in.Std/in.Scale) + float64(in.ZeroPoint)
		p.table[v] = uint8(int8(max(-128, min(127, q)))) //nolint:gosec // the bits of an int8
		p.flip = p.flip && p.table[v] == uint8(v)^0x80   //nolint:gosec // 0..255
	}
	return p
}

// fill converts src to dst; both have the same length, a multiple of 3.
func (p *pixels) fill(dst, src []byte) {
	switch {
	case p.flip:
		flip(dst, src)
	case p.swap:
		for i := 0; i+2 < len(src); i += 3 {
			dst[i], dst[i+1], dst[i+2] = p.table[src[i+2]], p.table[src[i+1]], p.table[src[i]]
		}
	default:
		for i, v := range src {
			dst[i] = p.table[v]
		}
	}
}

// flip flips the highest bit of each byte, 16 bytes per iteration.
func flip(dst, src []byte) {
	const high = 0x8080808080808080
	for len(src) >= 16 && len(dst) >= 16 {
		a, b := binary.NativeEndian.Uint64(src), binary.NativeEndian.Uint64(src[8:])
		binary.NativeEndian.PutUint64(dst, a^high)
		binary.NativeEndian.PutUint64(dst[8:], b^high)
		src, dst = src[16:], dst[16:]
	}
	for i, v := range src {
		dst[i] = v ^ 0x80
	}
}
