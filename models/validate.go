package models

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"slices"
)

// maxSide bounds width and height of an input, pixels.
const maxSide = 4096

const olderManifest = "an older training tool wrote the manifest; export the network with the present one"

// faults collects all faults, each with its key.
type faults struct{ list []error }

func (f *faults) add(key, format string, args ...any) {
	f.list = append(f.list, KeyError{key, fmt.Errorf(format, args...)})
}

func (f *faults) check(ok bool, key, format string, args ...any) {
	if !ok {
		f.add(key, format, args...)
	}
}

func (f *faults) oneOf(key, value string, known ...string) {
	f.check(slices.Contains(known, value), key, "%q is none of %q", value, known)
}

// KeyError is the error of one key of a manifest, or of a section of the configuration: the runtime's, and those of
// the packages that run networks.
type KeyError struct {
	Key string // dotted
	Err error  // what is wrong and how to fix it
}

func (e KeyError) Error() string { return e.Key + ": " + e.Err.Error() }

// Unwrap returns the error without its key.
func (e KeyError) Unwrap() error { return e.Err }

// ConfigKey returns the key, which the reader of the configuration reports with its line.
func (e KeyError) ConfigKey() string { return e.Key }

// Validate returns all faults of the manifest, each with its key.
func (m *Manifest) Validate() error {
	var f faults
	f.check(m.Schema == 1, "schema", "version %d is unknown, this program reads 1", m.Schema)
	f.check(m.Name != "", "name", "is empty")
	f.check(m.Version != "", "version", "is empty")
	f.check(m.File != "" && m.File == filepath.Base(m.File), "file", "%q is not a plain file name", m.File)
	f.check(regexp.MustCompile(`^[0-9a-f]{64}$`).MatchString(m.SHA256), "sha256",
		"%q is not a SHA-256 in lower-case hex", m.SHA256)
	m.Input.validate(&f)
	f.check(len(m.Outputs) > 0, "outputs", "there is none")
	for i, out := range m.Outputs {
		out.validate(&f, fmt.Sprintf("outputs[%d]", i))
	}
	m.validateTask(&f)
	m.validateSelfTest(&f)
	return errors.Join(f.list...)
}

func (m *Manifest) validateTask(f *faults) {
	switch m.Task {
	case TaskQuality:
		f.check(m.Detector == nil, "detector", "does not belong to task quality")
		f.check(m.Refinement == nil, "refinement", "does not belong to task quality")
		f.check(m.Input.Fixed(), "input.width", "task quality needs a fixed size")
		if m.Quality == nil {
			f.add("quality", "is missing")
			return
		}
		m.Quality.validate(f, m.Outputs)
	case TaskDetector, TaskLandmarks:
		f.check(m.Quality == nil, "quality", "does not belong to task %s", m.Task)
		if m.Detector == nil {
			f.add("detector", "is missing, task %s needs it", m.Task)
			return
		}
		m.Detector.validate(f, m)
		m.validateRefinement(f)
	default:
		f.add("task", "%q is none of %q, %q and %q", m.Task, TaskDetector, TaskLandmarks, TaskQuality)
	}
}

func (in *Input) validate(f *faults) {
	fixed := in.Width > 0 && in.Height > 0 && in.Multiple == 0
	free := in.Width == 0 && in.Height == 0 && in.Multiple > 0 && in.Multiple <= maxSide
	f.check(fixed || free, "input", "width %d, height %d, multiple %d: either width and height, or multiple alone",
		in.Width, in.Height, in.Multiple)
	f.check(in.Width <= maxSide && in.Height <= maxSide, "input", "%dx%d is larger than %d pixels a side",
		in.Width, in.Height, maxSide)
	f.check(in.Channels == 3, "input.channels", "%d, only 3 is supported", in.Channels)
	f.check(in.Color == "BGR" || in.Color == "RGB", "input.color", "%q is neither \"BGR\" nor \"RGB\"", in.Color)
	f.check(in.Std > 0, "input.std", "%g is not positive", in.Std)
	validateQuantisation(f, "input", in.Type, in.Scale, in.ZeroPoint)
}

func (o *Output) validate(f *faults, key string) {
	f.check(len(o.Shape) > 0 && len(o.Shape) <= 4 && o.Shape[0] == 1, key+".shape",
		"%v: 1 to 4 dimensions, the first 1", o.Shape)
	for _, dim := range o.Shape {
		f.check(dim == -1 || dim > 0 && dim <= 1<<20, key+".shape", "%v: %d is not a dimension", o.Shape, dim)
	}
	validateQuantisation(f, key, o.Type, o.Scale, o.ZeroPoint)
}

func validateQuantisation(f *faults, key, kind string, scale float64, zero int) {
	f.check(kind == "int8", key+".type", "%q, only \"int8\" is supported", kind)
	f.check(scale > 0, key+".scale", "%g is not positive", scale)
	f.check(zero >= -128 && zero <= 127, key+".zero_point", "%d is outside -128..127", zero)
}

func (q *QualityHead) validate(f *faults, outputs []Output) {
	f.check(len(q.Labels) > 0, "quality.labels", "there is none")
	sum := 0.0
	for i, label := range q.Labels {
		key := fmt.Sprintf("quality.labels[%d]", i)
		f.check(label.Name != "", key+".name", "is empty")
		f.check(label.Weight >= 0, key+".weight", "%g is negative", label.Weight)
		sum += label.Weight
		if label.Output < 0 || label.Output >= len(outputs) {
			f.add(key+".output", "%d, there are %d outputs", label.Output, len(outputs))
			continue
		}
		size := product(outputs[label.Output].Shape)
		f.check(len(label.Bins) == size, key+".bins", "%d centres for an output of %d values", len(label.Bins), size)
	}
	f.check(sum > 0, "quality.labels", "the weights add up to %g", sum)
	c := q.Calibration
	f.check(len(c.Raw) >= 2 && len(c.Raw) == len(c.Score), "quality.calibration",
		"%d raw values, %d scores: must be as many, at least 2", len(c.Raw), len(c.Score))
	f.check(increasing(c.Raw, true), "quality.calibration.raw", "does not increase")
	f.check(increasing(c.Score, false) && within(c.Score, 100), "quality.calibration.score",
		"does not increase within 0..100")
	if q.FNMR != nil {
		q.FNMR.validate(f)
	}
	if q.Embedding != nil {
		q.Embedding.validate(f, outputs, q.Labels)
	}
	if q.Pose != nil {
		q.validatePose(f, outputs)
	}
}

func (q *QualityHead) validatePose(f *faults, outputs []Output) {
	const key = "quality.pose"
	output := q.Pose.Output
	if output < 0 || output >= len(outputs) {
		f.add(key+".output", "%d, there are %d outputs", output, len(outputs))
		return
	}
	size := product(outputs[output].Shape)
	f.check(size == PoseSize, key+".output", "%d has %d values, not %d", output, size, PoseSize)
	for _, label := range q.Labels {
		f.check(label.Output != output, key+".output", "%d is that of label %s", output, label.Name)
	}
	if q.Embedding != nil {
		f.check(q.Embedding.Output != output, key+".output", "%d is that of the embedding", output)
	}
}

func (e *EmbeddingHead) validate(f *faults, outputs []Output, labels []Label) {
	const key = "quality.embedding"
	if e.Output < 0 || e.Output >= len(outputs) {
		f.add(key+".output", "%d, there are %d outputs", e.Output, len(outputs))
	} else {
		size := product(outputs[e.Output].Shape)
		f.check(e.Dimension == size && size > 0, key+".dimension", "%d, output %d has %d values",
			e.Dimension, e.Output, size)
	}
	for _, label := range labels {
		f.check(label.Output != e.Output, key+".output", "%d is that of label %s", e.Output, label.Name)
	}
	f.check(len(e.Scale) == e.Dimension, key+".scale", "%d values for a dimension of %d", len(e.Scale), e.Dimension)
	for i, scale := range e.Scale {
		f.check(scale > 0 && !math.IsInf(scale, 1), fmt.Sprintf("%s.scale[%d]", key, i), "%g is not positive", scale)
	}
	f.check(len(e.Thresholds) > 0, key+".thresholds", "there is none")
	for i, t := range e.Thresholds {
		at := fmt.Sprintf("%s.thresholds[%d]", key, i)
		f.check(t.MinScore >= 0 && t.MinScore <= 100, at+".min_score", "%g is outside 0..100", t.MinScore)
		f.check(i == 0 || t.MinScore > e.Thresholds[i-1].MinScore, at+".min_score",
			"%g is not above that of thresholds[%d]", t.MinScore, i-1)
		f.check(t.FMR1e3 > -1 && t.FMR1e3 < 1, at+".fmr_1e3", "%g is not between -1 and 1", t.FMR1e3)
		f.check(t.FMR1e4 >= t.FMR1e3 && t.FMR1e4 < 1, at+".fmr_1e4", "%g is not between fmr_1e3 (%g) and 1",
			t.FMR1e4, t.FMR1e3)
	}
}

func (n *FNMR) validate(f *faults) {
	f.check(n.FMR > 0 && n.FMR < 1, "quality.fnmr.fmr", "%g is outside 0..1", n.FMR)
	f.check(len(n.Score) > 0 && len(n.Score) == len(n.FNMR) && len(n.Score) == len(n.Kept),
		"quality.fnmr", "%d scores, %d rates, %d shares kept", len(n.Score), len(n.FNMR), len(n.Kept))
	f.check(increasing(n.Score, true) && within(n.Score, 100), "quality.fnmr.score", "does not increase within 0..100")
	f.check(within(n.FNMR, 1), "quality.fnmr.fnmr", "is not within 0..1")
	f.check(within(n.Kept, 1), "quality.fnmr.kept", "is not within 0..1")
	f.check(n.Pairs >= 0, "quality.fnmr.pairs", "%d is negative", n.Pairs)
}

func (d *DetectorHead) validate(f *faults, m *Manifest) {
	if d.Score == 0 && d.LowScore == 0 {
		f.add("detector.score", "is missing, with low_score: %s", olderManifest)
	} else {
		f.check(d.Score > 0 && d.Score < 1, "detector.score", "%g is not between 0 and 1", d.Score)
		f.check(d.LowScore > 0 && d.LowScore <= d.Score, "detector.low_score",
			"%g is not between 0 and score %g", d.LowScore, d.Score)
	}
	d.validateMaps(f, m)
}

func (d *DetectorHead) validateMaps(f *faults, m *Manifest) {
	f.check(len(d.Strides) > 0 && increasing(d.Strides, true), "detector.strides",
		"%v: at least one, increasing", d.Strides)
	for _, s := range d.Strides {
		f.check(s > 0 && (m.Input.Multiple == 0 || m.Input.Multiple%s == 0), "detector.strides",
			"%d does not divide the input's multiple %d", s, m.Input.Multiple)
	}
	var used []int
	for _, head := range d.heads() {
		key := "detector." + head.name
		if len(head.outputs) != len(d.Strides) {
			f.add(key, "%d outputs for %d strides", len(head.outputs), len(d.Strides))
			continue
		}
		for _, k := range head.outputs {
			switch {
			case k < 0 || k >= len(m.Outputs):
				f.add(key, "output %d, there are %d", k, len(m.Outputs))
			case slices.Contains(used, k):
				f.add(key, "output %d is used twice", k)
			default:
				shape := m.Outputs[k].Shape
				f.check(len(shape) == 4 && shape[3] == head.channels, key, "output %d has shape %v, not [1 H W %d]",
					k, shape, head.channels)
			}
			used = append(used, k)
		}
	}
}

// validateRefinement checks the refinement of a network with the maps of a detector.
func (m *Manifest) validateRefinement(f *faults) {
	r := m.Refinement
	switch {
	case m.Task != TaskLandmarks:
		f.check(r == nil, "refinement", "does not belong to task %s", m.Task)
		return
	case r == nil:
		f.add("refinement", "is missing, task %s needs it: %s", m.Task, olderManifest)
		return
	}
	if err := m.Input.accepts(r.Side, r.Side); err != nil {
		f.add("refinement.side", "%v", err)
	}
	f.check(r.CropScale >= 1 && r.CropScale <= 4, "refinement.crop_scale", "%g is outside 1..4", r.CropScale)
	f.check(r.MinCrop >= 1 && r.MinCrop <= maxSide, "refinement.min_crop", "%d is outside 1..%d", r.MinCrop, maxSide)
	f.check(r.MinIoU > 0 && r.MinIoU < 1, "refinement.min_iou", "%g is not between 0 and 1", r.MinIoU)
}

type head struct {
	name     string
	channels int
	outputs  []int
}

func (d *DetectorHead) heads() []head {
	return []head{{"cls", 1, d.Cls}, {"obj", 1, d.Obj}, {"bbox", 4, d.BBox}, {"kps", 10, d.Kps}}
}

func (m *Manifest) validateSelfTest(f *faults) {
	t, in := m.SelfTest, m.Input
	f.check(len(t.Cases) > 0, "self_test.cases", "there is none")
	f.check(len(t.Tolerance) == len(m.Outputs), "self_test.tolerance",
		"%d values for %d outputs", len(t.Tolerance), len(m.Outputs))
	for _, v := range t.Tolerance {
		f.check(v > 0, "self_test.tolerance", "%g is not positive", v)
	}
	if err := in.accepts(t.Width, t.Height); err != nil {
		f.add("self_test", "%v", err)
	}
	for i, c := range t.Cases {
		key := fmt.Sprintf("self_test.cases[%d]", i)
		f.check(c.Picture >= 0, key+".picture", "%d is negative", c.Picture)
		f.check(len(c.Outputs) == len(m.Outputs), key+".outputs", "%d for %d outputs", len(c.Outputs), len(m.Outputs))
	}
}

// accepts returns an error if the input cannot have this size, pixels.
func (in Input) accepts(width, height int) error {
	switch {
	case in.Fixed() && (width != in.Width || height != in.Height):
		return fmt.Errorf("%dx%d pixels, the network takes %dx%d", width, height, in.Width, in.Height)
	case width <= 0 || height <= 0 || width > maxSide || height > maxSide:
		return fmt.Errorf("%dx%d pixels is outside 1..%d", width, height, maxSide)
	case !in.Fixed() && (in.Multiple <= 0 || width%in.Multiple != 0 || height%in.Multiple != 0):
		return fmt.Errorf("%dx%d pixels, the network takes multiples of %d", width, height, in.Multiple)
	}
	return nil
}

func increasing[T int | float64](values []T, strictly bool) bool {
	for i := 1; i < len(values); i++ {
		if values[i] < values[i-1] || strictly && values[i] == values[i-1] {
			return false
		}
	}
	return true
}

// within reports whether all values are in 0..high.
func within(values []float64, high float64) bool {
	return !slices.ContainsFunc(values, func(v float64) bool { return v < 0 || v > high })
}
