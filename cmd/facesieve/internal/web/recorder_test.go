package web

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"gocv.io/x/gocv"

	"facesieve/cmd/facesieve/internal/pipeline"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/quality"
)

// A visit has its best face, its curve, and what became of it.
func TestVisit(t *testing.T) {
	p := newTestPage(t)
	r := p.recorder
	p.judge(newFace("gate", "a", 1, 0, -1), quality.ReasonTooSmall)
	p.judge(newFace("gate", "a", 1, time.Second, 30), "")
	best := newFace("gate", "a", 1, 2*time.Second, 60)
	p.judge(best, "")
	p.judge(newFace("gate", "a", 1, 3*time.Second, 50), quality.ReasonDuplicate)
	send(r, best)
	small := newFace("yard", "b", 2, 4*time.Second, -1)
	p.judge(small, quality.ReasonTooSmall)
	reject(r, small, quality.ReasonTooSmall)
	p.judge(newFace("yard", "c", 3, 5*time.Second, 10), quality.ReasonLowQuality)
	encoded(t, r)

	cookie := p.login(t)
	get := func(path string, to any) int {
		answer := p.do(t, "GET", path, map[string]string{"Cookie": cookie.String()})
		if answer.StatusCode == http.StatusOK {
			testsupport.Must(t, json.NewDecoder(answer.Body).Decode(to))
		}
		return answer.StatusCode
	}
	var list struct {
		Revision uint64
		Visits   []visitSummary
	}
	get("/api/visits", &list)
	if len(list.Visits) != 3 {
		t.Fatalf("%d visits", len(list.Visits))
	}
	open, rejected, sent := list.Visits[0], list.Visits[1], list.Visits[2]
	if open.State != stateOpen || open.Number != 3 || open.Score != 10 || open.Camera != "yard" {
		t.Errorf("open visit %+v", open)
	}
	if rejected.State != stateRejected || rejected.Text != "7 px between the eyes, needs 10" || rejected.Score != -1 || rejected.Face != 0 {
		t.Errorf("rejected visit %+v", rejected)
	}
	if sent.State != stateSent || sent.Score != 60 || sent.Sent != 1 || sent.Face == 0 || sent.Last.Sub(sent.First) != 3*time.Second {
		t.Errorf("sent visit %+v", sent)
	}
	if code := get(fmt.Sprintf("/api/visits?revision=%d", list.Revision), &list); code != http.StatusNoContent {
		t.Errorf("the same revision: %d", code)
	}
	var detail visitDetail
	get("/api/visits/1", &detail)
	if len(detail.Points) != 4 || detail.Points[0].Score != -1 || detail.Points[0].Reason != "too_small" || detail.Labels["similarity"] != 0.5 {
		t.Errorf("%+v", detail)
	}
	if n := len(detail.Pictures); n != 3 || !detail.Pictures[n-2].Sent {
		t.Errorf("pictures %+v", detail.Pictures)
	}
	face := p.do(t, "GET", fmt.Sprintf("/api/faces/%d", sent.Face), map[string]string{"Cookie": cookie.String()})
	jpeg, err := io.ReadAll(face.Body)
	if err != nil || len(jpeg) < 500 || jpeg[0] != 0xff || jpeg[1] != 0xd8 || face.Header.Get("Content-Type") != "image/jpeg" {
		t.Errorf("%d bytes, %v", len(jpeg), face.Header)
	}
	for _, path := range []string{"/api/visits/9", "/api/visits/x", "/api/faces/99", "/api/faces/x", "/api/live?camera=none"} {
		if code := get(path, nil); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// Faces that turn out to be of another person move to that visit, with their pictures; an empty visit goes.
func TestMovedFaces(t *testing.T) {
	r := newTestRecorder(t)
	for i := range 4 {
		judge(r, newFace("gate", "a", 1, time.Duration(i)*time.Second, 20+10*float64(i)), "")
	}
	judge(r, newFace("yard", "other", 1, 3*time.Second, 40), "")
	r.Moved("gate", quality.Move{Track: 1, Since: start.Add(2 * time.Second), Visit: "b"})
	a, b := r.visits["a"], r.visits["b"]
	if len(a.points) != 2 || a.best.score != 30 || len(a.pictures) != 2 || !a.last.Equal(start.Add(time.Second)) {
		t.Errorf("visit a: %d points, best %+v, %d pictures, until %v", len(a.points), a.best, len(a.pictures), a.last)
	}
	if len(b.points) != 2 || b.best.score != 50 || len(b.pictures) != 2 || !b.first.Equal(start.Add(2*time.Second)) {
		t.Errorf("visit b: %d points, best %+v, %d pictures, from %v", len(b.points), b.best, len(b.pictures), b.first)
	}
	if other := r.visits["other"]; len(other.points) != 1 {
		t.Error("a face of another camera was moved")
	}
	r.Moved("gate", quality.Move{Track: 1, Since: start, Visit: "b"}) // the rest of a, which was the same person
	if r.visits["a"] != nil || len(b.points) != 4 || !b.points[0].time.Equal(start) {
		t.Errorf("after the join: a %v, b %+v", r.visits["a"], b.points)
	}
	r.Moved("gate", quality.Move{Track: 7, Since: start, Visit: "c"})
	if r.visits["c"] != nil {
		t.Error("a visit without faces was made")
	}
}

// A visit that was sent keeps its length when later faces of its track turn out to be of another person.
func TestSplitAfterSent(t *testing.T) {
	r := newTestRecorder(t)
	sent := newFace("gate", "a", 1, 2*time.Second, 60)
	sent.Visit.Frames = 3
	for _, c := range []*pipeline.Candidate{newFace("gate", "a", 1, 0, 20), newFace("gate", "a", 1, time.Second, 30), sent} {
		judge(r, c, "")
	}
	send(r, sent)
	other := newFace("gate", "b", 1, 4*time.Second, 50)
	other.Visit.FirstSeen = start.Add(time.Second)
	judge(r, other, "")
	r.Moved("gate", quality.Move{Track: 1, Since: start.Add(time.Second), Visit: "b"})
	_, all := r.summaries()
	if a := all[1]; len(all) != 2 || a.Frames != 3 || a.Last.Sub(a.First) != 2*time.Second || a.Sent != 1 {
		t.Errorf("the sent visit %+v", a)
	}
	if b := all[0]; b.Frames != 1 || b.Last.Sub(b.First) != 3*time.Second {
		t.Errorf("the other visit %+v", b)
	}
}

// Memory is bounded: visits, points, pictures and faces that wait to be encoded.
func TestBounds(t *testing.T) {
	r := newTestRecorder(t)
	for i := range 2000 {
		judge(r, newFace("gate", "long", 1, time.Duration(i)*time.Second, float64(i%90)), "")
		if i%100 == 0 {
			encoded(t, r)
		}
	}
	long := r.visits["long"]
	if len(long.points) > PageBounds().Points || len(long.points) < PageBounds().Points/4 || len(long.pictures) > PageBounds().Pictures || len(long.pictures) < 4 {
		t.Errorf("%d points, %d pictures", len(long.points), len(long.pictures))
	}
	if last := long.points[len(long.points)-1].time; start.Add(2000*time.Second).Sub(last) > 200*time.Second {
		t.Errorf("the curve ends at %v", last)
	}
	for range 3 * PageBounds().Sent {
		send(r, newFace("gate", "long", 1, time.Hour, 50))
	}
	if len(long.sentPictures) > PageBounds().Sent || long.sent != 3*PageBounds().Sent {
		t.Errorf("%d sent pictures of %d", len(long.sentPictures), long.sent)
	}
	for i := range 3 * PageBounds().Visits {
		judge(r, newFace("gate", fmt.Sprint(i), uint64(i), time.Hour+time.Duration(i)*time.Second, -1), quality.ReasonPose)
	}
	if len(r.visits) != PageBounds().Visits || r.visits["long"] != nil || r.visits[fmt.Sprint(3*PageBounds().Visits-1)] == nil {
		t.Errorf("%d visits", len(r.visits))
	}
}

// A pipeline never waits for the encoder: faces that find no room have no picture, and are counted.
func TestFullQueue(t *testing.T) {
	r := NewRecorder(PageBounds(), zerolog.Nop())
	r.Close() // nothing takes faces from the queue
	for i := range maxEncoding + 5 {
		judge(r, newFace("gate", fmt.Sprint(i), 1, 0, 50), "")
	}
	if r.droppedFaces() != 5 || len(r.encoding) != maxEncoding {
		t.Errorf("%d dropped, %d wait", r.droppedFaces(), len(r.encoding))
	}
}

// The pixels of a face that the pipeline did not keep are copied from the aligned image.
func TestAlignedIsCopied(t *testing.T) {
	r := newTestRecorder(t)
	aligned := newFrame(t, quality.Size, quality.Size)
	c := newFace("gate", "a", 1, 0, 50)
	c.Pixels = nil
	r.Judged(c, aligned, "")
	aligned.SetTo(gocv.NewScalar(0, 0, 0, 0)) // the pipeline reuses it
	encoded(t, r)
	if n := len(r.visits["a"].best.jpeg); n < 500 {
		t.Errorf("a JPEG of %d bytes", n)
	}
}
