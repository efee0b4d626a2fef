package diag

// The codes, by what they are about. A code that was released keeps its
// meaning and its spelling.

// Syntax: the text of one entry.
const (
	CodeUnclosedParen     Code = "unclosed-paren"
	CodeUnopenedParen     Code = "unopened-paren"
	CodeUnclosedQuote     Code = "unclosed-quote"
	CodeBadEscape         Code = "bad-escape"
	CodeEmptyLabel        Code = "empty-label"
	CodeLabelTooLong      Code = "label-too-long"
	CodeNameTooLong       Code = "name-too-long"
	CodeBadName           Code = "bad-name"
	CodeUnknownType       Code = "unknown-type"
	CodeUnknownDirective  Code = "unknown-directive"
	CodeIndentedDirective Code = "indented-directive"
	CodeDirectiveJunk     Code = "directive-junk"
	CodeDirectiveArgument Code = "directive-argument"
	CodeBadTTL            Code = "bad-ttl"
	CodeTTLTooBig         Code = "ttl-too-big"
	CodeNoTTL             Code = "no-ttl"
	CodeBadClass          Code = "bad-class"
	CodeClassMismatch     Code = "class-mismatch"
	CodeMetaType          Code = "meta-type"
	CodeNoOwner           Code = "no-owner"
	CodeByteOrderMark     Code = "byte-order-mark"
	CodeNoBreakSpace      Code = "no-break-space"
	CodeControlCharacter  Code = "control-character"
	CodeBareCR            Code = "bare-cr"
	CodeMoreErrors        Code = "more-errors"
	CodeMoreWarnings      Code = "more-warnings"
)

// RDATA: what stands after the type. The order follows the checkers of
// pkg/zonefile.
const (
	CodeMissingRDATA    Code = "missing-rdata"
	CodeBadRDATA        Code = "bad-rdata"
	CodeExtraText       Code = "extra-text"
	CodeStringTooLong   Code = "string-too-long"
	CodeBadAddress      Code = "bad-address"
	CodeNumberRange     Code = "number-range"
	CodeGenericLength   Code = "generic-length"
	CodeRDATATooLong    Code = "rdata-too-long"
	CodeUnverifiedRDATA Code = "unverified-rdata"
	CodeQuotedField     Code = "quoted-field"
)

// Files: $INCLUDE, $GENERATE and the source itself.
const (
	CodeIncludeMissing Code = "include-missing"
	CodeIncludeOutside Code = "include-outside"
	CodeIncludeCycle   Code = "include-cycle"
	CodeIncludeDepth   Code = "include-depth"
	CodeIncludeBeside  Code = "include-beside"
	CodeIncludeRefused Code = "include-refused"
	CodeGenerateRange  Code = "generate-range"
	CodeGenerateLimit  Code = "generate-limit"
	CodeGenerateSyntax Code = "generate-syntax"
	CodeZoneTwice      Code = "zone-twice"
	CodeNoZoneName     Code = "no-zone-name"
	CodeUnreadable     Code = "unreadable"
	CodeUnwritable     Code = "unwritable"
	CodeLocked         Code = "locked"
)

// Zone: what the records say together.
const (
	CodeNoSOA              Code = "no-soa"
	CodeSeveralSOA         Code = "several-soa"
	CodeSOANotApex         Code = "soa-not-apex"
	CodeNoApexNS           Code = "no-apex-ns"
	CodeApexNSCNAME        Code = "apex-ns-cname"
	CodeApexNSAddress      Code = "apex-ns-address"
	CodeBadHostname        Code = "bad-hostname"
	CodeCNAMEAndOther      Code = "cname-and-other"
	CodeSeveralCNAME       Code = "several-cname"
	CodeSeveralDNAME       Code = "several-dname"
	CodeWildcardNS         Code = "wildcard-ns"
	CodeRRsetTooBig        Code = "rrset-too-big"
	CodeSignedZone         Code = "signed-zone"
	CodeZONEMDDropped      Code = "zonemd-dropped"
	CodeDuplicateRecord    Code = "duplicate-record"
	CodeTTLMismatch        Code = "ttl-mismatch"
	CodePointsAtCNAME      Code = "points-at-cname"
	CodeHostWithoutAddress Code = "host-without-address"
	CodeMissingGlue        Code = "missing-glue"
	CodeRelativeLooking    Code = "relative-looking"
	CodeOutOfZone          Code = "out-of-zone"
	CodeTTLOdd             Code = "ttl-odd"

	CodeInheritedOwnerAfterOrigin Code = "inherited-owner-after-origin"
)

// Portability: what BIND reads and another server does not, or reads otherwise.
const (
	CodePortableCRLF        Code = "portable-crlf"
	CodePortable8Bit        Code = "portable-8bit"
	CodePortableGenerate    Code = "portable-generate"
	CodePortableOrigin      Code = "portable-origin"
	CodePortableTTLUnits    Code = "portable-ttl-units"
	CodePortableNoTTL       Code = "portable-no-ttl"
	CodePortableClass       Code = "portable-class"
	CodePortableParen       Code = "portable-paren"
	CodePortableStrings     Code = "portable-strings"
	CodePortableQuotedOwner Code = "portable-quoted-owner"
	CodePortableHex         Code = "portable-hex"
	CodePortableDate        Code = "portable-date"
	CodePortableDirective   Code = "portable-directive"
	CodePortableBelowDNAME  Code = "portable-below-dname"
	CodePortableType        Code = "portable-type"
	CodePortableNewline     Code = "portable-newline"
)

// ALIAS: the rules of the language that aliasflat adds.
const (
	CodeAliasTarget     Code = "alias-target"
	CodeAliasParameter  Code = "alias-parameter"
	CodeAliasTwice      Code = "alias-twice"
	CodeAliasCNAME      Code = "alias-cname"
	CodeAliasBelowDNAME Code = "alias-below-dname"
	CodeAliasSibling    Code = "alias-sibling"
	CodeAliasAtCut      Code = "alias-at-cut"
	CodeAliasLoop       Code = "alias-loop"
	CodeAliasChain      Code = "alias-chain"
	CodeAliasInDomain   Code = "alias-in-domain"
	CodeAliasPayload    Code = "alias-payload"
	CodeAliasNSHost     Code = "alias-ns-host"
	CodeHintMismatch    Code = "hint-mismatch"
	CodeHTTPSTarget     Code = "https-target"
)

// Lookup: what the DNS said, or did not say, about a target.
const (
	CodeTargetServfail       Code = "target-servfail"
	CodeTargetRefused        Code = "target-refused"
	CodeTargetTimeout        Code = "target-timeout"
	CodeTargetUnreachable    Code = "target-unreachable"
	CodeTargetMalformed      Code = "target-malformed"
	CodeTargetLame           Code = "target-lame"
	CodeTargetLoop           Code = "target-loop"
	CodeTargetTruncated      Code = "target-truncated"
	CodeTargetNXDOMAIN       Code = "target-nxdomain"
	CodeTargetNODATA         Code = "target-nodata"
	CodeTargetWeakNODATA     Code = "target-weak-nodata"
	CodeTargetRefusedAddress Code = "target-refused-address"
	CodeTargetTooMany        Code = "target-too-many"
	CodeTargetPrivate        Code = "target-private"
	CodeTargetStale          Code = "target-stale"
	CodeTargetMixedNXDOMAIN  Code = "target-mixed-nxdomain"
	CodeTargetDNS64          Code = "target-dns64"
	CodeResolverInvents      Code = "resolver-invents"
	CodeResolverCertificate  Code = "resolver-certificate"
	CodeTargetDisagree       Code = "target-disagree"
	CodeTargetNotValidated   Code = "target-not-validated"
	CodeTargetNoServer       Code = "target-no-server"
	CodeTargetSubnet         Code = "target-subnet"
	CodeTargetNotLocked      Code = "target-not-locked"
	CodeTargetPastMaxStale   Code = "target-past-max-stale"
	CodeTargetGone           Code = "target-gone"
	CodeTargetDropped        Code = "target-dropped"
	CodeDropForbidden        Code = "drop-forbidden"
)

// Memory: what is kept between runs, in a lock file or a state.
const (
	CodeLockSyntax    Code = "lock-syntax"
	CodeLockDiffers   Code = "lock-differs"
	CodeStateLocked   Code = "state-locked"
	CodeStateCorrupt  Code = "state-corrupt"
	CodeStateVersion  Code = "state-version"
	CodeStateUnusable Code = "state-unusable"
	CodeStateImport   Code = "state-import"
	CodeStateSerial   Code = "state-serial"
	CodeOutputEdited  Code = "output-edited"
)

// Guards: what the world did at once that looks like no operator's work.
const (
	CodeGuardChange      Code = "guard-change"
	CodeGuardConvergence Code = "guard-convergence"
	CodeGuardReborn      Code = "guard-reborn"
	CodeGuardApex        Code = "guard-apex"
	CodeGuardShrink      Code = "guard-shrink"
)

// Serial: the number that tells secondaries to transfer.
const (
	CodeSerialOrder            Code = "serial-order"
	CodeSerialFallback         Code = "serial-fallback"
	CodeSerialUnknownPublished Code = "serial-unknown-published"
	CodeSerialGeneric          Code = "serial-generic"
	CodePublishedUnknown       Code = "published-unknown"
	CodePlanDiffers            Code = "plan-differs"
)

// Reload and push: what the name server made of a new file, or of what it was sent.
const (
	CodeReloadDynamic     Code = "reload-dynamic"
	CodeReloadSerial      Code = "reload-serial"
	CodeReloadUnconfirmed Code = "reload-unconfirmed"
	CodeReloadFailed      Code = "reload-failed"
	CodeReloadWithdrawn   Code = "reload-withdrawn"
	CodePushFailed        Code = "push-failed"
	CodePushUnconfirmed   Code = "push-unconfirmed"
	CodePushConflict      Code = "push-conflict"
	CodePushOthers        Code = "push-others"
	CodeHookFailed        Code = "hook-failed"
	CodeServeFailed       Code = "serve-failed"
)

// Edit: why records of a source are not changed.
const (
	CodeEditText     Code = "edit-text"
	CodeEditSOA      Code = "edit-soa"
	CodeEditIncluded Code = "edit-included"
	CodeEditMeaning  Code = "edit-meaning"
	CodeEditChanged  Code = "edit-changed"
	CodeEditCheck    Code = "edit-check"
)

// Pull: zones that are transferred from other primaries.
const (
	CodePullUnreachable Code = "pull-unreachable"
	CodePullRefused     Code = "pull-refused"
	CodePullSignature   Code = "pull-signature"
	CodePullBroken      Code = "pull-broken"
	CodePullSerial      Code = "pull-serial"
	CodePullExpired     Code = "pull-expired"
	CodePullPending     Code = "pull-pending"
)

// Configuration: mistakes in aliasflat.yaml.
const (
	CodeConfigSyntax     Code = "config-syntax"
	CodeConfigUnknownKey Code = "config-unknown-key"
	CodeConfigValue      Code = "config-value"
	CodeConfigZone       Code = "config-zone"
	CodeConfigPrivacy    Code = "config-privacy"
	CodeConfigServe      Code = "config-serve"
	CodeConfigSecret     Code = "config-secret"
)

// Info is what is known about a code before any zone is read.
type Info struct {
	Code     Code
	Severity Severity // the usual one; --for or a setting may raise or lower it
	Title    string   // one clause, lower case, no final stop
	Text     string   // what it means, why it matters, what to do, an example
}

// Lookup finds a code in the table.
func Lookup(c Code) (Info, bool) {
	for i := range Codes {
		if Codes[i].Code == c {
			return Codes[i], true
		}
	}
	return Info{}, false
}
