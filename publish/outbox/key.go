package outbox

import (
	"bytes"
	"crypto/cipher"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/crypto/chacha20poly1305"
)

// readKey returns the cipher of the key in a file, or nil if there is no file to read. Errors contain neither the
// file's content nor its name, because either may be the key by mistake.
func readKey(path string) (cipher.AEAD, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // no key, no cipher
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe would block
		return nil, permanent(errors.New("key_file: is not a file; name one that holds 64 hexadecimal digits"))
	}
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, permanent(fmt.Errorf("key_file: the file cannot be opened: %w", withoutName(err)))
	}
	defer file.Close() //nolint:errcheck // only read
	if info, err := file.Stat(); err != nil || info.Mode().Perm()&0o007 != 0 {
		return nil, permanent(errors.Join(errors.New("key_file: the file is open to everybody: chmod 600 it"), err))
	}
	text, err := io.ReadAll(io.LimitReader(file, 1024))
	if err != nil {
		return nil, permanent(fmt.Errorf("key_file: the file cannot be read: %w", withoutName(err)))
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, permanent(errors.New("key_file: the file holds no 64 hexadecimal digits: " +
			"make it with openssl rand -hex 32"))
	}
	return chacha20poly1305.NewX(key)
}

// withoutName returns the error of a file operation without the file's name.
func withoutName(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
