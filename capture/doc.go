// Package capture reads a camera, a stream, a file or a directory of images, and delivers frames. It never blocks
// without an end.
//
// # Sources
//
// Config.URL names the source:
//
//	rtsp://  rtsps://                      a stream (H.264, H.265, MJPEG, ...); live
//	http://  https://                      a stream (MJPEG, MPEG-TS, FLV, HLS, ...), or an image, which is requested
//	                                       every Config.Interval; live
//	/dev/video0  /dev/v4l/by-id/...        a V4L2 camera; live
//	gst:PIPELINE                           a GStreamer pipeline that ends in appsink (Jetson CSI cameras); live
//	a path, or file://PATH                 a video file, an image, or a directory of images; finite. PATH is not
//	                                       percent-encoded
//
// Package sourceurl describes the characters that a URL may contain, and replaces variables in it. No error, log
// message or state contains a possible password.
//
// A new kind of source is one file and one entry: the file has an opener, which returns an input, and the function
// kinds has an entry with the prefix of its URLs and the opener. The opener returns an error with a Reason if it fails.
// An input whose calls can block without an end starts the watchdog in its opener; its reads are monitored if it is
// live.
//
// A live source is read without pause, and only its newest frame is kept. When the source is lost, or cannot be reached
// at the start, State reports it, and the Source reconnects after increasing random pauses. Frames from before the
// loss, and frames that were buffered while the stream was opened, are discarded. The frames of a live source may
// change their size.
//
// For a finite source, Open returns an error if it cannot be read, and Next returns io.EOF at its end. If the frames of
// a video file change their size, Next returns an error at that position. At pace Fast it returns all frames of a video
// file in order that SetMaxFPS selects. At pace Native a video file behaves like a camera.
//
// Images (JPEG, PNG, WebP, BMP, recognised by their content) are rotated as their EXIF data requires, and all are
// returned in order. In a directory, an image that is damaged, cut short, or larger than Config.MaxPixels is skipped.
// If it is the source itself, Open returns an error. BMP and WebP have no checksums, so damage in their pixels is not
// detected.
//
// A url that returns an image is polled with conditional requests. An image that has not changed, according to the
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
// A stream is not probed: the first frame that can be decoded is delivered. A frame may take longer than ReadTimeout,
// up to a minute, while the rate of a live stream is not known, or if its rate is lower than one frame per ReadTimeout.
// One thread decodes a live stream without delay, and a file at pace Native; several threads are used only if one is
// too slow.
//
// Each fault has a Reason for programs and a text that states how to fix it. After a refused login (401, 403) the
// pauses are from a minute to a quarter of an hour, because cameras lock an account after some wrong passwords.
//
// # Frames that are not needed
//
// SetMaxFPS selects at most one frame of each period by the timestamps, on a fixed grid. The others are not converted to
// BGR. A frame of H.264 or H.265 that no other refers to, such as most B-frames, is not even decoded if another of its
// period is. So the selected frames are the same. Without such frames, as most cameras encode, all are decoded.
//
// With Config.Idle IdleKeyFrames, key frames alone are decoded while SetIdle is set. So motion is noticed with a delay of
// up to the time between two key frames. The packets since the last key frame are kept, so that decoding resumes there.
//
// Config.HWAccel names hardware decoders to try. One decodes beside software, until it has returned a dozen frames that
// are equal and took less CPU time. Then it replaces software, otherwise it is refused. If it fails later, software
// resumes at the next key frame. Stats.Decoder and Stats.Refused report the result.
//
// Frames whose pixels are not square, as declared by the stream or by Config.Aspect, are stretched along one side until
// the pixels are square. All coordinates refer to the stretched frame.
//
// # Goroutines
//
// A Source has two goroutines: a session makes the calls into OpenCV and FFmpeg, and a supervisor monitors the session.
// Streams and files have deadlines of their own. A call into a device or a GStreamer pipeline may never return, for
// example if the hardware of a plug-in has failed. The supervisor then changes the state, abandons the session, counts
// it in Stats.Abandoned, and starts a new one. If the new one is blocked as well while the first has not returned, the
// supervisor waits. So a Source never blocks more than two threads. An abandoned call that returns frees its resources
// and ends. A stream also has the goroutines of its connections; Close waits for them.
//
// # Ownership of Mats
//
// The caller owns the Mat in its Frame. FFmpeg's frames stay in the memory of the decoder; Next converts the newest one
// into the caller's Mat, so that a frame that nobody takes costs no conversion, and no second Mat is needed. A device or
// an image is read into a Mat of the Source, which is exchanged with the one of the newest frame, and that with the
// caller's in Next. Pixels are not copied, and once the frames have their size, no memory is allocated. So after Next the
// caller may own another Mat than before. It may read and change the pixels until its next call of Next, and must close
// the Mat that it holds at the end. Close frees the others. If a call is abandoned, its Mat is freed when it returns.
//
// # The process
//
// Open turns off the messages of OpenCV and FFmpeg for the process, because they go to stderr and contain URLs with
// their credentials. It sets glibc's M_MMAP_THRESHOLD to 128 KiB, unless MALLOC_MMAP_THRESHOLD_ is set, because frames and
// tensors fragment the heap. HTTP uses the proxy in the environment (HTTP_PROXY, HTTPS_PROXY, NO_PROXY).
package capture
