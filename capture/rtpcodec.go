package capture

import (
	"strings"
	"sync/atomic"
	"time"

	"github.com/bluenviron/gortsplib/v5"
	"github.com/bluenviron/gortsplib/v5/pkg/format"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/av1"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h264"
	"github.com/bluenviron/mediacommon/v2/pkg/codecs/h265"
	"github.com/pion/rtp"
)

// unit is the input of one call of the decoder: a coded frame.
type unit struct {
	data  []byte
	key   bool          // decoding can start at this unit
	stamp time.Duration // since the first unit
}

// rtpCodec assembles units from the packets of one format.
type rtpCodec struct {
	name   string // in FFmpeg
	format format.Format
	fps    float64 // declared; 0: unknown
	// depacket returns the bytes of a unit after its last packet, and whether decoding can start at it.
	depacket func(*rtp.Packet) (data []byte, key bool, err error)
}

// newRTPCodec returns nil for a format that is not supported.
func newRTPCodec(f format.Format) (*rtpCodec, error) {
	switch f := f.(type) {
	case *format.H264:
		return newH264(f)
	case *format.H265:
		return newH265(f)
	case *format.MJPEG:
		d, err := f.CreateDecoder()
		return completeUnits("mjpeg", f, d, true), err
	case *format.MPEG4Video:
		d, err := f.CreateDecoder()
		return withConfig(completeUnits("mpeg4", f, d, false), f.Config), err
	case *format.MPEG1Video:
		d, err := f.CreateDecoder()
		return completeUnits("mpeg2video", f, d, false), err
	case *format.VP8:
		d, err := f.CreateDecoder()
		return completeUnits("vp8", f, d, false), err
	case *format.VP9:
		d, err := f.CreateDecoder()
		return completeUnits("vp9", f, d, false), err
	case *format.AV1:
		return newAV1(f)
	case *format.Generic:
		return newGeneric(f)
	default:
		return nil, nil
	}
}

// newGeneric returns the codec of a format that has a dynamic payload type, and that gortsplib recognises only by its
// static payload type.
func newGeneric(f *format.Generic) (*rtpCodec, error) {
	encoding, _, _ := strings.Cut(strings.ToUpper(f.RTPMap()), "/")
	switch encoding {
	case "JPEG":
		d, err := (&format.MJPEG{}).CreateDecoder()
		return completeUnits("mjpeg", f, d, true), err
	case "MPV":
		d, err := (&format.MPEG1Video{}).CreateDecoder()
		return completeUnits("mpeg2video", f, d, false), err
	default:
		return nil, nil
	}
}

// completeUnits returns the codec of a format whose depacketiser returns complete units.
func completeUnits(name string, f format.Format, d interface {
	Decode(packet *rtp.Packet) ([]byte, error)
}, key bool,
) *rtpCodec {
	return &rtpCodec{name: name, format: f, depacket: func(p *rtp.Packet) ([]byte, bool, error) {
		data, err := d.Decode(p)
		return data, key, err
	}}
}

// withConfig adds the configuration of the codec before the first unit.
func withConfig(c *rtpCodec, config []byte) *rtpCodec {
	depacket := c.depacket
	c.depacket = func(p *rtp.Packet) ([]byte, bool, error) {
		data, key, err := depacket(p)
		if err == nil && config != nil {
			data, config = append(config[:len(config):len(config)], data...), nil
		}
		return data, key, err
	}
	return c
}

// nalUnits returns the codec of H.264 or H.265. It adds the parameter sets of the description before the first unit and
// before units at which decoding can start, unless these contain parameter sets.
func nalUnits(name string, f format.Format, decode func(*rtp.Packet) ([][]byte, error), key func([][]byte) bool,
	isParameterSet func([]byte) bool, sets ...[]byte,
) *rtpCodec {
	begun := false
	return &rtpCodec{name: name, format: f, depacket: func(p *rtp.Packet) ([]byte, bool, error) {
		nalus, err := decode(p)
		if err != nil {
			return nil, false, err
		}
		start := key(nalus)
		var data []byte
		if start && !anyOf(nalus, isParameterSet) || !begun {
			data = annexB(data, sets)
		}
		begun = true
		return annexB(data, nalus), start, nil
	}}
}

// anyOf reports whether one of the NAL units has the property.
func anyOf(nalus [][]byte, has func([]byte) bool) bool {
	for _, nalu := range nalus {
		if len(nalu) > 0 && has(nalu) {
			return true
		}
	}
	return false
}

// annexB appends NAL units with start codes (ITU-T H.264, annex B).
func annexB(data []byte, nalus [][]byte) []byte {
	for _, nalu := range nalus {
		if len(nalu) > 0 {
			data = append(append(data, 0, 0, 0, 1), nalu...)
		}
	}
	return data
}

func newH264(f *format.H264) (*rtpCodec, error) {
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	isSPS := func(nalu []byte) bool { return h264.NALUType(nalu[0]&0x1f) == h264.NALUTypeSPS }
	c := nalUnits("h264", f, d.Decode, h264.IsRandomAccess, isSPS, f.SPS, f.PPS)
	var sps h264.SPS
	if sps.Unmarshal(f.SPS) == nil {
		c.fps = sps.FPS()
	}
	return c, nil
}

func newH265(f *format.H265) (*rtpCodec, error) {
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	isSPS := func(nalu []byte) bool { return h265.NALUType(nalu[0]>>1&0x3f) == h265.NALUType_SPS_NUT }
	c := nalUnits("hevc", f, d.Decode, h265.IsRandomAccess, isSPS, f.VPS, f.SPS, f.PPS)
	var sps h265.SPS
	if sps.Unmarshal(f.SPS) == nil {
		c.fps = sps.FPS()
	}
	return c, nil
}

func newAV1(f *format.AV1) (*rtpCodec, error) {
	d, err := f.CreateDecoder()
	if err != nil {
		return nil, err
	}
	return &rtpCodec{name: "av1", format: f, depacket: func(p *rtp.Packet) ([]byte, bool, error) {
		obus, err := d.Decode(p)
		if err != nil {
			return nil, false, err
		}
		data, err := av1.Bitstream(obus).Marshal()
		return data, av1.IsRandomAccess2(obus), err
	}}, nil
}

// clock converts RTP timestamps, which wrap around, to times.
type clock struct {
	rate    int64
	begun   bool
	last    uint32
	elapsed int64
}

func (c *clock) at(stamp uint32) time.Duration {
	if c.begun {
		c.elapsed += int64(int32(stamp - c.last)) //nolint:gosec // modulo 2^32 is intended
	}
	c.begun, c.last = true, stamp
	return time.Duration(float64(c.elapsed) / float64(max(c.rate, 1)) * float64(time.Second))
}

// collect returns a callback that counts packets and forwards units.
func (c *rtpCodec) collect(push func(unit), packets *atomic.Uint64) gortsplib.OnPacketRTPFunc {
	clock := clock{rate: int64(c.format.ClockRate())}
	return func(p *rtp.Packet) {
		packets.Add(1)
		stamp := clock.at(p.Timestamp)
		data, key, err := c.depacket(p)
		if err != nil { // more packets are needed, or one is missing
			return
		}
		push(unit{data, key, stamp})
	}
}
