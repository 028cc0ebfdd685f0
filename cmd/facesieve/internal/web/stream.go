package web

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"facesieve/cmd/facesieve/internal/config"
)

const (
	stallTime = 5 * time.Second  // a client that takes no data for so long is disconnected
	quietTime = 10 * time.Second // after so long without a picture a comment shows whether the client is there
)

// live streams the pictures of a camera as server-sent events, each with the faces of its frame, until the client goes.
// A client that is slow gets fewer pictures.
func (a api) live(w http.ResponseWriter, r *http.Request) {
	camera := r.URL.Query().Get("camera")
	if !slices.ContainsFunc(a.State().InForce.Cameras, func(c config.Camera) bool { return c.Name == camera }) {
		http.Error(w, "No camera has this name.", http.StatusNotFound)
		return
	}
	newest, stop := a.Recorder.watch(camera)
	defer stop()
	w.Header().Set("Content-Type", "text/event-stream")
	stream := stream{w: w, control: http.NewResponseController(w)}
	quiet := time.NewTicker(quietTime)
	defer quiet.Stop()
	err := stream.send(": open\n\n")
	for err == nil {
		select {
		case <-r.Context().Done():
			return
		case picture := <-newest:
			err = stream.send("data: %s\n\n", picture)
			quiet.Reset(quietTime)
		case <-quiet.C:
			err = stream.send(": no picture\n\n")
		}
	}
}

// stream is a response that goes on.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
}

// send fails when the client has gone, or takes nothing.
func (s stream) send(format string, args ...any) error {
	if err := s.control.SetWriteDeadline(time.Now().Add(stallTime)); err != nil {
		return err
	}
	if _, err := fmt.Fprintf(s.w, format, args...); err != nil {
		return err
	}
	return s.control.Flush()
}
