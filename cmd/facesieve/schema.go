package main

import "facesieve/publish"

type schemaCommand struct{}

// Run prints the JSON Schema of a face event.
func (*schemaCommand) Run(term console) error {
	_, err := term.out.Write(publish.EventSchema)
	return err
}
