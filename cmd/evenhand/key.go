package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/cmd/internal/keyfile"
	"evenhand/trial/sign"
)

// askPassword is how passwords are asked for.
func (a *app) askPassword() keyfile.Ask { return keyfile.Terminal(a.stdin, a.stderr) }

// secretKey opens the key that a command signs with.
func (a *app) secretKey(file string) (*sign.SecretKey, error) {
	key, err := keyfile.Secret(file, a.askPassword())
	switch {
	case errors.Is(err, keyfile.ErrNoTerminal):
		return nil, withHint(err, "give the command on a terminal; a program that signs by itself needs a key made with --no-password")
	case errors.Is(err, sign.ErrPassword):
		return nil, withHint(err, "nothing was signed; give the command again with the right password")
	}
	return key, err
}

// publicKeys reads keys given by file or by line.
func publicKeys(given []string) ([]sign.PublicKey, error) {
	var all []sign.PublicKey
	for _, g := range given {
		key, err := keyfile.Public(g)
		if err != nil {
			return nil, err
		}
		all = append(all, key)
	}
	return all, nil
}

func (a *app) keyCommand() *cobra.Command {
	var out string
	var noPassword bool
	create := command("new --out FILE", "Make a key to sign receipts and bundles with",
		"Make an Ed25519 key: FILE is the secret half, FILE.pub the public one, in the formats of the tool\nminisign, which can use both. The password is asked for twice and not shown; with --no-password\nthere is none, and whoever has the file can sign. Give the public key, or at least its ID, to\nthose who will check, by a way of its own (a registry, a letter): a signature by a key that nobody\nknows shows nothing. Keep a copy of the secret file: nobody can make it again.",
		"evenhand key new --out ana.key\nevenhand key new --out server.key --no-password", noArgs,
		func(context.Context, []string) error {
			if out == "" {
				return usagef("--out: name the file of the secret key")
			}
			public := out + ".pub"
			for _, name := range []string{out, public} {
				if _, err := os.Lstat(name); err == nil {
					return withHint(fmt.Errorf("%s is there already and was not touched", name), "a key that is replaced is lost for ever: give another name")
				}
			}
			password := ""
			if !noPassword {
				var err error
				if password, err = a.newPassword(); err != nil {
					return err
				}
			}
			key, err := sign.New(a.entropy)
			if err != nil {
				return err
			}
			text, err := key.Text(password, a.entropy)
			if err != nil {
				return err
			}
			if err := writeSecret(out, text); err != nil {
				return err
			}
			if err := writeFile(public, false, func(w io.Writer) error { _, err := io.WriteString(w, key.Public().Text()); return err }); err != nil {
				return errors.Join(err, os.Remove(out))
			}
			return a.print(struct {
				Key        string `json:"key"`
				PublicKey  string `json:"public_key"`
				SecretFile string `json:"secret_file"`
				PublicFile string `json:"public_file"`
				Password   bool   `json:"password"`
			}{key.Public().IDText(), key.Public().Line(), out, public, !noPassword}, func() {
				a.say("%s is the secret key: it is yours alone. Keep a copy where a fire does not reach both.", out)
				if noPassword {
					a.say("It has no password: WHOEVER HAS THE FILE CAN SIGN IN ITS NAME.")
				} else {
					a.say("It is encrypted with the password, which nobody can find out for you.")
				}
				a.say("%s is the public key, for those who check:", public)
				a.say("  ID   %s", key.Public().IDText())
				a.say("  key  %s", key.Public().Line())
			})
		})
	create.Flags().StringVar(&out, "out", "", "the file of the secret key; the public one gets .pub at its end")
	create.Flags().BoolVar(&noPassword, "no-password", false, "leave the secret key unencrypted: whoever has the file can sign")

	show := command("show FILE", "Show a key's public half and its ID",
		"Show the public key and its ID, of a public or a secret key's file (whose password is asked for).\nWith --trial, also in the form that tools for signed notes take, for the receipts of that trial.",
		"evenhand key show ana.key.pub\nevenhand key show ana.key\nevenhand key show ana.key.pub --trial rlc", exactly("a key's file"),
		func(_ context.Context, args []string) error {
			text, err := a.readFile(args[0])
			if err != nil {
				return err
			}
			var key sign.PublicKey
			if sign.IsSecret(string(text)) {
				secret, err := a.secretKey(args[0])
				if err != nil {
					return err
				}
				key = secret.Public()
			} else if key, err = sign.ParsePublicKey(string(text)); err != nil {
				return fmt.Errorf("%s: %w", args[0], err)
			}
			note := ""
			if a.trialFlag != "" {
				if note, err = key.NoteKey("evenhand/" + a.trialFlag); err != nil || strings.ContainsAny(a.trialFlag, "+ \t\n") {
					return usagef("--trial: %q is no trial's ID", a.trialFlag)
				}
			}
			return a.print(struct {
				Key       string `json:"key"`
				PublicKey string `json:"public_key"`
				NoteKey   string `json:"note_key,omitempty"`
			}{key.IDText(), key.Line(), note}, func() {
				a.say("ID   %s", key.IDText())
				a.say("key  %s", key.Line())
				if note != "" {
					a.say("note %s", note)
				}
			})
		})
	return group("key", "Keys to sign with: new, show", create, show)
}

// newPassword asks for a password twice.
func (a *app) newPassword() (string, error) {
	ask := a.askPassword()
	password, err := ask("Password for the new key: ")
	if errors.Is(err, keyfile.ErrNoTerminal) {
		return "", withHint(errors.New("there is no terminal to ask for a password on: no key was made"), "give the command on a terminal, or --no-password for a key that whoever has the file can sign with")
	}
	if err != nil {
		return "", err
	}
	if password == "" {
		return "", withHint(errors.New("the password is empty: no key was made"), "--no-password makes a key without one, and says so")
	}
	again, err := ask("The same again: ")
	if err != nil {
		return "", err
	}
	if again != password {
		return "", errors.New("the two passwords differ: no key was made")
	}
	return password, nil
}

// writeSecret writes a file that only its owner may read.
func writeSecret(name, text string) error {
	return writeFile(name, false, func(w io.Writer) error {
		if f, ok := w.(*os.File); ok {
			if err := f.Chmod(0o600); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, text)
		return err
	})
}
