// Package quality turns a face that was found in a frame into an aligned picture of 112x112 pixels, says how well a
// recogniser will do with it (a score of 0..100, components, a reason where it is unfit), and chooses which faces of a
// track are sent.
//
// The steps are separate because a pipeline stops at the first that rules a face out: Assessor.Geometry and Gates.Check
// cost microseconds, Aligner.Align and Assessor.Pixels tens of them, Scorer.Score runs the network. Selector decides over
// time. Nothing here starts a goroutine; each value is for one goroutine at a time.
package quality

// Reason says why a face is not sent. The empty reason means that nothing speaks against it.
type Reason string

// Reasons. The first four come from Gates, the others from Selector.
const (
	ReasonEdge       Reason = "edge"        // the box touches or crosses the frame's border
	ReasonTooSmall   Reason = "too_small"   // too few pixels between the eyes
	ReasonPose       Reason = "pose"        // turned too far away, or the landmarks are no face
	ReasonTooBlurred Reason = "too_blurred" // out of focus, in motion, or enlarged from too few pixels
	ReasonLowQuality Reason = "low_quality" // the score is below the threshold
	ReasonDuplicate  Reason = "duplicate"   // its track has sent, or holds, one that is as good or nearly so
)
