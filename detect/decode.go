package detect

import (
	"errors"
	"fmt"
	"math"

	"gocv.io/x/gocv"

	"facesieve/models"
)

// Network runs a network; *models.Interpreter implements it.
type Network interface {
	Manifest() *models.Manifest
	Resize(width, height int) error
	SetPixels(bgr []byte) error
	Invoke() error
	Output(k int) models.Tensor
}

// headDecoder runs a network of task detector or landmarks and decodes its outputs into faces. It does not own the
// network.
type headDecoder struct {
	network Network
	strides []strideDecoder
	faces   []Face // of the last run
}

// newHeadDecoder returns a decoder of the faces with at least a score of threshold, 0..1. The network must have this
// task.
func newHeadDecoder(network Network, task string, threshold float64) (headDecoder, error) {
	m := network.Manifest()
	if m.Task != task || m.Detector == nil {
		return headDecoder{}, fmt.Errorf("network %q has the task %q; give one with the task %q and its maps",
			m.Name, m.Task, task)
	}
	d := headDecoder{network: network}
	for i := range m.Detector.Strides {
		d.strides = append(d.strides, newStrideDecoder(m, i, threshold))
	}
	return d, nil
}

// run runs the network on an image of the input's size (BGR, 8 bit). It returns all faces that reach the threshold, in
// pixels of the image, before suppression. They are valid until the next run.
func (d *headDecoder) run(input gocv.Mat) ([]Face, error) {
	pixels, err := input.DataPtrUint8()
	if err != nil {
		return nil, fmt.Errorf("pixels of the input: %w", err)
	}
	if err := errors.Join(d.network.SetPixels(pixels), d.network.Invoke()); err != nil {
		return nil, err
	}
	d.faces = d.faces[:0]
	for i := range d.strides {
		d.faces = d.strides[i].decode(d.network, d.faces)
	}
	return d.faces, nil
}

// strideDecoder decodes the maps of one stride. The head is that of YuNet (Wu et al. 2023): in every cell two logits, a
// box and five points, with
//
//	score = sqrt(sigmoid(cls) * sigmoid(obj))
//	centre = (cell + b[0:2]) * stride, size = exp(b[2:4]) * stride, point = (cell + k) * stride
//
// Tables give these values for each quantised byte, and almost every cell takes one comparison.
type strideDecoder struct {
	stride              float32
	cls, obj, bbox, kps int // indices of outputs

	clsSigmoid, objSigmoid [256]float32 // by byte + 128
	offset, size, point    [256]float32 // pixels of the input
	minCls                 int8         // a cls below it cannot reach the threshold with any obj
	possible               bool         // whether any cls can
	minObj                 [256]int16   // by cls + 128: an obj below it does not reach the threshold; 128: none does
}

func newStrideDecoder(m *models.Manifest, i int, threshold float64) strideDecoder {
	d := m.Detector
	s := strideDecoder{stride: float32(d.Strides[i]), cls: d.Cls[i], obj: d.Obj[i], bbox: d.BBox[i], kps: d.Kps[i]}
	fill := func(table *[256]float32, output int, f func(real float64) float64) {
		out := m.Outputs[output]
		for q := range table {
			table[q] = float32(f(float64(q-128-out.ZeroPoint) * out.Scale))
		}
	}
	sigmoid := func(v float64) float64 { return 1 / (1 + math.Exp(-v)) }
	stride := float64(d.Strides[i])
	fill(&s.clsSigmoid, s.cls, sigmoid)
	fill(&s.objSigmoid, s.obj, sigmoid)
	fill(&s.offset, s.bbox, func(v float64) float64 { return v * stride })
	fill(&s.size, s.bbox, func(v float64) float64 { return math.Exp(min(v, 12)) * stride })
	fill(&s.point, s.kps, func(v float64) float64 { return v * stride })
	s.setThreshold(float32(threshold * threshold))
	return s
}

// setThreshold finds, for each value of cls, the minimum obj with which the product reaches square.
func (s *strideDecoder) setThreshold(square float32) {
	for c := 255; c >= 0; c-- {
		s.minObj[c] = 128
		for o := 255; o >= 0 && s.clsSigmoid[c]*s.objSigmoid[o] >= square; o-- {
			s.minObj[c] = int16(o - 128)
		}
		if s.minObj[c] < 128 {
			s.minCls, s.possible = int8(c-128), true
		}
	}
}

// decode appends the faces of this stride that reach the threshold, in pixels of the network's input, row by row.
func (s *strideDecoder) decode(network Network, faces []Face) []Face {
	if !s.possible {
		return faces
	}
	cls, obj, bbox, kps := network.Output(s.cls), network.Output(s.obj), network.Output(s.bbox), network.Output(s.kps)
	return s.decodeMaps(cls.Shape[2], cls.Data, obj.Data, bbox.Data, kps.Data, faces)
}

func (s *strideDecoder) decodeMaps(width int, cls, obj, bbox, kps []int8, faces []Face) []Face {
	for n, c := range cls {
		if c < s.minCls || int16(obj[n]) < s.minObj[int(c)+128] {
			continue
		}
		x, y := float32(n%width)*s.stride, float32(n/width)*s.stride
		b, k := bbox[n*4:n*4+4], kps[n*10:n*10+10]
		w, h := s.size[int(b[2])+128], s.size[int(b[3])+128]
		score := s.clsSigmoid[int(c)+128] * s.objSigmoid[int(obj[n])+128]
		face := Face{
			Box:   [4]float32{x + s.offset[int(b[0])+128] - w/2, y + s.offset[int(b[1])+128] - h/2, w, h},
			Score: float32(math.Sqrt(float64(score))),
		}
		for i := range face.Landmarks {
			face.Landmarks[i] = [2]float32{x + s.point[int(k[2*i])+128], y + s.point[int(k[2*i+1])+128]}
		}
		faces = append(faces, face)
	}
	return faces
}
