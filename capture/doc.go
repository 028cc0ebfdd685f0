// Package capture turns a camera, a stream, a file or a folder of pictures into frames, and never hangs on it.
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
//	a path, or file://PATH                 a video file, a picture, or a folder of pictures; finite. PATH is taken
//	                                       as it stands, without percent-encoding
//
// User and password stand percent-encoded in a URL, and an @ behind them must be %40. Where they come from the
// environment, Expand encodes them, and quotes them in a pipeline. Config.Validate points at the first character of a URL
// that cannot stand where it does; no error, log line or state repeats what may be a password.
//
// A live source is drained all the time, its newest frame wins, and when it is lost, or is not there in the first place,
// the Source reports that in State and tries again, with a pause that grows and has jitter in it. Frames from before the
// loss, and those that piled up on the way while the stream was opened, are thrown away. A finite source that cannot be
// read is an error of Open, and its end is io.EOF. A live source may change the size of its pictures; a video file in
// which they do is an error there. Pictures (JPEG, PNG, WebP, BMP, recognised by their content) are turned upright by their
// EXIF data; one that is damaged, cut short, or larger than Config.MaxPixels is skipped in a folder, and an error of
// Open where it is the source. BMP and WebP have no checksums: damage within their pixels is not found. Pictures come every one and in order, and so does a video file at pace Fast; at pace
// Native a video file behaves as a camera does.
//
// A url that gives a picture is polled with conditional requests. The same picture again, by the server's answer or by its
// bytes, is no frame, and its camera is not lost.
//
// # Streams
//
// Go makes the connections and FFmpeg decodes: gortsplib brings the packets of RTSP, net/http the bytes of HTTP, and
// FFmpeg opens no address itself. So each open and read has its own deadline and end, cameras are opened side by side,
// certificates are verified before anything is sent, the password goes to the configured host alone, and playlists and
// redirects lead to no host but that one and Config.AllowHosts. Headers, descriptions and playlists are bounded, so are
// the bytes between two frames (64 MiB) and the pixels of a frame (Config.MaxPixels), which are checked before decoding.
//
// The stream is not probed: the first frame that can be decoded is the first one delivered. While a live stream's rate is
// not known, and where it is below one frame in ReadTimeout, a frame may take longer, up to a minute. A live stream is
// decoded by one thread, which holds nothing back, and by several only when one does not keep up.
//
// Each fault has a Reason for programs and a text with what to do about it. After a refused login (401, 403) the pauses
// are a minute to a quarter of an hour, for cameras lock an account after some wrong passwords.
//
// Pixels that are not square, by the stream or by Config.Aspect, are made so: one side of the frame grows, and all
// coordinates are those of the stretched frame.
//
// # Goroutines
//
// Two belong to a Source: one makes the calls into OpenCV and FFmpeg, one watches the first. Streams and files keep their
// own deadlines. A device or a GStreamer pipeline may never return from a call (a plug-in whose hardware has died): it
// changes the state at once, then the goroutine in it is abandoned, counted in Stats.Abandoned, and a new one starts;
// while an abandoned one is still out, a second that hangs is waited for, so never more than two threads are held. If an
// abandoned call does return, it frees what it holds and ends. A stream has the goroutines of its connections besides;
// Close waits for them.
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
