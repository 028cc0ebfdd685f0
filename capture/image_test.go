package capture

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"gocv.io/x/gocv"
)

// encode returns an image as the content of a file with this extension.
func encode(t testing.TB, m gocv.Mat, extension gocv.FileExt, parameters ...int) []byte {
	t.Helper()
	if len(parameters) == 0 {
		parameters = []int{gocv.IMWriteJpegQuality, 95} // ignored by the other formats
	}
	buffer, err := gocv.IMEncodeWithParams(extension, m, parameters)
	if err != nil {
		t.Fatal(err)
	}
	defer buffer.Close()
	return bytes.Clone(buffer.GetBytes())
}

// quarters returns an image of four greys: 40 and 90 above, 140 and 190 below.
func quarters(t testing.TB, width, height int) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { _ = m.Close() })
	for i := range 4 {
		x, y := i%2*width/2, i/2*height/2
		part := m.Region(image.Rect(x, y, x+width/2, y+height/2))
		grey := float64(40 + 50*i)
		part.SetTo(gocv.NewScalar(grey, grey, grey, 0))
		_ = part.Close()
	}
	return m
}

// noise returns an image that is large in every format.
func noise(t testing.TB, width, height int) gocv.Mat {
	t.Helper()
	m := gocv.NewMatWithSize(height, width, gocv.MatTypeCV8UC3)
	t.Cleanup(func() { _ = m.Close() })
	pixels, err := m.DataPtrUint8()
	if err != nil {
		t.Fatal(err)
	}
	state := uint32(1)
	for i := range pixels {
		state = state*1664525 + 1013904223
		pixels[i] = byte(state >> 24)
	}
	return m
}

// exifOf returns EXIF data with an orientation and, before it, another tag.
func exifOf(order binary.AppendByteOrder, orientation uint16) []byte {
	data := []byte("II*\x00")
	if order.String() == "BigEndian" {
		data = []byte("MM\x00*")
	}
	data = order.AppendUint32(data, 8)
	data = order.AppendUint16(data, 2)
	for _, entry := range [][3]uint16{{0x0100, 3, 7}, {0x0112, 3, orientation}} {
		data = order.AppendUint16(data, entry[0])
		data = order.AppendUint16(data, entry[1])
		data = order.AppendUint32(data, 1)
		data = order.AppendUint16(data, entry[2])
		data = order.AppendUint16(data, 0)
	}
	return order.AppendUint32(data, 0)
}

func jpegWith(file, exif []byte) []byte {
	segment := append([]byte(exifPrefix), exif...)
	head := binary.BigEndian.AppendUint16([]byte("\xff\xd8\xff\xe1"), uint16(2+len(segment)))
	return append(append(head, segment...), file[2:]...)
}

func chunkOf(kind string, content []byte) []byte {
	chunk := binary.BigEndian.AppendUint32(nil, uint32(len(content)))
	chunk = append(append(chunk, kind...), content...)
	return binary.BigEndian.AppendUint32(chunk, crc32.ChecksumIEEE(chunk[4:]))
}

func pngWith(file, exif []byte) []byte {
	const header = 8 + 12 + 13
	return append(append(bytes.Clone(file[:header]), chunkOf("eXIf", exif)...), file[header:]...)
}

func webpWith(file, exif []byte, width, height int) []byte {
	const hasEXIF = 8
	canvas := []byte{hasEXIF, 0, 0, 0, byte(width - 1), 0, 0, byte(height - 1), 0, 0}
	riff := func(kind string, content []byte) []byte {
		chunk := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(content)))
		return append(append(chunk, content...), make([]byte, len(content)%2)...)
	}
	body := append([]byte("WEBP"), riff("VP8X", canvas)...)
	body = append(append(body, file[12:]...), riff("EXIF", exif)...)
	return riff("RIFF", body)
}

// decoded decodes an image within a limit of a million pixels.
func decoded(t testing.TB, data []byte) (gocv.Mat, error) {
	t.Helper()
	m := gocv.NewMat()
	t.Cleanup(func() { _ = m.Close() })
	err := decodeImage(data, 1_000_000, &m)
	return m, err
}

// layout returns the order of the greys of quarters: "0123" for the original image.
func layout(m gocv.Mat) string {
	var text string
	for i := range 4 {
		pixel := m.GetVecbAt((1+i/2*2)*m.Rows()/4, (1+i%2*2)*m.Cols()/4)
		text += fmt.Sprint((int(pixel[1]) - 15) / 50)
	}
	return text
}

func TestEveryOrientationInEveryFormat(t *testing.T) {
	const width, height = 48, 32
	m := quarters(t, width, height)
	files := map[string]func(exif []byte) []byte{
		"JPEG": func(exif []byte) []byte { return jpegWith(encode(t, m, gocv.JPEGFileExt), exif) },
		"PNG":  func(exif []byte) []byte { return pngWith(encode(t, m, gocv.PNGFileExt), exif) },
		"WebP": func(exif []byte) []byte { return webpWith(encode(t, m, ".webp"), exif, width, height) },
		"WebP with a prefix": func(exif []byte) []byte {
			return webpWith(encode(t, m, ".webp"), append([]byte(exifPrefix), exif...), width, height)
		},
	}
	want := []string{1: "0123", "1032", "3210", "2301", "0213", "2031", "3120", "1302", 9: "0123"}
	want[0] = "0123"
	for name, file := range files {
		for o, want := range want {
			for _, order := range []binary.AppendByteOrder{binary.LittleEndian, binary.BigEndian} {
				got, err := decoded(t, file(exifOf(order, uint16(o))))
				if err != nil || layout(got) != want || (o >= 5 && o <= 8) != (got.Cols() == height) {
					t.Errorf("%s, orientation %d, %s: %v, %s, want %s, %dx%d",
						name, o, order, err, layout(got), want, got.Cols(), got.Rows())
				}
			}
		}
	}
}

func TestPixelFormats(t *testing.T) {
	wide := image.NewNRGBA64(image.Rect(3, 5, 19, 21))
	palette := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.Black, color.NRGBA{200, 40, 90, 100}})
	for i := range 256 {
		wide.SetNRGBA64(3+i%16, 5+i/16, color.NRGBA64{200 << 8, 40 << 8, 90 << 8, 500})
		palette.SetColorIndex(i%16, i/16, 1)
	}
	files := map[string][]byte{}
	for name, src := range map[string]image.Image{"16 bits, alpha": wide, "palette, alpha": palette} {
		var file bytes.Buffer
		if err := png.Encode(&file, src); err != nil {
			t.Fatal(err)
		}
		files[name] = file.Bytes()
	}
	for _, name := range []string{"cmyk.jpg", "interlaced.png"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	for name, data := range files {
		m, err := decoded(t, data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		pixel := m.GetVecbAt(8, 8)
		for i, want := range []int{90, 40, 200} {
			if off := int(pixel[i]) - want; m.Type() != gocv.MatTypeCV8UC3 || off < -3 || off > 3 {
				t.Errorf("%s: type %v, colour %v", name, m.Type(), pixel)
			}
		}
	}
}

// overwritten returns a file whose middle is overwritten.
func overwritten(file []byte, filler byte, length int) []byte {
	data := bytes.Clone(file)
	for i := range length {
		data[len(data)/2+i] = filler
	}
	return data
}

// BMP and WebP have no checksums: damage in the middle of their pixels is not detected.
func TestADamagedImageIsAnError(t *testing.T) {
	m := noise(t, 96, 64)
	jpeg, progressive := encode(t, m, gocv.JPEGFileExt), encode(t, m, gocv.JPEGFileExt, gocv.IMWriteJpegProgressive, 1)
	files := map[string][]byte{
		"JPEG": jpeg, "progressive JPEG": progressive, "PNG": encode(t, m, gocv.PNGFileExt),
		"BMP": encode(t, m, ".bmp"), "WebP": encode(t, m, ".webp", gocv.IMWriteWebpQuality, 90),
		"lossless WebP": encode(t, m, ".webp", gocv.IMWriteWebpQuality, 101),
	}
	bad := map[string][]byte{"progressive JPEG without its end marker": progressive[:len(progressive)-2]}
	for name, file := range files {
		if _, err := decoded(t, file); err != nil {
			t.Errorf("%s, whole: %v", name, err)
		}
		if _, err := decoded(t, append(bytes.Clone(file), "trailing bytes"...)); err != nil {
			t.Errorf("%s, with bytes after its end: %v", name, err)
		}
		for percent := 1; percent < 100; percent += 7 {
			bad[fmt.Sprintf("%s cut at %d %%", name, percent)] = file[:len(file)*percent/100]
		}
	}
	for _, filler := range []byte{0, 0xff} {
		bad[fmt.Sprintf("JPEG with a run of %#x", filler)] = overwritten(jpeg, filler, 256)
		bad[fmt.Sprintf("progressive JPEG with a run of %#x", filler)] = overwritten(progressive, filler, 256)
		bad[fmt.Sprintf("PNG with a run of %#x", filler)] = overwritten(files["PNG"], filler, 1)
	}
	for name, data := range bad {
		if _, err := decoded(t, data); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// Many cameras write such files, in which no pixel is missing.
func TestACompleteJPEGWithFlawsIsRead(t *testing.T) {
	file := encode(t, noise(t, 96, 64), gocv.JPEGFileExt)
	body, end := file[:len(file)-2], file[len(file)-2:]
	for name, data := range map[string][]byte{
		"no end marker":         body,
		"padding before it":     append(append(bytes.Clone(body), make([]byte, 16)...), end...),
		"a second JPEG follows": append(bytes.Clone(file), file...),
		"no Huffman tables":     withoutSegments(file, 0xc4), // like the frames of MJPEG
		"fill bytes":            append([]byte("\xff\xd8\xff\xff\xff"), file[3:]...),
	} {
		if _, err := decoded(t, data); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decoded(t, append(append(bytes.Clone(body), make([]byte, 600)...), end...)); err == nil {
		t.Error("600 bytes that belong to no pixel: no error")
	}
}

// withoutSegments returns a JPEG without the segments with this marker.
func withoutSegments(file []byte, marker byte) []byte {
	out := bytes.Clone(file[:2])
	for rest := file[2:]; ; {
		length := 2 + int(binary.BigEndian.Uint16(rest[2:]))
		switch rest[1] {
		case 0xda:
			return append(out, rest...)
		case marker:
		default:
			out = append(out, rest[:length]...)
		}
		rest = rest[length:]
	}
}

// patched returns a copy of data with these bytes at an offset.
func patched(data []byte, at int, with ...byte) []byte {
	data = bytes.Clone(data)
	copy(data[at:], with)
	return data
}

func TestAnImageThatIsTooLargeIsNotDecoded(t *testing.T) {
	m := quarters(t, 48, 32)
	jpeg, bmp := encode(t, m, gocv.JPEGFileExt), encode(t, m, ".bmp")
	sof := bytes.Index(jpeg, []byte("\xff\xc0"))
	pngFile := encode(t, m, gocv.PNGFileExt)
	ihdr := chunkOf("IHDR", []byte("\x00\x00\x75\x30\x00\x00\x75\x30\x08\x02\x00\x00\x00"))
	webp := webpWith(encode(t, m, ".webp"), nil, 48, 32)
	lossless := encode(t, m, ".webp", gocv.IMWriteWebpQuality, 101)
	for name, data := range map[string][]byte{
		"JPEG": patched(jpeg, sof+5, 0xff, 0xdc, 0xff, 0xdc), "PNG": patched(pngFile, 8, ihdr...),
		"BMP": patched(bmp, 18, 0, 0, 1, 0, 0, 0, 1, 0),
		// Rows from the top.
		"BMP with a negative height": patched(bmp, 18, 0, 0, 1, 0, 0, 0, 0xff, 0xff),
		"WebP":                       patched(lossless, 21, 0xff, 0xff, 0xff, 0x0f),
	} {
		_, err := decoded(t, data)
		if large := (imageTooLargeError{}); !errors.As(err, &large) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, data := range [][]byte{jpeg, pngFile, bmp, webp} {
		got := gocv.NewMat()
		if err := decodeImage(data, 48*32, &got); err != nil {
			t.Error(err)
		}
		if err := decodeImage(data, 48*32-1, &got); !errors.As(err, &imageTooLargeError{}) {
			t.Errorf("one pixel more than the limit: %v", err)
		}
		_ = got.Close()
	}
	for _, height := range []byte{0, 0x80} { // zero, and the smallest number of 32 bits
		if _, err := decoded(t, patched(bmp, 22, 0, 0, 0, height)); err == nil {
			t.Errorf("a BMP of height %#x000000", height)
		}
	}
}

func TestFilesThatAreNoImages(t *testing.T) {
	directory := t.TempDir()
	pipe := filepath.Join(directory, "pipe.jpg")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		pipe: "a pipe", directory: "a directory", "/dev/null": "a device", filepath.Join(directory, "x"): "no such file",
	}
	for name, file := range map[string]struct{ content, want string }{
		"empty.jpg": {"", "the file is empty"},
		"zeros.jpg": {strings.Repeat("\x00", 100), "contains only zeros"},
		"text.jpg":  {"<html>", "not an image"},
		"a.jpg":     {"GIF89a", "GIF is not supported: convert it"},
		"b.jpg":     {"\x00\x00\x00\x18ftypheic", "HEIC is not supported: convert it"},
		"c.jpg":     {"\x00\x00\x00\x18ftypavif", "AVIF is not supported: convert it"},
		"d":         {"II*\x00\x08\x00\x00\x00", "TIFF is not supported: convert it"},
		"e.heic":    {"no HEIC", "HEIC is not supported: convert it"},
	} {
		path := filepath.Join(directory, name)
		if err := os.WriteFile(path, []byte(file.content), 0o600); err != nil {
			t.Fatal(err)
		}
		want[path] = file.want
	}
	m := gocv.NewMat()
	defer m.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for path, want := range want {
			err := ReadImage(path, 100, &m)
			if got := fmt.Sprint(err); !strings.Contains(got, want) || strings.Contains(got, directory) {
				t.Errorf("%s: %v, want %q", path, err, want)
			}
		}
	}()
	select {
	case <-done:
	case <-time.After(patience):
		t.Fatal("reading blocks")
	}
}

func TestTheFormatIsThatOfTheContent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "image.mp4")
	if err := os.WriteFile(path, encode(t, quarters(t, 48, 32), gocv.PNGFileExt), 0o600); err != nil {
		t.Fatal(err)
	}
	got := all(t, open(t, fast(path)), func(f Frame) string { return layout(f.Mat) })
	if len(got) != 1 || got[0] != "0123" {
		t.Error(got)
	}
}

func FuzzDecodeImage(f *testing.F) {
	m := quarters(f, 16, 8)
	jpeg := encode(f, m, gocv.JPEGFileExt)
	for _, data := range [][]byte{
		jpegWith(jpeg, exifOf(binary.BigEndian, 6)), encode(f, m, gocv.JPEGFileExt, gocv.IMWriteJpegProgressive, 1),
		pngWith(encode(f, m, gocv.PNGFileExt), exifOf(binary.LittleEndian, 5)), encode(f, m, ".bmp"),
		webpWith(encode(f, m, ".webp"), exifOf(binary.LittleEndian, 8), 16, 8),
	} {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		got := gocv.NewMat()
		defer got.Close()
		if err := decodeImage(data, limit, &got); err != nil {
			return
		}
		if n := got.Cols() * got.Rows(); n < 1 || n > limit || got.Type() != gocv.MatTypeCV8UC3 {
			t.Errorf("%dx%d, type %v", got.Cols(), got.Rows(), got.Type())
		}
	})
}
