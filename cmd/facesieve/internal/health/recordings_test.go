package health

import (
	"image"
	"image/color"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/testsupport"
)

// pictureFault changes a frame as a fault of the camera would. scale is the width of the frame by 1280.
type pictureFault struct {
	name   string
	reason string // expected; empty: no fault
	apply  func(frame *gocv.Mat, scale float64)
}

func pictureFaults() []pictureFault {
	return []pictureFault{
		{"clean", "", func(*gocv.Mat, float64) {}},
		{"half the light", "", func(f *gocv.Mat, _ float64) { gain(f, 0.5, 0) }},
		{"more contrast", "", func(f *gocv.Mat, _ float64) { gain(f, 1.3, -10) }},
		{"shift 1 %", "", func(f *gocv.Mat, _ float64) { move(f, 0, 0.01) }},
		{"slightly out of focus", Dirty, func(f *gocv.Mat, s float64) { blur(f, 3*s); noise(f, 2) }},
		{"out of focus", Dirty, func(f *gocv.Mat, s float64) { blur(f, 8*s); noise(f, 2) }},
		{"smear on 60 %", Dirty, smear},
		{"dark", Dark, func(f *gocv.Mat, _ float64) { gain(f, 0.05, 0); noise(f, 3) }},
		{"cloth", Covered, func(f *gocv.Mat, _ float64) { shade(f); gain(f, 0.2, 40); noise(f, 2) }},
		{"hand", Covered, func(f *gocv.Mat, _ float64) { f.SetTo(gocv.NewScalar(20, 25, 60, 0)); noise(f, 2) }},
		{"shift 6 %", Moved, func(f *gocv.Mat, _ float64) { move(f, 0, 0.06) }},
		{"shift 20 %", Moved, func(f *gocv.Mat, _ float64) { move(f, 0, 0.2) }},
		{"turn 6 degrees", Moved, func(f *gocv.Mat, _ float64) { move(f, 6, 0) }},
		{"another scene", Moved, func(f *gocv.Mat, _ float64) { gocv.Flip(*f, f, 0) }},
	}
}

func gain(f *gocv.Mat, factor, offset float32) {
	f.ConvertToWithParams(f, gocv.MatTypeCV8UC3, factor, offset)
}

func blur(f *gocv.Mat, sigma float64) {
	gocv.GaussianBlur(*f, f, image.Pt(0, 0), max(1.2, sigma), 0, gocv.BorderReplicate)
}

// shade leaves only what is bright and dark over eighths of the picture.
func shade(f *gocv.Mat) {
	small := gocv.NewMat()
	defer small.Close()
	gocv.Resize(*f, &small, image.Pt(8, 8), 0, 0, gocv.InterpolationArea)
	gocv.Resize(small, f, image.Pt(f.Cols(), f.Rows()), 0, 0, gocv.InterpolationCubic)
}

// noise adds the noise of a sensor, which a lens does not blur.
func noise(f *gocv.Mat, deviation float64) {
	random := rand.New(rand.NewPCG(1, uint64(deviation)))
	tile := make([]int, 1<<14)
	for i := range tile {
		tile[i] = int(random.NormFloat64() * deviation)
	}
	pixels, _ := f.DataPtrUint8()
	start := 0
	for i := range pixels {
		if i%len(tile) == 0 {
			start = random.IntN(len(tile))
		}
		pixels[i] = uint8(max(0, min(255, int(pixels[i])+tile[(i+start)%len(tile)])))
	}
}

func move(f *gocv.Mat, degrees, shift float64) {
	matrix := gocv.GetRotationMatrix2D(image.Pt(f.Cols()/2, f.Rows()/2), degrees, 1)
	defer matrix.Close()
	pixels := math.Round(shift * float64(f.Cols())) // a part of a pixel would blur
	matrix.SetDoubleAt(0, 2, matrix.GetDoubleAt(0, 2)+pixels)
	gocv.WarpAffineWithParams(*f, f, matrix, image.Pt(f.Cols(), f.Rows()), gocv.InterpolationLinear, gocv.BorderReflect,
		color.RGBA{})
}

func smear(f *gocv.Mat, scale float64) {
	part := f.Region(image.Rect(f.Cols()/5, 0, f.Cols()*4/5, f.Rows()))
	defer part.Close()
	dull := gocv.NewMat()
	defer dull.Close()
	gocv.GaussianBlur(part, &dull, image.Pt(0, 0), max(2, 12*scale), 0, gocv.BorderReplicate)
	gain(&dull, 0.6, 60)
	noise(&dull, 2)
	dull.CopyTo(&part)
}

// windowsOf returns windows of a recording with each fault: the frames of one loop, at equal distances.
func windowsOf(t *testing.T, file string, faults []pictureFault) (all [][]window) {
	t.Helper()
	video, err := gocv.VideoCaptureFile(file)
	testsupport.Must(t, err)
	defer video.Close()
	const count = 2 * windowSize
	frames := int(video.Get(gocv.VideoCaptureFrameCount))
	pictures := make([][]picture, len(faults))
	frame, changed := gocv.NewMat(), gocv.NewMat()
	defer frame.Close()
	defer changed.Close()
	for i := 0; video.Read(&frame); i++ {
		if i%max(1, frames/count) != 0 || len(pictures[0]) == count {
			continue
		}
		for k, fault := range faults {
			frame.CopyTo(&changed)
			fault.apply(&changed, float64(frame.Cols())/1280)
			p, err := newPicture(time.Unix(int64(len(pictures[k])), 0), changed)
			testsupport.Must(t, err)
			pictures[k] = append(pictures[k], p)
		}
	}
	for _, some := range pictures {
		var windows []window
		for start := 0; start+windowSize <= len(some); start += windowSize {
			var sharp [][cellCount]float32
			for i := start; i < start+windowSize; i++ {
				sharp = append(sharp, some[i].sharpness(some[(i+len(some)-1)%len(some)]))
			}
			w := newWindow(some[start:start+windowSize], sharp)
			w.length = windowSize * time.Second
			windows = append(windows, w)
		}
		all = append(all, windows)
	}
	return all
}

// measureRequested skips a measurement that takes minutes, unless it is requested.
func measureRequested(t *testing.T) {
	t.Helper()
	if os.Getenv("FACESIEVE_HEALTH") == "" {
		t.Skip("set FACESIEVE_HEALTH=1 to measure the checks on the recordings of ../shared")
	}
}

func recordings() []string {
	return strings.Fields("corridor cuts_1 cuts_2 empty_room night_ir shop street_exit two_heads walk_in")
}

// TestCleanRecordings counts the false alarms of three hours of each recording, which begins again and again.
func TestCleanRecordings(t *testing.T) {
	measureRequested(t)
	for _, name := range recordings() {
		t.Run(name, func(t *testing.T) {
			video, err := gocv.VideoCaptureFile(testsupport.SharedVideo(t, name+".mp4"))
			testsupport.Must(t, err)
			defer video.Close()
			const rate = 5.0 // pictures a second that are kept
			step := max(1, int(video.Get(gocv.VideoCaptureFPS)/rate+0.5))
			frame := gocv.NewMat()
			defer frame.Close()
			var pictures []picture
			for i := 0; video.Read(&frame); i++ {
				if i%step == 0 {
					p, err := newPicture(noon(), frame)
					testsupport.Must(t, err)
					pictures = append(pictures, p)
				}
			}
			m := newMonitor()
			found := map[string]int{}
			longest := map[string]time.Duration{}
			for second := range 3 * 3600 {
				p := pictures[second*int(rate)%len(pictures)]
				p.at = noon().Add(time.Duration(second) * time.Second)
				before := m.health.Reason
				testsupport.Must(t, m.add(p))
				if now := m.health.Reason; now != before && now != "" {
					found[now]++
				}
				for _, a := range m.alarms {
					longest[a.reason] = max(longest[a.reason], a.present)
				}
			}
			t.Logf("alarms %v, longest findings %v, state %s, several scenes %v", found, longest, m.health.State,
				m.several(m.before.at))
			if len(found) > 0 {
				t.Errorf("false alarms: %v", found)
			}
		})
	}
}

// TestRecordings prints a table of what is found in changed recordings, and fails on a false alarm.
func TestRecordings(t *testing.T) {
	measureRequested(t)
	faults := pictureFaults()
	for _, name := range recordings() {
		t.Run(name, func(t *testing.T) {
			all := windowsOf(t, testsupport.SharedVideo(t, name+".mp4"), faults)
			for _, days := range []int{0, 1} {
				for i, fault := range faults {
					p := newPlayer()
					p.play(t, 35*time.Minute, all[0]...)
					early := p.reasons
					p.now = p.now.Add(time.Duration(days) * 23 * time.Hour)
					p.play(t, 5*time.Minute, all[0]...)
					learning := p.monitor.health.State
					p.play(t, 15*time.Minute, all[i]...)
					found := p.reasons
					p.play(t, 5*time.Minute, all[0]...)
					t.Logf("%d days, %-22s expected %-21s found %v; after it %v (%s)", days, fault.name, fault.reason, found,
						p.monitor.health.State, learning)
					if len(early) > 0 || fault.reason == "" && len(found) > 0 {
						t.Errorf("false alarm: %v %v", early, found)
					}
				}
			}
		})
	}
}
