package main

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/config"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// tsigCommand is the work of aliasflat tsig generate.
type tsigCommand struct {
	*app

	algorithm string
	out       string
}

func newTSIGCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tsig",
		Short: "Make keys for transfers",
		Long: `tsig makes the keys with which primary and secondaries sign what they say to each
other (TSIG, RFC 8945).`,
		Args: cobra.ArbitraryArgs,
		RunE: noCommand,
	}
	cmd.AddCommand((&tsigCommand{app: a}).generateCommand())
	return cmd
}

func (c *tsigCommand) generateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "generate NAME",
		Short: "Write the secret of a new key into a file",
		Long: `generate writes a new secret into a file that only its owner can read, and prints
what to say of it in the configuration and in those of secondaries. It never prints
the secret, and overwrites no file.`,
		Example: `  aliasflat tsig generate xfr
  aliasflat tsig generate xfr --algorithm hmac-sha512 --out /etc/aliasflat/xfr.key`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usageError{message: fmt.Sprintf("generate takes the name of one key, not %s", counted(len(args), "name")), hint: "aliasflat tsig generate xfr"}
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error { return c.generate(args[0]) },
	}
	cmd.Flags().StringVar(&c.algorithm, "algorithm", config.KeyAlgorithms[0], "`NAME`: "+strings.Join(config.KeyAlgorithms, ", "))
	cmd.Flags().StringVar(&c.out, "out", "", "`FILE` for the secret; by itself NAME.key")
	return cmd
}

// secretLengths gives the octets of a secret, which are as many as the HMAC has (RFC 2104 §3).
var secretLengths = map[string]int{"hmac-sha256": 32, "hmac-sha384": 48, "hmac-sha512": 64}

func (c *tsigCommand) generate(name string) error {
	length := secretLengths[c.algorithm]
	if length == 0 {
		return wordError("--algorithm", c.algorithm, config.KeyAlgorithms)
	}
	if err := config.CheckKeyName(name); err != nil {
		return usageError{message: err.Error(), hint: config.Hint(err)}
	}
	name = strings.TrimSuffix(zone.MustParseName(strings.TrimSuffix(name, ".")+".").String(), ".")
	file := c.out
	if file == "" {
		file = strings.ReplaceAll(name, string(os.PathSeparator), "_") + ".key"
	}
	secret := make([]byte, length)
	_, _ = rand.Read(secret) // it never fails
	switch err := writeNew(file, base64.StdEncoding.EncodeToString(secret)+"\n", 0o600); {
	case errors.Is(err, fs.ErrExist):
		return usageError{message: file + " is there already, and is not overwritten", hint: "--out FILE writes the secret to another file"}
	case err != nil:
		return fmt.Errorf("write the secret: %w", err)
	}
	_, err := fmt.Fprintf(c.stdout, `The secret of key %[1]s is in %[2]s, which only you can read.

aliasflat.yaml:
    keys:
      - {name: %[1]s, algorithm: %[3]s, secret-file: %[2]s}

Secondaries have the same secret, the text of %[2]s in place of SECRET:
    BIND   key "%[1]s" { algorithm %[3]s; secret "SECRET"; };
    NSD    key: { name: "%[1]s"  algorithm: %[3]s  secret: "SECRET" }
    Knot   key: [{id: %[1]s, algorithm: %[3]s, secret: SECRET}]
`, name, file, c.algorithm)
	return err
}

// writeNew writes a file that was not there.
func writeNew(path, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		err = errors.Join(err, os.Remove(path))
	}
	return err
}
