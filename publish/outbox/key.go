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

// readKey returns the cipher of the key in a file, or nil if path is empty. Errors are permanent, and contain neither the
// file's content nor its name, because either may be the key by mistake.
func readKey(path string) (cipher.AEAD, error) {
	if path == "" {
		return nil, nil //nolint:nilnil // no key, no cipher
	}
	key, err := readKeyFile(path)
	if err != nil {
		return nil, permanent(KeyError{"key_file", err})
	}
	return chacha20poly1305.NewX(key)
}

func readKeyFile(path string) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() { // a pipe would block
		return nil, errors.New("is not a file; name one that holds 64 hexadecimal digits")
	}
	file, err := os.Open(path) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("the file cannot be opened: %w", withoutName(err))
	}
	defer file.Close() //nolint:errcheck // only read
	info, err := file.Stat()
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", withoutName(err))
	}
	if info.Mode().Perm()&0o007 != 0 {
		return nil, errors.New("the file is open to everybody: chmod 600 it")
	}
	text, err := io.ReadAll(io.LimitReader(file, 1024))
	if err != nil {
		return nil, fmt.Errorf("the file cannot be read: %w", withoutName(err))
	}
	key, err := hex.DecodeString(string(bytes.TrimSpace(text)))
	if err != nil || len(key) != chacha20poly1305.KeySize {
		return nil, errors.New("the file holds no 64 hexadecimal digits: make it with openssl rand -hex 32")
	}
	return key, nil
}

// withoutName returns the error of a file operation without the file's name.
func withoutName(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}
