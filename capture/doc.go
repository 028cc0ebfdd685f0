// Package capture turns a camera, a stream, a file or a directory of pictures into frames, and never hangs.
//
// # Sources
//
// A Source is named by Config.URL:
//
//	rtsp://  rtsps://                      a stream (H.264, H.265, MJPEG, ...); live
//	http://  https://                      a stream (MJPEG, MPEG-TS, FLV, HLS, ...), or a picture, which is requested
//	                                       every Config.Interval; live
//	/dev/video0  /dev/v4l/by-id/...        a V4L2 camera; live
//	gst:PIPELINE                           a GStreamer pipeline that ends in appsink (Jetson CSI cameras); live
//	a path, or file://PATH                 a video file, a picture, or a directory of pictures; finite. PATH is used
//	                                       as it stands, without percent-encoding
//
// User and password in a URL must be percent-encoded, and an @ after the host must be written %40. Expand encodes
// values that come from the environment, and quotes them in a pipeline. Config.Validate reports the position of the
// first character that is not allowed at its place in the URL. No error, log line or state contains a possible
// password.
//
// A live source is read without pause and only its newest frame is kept. When the source is lost, or cannot be reached
// at the start, the Source reports this in State and reconnects, with increasing pauses that have jitter. Frames from
// before the loss, and frames that were buffered while the stream was opened, are discarded. The frames of a live
// source may change their size.
//
// Open returns an error if a finite source cannot be read, and the end of the source is io.EOF. A video file whose
// frames change their size causes an error at that position. At pace Fast every frame of a video file is returned in
// order; at pace Native a video file behaves like a camera.
//
// Pictures (JPEG, PNG, WebP, BMP, recognised by their content) are rotated as their EXIF data requires, and all are
// returned in order. A picture that is damaged, cut short, or larger than Config.MaxPixels is skipped in a directory;
// if it is the source itself, Open returns an error. BMP and WebP have no checksums, so damage in their pixels is not
// detected.
//
// A url that returns a picture is polled with conditional requests. A picture that has not changed, according to the
// server or by comparison of its bytes, is not returned as a frame, but the camera counts as connected.
//
// # Streams
//
// Go makes the connections and FFmpeg decodes: gortsplib receives the packets of RTSP, net/http the bytes of HTTP, and
// FFmpeg opens no address itself. So each open and read has its own deadline and can be cancelled, and cameras are
// opened concurrently. Certificates are verified before anything is sent, and the password is sent to the configured
// host only. Playlists and redirects may use that host and Config.AllowHosts, no others. The sizes of headers,
// descriptions and playlists, the bytes between two frames (64 MiB) and the pixels of a frame (Config.MaxPixels,
// checked before decoding) are limited.
//
// The stream is not probed: the first frame that can be decoded is the first one delivered. A frame may take longer
// than ReadTimeout, up to a minute, while the rate of a live stream is not known, or if its rate is lower than one
// frame per ReadTimeout. One thread decodes a live stream without delay; several threads are used only if one is too
// slow.
//
// Each fault has a Reason for programs and a text that states how to fix it. After a refused login (401, 403) the
// pauses are from a minute to a quarter of an hour, because cameras lock an account after some wrong passwords.
//
// Frames whose pixels are not square, as declared by the stream or by Config.Aspect, are stretched along one side until
// the pixels are square. All coordinates refer to the stretched frame.
//
// # Goroutines
//
// A Source has two: one makes the calls into OpenCV and FFmpeg, and a watchdog monitors the first. Streams and files
// have deadlines of their own. A call into a device or a GStreamer pipeline may never return, for example if the
// hardware of a plug-in has failed. The watchdog then changes the state at once, abandons the goroutine, counts it in
// Stats.Abandoned, and starts a new one. If that one hangs too while the first has not returned, the watchdog waits, so
// a Source never blocks more than two threads. An abandoned call that does return frees its resources and ends. A
// stream also has the goroutines of its connections; Close waits for them.
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
// Open silences the messages of OpenCV and FFmpeg for the process: they go to stderr and quote URLs with their
// credentials. HTTP goes through the proxy that the environment names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
package capture
