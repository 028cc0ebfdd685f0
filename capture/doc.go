// Package capture turns a camera, a stream, a file or a folder of pictures into frames, and never hangs on it.
//
// # Sources
//
// A Source is named by Config.URL:
//
//	rtsp://  rtsps://  http://  https://   a stream (H.264, H.265, MJPEG, ...), read by FFmpeg; live
//	/dev/video0  /dev/v4l/by-id/...        a V4L2 camera; live
//	gst:PIPELINE                           a GStreamer pipeline that ends in appsink (Jetson CSI cameras); live
//	a path, or file://PATH                 a video file, a picture, or a folder of pictures; finite. PATH is taken
//	                                       as it stands, without percent-encoding
//
// A live source is drained all the time, its newest frame wins, and when it is lost, or is not there in the first place,
// the Source says so in State and tries again, with a pause that grows and has jitter in it. Frames from before the loss,
// and those that piled up on the way while the stream was opened, are thrown away. A finite source that cannot be read
// is an error of Open, and its end is io.EOF. A live source whose pictures change their size is opened again; a video file
// in which they do is an error there. Pictures come every one and in order, and so does a video file at pace
// Fast; at pace Native a video file behaves as a camera does.
//
// # Goroutines
//
// Two belong to a Source: one makes the calls into OpenCV, one watches the first. A call that does not return in its
// time changes the state at once. FFmpeg keeps its own deadlines, so such a call comes back soon after; other back ends
// (a GStreamer plug-in whose hardware has died) may never return. Then the goroutine in it is abandoned, counted in
// Stats.Abandoned, and a new one starts; while an abandoned one is still out, a second that hangs is waited for, so
// never more than two threads are held. If an abandoned call does return, it frees what it holds and ends.
//
// # Ownership of Mats
//
// The Source owns two: the one being filled and the newest complete one. The caller owns the one in its Frame. Nothing is
// copied and, once the frames have their size, nothing is allocated: a finished frame changes places with the newest
// one, and Next changes that with the Mat in the caller's Frame. So after Next the caller owns a different Mat than
// before, to read and to change until its next call of Next, and closes whichever it holds in the end. Close frees the
// other two; if a call is abandoned, its own is freed when it returns.
//
// # The process
//
// FFmpeg's transport can be given through the environment only (OPENCV_FFMPEG_CAPTURE_OPTIONS), so videos and streams are
// opened one at a time, as OpenCV does itself; a camera that is off does not hold this place, as its port is tried
// first. What the variable held before is kept and goes before the Config. Open silences the messages of OpenCV and
// FFmpeg for the process: they go to stderr and quote URLs with their credentials.
package capture
