package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"facesieve/cmd/facesieve/internal/config"
	"facesieve/cmd/facesieve/internal/testsupport"
)

// A configuration that is cut anywhere, as by a power cut or a full disk, is valid or has faults with a line or a key.
// All comments of the shipped file but one are removed, because a cut within a comment is like a cut before it.
func TestConfigurationCutAnywhere(t *testing.T) {
	t.Parallel()
	shipped, err := os.ReadFile(testsupport.RepositoryPath(t, "systemd", "facesieve.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	settings := regexp.MustCompile(`[ \t]*#.*`).ReplaceAll(shipped, nil)
	text := append(bytes.Replace(settings, []byte("\ncameras: []\n"), []byte("\n"), 1), `
# a comment
cameras:
  - name: entrance
    url: "rtsp://viewer:${ENTRANCE_PASSWORD}@192.168.1.20/stream1"
    detect: {roi: [[0, 0], [1, 0], [1, 1]]}
`...)
	good := 0
	for at := range text {
		_, err := config.Parse(config.ForDaemon(), "cut.yaml", text[:at], func(string) string { return strings.Repeat("x", 16) })
		var faults config.Faults
		switch {
		case err == nil:
			good++
		case !errors.As(err, &faults) || len(faults.List) == 0:
			t.Fatalf("cut after %d bytes: %v", at, err)
		}
		for _, f := range faults.List {
			if f.Line == 0 && f.Key == "" || f.Text == "" {
				t.Errorf("cut after %d bytes: %+v", at, f)
			}
		}
	}
	if good == 0 {
		t.Error("no beginning of the file is valid; the one without the camera's last line must be")
	}
}

// check and run refuse a network or a manifest that is cut or damaged. The error names the file and what to do.
func TestDamagedNetworksAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	config := filepath.Join(dir, "facesieve.yaml")
	text := fmt.Sprintf("models: {quality: %q}\ncameras: [{name: a, url: a.mp4}]\n", filepath.Join(dir, "quality.tflite"))
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, name := range []string{"quality.tflite", "quality.json"} {
		data, err := os.ReadFile(testsupport.RepositoryPath(t, "models", name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = data
	}
	random := rand.New(rand.NewPCG(5, 6))
	for name, intact := range files {
		for other, data := range files {
			if err := os.WriteFile(filepath.Join(dir, other), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for i := range 12 {
			damaged := intact[:random.IntN(len(intact)-2)]
			if name == "quality.tflite" && i%2 == 1 {
				damaged = bytes.Clone(intact)
				damaged[random.IntN(len(damaged))] ^= 0x10
			}
			if err := os.WriteFile(filepath.Join(dir, name), damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			for _, command := range []string{"check", "run"} {
				code, stdout, stderr := invoke(t.Context(), command, "--config", config)
				output := stdout + stderr
				if code == exitOK || !strings.Contains(output, "quality.tflite") || !strings.Contains(output, "again") {
					t.Fatalf("%s with %d bytes of %s: exit code %d: %s", command, len(damaged), name, code, output)
				}
			}
		}
	}
}

// Each image that is damaged, cut or has a wrong size in its header has an error, and the others are scored.
func TestScoreOfDamagedImages(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	face, err := os.ReadFile(testsupport.FaceImage(t))
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(7, 8))
	images := map[string][]byte{
		"wide.png": hugePNG(2_000_000, 2), "huge.png": hugePNG(0x7fffffff, 0x7fffffff), "wide.bmp": hugeBMP(2_000_000, 1),
		"empty.jpg": nil, "end.tif": []byte("II*\x00\xff\xff\xff\xff"), "riff.webp": []byte("RIFF\xff\xff\xff\xffWEBPVP8 "),
	}
	for i := range 20 {
		noise := make([]byte, 2000)
		for k := range noise {
			noise[k] = byte(random.Uint32())
		}
		copy(noise, face[:random.IntN(400)])
		images[fmt.Sprintf("noise%02d.jpg", i)] = noise
		images[fmt.Sprintf("cut%02d.jpg", i)] = face[:random.IntN(len(face))]
	}
	for name, data := range images {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, stdout, stderr := invoke(t.Context(), "score", "--json", dir)
	if code != exitFailure || strings.Count(stdout, "\n") < len(images) {
		t.Errorf("exit code %d, %d lines for %d images\n%s", code, strings.Count(stdout, "\n"), len(images), stderr)
	}
	for _, name := range []string{"wide.png", "huge.png", "wide.bmp", "empty.jpg", "end.tif", "riff.webp"} {
		if !strings.Contains(stdout, name+`","error":"`) {
			t.Errorf("%s is not refused", name)
		}
	}
}

// hugePNG returns a PNG without pixels whose header has these sides.
func hugePNG(width, height uint32) []byte {
	header := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(header[4:], width)
	binary.BigEndian.PutUint32(header[8:], height)
	copy(header[12:], []byte{8, 2, 0, 0, 0})
	data := append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0d"), header...)
	data = binary.BigEndian.AppendUint32(data, crc32.ChecksumIEEE(header))
	return append(data, "\x00\x00\x00\x00IDAT\x35\xaf\x06\x1e\x00\x00\x00\x00IEND\xae\x42\x60\x82"...)
}

// hugeBMP returns the header of a BMP with these sides, 24 bits a pixel.
func hugeBMP(width, height uint32) []byte {
	data := append([]byte("BM"), make([]byte, 52)...)
	binary.LittleEndian.PutUint32(data[10:], 54)
	binary.LittleEndian.PutUint32(data[14:], 40)
	binary.LittleEndian.PutUint32(data[18:], width)
	binary.LittleEndian.PutUint32(data[22:], height)
	copy(data[26:], []byte{1, 0, 24, 0})
	return data
}
