// Command bundle builds the page from the sources in ui/src into dist, which is committed and embedded. The libraries
// come from ui/node_modules (npm ci). With -check it writes nothing, and fails if dist is not what the sources give. It
// runs in the directory of package web.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

const (
	sources = "ui/src"
	output  = "dist"
	licence = "/* Contains Preact, Copyright (c) 2015-present Jason Miller, MIT licence. */"
)

func main() {
	check := flag.Bool("check", false, "compare the bundle with its sources, and write nothing")
	flag.Parse()
	if err := run(*check); err != nil {
		fmt.Fprintf(os.Stderr, "bundle: %v\n", err)
		os.Exit(1)
	}
}

func run(check bool) error {
	files, err := build()
	if err != nil {
		return err
	}
	if check {
		return compare(files)
	}
	if err := os.RemoveAll(output); err != nil {
		return err
	}
	if err := os.MkdirAll(output, 0o750); err != nil {
		return err
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(output, name), content, 0o600); err != nil {
			return err
		}
		fmt.Printf("%6d bytes %s\n", len(content), name)
	}
	return nil
}

// build returns the content of each file of the bundle.
func build() (map[string][]byte, error) {
	result := api.Build(api.BuildOptions{
		EntryPointsAdvanced: []api.EntryPoint{
			{InputPath: sources + "/main.tsx", OutputPath: "app"},
			{InputPath: sources + "/style.css", OutputPath: "app"},
			{InputPath: sources + "/report.tsx", OutputPath: "report"},
		},
		Outdir: output, Bundle: true, Target: api.ES2022, Format: api.FormatIIFE, Charset: api.CharsetUTF8,
		MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true,
		JSX: api.JSXAutomatic, JSXImportSource: "preact", Banner: map[string]string{"js": licence},
		LogLevel: api.LogLevelWarning,
	})
	if len(result.Errors) > 0 {
		return nil, errors.New("the sources have errors")
	}
	files := map[string][]byte{}
	for _, file := range result.OutputFiles {
		files[filepath.Base(file.Path)] = file.Contents
	}
	for _, name := range []string{"index.html", "icon.svg"} {
		content, err := os.ReadFile(filepath.Join(sources, name)) //nolint:gosec // a constant
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	return files, nil
}

// compare returns an error for each difference between the built files and those in dist.
func compare(files map[string][]byte) error {
	present, err := os.ReadDir(output)
	if err != nil {
		return err
	}
	var all error
	for _, file := range present {
		if files[file.Name()] == nil {
			all = errors.Join(all, fmt.Errorf("%s is not of the sources: run go generate", filepath.Join(output, file.Name())))
		}
	}
	for name, want := range files {
		path := filepath.Join(output, name)
		got, err := os.ReadFile(path) //nolint:gosec // a name of the bundle
		if err != nil || !bytes.Equal(got, want) {
			all = errors.Join(all, fmt.Errorf("%s is not what its source gives: run go generate, and commit it", path))
		}
	}
	return all
}
