package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"facesieve/capture/cameratest"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// everySecond forwards a face a second, whatever its score.
const everySecond = `quality: {policy: interval, interval: 1s, threshold: 0, gates: {min_eye_distance: 0, min_sharpness: 0,
  max_yaw: 90, max_pitch: 90, max_roll: 180, max_residual: 112, edge_margin: -1}}
`

// newFaultyCamera shows a recording of two people over and over, at its own pace and scaled to the size that is asked for.
func newFaultyCamera(t testing.TB, size string) *cameratest.Camera {
	t.Helper()
	video := testsupport.SharedVideo(t, "two_heads.mp4")
	return cameratest.New(t, size, func(size string) []string {
		return []string{"-stream_loop", "-1", "-i", video, "-vf", "scale=" + strings.Replace(size, "x", ":", 1)}
	})
}

// streamFault is something that befalls a camera, for a while or once.
type streamFault struct {
	name       string
	begin, end func(*cameratest.Camera)
	lasting    bool // it goes on until end is called
	width      int  // of the pictures afterwards; 0: as before
}

func streamFaults() []streamFault {
	type camera = cameratest.Camera
	over := func(*camera) {}
	return []streamFault{
		{name: "camera stalls", begin: func(c *camera) { c.Stalled.Store(true) }, end: func(c *camera) { c.Stalled.Store(false) }, lasting: true},
		{name: "camera sends garbage", begin: func(c *camera) { c.Garbage.Store(true) }, end: func(c *camera) { c.Garbage.Store(false) }, lasting: true},
		{name: "camera resets the connection", begin: (*camera).Reset, end: over},
		{name: "noise between the packets", begin: (*camera).Babble, end: over},
		{name: "camera is off", begin: (*camera).Down, end: (*camera).Up, lasting: true},
		{name: "camera's clock jumps an hour", begin: func(c *camera) { c.Skew.Add(90000 * 3600) }, end: over},
		{name: "pictures become larger", begin: func(c *camera) { c.Shoot("960x540") }, end: over, width: 960},
		{name: "pictures become smaller", begin: func(c *camera) { c.Shoot("480x270") }, end: over, width: 480},
	}
}

// A camera that does everything wrong that a camera can, one after the other: each time faces of after the fault arrive at
// the broker, each event once, of the size that the pictures have now. At first the camera is not there at all.
func TestTheDaemonOutlivesItsCamera(t *testing.T) {
	camera, broker := newFaultyCamera(t, "640x360"), startLedger(t)
	camera.Down()
	config := testsupport.WriteFile(t, "facesieve.yaml", fmt.Sprintf(`
log: {level: info, format: json}
outbox: {store: memory}
mqtt: {broker: "tcp://%s"}
%scameras: [{name: door, url: %q, read_timeout: 1s, open_timeout: 4s, reconnect_min: 100ms, reconnect_max: 300ms}]
`, broker.address, everySecond, camera.URL))
	ctx, stop := context.WithCancel(t.Context())
	var log testsupport.SafeBuffer
	code := make(chan int, 1)
	go func() { code <- run(ctx, []string{"run", "--config", config}, &log, &log) }()
	testsupport.Eventually(t, "camera missed", func() bool { return strings.Contains(string(log.Copied()), `"message":"no video"`) })
	for _, fault := range append([]streamFault{{name: "camera comes late", begin: (*cameratest.Camera).Up, end: func(*cameratest.Camera) {}}}, streamFaults()...) {
		fault.begin(camera)
		if fault.lasting {
			time.Sleep(2 * time.Second) // longer than the read timeout
		}
		fault.end(camera)
		over := time.Now()
		testsupport.Eventually(t, fault.name+": faces again", func() bool {
			face := broker.last("door")
			return face.Time.After(over) && (fault.width == 0 || face.Frame.Width == fault.width)
		})
		t.Logf("%s: a face %v later", fault.name, broker.last("door").Time.Sub(over).Round(time.Millisecond))
	}
	stop()
	if got := <-code; got != exitOK {
		t.Errorf("exit code %d\n%s", got, log.Copied())
	}
	ids := forwarded(t, log.Copied())
	for _, id := range ids {
		if n := broker.received(id); n != 1 {
			t.Errorf("event %s came %d times", id, n)
		}
	}
	if len(ids) < 8 {
		t.Errorf("%d events", len(ids))
	}
}

// forwarded returns the ids of the events that a log says were accepted.
func forwarded(t testing.TB, log []byte) (ids []string) {
	t.Helper()
	for line := range strings.Lines(string(log)) {
		var message struct{ Message, ID string }
		if err := json.Unmarshal([]byte(line), &message); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		if message.Message == "face forwarded" {
			ids = append(ids, message.ID)
		}
	}
	return ids
}
