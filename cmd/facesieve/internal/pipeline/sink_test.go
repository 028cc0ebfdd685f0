package pipeline

import (
	"errors"
	"slices"
	"testing"

	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// failingSink fails with its first face and panics with its second.
type failingSink struct{ faces []uint64 }

func (s *failingSink) Face(c *Candidate) error {
	s.faces = append(s.faces, c.Track)
	switch len(s.faces) {
	case 1:
		return errors.New("failure of a test")
	case 2:
		panic("panic of a test")
	}
	return nil
}

func (*failingSink) Rejected(*Candidate, quality.Reason) error { return nil }

// A sink that fails or panics with one face receives all other decisions of the same call, each once.
func TestSinkFailureLosesNoOtherFace(t *testing.T) {
	out := &failingSink{}
	p := &Pipeline{sink: out, counters: &Counters{}}
	var decisions []quality.Decision[*Candidate]
	for track := range uint64(4) {
		decisions = append(decisions, quality.Decision[*Candidate]{Send: true, Face: &Candidate{Track: track}})
	}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("decide does not pass on the panic of the sink")
			}
		}()
		err := p.decide(decisions)
		t.Errorf("no panic, but %v", err)
	}()
	testsupport.Must(t, p.decide(nil))
	if want := []uint64{0, 1, 2, 3}; !slices.Equal(out.faces, want) {
		t.Errorf("faces of the tracks %v, want %v", out.faces, want)
	}
	if err := p.decide(nil); err != nil || len(out.faces) != 4 {
		t.Errorf("%v, %d faces", err, len(out.faces))
	}
}
