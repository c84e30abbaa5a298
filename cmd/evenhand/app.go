package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/intake"
	"evenhand/trial/store"
)

// Exit statuses.
const (
	exitDone      = 0
	exitFailed    = 1
	exitUsage     = 2
	exitDisagreed = 3
)

// programVersion is the version that goes into records.
func programVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		if v := info.Main.Version; v != "" && v != "(devel)" {
			return "evenhand " + v
		}
	}
	return "evenhand " + release
}

// release is the version in CHANGELOG.md.
const release = "0.1.0"

// choice is a flag that takes one of a few words.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }
func (c *choice) Type() string   { return strings.Join(c.allowed, "|") }
func (c *choice) Set(s string) error {
	if !slices.Contains(c.allowed, s) {
		return fmt.Errorf("it is one of: %s", strings.Join(c.allowed, ", "))
	}
	c.value = s
	return nil
}

// addChoice adds such a flag to a command, with completion.
func addChoice(cmd *cobra.Command, c *choice, name, value, usage string, allowed ...string) {
	*c = choice{value: value, allowed: allowed}
	cmd.Flags().Var(c, name, usage)
	_ = cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(allowed, cobra.ShellCompDirectiveNoFileComp))
}

// usageError is a wrong use of a command: exit status 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// hinted is an error with what to do about it.
type hinted struct {
	error
	hint string
}

func (e hinted) Unwrap() error { return e.error }

func withHint(err error, format string, args ...any) error {
	return hinted{err, fmt.Sprintf(format, args...)}
}

// output remembers that writing failed, so that nobody is told of success whose
// output was lost.
type output struct {
	w   io.Writer
	err error
}

func (o *output) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	if err != nil && o.err == nil {
		o.err = err
	}
	return n, err
}

// run is the program: it gives the exit status.
func (a *app) run(ctx context.Context, args []string) int {
	out := &output{w: a.stdout}
	a.stdout = out
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && out.err != nil {
		err = fmt.Errorf("write the output: %w", out.err)
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(a.stderr, "evenhand: error: %s\n", indent(visible(err.Error())))
	if hint := hintFor(err); hint != "" {
		fmt.Fprintf(a.stderr, "evenhand: hint: %s\n", hint)
	}
	return exitStatus(err)
}

// indent moves the lines after the first by two spaces, unless all of them
// stand so already.
func indent(text string) string {
	lines := strings.Split(text, "\n")
	more := lines[1:]
	if !slices.ContainsFunc(more, func(line string) bool { return line != "" && !strings.HasPrefix(line, "  ") }) {
		return text
	}
	for i, line := range more {
		if line != "" {
			more[i] = "  " + line
		}
	}
	return strings.Join(lines, "\n")
}

func exitStatus(err error) int {
	var usage usageError
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, conduct.ErrDisagrees), errors.Is(err, trial.ErrLedger):
		return exitDisagreed
	}
	return exitFailed
}

// hintFor says what to do about an error, "" where the error says it itself.
func hintFor(err error) string {
	var h hinted
	var newer *store.NewerError
	var phase *trial.PhaseError
	var usage usageError
	var drawn *conduct.AlreadyDrawnError
	switch {
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, &drawn):
		return "`evenhand draw show` shows it, `evenhand draw verify` draws again and compares"
	case errors.Is(err, store.ErrNoStore):
		return "`evenhand init` makes a store; --store or EVENHAND_STORE names one that is elsewhere"
	case errors.Is(err, store.ErrNoTrial):
		return "`evenhand store info` lists the trials of a store; --trial names one"
	case errors.As(err, &newer):
		return "nothing was changed in the store"
	case errors.Is(err, conduct.ErrProtocolChanged):
		return "put the file back as it was (`evenhand protocol show` prints it), or record the change with `evenhand protocol amend --reason \"…\"`"
	case errors.Is(err, conduct.ErrRosterChanged):
		return "lock the roster again: `evenhand roster lock` (the old version stays in the record)"
	case errors.As(err, &phase):
		return phaseHint(phase)
	case errors.Is(err, conduct.ErrStaleAnalysis):
		return "run the plan again: `evenhand analysis run`, after the unblinding with --changed \"why\" (the earlier run stays in the record)"
	case errors.Is(err, store.ErrGone):
		return "see that the database server runs and can be reached, then give the command again: whatever was not finished left nothing"
	case errors.Is(err, store.ErrFull):
		return "make room on the disk, then give the command again"
	case errors.Is(err, trial.ErrLedger), errors.Is(err, conduct.ErrDisagrees):
		return "keep this store as it is and compare it with a backup and with the receipts that others hold"
	case errors.As(err, &usage):
		return "--help shows how the command is used"
	}
	return ""
}

func phaseHint(e *trial.PhaseError) string {
	switch {
	case e.Is == trial.Annulled:
		return "the trial's one draw is void, and there is no other in the same trial: a new trial has its own roster and commitment"
	case e.Is == trial.Recruiting && e.Action == trial.Withdraw:
		return "before the lock a school leaves by `evenhand school stage ID \"withdrew before the draw\"`"
	case e.Is == trial.Drawn && e.Action == trial.ChangeSchools:
		return "what was true at the draw stays true of it; that a school left is recorded with `evenhand withdrawal add school`"
	case e.Is == trial.Recruiting:
		return "first lock the roster: `evenhand roster check` shows what is still missing"
	case e.Is == trial.Locked:
		return "first commit the draw: `evenhand draw commit`"
	case e.Is == trial.Committed:
		return "first make the draw: `evenhand draw run`"
	}
	return ""
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "evenhand",
		Short:         "Randomised trials in schools, from recruitment to report",
		Long:          "Evenhand recruits schools, draws them by lot within strata into learning communities\nand a control arm, follows who leaves, turns outcomes into effect sizes, and writes\na report and a bundle that an independent evaluator can check.\n\nTo see a whole trial: evenhand demo. To begin one: evenhand init DIR.",
		SilenceUsage:  true,
		SilenceErrors: true,
		Version:       strings.TrimPrefix(programVersion(), "evenhand "),
		Args:          noArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	flags := root.PersistentFlags()
	flags.StringVar(&a.storeFlag, "store", "", "the store: a file, or postgres://… (default: EVENHAND_STORE, else evenhand.db beside the protocol)")
	flags.StringVar(&a.protocolFlag, "protocol", protocolFile, "the protocol's file")
	flags.StringVar(&a.trialFlag, "trial", "", "the trial's ID, where there is no protocol file or the store holds many")
	flags.StringVar(&a.asFlag, "as", "", "who acts, for the record (default: the system's user)")
	a.format = choice{value: "text", allowed: []string{"text", "json"}}
	flags.Var(&a.format, "format", "how to print: text for people, json for programs (fields in cmd/evenhand/JSON.md)")
	_ = root.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
	root.AddCommand(
		a.initCommand(), a.protocolCommand(), a.storeCommand(), a.ledgerCommand(),
		a.schoolCommand(), a.recruitmentCommand(), a.surveyCommand(), a.pupilCommand(),
		a.rosterCommand(), a.chanceCommand(), a.drawCommand(), a.communitiesCommand(), a.receiptCommand(), a.sessionCommand(), a.withdrawalCommand(), a.outcomeCommand(),
		a.analysisCommand(), a.attritionCommand(), a.missingCommand(), a.powerCommand(), a.reportCommand(), a.auditCommand(), a.keyCommand(), a.demoCommand(),
	)
	a.remindOfReceipts(root)
	return root
}

// noArgs and exactly are cobra's checks with exit status 2.
func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 && cmd.HasSubCommands() {
		var names []string
		for _, c := range cmd.Commands() {
			if c.IsAvailableCommand() {
				names = append(names, c.Name())
			}
		}
		near := trial.Nearest(args[0], names)
		if near != "" {
			return withHint(usagef("%s has no command %q", cmd.CommandPath(), args[0]), "did you mean `%s %s`?", cmd.CommandPath(), near)
		}
		return withHint(usagef("%s has no command %q", cmd.CommandPath(), args[0]), "it has: %s", strings.Join(names, ", "))
	}
	if len(args) > 0 {
		return usagef("%s takes no argument, but got %q", cmd.CommandPath(), args[0])
	}
	return nil
}

func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return usagef("%s needs %s", cmd.CommandPath(), strings.Join(names, " and "))
		case len(args) != len(names):
			return withHint(usagef("%s needs %s, but got %s", cmd.CommandPath(), strings.Join(names, " and "), quoted(args)), "words that belong together go between quotation marks")
		}
		return nil
	}
}

func quoted(words []string) string {
	all := make([]string, len(words))
	for i, w := range words {
		all[i] = strconv.Quote(w)
	}
	return strings.Join(all, ", ")
}

// textFlag is a flag that takes a line of free text.
type textFlag struct{ text *string }

func (f textFlag) String() string {
	if f.text == nil {
		return ""
	}
	return *f.text
}
func (f textFlag) Type() string { return "text" }
func (f textFlag) Set(s string) error {
	*f.text = s
	return plainText(s)
}

// plainText refuses what a line of text in the record must not have: it would
// be stored for ever, and shown on others' screens.
func plainText(s string) error {
	switch {
	case !utf8.ValidString(s):
		return errors.New("the text is not UTF-8")
	case strings.ContainsFunc(s, hidden):
		return fmt.Errorf("%q has a line end or another sign that cannot be seen: give one line of plain text", s)
	case len(s) > 10_000:
		return fmt.Errorf("the text has %d bytes; at most 10,000 are kept", len(s))
	}
	return nil
}

// hidden says whether a sign steers a screen instead of standing on it:
// control characters, and those that turn the direction of writing.
func hidden(r rune) bool {
	return unicode.IsControl(r) || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069' || r == '\u2028' || r == '\u2029'
}

// visible writes hidden signs out, but for line ends: what stands in a file
// must not steer the screen of whoever is told about it.
func visible(s string) string {
	var b strings.Builder
	for _, r := range s {
		if r != '\n' && hidden(r) {
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

// group makes a command that only holds others.
func group(use, short string, commands ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: noArgs, RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() }}
	c.AddCommand(commands...)
	return c
}

// command makes a command. Examples are lines of "evenhand …".
func command(use, short, long, example string, args cobra.PositionalArgs, run func(ctx context.Context, args []string) error) *cobra.Command {
	var indented []string
	for _, line := range strings.Split(strings.TrimSpace(example), "\n") {
		indented = append(indented, "  "+strings.TrimSpace(line))
	}
	if long == "" {
		long = short + "."
	}
	return &cobra.Command{
		Use: use, Short: short, Long: long, Example: strings.Join(indented, "\n"), Args: args,
		RunE: func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), args) },
	}
}

// actor is who acts.
func (a *app) actor() (string, error) {
	name := a.asFlag
	if name == "" {
		name = a.user()
	}
	name = strings.TrimSpace(name)
	if name == "" {
		return "", usagef("nobody is named: say who acts with --as NAME")
	}
	if strings.ContainsFunc(name, hidden) || !utf8.ValidString(name) || len(name) > 200 {
		return "", usagef("--as: a name of at most 200 bytes of UTF-8 without control characters, not %q", name)
	}
	return name, nil
}

func (a *app) who() (conduct.Who, error) {
	actor, err := a.actor()
	return conduct.Who{Actor: actor, Now: a.now, Entropy: a.entropy, Program: programVersion(), Minutes: a.minutes, Progress: a.progress("forming communities")}, err
}

// minutes reads the file of minutes that stands beside the protocol.
func (a *app) minutes(file string) (trial.Minutes, error) {
	name := filepath.Join(filepath.Dir(a.protocolFlag), file)
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the minutes between schools, %s: %w", name, reason(err))
	}
	defer f.Close()
	return intake.Minutes(name, f)
}

// storeAddress is where the store is.
func (a *app) storeAddress() string {
	switch {
	case a.storeFlag != "":
		return a.storeFlag
	case a.getenv("EVENHAND_STORE") != "":
		return a.getenv("EVENHAND_STORE")
	}
	return filepath.Join(filepath.Dir(a.protocolFlag), "evenhand.db")
}

// protocolFile is the protocol's file where --protocol names no other.
const protocolFile = "trial.yaml"

// reason is what is wrong with a file, without the file's name, which the
// sentence around it has.
func reason(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// readProtocol reads the protocol's file; text is nil if there is none and
// none was named.
func (a *app) readProtocol() (text []byte, err error) {
	text, err = os.ReadFile(a.protocolFlag)
	if errors.Is(err, os.ErrNotExist) && a.protocolFlag == protocolFile {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the protocol %s: %w", a.protocolFlag, reason(err))
	}
	return text, nil
}

// withTrial opens the trial and runs fn on it. If sync, an edited trial.yaml
// is recorded as a new version first (or refused, after the lock).
func (a *app) withTrial(ctx context.Context, sync bool, fn func(*conduct.Trial) error) error {
	who, err := a.who()
	if err != nil {
		return err
	}
	text, err := a.readProtocol()
	if err != nil {
		return err
	}
	db, err := store.Open(ctx, a.storeAddress(), false)
	if err != nil {
		return err
	}
	defer db.Close()
	id := a.trialFlag
	if id == "" && text != nil {
		p, err := trial.ParseProtocol(a.protocolFlag, text)
		switch {
		case err == nil:
			id = p.Trial.ID
		case sync:
			return err
		default:
			// Reading goes by what is recorded; a file that is being edited
			// must not stand in its way.
			var none error
			if id, none = onlyTrial(ctx, db); none != nil {
				return err
			}
			a.note("%s has faults (`evenhand protocol check` lists them): read is what was recorded", a.protocolFlag)
		}
	}
	if id == "" {
		if id, err = onlyTrial(ctx, db); err != nil {
			return err
		}
	}
	t, err := conduct.Open(ctx, db, who, id)
	if errors.Is(err, store.ErrNoTrial) && text != nil && a.trialFlag == "" {
		t, err = a.enter(ctx, db, who, text, err)
	}
	if err != nil {
		return err
	}
	if sync && text != nil && a.trialFlag == "" {
		recorded, err := t.Sync(ctx, a.protocolFlag, text)
		if err != nil {
			return err
		}
		if recorded {
			a.note("%s was edited: recorded as version %d of the protocol", a.protocolFlag, t.Version)
		}
	}
	return a.watched(ctx, t, fn)
}

// enter enters the protocol's trial into a store that holds none yet. Into one
// that others use a mistyped id must not put a new trial: there it is asked for.
func (a *app) enter(ctx context.Context, db *store.DB, who conduct.Who, text []byte, none error) (*conduct.Trial, error) {
	all, err := db.Trials(ctx)
	if err != nil {
		return nil, err
	}
	if len(all) > 0 {
		return nil, withHint(none, "if this is a new trial, `evenhand init %s` enters it into the store; if not, its id in %s is wrong", filepath.Dir(a.protocolFlag), a.protocolFlag)
	}
	t, err := conduct.Create(ctx, db, who, a.protocolFlag, text)
	if err == nil {
		a.note("trial %q is entered into %s, with version 1 of its protocol", t.ID(), db.Where())
	}
	return t, err
}

// onlyTrial gives the trial of a store that has one.
func onlyTrial(ctx context.Context, db *store.DB) (string, error) {
	all, err := db.Trials(ctx)
	if err != nil {
		return "", err
	}
	switch len(all) {
	case 0:
		return "", fmt.Errorf("%w: %s is empty", store.ErrNoTrial, db.Where())
	case 1:
		return all[0].ID, nil
	}
	ids := make([]string, len(all))
	for i, t := range all {
		ids[i] = t.ID
	}
	return "", usagef("%s holds %d trials: name one with --trial (%s)", db.Where(), len(all), strings.Join(ids, ", "))
}

// reading makes a command's run that only reads the trial.
func (a *app) reading(fn func(context.Context, *conduct.Trial) error) func(context.Context, []string) error {
	return func(ctx context.Context, _ []string) error {
		return a.withTrial(ctx, false, func(t *conduct.Trial) error { return fn(ctx, t) })
	}
}

// writing makes a command's run that changes the trial.
func (a *app) writing(fn func(context.Context, *conduct.Trial, []string) error) func(context.Context, []string) error {
	return func(ctx context.Context, args []string) error {
		return a.withTrial(ctx, true, func(t *conduct.Trial) error { return fn(ctx, t, args) })
	}
}

// note tells the user something beside a command's output.
func (a *app) note(format string, args ...any) {
	fmt.Fprintf(a.stderr, "evenhand: note: %s\n", visible(fmt.Sprintf(format, args...)))
}

// say prints a line of output.
func (a *app) say(format string, args ...any) {
	fmt.Fprintln(a.stdout, visible(fmt.Sprintf(format, args...)))
}

// json says whether the output is for programs.
func (a *app) json() bool { return a.format.value == "json" }

// print writes v as JSON, or calls text for people.
func (a *app) print(v any, text func()) error {
	if !a.json() {
		text()
		return nil
	}
	enc := json.NewEncoder(a.stdout)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(v); err != nil {
		return fmt.Errorf("write json: %w", err)
	}
	return nil
}

// table prints aligned columns, the first row being the heading.
func (a *app) table(rows [][]string) {
	w := tabwriter.NewWriter(a.stdout, 0, 0, 2, ' ', 0)
	for _, row := range rows {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = visible(cell)
		}
		fmt.Fprintln(w, strings.TrimRight(strings.Join(cells, "\t"), "\t"))
	}
	w.Flush()
}

// progress gives a function that shows how far long work has come, on a
// terminal; in a pipe it shows nothing.
func (a *app) progress(what string) func(done, of int) {
	f, ok := a.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return nil
	}
	last := -1
	return func(done, of int) {
		percent := done * 100 / max(of, 1)
		if percent == last {
			return
		}
		last = percent
		fmt.Fprintf(f, "\r%s: %d %%", what, percent)
		if done == of {
			fmt.Fprint(f, "\r\033[K")
		}
	}
}

// vacant refuses the name of a file that is there.
func vacant(name string) error {
	if _, err := os.Lstat(name); err != nil {
		return nil
	}
	return withHint(fmt.Errorf("%s is there already and was not touched", name), "give another name, or move it away")
}

// writeFile writes a file whole or not at all: a temporary file beside it,
// synced, then renamed. An existing file is kept unless overwrite.
func writeFile(name string, overwrite bool, write func(io.Writer) error) (err error) {
	if !overwrite {
		if err := vacant(name); err != nil {
			return err
		}
	}
	f, err := os.CreateTemp(filepath.Dir(name), "."+filepath.Base(name)+".*")
	if err != nil {
		return fmt.Errorf("write %s: %w", name, reason(err))
	}
	defer func() {
		if err != nil {
			f.Close()
			os.Remove(f.Name())
		}
	}()
	if err = f.Chmod(0o644); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = write(f); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = f.Sync(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if err = f.Close(); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	if overwrite {
		if err = os.Rename(f.Name(), name); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
		return nil
	}
	// A link, unlike a rename, never replaces a file that came meanwhile.
	if err = os.Link(f.Name(), name); err != nil {
		if errors.Is(err, os.ErrExist) {
			return fmt.Errorf("%s is there already and was not touched", name)
		}
		return os.Rename(f.Name(), name) // a file system without links
	}
	return os.Remove(f.Name())
}

// readFile reads an input file, "-" for standard input, up to a limit that no
// honest file reaches.
func (a *app) readFile(name string) ([]byte, error) {
	const limit = 512 << 20
	var r io.Reader = a.stdin
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, reason(err))
		}
		defer f.Close()
		if info, err := f.Stat(); err == nil && info.IsDir() {
			return nil, fmt.Errorf("read %s: it is a folder", name)
		}
		r = f
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, io.LimitReader(r, limit+1)); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if b.Len() > limit {
		return nil, fmt.Errorf("read %s: it is larger than 512 MiB", name)
	}
	return b.Bytes(), nil
}

// count writes a number with what it counts, as "1 school" or "2 schools".
func count(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprint(n, " ", what)
}

// yesNo is for tables.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return "NO"
}
