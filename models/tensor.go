package models

// Tensor is one output. Data is memory of the C library: valid until the next Resize, Invoke or Close of its interpreter,
// and read only. Real value = (Data[i] - ZeroPoint) * Scale.
type Tensor struct {
	Name      string
	Shape     []int // borrowed, valid until the next Resize
	Data      []int8
	Scale     float64
	ZeroPoint int
}

// Real returns one value in real units.
func (t Tensor) Real(i int) float64 { return float64(int(t.Data[i])-t.ZeroPoint) * t.Scale }

// Dequantize appends all values in real units to dst, row by row, and returns it.
func (t Tensor) Dequantize(dst []float64) []float64 {
	for _, v := range t.Data {
		dst = append(dst, float64(int(v)-t.ZeroPoint)*t.Scale)
	}
	return dst
}
