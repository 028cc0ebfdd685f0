package main

import (
	"fmt"

	"github.com/alecthomas/kong"
)

// filePath is a path on the command line, made absolute. Unlike kong's own type it keeps the bytes of a name that is
// not UTF-8.
type filePath string

// Decode takes the next argument; kong calls it.
func (p *filePath) Decode(ctx *kong.DecodeContext) error {
	token, err := ctx.Scan.PopValue("file")
	if err != nil {
		return err
	}
	text, ok := token.Value.(string)
	if !ok {
		return fmt.Errorf("%v is not a path", token.Value)
	}
	*p = filePath(kong.ExpandPath(text))
	return nil
}
