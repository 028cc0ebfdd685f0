package quality

import "image"

// GateMeasure is what one of the Gates compares with its limit.
type GateMeasure struct {
	// Key is that of the limit, in section quality of the configuration.
	Key string
	// Reason is that of a face that misses the limit.
	Reason Reason
	// Measured and Limit are in the unit of the limit. Measured may be no number; such a face misses every limit.
	Measured, Limit float64
	// Assessed is false if the gate has no measure and so accepts the face.
	Assessed bool
	// Low and High are the ends of the range of the limit, both included.
	Low, High float64
}

// Measures returns the measure of each gate, in the order in which Check applies them. The arguments are those of Check.
// The distance from the border is not assessed where EdgeMargin is -1.
func (g Gates) Measures(frame image.Point, box [4]float32, face Assessment) []GateMeasure {
	gates := g.apply(frame, box, face)
	all := make([]GateMeasure, 0, len(gates))
	for _, one := range gates {
		all = append(all, GateMeasure{
			Key: one.key, Reason: one.reason, Measured: one.measured, Limit: one.value, Assessed: one.assessed,
			Low: one.low, High: one.high,
		})
	}
	return all
}
