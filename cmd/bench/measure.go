package main

import (
	"bytes"
	"context"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// programs are the peer, the profiler of operators, and the library that limits a process to AVX2.
//
//go:embed peer.py operators.py limit/avx2.c
var programs embed.FS

// bench measures programs on recordings.
type bench struct {
	options
	directory string // for temporary files
	progress  io.Writer
}

// times are CPU times, milliseconds a frame; the smallest of all rounds.
type times struct{ decoding, whole float64 }

func never() times { return times{math.Inf(1), math.Inf(1)} }

// beyond returns what was used besides decoding.
func (t times) beyond() float64 { return t.whole - t.decoding }

func (t times) least(other times) times {
	return times{min(t.decoding, other.decoding), min(t.whole, other.whole)}
}

// row is what was measured on a recording with a processor that is limited or not.
type row struct {
	recording, processor string
	own, peer            times
	hasPeer              bool
}

// limits is how a process is limited to a part of the processor's instructions.
type limits struct {
	processor string
	library   string // to preload; empty: not limited
}

// limits returns the processor as it is, and limited to AVX2 if it has more and can be.
func (b *bench) limits(ctx context.Context, processor string) ([]limits, error) {
	all := []limits{{processor: processor}}
	if runtime.GOARCH != "amd64" || !strings.Contains(processor, "AVX-512") && !strings.Contains(processor, "VNNI") {
		return all, nil
	}
	library, source := filepath.Join(b.directory, "avx2.so"), filepath.Join(b.directory, "avx2.c")
	if err := b.write("limit/avx2.c", source); err != nil {
		return nil, err
	}
	//nolint:gosec // the compiler of this machine, and files of this program
	cc := exec.CommandContext(ctx, "cc", "-O2", "-shared", "-fPIC", "-o", library, source, "-ldl")
	if output, err := cc.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("compile limit/avx2.c: %w: %s", err, output)
	}
	limited := limits{"limited to AVX2", library}
	if _, err := b.output(ctx, limited, b.binary, "version"); err != nil {
		fmt.Fprintf(b.progress, "not measured on AVX2 alone: %v\n", err)
		return all, nil
	}
	return append(all, limited), nil
}

// write writes one of the programs to a file.
func (b *bench) write(name, path string) error {
	text, err := programs.ReadFile(name)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return os.WriteFile(path, text, 0o600)
}

// output runs a program and returns its standard output.
func (b *bench) output(ctx context.Context, l limits, program string, args ...string) ([]byte, error) {
	command := exec.CommandContext(ctx, program, args...) //nolint:gosec // named on the command line
	command.Env = os.Environ()
	if l.library != "" {
		command.Env = append(command.Env, "LD_PRELOAD="+l.library)
	}
	var errs bytes.Buffer
	command.Stderr = &errs
	out, err := command.Output()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(errs.String()), "\n")
		return nil, fmt.Errorf("%s: %w: %s", program, err, lines[len(lines)-1])
	}
	return out, nil
}

// script runs one of the programs in Python and returns its standard output.
func (b *bench) script(ctx context.Context, l limits, name string, args ...string) ([]byte, error) {
	path := filepath.Join(b.directory, name)
	if err := b.write(name, path); err != nil {
		return nil, err
	}
	return b.output(ctx, l, b.python, append([]string{path}, args...)...)
}

// own measures facesieve, and returns the features of the processor.
func (b *bench) own(ctx context.Context, l limits, video string) (times, string, error) {
	out, err := b.output(ctx, l, b.binary, "bench", "--json", video)
	if err != nil {
		return times{}, "", err
	}
	var report struct {
		Processor string  `json:"processor"`
		Decoding  float64 `json:"decoding_cpu_ms"`
		Pipeline  float64 `json:"pipeline_cpu_ms"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return times{}, "", fmt.Errorf("read the report of %s: %w", b.binary, err)
	}
	return times{report.Decoding, report.Pipeline}, report.Processor, nil
}

// peer measures the program in Python.
func (b *bench) peer(ctx context.Context, l limits, video string) (times, error) {
	out, err := b.script(ctx, l, "peer.py", video, filepath.Join(b.data, "models"))
	if err != nil {
		return times{}, err
	}
	var report struct {
		Frames   float64 `json:"frames"`
		Decoding float64 `json:"decoding_s"`
		Whole    float64 `json:"whole_s"`
	}
	if err := json.Unmarshal(out, &report); err != nil {
		return times{}, fmt.Errorf("read the report of the peer: %w", err)
	}
	return times{1000 * report.Decoding / report.Frames, 1000 * report.Whole / report.Frames}, nil
}

// peerMissing returns why the peer cannot be measured.
func (b *bench) peerMissing() error {
	var faults []error
	for _, path := range []string{
		b.python, filepath.Join(b.data, "models", "yunet_s.onnx"), filepath.Join(b.data, "models", "lightqnet-dm100.pb"),
	} {
		_, err := os.Stat(path)
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}
