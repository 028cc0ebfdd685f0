package quality

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// Threshold is the least score, 0..100, of a face that may be sent, or Auto.
type Threshold float64

// Auto is a threshold that follows what recognisers report. Its text is "auto".
const Auto Threshold = -math.MaxFloat64

// Bounds are two scores, the lower one first.
type Bounds [2]float64

const autoText = "auto"

// UnmarshalText reads a number or "auto". It does not check the range.
func (t *Threshold) UnmarshalText(text []byte) error {
	if string(text) == autoText {
		*t = Auto
		return nil
	}
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil {
		return fmt.Errorf("%q is neither a number nor %s", text, autoText)
	}
	*t = Threshold(number)
	return nil
}

// UnmarshalJSON reads a number or the text "auto".
func (t *Threshold) UnmarshalJSON(data []byte) error {
	var text string
	if json.Unmarshal(data, &text) == nil && text == autoText {
		*t = Auto
		return nil
	}
	return json.Unmarshal(data, (*float64)(t))
}

// MarshalJSON returns a number or the text "auto".
func (t Threshold) MarshalJSON() ([]byte, error) {
	value, _ := t.MarshalYAML()
	return json.Marshal(value)
}

// MarshalYAML returns a number or the text "auto".
func (t Threshold) MarshalYAML() (any, error) {
	if t == Auto {
		return autoText, nil
	}
	return float64(t), nil
}
