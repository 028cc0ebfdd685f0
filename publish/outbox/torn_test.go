package outbox

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"go.etcd.io/bbolt"
)

// Files that are no outbox are set aside untouched, and the box begins anew.
func TestForeignFile(t *testing.T) {
	for name, make := range map[string]func(t *testing.T, path string){
		"text": func(t *testing.T, path string) {
			if err := os.WriteFile(path, bytes.Repeat([]byte("no database\n"), 5000), 0o600); err != nil {
				t.Fatal(err)
			}
		},
		"another program's": func(t *testing.T, path string) {
			db, err := bbolt.Open(path, 0o600, nil)
			if err != nil {
				t.Fatal(err)
			}
			err = db.Update(func(tx *bbolt.Tx) error {
				_, err := tx.CreateBucket([]byte("other"))
				return err
			})
			if err != nil || db.Close() != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := onDisk(t)
			path := filepath.Join(cfg.Dir, fileName)
			make(t, path)
			before := mustRead(t, path)
			b := mustOpen(t, cfg, quick())
			add(t, b, "door", 1, 50)
			if names := aside(t, cfg.Dir); len(names) != 1 || !bytes.Equal(mustRead(t, names[0]), before) {
				t.Error(names)
			}
		})
	}
}
