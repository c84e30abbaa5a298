// Package keyfile reads the files of keys for the programs: a public key by its
// file or its one line, a secret key with its password asked for on a terminal.
package keyfile

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"golang.org/x/term"

	"evenhand/trial/sign"
)

// Ask asks for a password.
type Ask func(prompt string) (string, error)

// ErrNoTerminal says that nobody is there to be asked.
var ErrNoTerminal = errors.New("the key has a password, and there is no terminal to ask for it on")

// Terminal asks on a terminal, without showing what is typed. Where in is not a
// terminal nobody is asked: ErrNoTerminal.
func Terminal(in io.Reader, out io.Writer) Ask {
	return func(prompt string) (string, error) {
		f, ok := in.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return "", ErrNoTerminal
		}
		fmt.Fprint(out, prompt)
		b, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(out)
		if err != nil {
			return "", fmt.Errorf("read the password: %w", err)
		}
		return string(b), nil
	}
}

// Secret opens a secret key's file.
func Secret(name string, ask Ask) (*sign.SecretKey, error) {
	text, err := read(name)
	if err != nil {
		return nil, err
	}
	key, err := sign.ParseSecretKey(text, func() (string, error) { return ask(fmt.Sprintf("Password of the key %s: ", name)) })
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return key, nil
}

// Public reads a public key: from its file, or given itself as its one line of
// 56 characters.
func Public(nameOrLine string) (sign.PublicKey, error) {
	if key, err := sign.ParsePublicKey(nameOrLine); err == nil {
		return key, nil
	}
	text, err := read(nameOrLine)
	if err != nil {
		return sign.PublicKey{}, err
	}
	key, err := sign.ParsePublicKey(text)
	if err != nil {
		return key, fmt.Errorf("%s: %w", nameOrLine, err)
	}
	return key, nil
}

func read(name string) (string, error) {
	f, err := os.Open(name)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return "", fmt.Errorf("read the key %s: %w", name, err)
	}
	defer f.Close()
	var b strings.Builder
	const most = 1 << 16
	if n, err := io.Copy(&b, io.LimitReader(f, most+1)); err != nil {
		return "", fmt.Errorf("read the key %s: %w", name, err)
	} else if n > most {
		return "", fmt.Errorf("%s is not a key: it is far too long", name)
	}
	return b.String(), nil
}
