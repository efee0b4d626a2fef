package publish

// Level is how well something is.
type Level uint8

// The levels, from good to bad.
const (
	Green  Level = iota // as it should be
	Yellow              // it works, and could be better
	Red                 // it does not work, or not for long
)

// String is the word for machines.
func (l Level) String() string { return [...]string{"ok", "warning", "error"}[l] }

// Finding is what came of looking at one thing.
type Finding struct {
	Level   Level
	Subject string // what was looked at: a program, a file, a zone
	Message string // one clause, lower case, no final stop
	Hint    string // what to do; empty where the level is Green
}

func green(subject, message string) Finding { return Finding{Subject: subject, Message: message} }

func yellow(subject, message, hint string) Finding {
	return Finding{Level: Yellow, Subject: subject, Message: message, Hint: hint}
}

func red(subject, message, hint string) Finding {
	return Finding{Level: Red, Subject: subject, Message: message, Hint: hint}
}
