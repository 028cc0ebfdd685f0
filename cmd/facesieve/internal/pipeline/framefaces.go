package pipeline

import (
	"time"

	"facesieve/capture"
	"facesieve/detect"
)

// frameFaces are the faces of one frame. Each is judged when it is needed first, for its looks or for its score, and
// only once.
type frameFaces struct {
	frame    *capture.Frame
	engine   *Engine
	scoreAll bool
	found    []detect.Face
	judged   map[int]*JudgedFace // by the index in found
	took     time.Duration       // time that judging took
}

// judge returns the judgement of a face by its index. Worth is that of Engine.judge.
func (f *frameFaces) judge(index int, worth func(measures) bool) (*JudgedFace, error) {
	if j := f.judged[index]; j != nil {
		return j, nil
	}
	start := time.Now()
	j, err := f.engine.judge(f.frame.Mat, f.found[index], f.scoreAll, worth)
	f.took += time.Since(start)
	if err != nil {
		return nil, err
	}
	f.judged[index] = &j
	return &j, nil
}
