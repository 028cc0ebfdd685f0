package event

import (
	"cmp"
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"
)

// Miss is a limit that a face missed, or another reason why it did not pass.
type Miss struct {
	// Reason is too_small, too_blurred, pose, low_quality, edge, duplicate or static.
	Reason string `json:"reason"`
	// Measure is what was measured: Sharpness, InterEyeDistance, HeadPoseYaw, HeadPosePitch or HeadPoseRoll, which are
	// components; LandmarkResidual, the distance of the landmarks from those of a face; BorderDistance, the distance of
	// the face from the border of the frame, as a share of its size; Score; StillTime, how long the face did not move. It
	// is empty if there is no measured value: Measured and Limit are 0 then, and Unit is empty.
	Measure string `json:"measure"`
	// Measured and Limit are in Unit. An angle is negative to one side, and its limit is for both sides.
	Measured float64 `json:"measured"`
	Limit    float64 `json:"limit"`
	// Unit is px (of the frame; of the aligned face for LandmarkResidual), deg, %, s, or empty for a measure of 0..100.
	Unit string `json:"unit"`
}

// NewMiss returns a Miss. It rounds measured to one decimal, or to as many as show that the limit was missed. A value
// that is not finite gives a Miss without a measured value, because JSON cannot carry it.
func NewMiss(reason, measure string, measured, limit float64, unit string) Miss {
	if !isFinite(measured) || !isFinite(limit) {
		return Miss{Reason: reason}
	}
	limit = round(limit, maxDecimals)
	return Miss{Reason: reason, Measure: measure, Measured: roundMiss(measured, limit, 1), Limit: limit, Unit: unit}
}

// UnmarshalJSON also accepts a text, which is the whole reason in version 2.
func (m *Miss) UnmarshalJSON(data []byte) error {
	*m = Miss{}
	if len(data) > 0 && data[0] == '"' {
		return json.Unmarshal(data, &m.Reason)
	}
	type fields Miss // without this method
	return json.Unmarshal(data, (*fields)(m))
}

// Text returns the miss for people, for example "sharpness 7, needs 10".
func (m Miss) Text() string {
	measured, limit := number(roundMiss(m.Measured, m.Limit, 0)), number(m.Limit)
	switch m.Measure {
	case "":
		return strings.ReplaceAll(m.Reason, "_", " ")
	case "Sharpness", "Score":
		return strings.ToLower(m.Measure) + " " + measured + ", needs " + limit
	case "InterEyeDistance":
		return measured + " px between the eyes, needs " + limit
	case "HeadPoseYaw", "HeadPosePitch", "HeadPoseRoll":
		return strings.ToLower(strings.TrimPrefix(m.Measure, "HeadPose")) + " " + measured + "°, limit " + limit + "°"
	case "LandmarkResidual":
		return "landmarks " + measured + " px from those of a face, limit " + limit
	case "BorderDistance":
		return measured + " % of its size from the border, needs more than " + limit + " %"
	case "StillTime":
		return "did not move for " + seconds(m.Measured) + ", limit " + seconds(m.Limit)
	}
	measured, limit = number(m.Measured)+m.Unit, limit+m.Unit // of a later program
	return strings.ReplaceAll(m.Reason, "_", " ") + ": " + m.Measure + " " + measured + ", limit " + limit
}

// MissesText returns misses for people, the reason that decided first.
func MissesText(misses []Miss) string {
	texts := make([]string, len(misses))
	for i, m := range misses {
		texts[i] = m.Text()
	}
	return strings.Join(texts, "; ")
}

// maxDecimals is the number of decimals beyond which figures are not shown.
const maxDecimals = 6

// roundMiss rounds a value to decimals, or to as many as leave it on the same side of limit.
func roundMiss(measured, limit float64, decimals int) float64 {
	for ; decimals < maxDecimals; decimals++ {
		rounded := round(measured, decimals)
		if cmp.Compare(rounded, limit) == cmp.Compare(measured, limit) &&
			cmp.Compare(math.Abs(rounded), limit) == cmp.Compare(math.Abs(measured), limit) {
			return rounded
		}
	}
	return measured
}

// round rounds to decimals.
func round(v float64, decimals int) float64 {
	scale := math.Pow10(decimals)
	switch rounded := math.Round(v*scale) / scale; {
	case !isFinite(rounded): // v is so large that it has no decimals
		return v
	case rounded == 0: // without a sign
		return 0
	default:
		return rounded
	}
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func number(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }

// seconds returns a time as 2m1s.
func seconds(v float64) string {
	const longest = 1 << 32 // far below what a Duration can hold
	return time.Duration(max(-longest, min(longest, math.Round(v))) * float64(time.Second)).String()
}
