package detect

import (
	"math"

	"facesieve/models"
)

// level decodes the maps of one stride. The head is that of YuNet (Wu et al. 2023): in every cell two logits, a box and five
// points, with
//
//	score = sqrt(sigmoid(cls) * sigmoid(obj))
//	centre = (cell + b[0:2]) * stride, size = exp(b[2:4]) * stride, point = (cell + k) * stride
//
// Values are looked up by their quantised byte, and almost every cell costs one comparison.
type level struct {
	stride              float32
	cls, obj, bbox, kps int // indices of outputs

	clsSigmoid, objSigmoid [256]float32 // by byte + 128
	offset, size, point    [256]float32 // pixels of the input
	least                  int8         // a cls below it cannot reach the threshold with any obj
	possible               bool         // whether any cls can
	leastObj               [256]int16   // by cls + 128: an obj below it does not reach the threshold; 128: none does
}

func newLevel(m *models.Manifest, i int, threshold float64) level {
	d := m.Detector
	l := level{stride: float32(d.Strides[i]), cls: d.Cls[i], obj: d.Obj[i], bbox: d.BBox[i], kps: d.Kps[i]}
	fill := func(table *[256]float32, output int, f func(real float64) float64) {
		out := m.Outputs[output]
		for q := range table {
			table[q] = float32(f(float64(q-128-out.ZeroPoint) * out.Scale))
		}
	}
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	stride := float64(d.Strides[i])
	fill(&l.clsSigmoid, l.cls, sigmoid)
	fill(&l.objSigmoid, l.obj, sigmoid)
	fill(&l.offset, l.bbox, func(v float64) float64 { return v * stride })
	fill(&l.size, l.bbox, func(v float64) float64 { return math.Exp(min(v, 12)) * stride })
	fill(&l.point, l.kps, func(v float64) float64 { return v * stride })
	l.setThreshold(float32(threshold * threshold))
	return l
}

// setThreshold finds, for each value of cls, the least obj whose product reaches square.
func (l *level) setThreshold(square float32) {
	for c := 255; c >= 0; c-- {
		l.leastObj[c] = 128
		for o := 255; o >= 0 && l.clsSigmoid[c]*l.objSigmoid[o] >= square; o-- {
			l.leastObj[c] = int16(o - 128)
		}
		if l.leastObj[c] < 128 {
			l.least, l.possible = int8(c-128), true
		}
	}
}

// decode appends the faces of this level that reach the threshold, in pixels of the network's input, row by row.
func (l *level) decode(network Network, faces []Face) []Face {
	if !l.possible {
		return faces
	}
	cls, obj, bbox, kps := network.Output(l.cls), network.Output(l.obj), network.Output(l.bbox), network.Output(l.kps)
	return l.read(cls.Shape[2], cls.Data, obj.Data, bbox.Data, kps.Data, faces)
}

func (l *level) read(width int, cls, obj, bbox, kps []int8, faces []Face) []Face {
	for n, c := range cls {
		if c < l.least || int16(obj[n]) < l.leastObj[int(c)+128] {
			continue
		}
		x, y := float32(n%width)*l.stride, float32(n/width)*l.stride
		b, k := bbox[n*4:n*4+4], kps[n*10:n*10+10]
		w, h := l.size[int(b[2])+128], l.size[int(b[3])+128]
		score := l.clsSigmoid[int(c)+128] * l.objSigmoid[int(obj[n])+128]
		face := Face{
			Box:   [4]float32{x + l.offset[int(b[0])+128] - w/2, y + l.offset[int(b[1])+128] - h/2, w, h},
			Score: float32(math.Sqrt(float64(score))),
		}
		for i := range face.Landmarks {
			face.Landmarks[i] = [2]float32{x + l.point[int(k[2*i])+128], y + l.point[int(k[2*i+1])+128]}
		}
		faces = append(faces, face)
	}
	return faces
}
