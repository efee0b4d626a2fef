package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/aliasflat/aliasflat/pkg/api"
)

// tokenCommand is the work of aliasflat token and the commands below it.
type tokenCommand struct {
	*app

	dir string // of the state; empty: that of the configuration

	grant   api.Grant // of create alone, as it was written
	scopes  []string  // of create alone
	expires string    // of create alone
	note    string    // of create alone
}

// Forms of what the commands print.
const (
	schemaToken   = "aliasflat/token/v1"
	schemaTokens  = "aliasflat/token-list/v1"
	schemaRevoked = "aliasflat/token-revoked/v1"
)

// listedToken is a token as it is listed.
type listedToken struct {
	api.Grant

	ID      string    `json:"id"`
	Note    string    `json:"note,omitempty"`
	Created time.Time `json:"created"`
	Expires time.Time `json:"expires,omitzero"` // left out: never
	Expired bool      `json:"expired"`
}

func listed(t *api.Token, now time.Time) listedToken {
	return listedToken{Grant: t.Grant, ID: t.ID, Note: t.Note, Created: t.Created, Expires: t.Expires, Expired: t.Expired(now)}
}

type createdToken struct {
	Schema string `json:"schema"`
	Secret string `json:"secret"`
	listedToken
}

type tokenList struct {
	Schema string        `json:"schema"`
	Tokens []listedToken `json:"tokens"`
}

type revokedTokens struct {
	Schema  string   `json:"schema"`
	Revoked []string `json:"revoked"`
}

func newTokenCommand(a *app) *cobra.Command {
	c := &tokenCommand{app: a}
	cmd := &cobra.Command{
		Use:   "token",
		Short: "Make, list and revoke tokens of the record API",
		Long: `token looks after what programs and people show to aliasflat watch where they read and
edit records over HTTP. Tokens are in the file tokens.json of the state, which has no
secret but their hashes. What the commands do holds at once, whether a daemon runs or not.`,
		Args: cobra.ArbitraryArgs,
		RunE: noCommand,
	}
	cmd.PersistentFlags().StringVar(&c.dir, "state", "", "use the state in `DIR` (default: that of the configuration)")
	cmd.AddCommand(c.createCommand(), c.listCommand(), c.revokeCommand())
	return cmd
}

func (c *tokenCommand) createCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "create --scope SCOPE",
		Short: "Make a token, and print its secret once",
		Long: `create makes a token and prints its secret to standard output, and what it allows to
standard error. The secret is kept nowhere, so nobody can print it again.

The scope read lets see zones, records and targets, refresh have targets asked again,
and records edit records, which includes read. Without a limit they hold everywhere.
A PATTERN is an absolute name in which * stands for any run of characters, dots too.
Whoever may edit an ALIAS has the resolvers ask for its target: --target says below
which names targets have to be.`,
		Example: `  T=$(aliasflat token create --scope records --zone example.com --expires 90d)
  aliasflat token create --scope records --name '_acme-challenge.*' --type TXT --note certbot
  aliasflat token create --scope read,records --type ALIAS --target provider.example`,
		Args: noArgs,
		RunE: interruptible(func(cmd *cobra.Command, _ []string) error { return c.create(cmd, time.Now()) }),
	}
	flags := cmd.Flags()
	flags.StringArrayVar(&c.scopes, "scope", nil, "allow `SCOPE`, which may be given several times: "+scopeWords())
	flags.StringArrayVar(&c.grant.Zones, "zone", nil, "in zones whose names fit `PATTERN` alone")
	flags.StringArrayVar(&c.grant.Names, "name", nil, "let edit owner names that fit `PATTERN` alone")
	flags.StringArrayVar(&c.grant.Types, "type", nil, "let edit records of `TYPE` alone")
	flags.StringArrayVar(&c.grant.Targets, "target", nil, "let an ALIAS have targets at or below `SUFFIX` alone")
	flags.StringVar(&c.expires, "expires", "", "let it end after a time as 90d, or at a `DATE` as 2027-01-31, its first second in UTC (default: never)")
	flags.StringVar(&c.note, "note", "", "say what it is for, in `TEXT` that token list shows")
	return cmd
}

func (c *tokenCommand) listCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the tokens there are, without their secrets",
		Long: `list prints the tokens in the order of their creation: ID, what they allow, and until
when. One that has expired is listed until it is revoked, or create drops it 30 days later.`,
		Example: `  aliasflat token list
  aliasflat token list --state /var/lib/aliasflat --format json`,
		Args: noArgs,
		RunE: func(*cobra.Command, []string) error { return c.list(time.Now()) },
	}
}

func (c *tokenCommand) revokeCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "revoke ID...",
		Short:   "Take tokens away",
		Long:    `revoke takes tokens away by their IDs, which token list prints. The next request with one is refused.`,
		Example: `  aliasflat token revoke k3v7q2ma`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usageError{message: "no ID was given", hint: "aliasflat token list prints them"}
			}
			return nil
		},
		RunE: interruptible(func(cmd *cobra.Command, args []string) error { return c.revoke(cmd.Context(), args) }),
	}
}

// folder finds the state. One that is there is wanted unless a token is made.
func (c *tokenCommand) folder(exists bool) (string, error) {
	conf, err := c.settings(c.stderr)
	if err != nil {
		return "", err
	}
	dir := conf.State
	override(&dir, c.dir)
	if dir == "" {
		dir = defaultState()
	}
	if dir == "" {
		return "", usageError{message: "no state was named", hint: "--state names its folder, or the key state of the configuration"}
	}
	info, err := os.Stat(dir)
	switch {
	case err == nil && !info.IsDir():
		return "", usageError{message: dir + " is no folder", hint: "--state names the folder of a state"}
	case errors.Is(err, os.ErrNotExist) && exists:
		return "", usageError{message: "there is no state in " + dir, hint: "--state names the folder of one"}
	case errors.Is(err, os.ErrNotExist):
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return "", fmt.Errorf("the state: %w", err)
	}
	return dir, nil
}

func (c *tokenCommand) open(exists bool) (*api.Tokens, error) {
	dir, err := c.folder(exists)
	if err != nil {
		return nil, err
	}
	return api.OpenTokens(filepath.Join(dir, api.TokensName)), nil
}

func (c *tokenCommand) create(cmd *cobra.Command, now time.Time) error {
	ctx := cmd.Context()
	if c.reportFile != "" {
		return usageError{message: "create prints a secret, which no report has", hint: "leave --report out; the secret goes to standard output"}
	}
	g, err := c.granted()
	if err != nil {
		return err
	}
	var expires time.Time
	if cmd.Flags().Changed("expires") {
		if expires, err = expiry(c.expires, now); err != nil {
			return err
		}
	}
	if err := checkNote(c.note); err != nil {
		return err
	}
	tokens, err := c.open(false)
	if err != nil {
		return err
	}
	made, secret, err := tokens.Create(ctx, g, c.note, now, expires)
	if err != nil {
		return err
	}
	if err := c.hand(&made, secret, now); err != nil {
		// A secret that nobody has got is of no use to anybody.
		return errors.Join(err, tokens.Revoke(context.WithoutCancel(ctx), made.ID))
	}
	return nil
}

// hand prints the secret of a token.
func (c *tokenCommand) hand(t *api.Token, secret string, now time.Time) error {
	if c.format == "json" {
		if err := writeJSON(c.stdout, createdToken{Schema: schemaToken, Secret: secret, listedToken: listed(t, now)}); err != nil {
			return fmt.Errorf("print the secret: %w", err)
		}
		return nil
	}
	if _, err := fmt.Fprintln(c.stdout, secret); err != nil {
		return fmt.Errorf("print the secret: %w", err)
	}
	if !c.quiet {
		c.say(fmt.Sprintf("token %s allows %s; %s", t.ID, allowed(&t.Grant), expiryWords(t)))
	}
	return nil
}

func (c *tokenCommand) list(now time.Time) error {
	tokens, err := c.open(true)
	if err != nil {
		return err
	}
	found, err := tokens.List()
	if err != nil {
		return err
	}
	out := tokenList{Schema: schemaTokens, Tokens: []listedToken{}}
	for i := range found {
		out.Tokens = append(out.Tokens, listed(&found[i], now))
	}
	return c.present(out, func(b *strings.Builder, l look) {
		if len(found) == 0 {
			if !l.quiet {
				b.WriteString("there is no token; aliasflat token create makes one\n")
			}
			return
		}
		w := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tSCOPES\tLIMITS\tCREATED\tEXPIRES\tNOTE")
		for i := range found {
			t := &found[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", visible(t.ID), visible(scopesOf(&t.Grant)), visible(cmp.Or(limits(&t.Grant), "-")), moment(t.Created),
				listedExpiry(t, now), visible(cmp.Or(t.Note, "-")))
		}
		_ = w.Flush() // a builder takes everything
	})
}

// listedExpiry is the expiry of a token in a table.
func listedExpiry(t *api.Token, now time.Time) string {
	switch {
	case t.Expires.IsZero():
		return "never"
	case t.Expired(now):
		return "expired " + moment(t.Expires)
	default:
		return moment(t.Expires)
	}
}

// revoke takes away what there is of some tokens. That there is none of an ID keeps no other one.
func (c *tokenCommand) revoke(ctx context.Context, ids []string) error {
	tokens, err := c.open(true)
	if err != nil {
		return err
	}
	out := revokedTokens{Schema: schemaRevoked, Revoked: []string{}}
	var unknown []string
	for _, id := range ids {
		switch err := tokens.Revoke(ctx, id); {
		case errors.Is(err, api.ErrNoToken):
			unknown = append(unknown, fmt.Sprintf("%q", id))
		case err != nil:
			return err
		default:
			out.Revoked = append(out.Revoked, id)
		}
	}
	err = c.present(out, func(b *strings.Builder, l look) {
		for _, id := range out.Revoked {
			if !l.quiet {
				b.WriteString("revoked " + visible(id) + "\n")
			}
		}
	})
	if err == nil && len(unknown) > 0 {
		return usageError{message: "there is no token " + strings.Join(unknown, ", "), hint: "aliasflat token list prints the IDs"}
	}
	return err
}
