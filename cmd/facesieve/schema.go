package main

import "facesieve/publish/event"

type schemaCommand struct {
	AsyncAPI bool `name:"asyncapi" help:"Print an AsyncAPI 3.0 document of all topics instead."`
}

// Run prints the JSON Schema of a face, or the AsyncAPI document.
func (c *schemaCommand) Run(term console) error {
	text := []byte(event.FaceSchema)
	if c.AsyncAPI {
		var err error
		if text, err = event.AsyncAPI(); err != nil {
			return err
		}
	}
	_, err := term.out.Write(text)
	return err
}
