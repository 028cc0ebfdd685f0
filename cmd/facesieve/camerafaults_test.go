package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"facesieve/capture/cameratest"
	"facesieve/cmd/facesieve/internal/testsupport"
	"facesieve/publish/publishtest"
)

// intervalFaces forwards a face of each track at this interval, whatever its score.
const intervalFaces = `quality: {policy: interval, interval: %s, threshold: 0,
  gates: {min_eye_distance: 0, min_sharpness: 0, max_yaw: 90, max_pitch: 90, max_roll: 180, max_residual: 112,
    edge_margin: -1}}
`

// newFaultyCamera returns a camera that repeats a recording of two people in real time, scaled to a size.
func newFaultyCamera(t testing.TB, size string) *cameratest.Camera {
	t.Helper()
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	return cameratest.New(t, size, func(size string) []string {
		return []string{"-stream_loop", "-1", "-i", video, "-vf", "scale=" + strings.Replace(size, "x", ":", 1)}
	})
}

// streamFault is a fault of a camera.
type streamFault struct {
	name       string
	begin, end func(*cameratest.Camera)
	lasting    bool // it lasts until end is called
	width      int  // of the frames afterwards, pixels; 0: unchanged
}

func streamFaults() []streamFault {
	type camera = cameratest.Camera
	none := func(*camera) {}
	return []streamFault{
		{
			name: "camera stalls", lasting: true,
			begin: func(c *camera) { c.Stalled.Store(true) }, end: func(c *camera) { c.Stalled.Store(false) },
		},
		{
			name: "camera sends garbage", lasting: true,
			begin: func(c *camera) { c.Garbage.Store(true) }, end: func(c *camera) { c.Garbage.Store(false) },
		},
		{name: "camera resets the connection", begin: (*camera).Reset, end: none},
		{name: "noise between the packets", begin: (*camera).SendNoise, end: none},
		{name: "camera is off", begin: (*camera).Down, end: (*camera).Up, lasting: true},
		{name: "camera's clock jumps an hour", begin: func(c *camera) { c.Skew.Add(90000 * 3600) }, end: none},
		{name: "frames become larger", begin: func(c *camera) { c.SetSize("960x540") }, end: none, width: 960},
		{name: "frames become smaller", begin: func(c *camera) { c.SetSize("480x270") }, end: none, width: 480},
	}
}

// The daemon recovers from each fault of a camera: faces of later frames, of the present size, arrive at the broker,
// each event once. The camera is off when the daemon starts.
func TestDaemonRecoversFromCameraFaults(t *testing.T) {
	t.Parallel()
	camera, broker := newFaultyCamera(t, "640x360"), startRecordingBroker(t)
	camera.Down()
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: info, format: json}
outbox: {store: memory}
mqtt: {broker: "tcp://%s"}
%scameras: [{name: door, url: %q, read_timeout: 600ms, open_timeout: 4s, reconnect_min: 100ms, reconnect_max: 300ms}]
`, broker.address, fmt.Sprintf(intervalFaces, "200ms"), camera.URL))
	ctx, stop := context.WithCancel(t.Context())
	var log publishtest.Log
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"run", "--config", config}, &log, &log) }()
	testsupport.Eventually(t, "no video", func() bool {
		return strings.Contains(log.String(), `"message":"no video"`)
	})
	late := streamFault{name: "camera starts late", begin: (*cameratest.Camera).Up, end: func(*cameratest.Camera) {}}
	for _, fault := range append([]streamFault{late}, streamFaults()...) {
		fault.begin(camera)
		if fault.lasting {
			time.Sleep(1200 * time.Millisecond) // longer than read_timeout
		}
		fault.end(camera)
		over := time.Now()
		testsupport.Eventually(t, fault.name+": a face after the fault", func() bool {
			face := broker.last("door")
			return face.Time.After(over) && (fault.width == 0 || face.Frame.Width == fault.width)
		})
		t.Logf("%s: a face %v later", fault.name, broker.last("door").Time.Sub(over).Round(time.Millisecond))
	}
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d\n%s", got, log.String())
	}
	ids := forwardedIDs(t, log.String())
	for id := range ids {
		if n := broker.received(id); n != 1 {
			t.Errorf("event %s was received %d times", id, n)
		}
	}
	if len(ids) < 8 {
		t.Errorf("%d events", len(ids))
	}
}
