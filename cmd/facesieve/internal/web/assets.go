package web

import (
	"embed"
	"io/fs"
	"net/http"
	"strings"
)

// The bundle that ui/bundle builds of the sources in ui.
//
//go:generate go run ./ui/bundle
//go:embed dist
var bundle embed.FS //nolint:gochecknoglobals // embed needs a global

//go:embed login.html
var loginPage string //nolint:gochecknoglobals // embed needs a global

// assets serves the bundle.
func assets() http.Handler {
	files, err := fs.Sub(bundle, "dist")
	if err != nil {
		panic(err) // the name is a constant
	}
	server := http.FileServerFS(files)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name := strings.TrimPrefix(r.URL.Path, "/")
		if _, err := fs.Stat(files, name); name != "" && err != nil { // the server would remove Cache-Control
			http.NotFound(w, r)
			return
		}
		server.ServeHTTP(w, r)
	})
}
