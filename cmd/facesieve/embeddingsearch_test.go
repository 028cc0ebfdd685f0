package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// Lengths of the parts of an embedding that are searched for. The probability that other data contain one is negligible.
const (
	wantedBytes    = 12
	wantedDistinct = 6 // of these bytes
	wantedFigures  = 4
)

// embeddingOutput is the embedding output of the quality network for one face, in the forms in which it could leak.
type embeddingOutput struct {
	raw     []byte      // as the network stores it, one byte a value
	figures [][]float64 // as numbers: signed and unsigned bytes, values of the tensor, the embedding, its unit vector
}

// newEmbeddingOutput returns the forms of the stored values. One scale is that of the tensor, the others are those of the
// embedding in the manifest.
func newEmbeddingOutput(stored []int8, zero int, tensorScale float64, scale []float64) embeddingOutput {
	e := embeddingOutput{figures: make([][]float64, 5)}
	var square float64
	for i, v := range stored {
		value := float64(int(v)-zero) * scale[i]
		square += value * value
		e.raw = append(e.raw, byte(v))
		for form, figure := range []float64{float64(v), float64(byte(v)), float64(int(v)-zero) * tensorScale, value} {
			e.figures[form] = append(e.figures[form], figure)
		}
	}
	for _, v := range e.figures[3] {
		e.figures[4] = append(e.figures[4], v/math.Sqrt(square))
	}
	return e
}

// binaries returns the byte strings that contain the whole embedding.
func (e embeddingOutput) binaries() [][]byte {
	all := [][]byte{e.raw}
	for _, values := range e.figures[2:] {
		var single, double []byte
		for _, v := range values {
			single = binary.LittleEndian.AppendUint32(single, math.Float32bits(float32(v)))
			double = binary.LittleEndian.AppendUint64(double, math.Float64bits(v))
		}
		all = append(all, single, double)
	}
	return all
}

// searchFor fails the test if one of the contents, by name, contains a part of an embedding, also in base64 or hex.
func searchFor(t *testing.T, embeddings []embeddingOutput, contents map[string][]byte) {
	t.Helper()
	wanted := newWanted(embeddings)
	for name, content := range contents {
		if found := wanted.in(content); found != "" {
			t.Errorf("%s contains an embedding, %s", name, found)
		}
	}
}

// wanted is what is searched for: bytes by their first wantedBytes at each position of an embedding, and figures.
type wanted struct {
	windows map[[wantedBytes]byte]bool
	figures [][]float64
}

func newWanted(embeddings []embeddingOutput) wanted {
	w := wanted{windows: map[[wantedBytes]byte]bool{}}
	for _, e := range embeddings {
		for _, text := range e.binaries() {
			for i := 0; i+wantedBytes <= len(text); i++ {
				if window := text[i : i+wantedBytes]; distinct(window) >= wantedDistinct { // others are padding elsewhere
					w.windows[[wantedBytes]byte(window)] = true
				}
			}
		}
		w.figures = append(w.figures, e.figures...)
	}
	return w
}

func distinct(text []byte) int {
	values := map[byte]bool{}
	for _, b := range text {
		values[b] = true
	}
	return len(values)
}

// in returns in which form content contains a part of an embedding; empty: it does not.
func (w wanted) in(content []byte) string {
	if w.inBytes(content) {
		return "as bytes"
	}
	for _, text := range regexp.MustCompile(`[A-Za-z0-9+/_-]{16,}`).FindAll(content, -1) {
		for _, decode := range []func(string) ([]byte, error){
			base64.RawStdEncoding.DecodeString, base64.RawURLEncoding.DecodeString, hex.DecodeString,
		} {
			decoded, _ := decode(string(text)) // what precedes an error is decoded
			if w.inBytes(decoded) {
				return "encoded as text"
			}
		}
	}
	const figure = `-?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?`
	list := regexp.MustCompile(figure + `(?:[\s,;:|(){}\[\]"']{1,4}` + figure + `){3,}`)
	for _, text := range list.FindAll(content, -1) {
		if w.inFigures(regexp.MustCompile(figure).FindAllString(string(text), -1)) {
			return fmt.Sprintf("as figures: %.80s", text)
		}
	}
	return ""
}

func (w wanted) inBytes(content []byte) bool {
	for i := 0; i+wantedBytes <= len(content); i++ {
		if w.windows[[wantedBytes]byte(content[i:])] {
			return true
		}
	}
	return false
}

// inFigures reports whether a list has consecutive figures of an embedding, rounded to as many digits as the list has.
func (w wanted) inFigures(texts []string) bool {
	for at := 0; at+wantedFigures <= len(texts); at++ {
		for _, values := range w.figures {
			for i := 0; i+wantedFigures <= len(values); i++ {
				if slices.EqualFunc(texts[at:at+wantedFigures], values[i:i+wantedFigures], isFigure) {
					return true
				}
			}
		}
	}
	return false
}

// isFigure reports whether text is a value, rounded to at least two decimals if it is not an integer.
func isFigure(text string, value float64) bool {
	figure, err := strconv.ParseFloat(text, 64)
	if value == math.Trunc(value) {
		return err == nil && figure == value
	}
	return err == nil && math.Abs(figure-value) <= 0.0051
}

// The search finds an embedding in each form in which a program could write it.
func TestSearchFindsEmbeddings(t *testing.T) {
	stored, scale := make([]int8, 128), make([]float64, 128)
	for i := range stored {
		stored[i], scale[i] = int8(i*i*31%251-125), 0.01+0.0001*float64(i)
	}
	e := newEmbeddingOutput(stored, 3, 0.008, scale)
	w := newWanted([]embeddingOutput{e})
	asJSON, err := json.Marshal(map[string]any{"embedding": e.figures[4][60:]})
	if err != nil {
		t.Fatal(err)
	}
	forms := map[string]string{
		"raw": string(e.raw[50:62]), "hex": hex.EncodeToString(e.raw), "json": string(asJSON),
		"base64": base64.StdEncoding.EncodeToString(append([]byte("head"), e.raw...)), "int8": fmt.Sprint(stored[9:13]),
		"uint8": fmt.Sprint(e.figures[1][9:13]), "%.2f": fmt.Sprintf("%.2f", e.figures[2]), "%v": fmt.Sprint(e.figures[3]),
		"%#v": fmt.Sprintf("%#v", e.figures[2]), "%e": fmt.Sprintf("%e", e.figures[4][9:13]),
	}
	for i, text := range e.binaries() {
		forms[fmt.Sprintf("binary %d", i)] = string(text)
	}
	for name, form := range forms {
		if w.in([]byte("before "+form+" behind")) == "" {
			t.Errorf("%s is not found", name)
		}
	}
	other := bytes.Repeat([]byte(`{"box":{"x":812.5,"y":-3.25},"transform":[[0.875,-0.02,-690],[0.02,0.875,-8]],"n":[1,2,3,4]}`), 9)
	if found := w.in(other); found != "" {
		t.Errorf("found %s", found)
	}
}
