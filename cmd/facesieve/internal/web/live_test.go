package web

import (
	"bufio"
	"encoding/json"
	"io"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// showNext shows a frame when the next picture is due, and returns the picture.
func showNext(t *testing.T, r *Recorder, camera string, frame gocv.Mat, pictures <-chan []byte) (p livePicture) {
	t.Helper()
	l := r.camera(camera)
	l.mutex.Lock()
	l.taken = time.Time{}
	l.mutex.Unlock()
	show(r, camera, frame)
	select {
	case message := <-pictures:
		testsupport.Must(t, json.Unmarshal(message, &p))
	case <-time.After(testsupport.Timeout):
		t.Fatal("no picture")
	}
	l.mutex.Lock() // until all watchers have the picture
	defer l.mutex.Unlock()
	return p
}

// A watcher gets the newest frame, scaled down, with the faces of this frame.
func TestLivePicture(t *testing.T) {
	r := newTestRecorder(t)
	pictures, stop := r.watch("gate")
	defer stop()
	c := newFace("gate", "a", 1, 0, 42)
	judge(r, c, quality.ReasonLowQuality)
	p := showNext(t, r, "gate", newFrame(t, 1920, 1080), pictures)
	if p.Width != 1920 || p.Height != 1080 || len(p.JPEG) < 500 || !p.Analysed {
		t.Errorf("%d x %d, %d bytes", p.Width, p.Height, len(p.JPEG))
	}
	if len(p.Faces) != 1 || p.Faces[0].Visit != 1 || p.Faces[0].Score != 42 || p.Faces[0].Box != c.Judgement.Face.Box {
		t.Errorf("faces %+v", p.Faces)
	}
	if p = showNext(t, r, "gate", newFrame(t, 64, 48), pictures); p.Width != 64 || len(p.Faces) != 0 {
		t.Errorf("the next frame, %d wide, has faces %+v", p.Width, p.Faces)
	}
}

// Nothing is copied or kept while nobody watches, also not after the last watcher has gone.
func TestNobodyWatches(t *testing.T) {
	r := newTestRecorder(t)
	frame := newFrame(t, 64, 48)
	idle := func(when string) {
		judge(r, newFace("gate", "a", 1, 0, 42), "")
		show(r, "gate", frame)
		l := r.camera("gate")
		if l.watched.Load() || l.next != nil || len(l.faces) != 0 {
			t.Errorf("%s: %+v", when, l)
		}
	}
	idle("at first")
	pictures, stop := r.watch("gate")
	_, stopSecond := r.watch("gate")
	stopSecond()
	showNext(t, r, "gate", frame, pictures)
	stop()
	stop() // does nothing
	idle("after the last watcher")
}

// The newest picture replaces one that a watcher did not take, so that a slow one delays nobody.
func TestNewestWins(t *testing.T) {
	r := newTestRecorder(t)
	slow, stopSlow := r.watch("gate")
	defer stopSlow()
	quick, stopQuick := r.watch("gate")
	defer stopQuick()
	for width := 10; width <= 50; width += 10 {
		if p := showNext(t, r, "gate", newFrame(t, width, 10), quick); p.Width != width {
			t.Errorf("width %d, want %d", p.Width, width)
		}
	}
	var p livePicture
	testsupport.Must(t, json.Unmarshal(<-slow, &p))
	if p.Width != 50 {
		t.Errorf("the slow watcher gets width %d", p.Width)
	}
}

// Frames between two pictures are not copied.
func TestPictureRate(t *testing.T) {
	r := newTestRecorder(t)
	_, stop := r.watch("gate")
	defer stop()
	frame, l, now := newFrame(t, 64, 48), r.camera("gate"), start
	taken := 0
	for i := range 50 { // 2 s of 25 frames a second
		now = start.Add(time.Duration(i) * 40 * time.Millisecond)
		before := l.taken
		l.frame(pipeline.FrameReport{Camera: "gate", Image: frame, Analysed: true}, now)
		if l.taken != before {
			taken++
		}
	}
	if taken != 10 {
		t.Errorf("%d pictures in 2 s, want 10", taken)
	}
	l.frame(pipeline.FrameReport{Camera: "gate", Image: frame}, l.taken.Add(livePeriod))
	if l.taken.After(now) {
		t.Error("a frame without motion was copied too early")
	}
}

// A stream sends pictures, and ends when the client goes or the server closes. A client that reads nothing does not
// delay the pipeline.
func TestStream(t *testing.T) {
	p := newTestPage(t)
	cookie := p.login(t)
	open := func() *http.Response {
		answer, err := p.client.Do(p.request(t, "GET", "/api/live?camera=gate", map[string]string{"Cookie": cookie.String()}))
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer, err)
		}
		return answer
	}
	first, stalled := open(), open()
	defer stalled.Body.Close()
	frame := newFrame(t, 960, 540)
	lines := bufio.NewReaderSize(first.Body, 1<<20)
	received := make(chan string, 100)
	go func() {
		defer close(received)
		for {
			line, err := lines.ReadString('\n')
			if err != nil {
				return
			}
			received <- line
		}
	}()
	pictures := 0
	testsupport.Eventually(t, "two pictures", func() bool {
		show(p.recorder, "gate", frame) // returns, although one client reads nothing
		select {
		case line := <-received:
			if strings.HasPrefix(line, `data: {"camera":"gate"`) {
				pictures++
			}
		default:
		}
		return pictures >= 2
	})
	first.Body.Close()
	stalled.Body.Close()
	for range received { //nolint:revive // until the stream has ended
	}
	testsupport.Eventually(t, "no watcher", func() bool { return !p.recorder.camera("gate").watched.Load() })
}

// At most 50 clients are served. A further one is served as soon as one goes.
func TestClientLimit(t *testing.T) {
	p := newTestPage(t)
	header := map[string]string{"Cookie": p.login(t).String()}
	var open []*http.Response
	defer func() {
		for _, answer := range open {
			answer.Body.Close()
		}
	}()
	for range maxClients {
		answer, err := p.client.Do(p.request(t, "GET", "/api/live?camera=yard", header))
		if err != nil || answer.StatusCode != http.StatusOK {
			t.Fatal(answer, err)
		}
		open = append(open, answer)
	}
	if answer := p.do(t, "GET", "/", header); answer.StatusCode != http.StatusServiceUnavailable || answer.Header.Get("Retry-After") == "" {
		t.Errorf("one more: %s", answer.Status)
	}
	if answer := p.do(t, "GET", "/", nil); answer.StatusCode != http.StatusUnauthorized {
		t.Errorf("one more without the token: %s", answer.Status)
	}
	open[0].Body.Close()
	testsupport.Eventually(t, "a free place", func() bool { return p.do(t, "GET", "/", header).StatusCode == http.StatusOK })
}

// Close ends open streams, and leaves no goroutine that encodes.
func TestCloseEndsStreams(t *testing.T) {
	ended := make(chan struct{})
	t.Run("page", func(t *testing.T) {
		p := newTestPage(t)
		answer, err := p.client.Do(p.request(t, "GET", "/api/live?camera=gate", map[string]string{"Cookie": p.login(t).String()}))
		testsupport.Must(t, err)
		go func() {
			defer close(ended)
			defer answer.Body.Close()
			_, _ = io.Copy(io.Discard, answer.Body) //nolint:errcheck // any end is one
		}()
	})
	select {
	case <-ended:
	case <-time.After(testsupport.Timeout):
		t.Fatal("the stream goes on")
	}
	testsupport.Eventually(t, "no goroutine of a camera", func() bool {
		stacks := make([]byte, 1<<20)
		return !strings.Contains(string(stacks[:runtime.Stack(stacks, true)]), "liveCamera).encode")
	})
}
