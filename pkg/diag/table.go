package diag

// Codes is every code there is, grouped as the constants are. It is plain
// data that the linker lays out, so it costs nothing at start.
//
// To add a code, add the constant and its entry here; a test holds the two
// together.
var Codes = []Info{
	// Syntax.
	{CodeUnclosedParen, Error, "an opening parenthesis is never closed", `
An opening parenthesis joins the following lines into one entry until the closing
one. Without it the rest of the file belongs to that entry. The place shown is the
parenthesis that stays open. Add the closing one after the last field.

    @ SOA ns.example.com. hostmaster.example.com. (
            2026112201 7200 3600 1209600 300 )   ; this one was missing`},
	{CodeUnopenedParen, Error, "a closing parenthesis has no opening one", `
A closing parenthesis stands where none is open. Often a line between the two was
deleted, or the opening one slipped into a comment. Delete it, or put the opening
one back before the first field that shall be joined.

    @ MX 10 mail )      ; nothing to close here`},
	{CodeUnclosedQuote, Error, "a quoted string is never closed", `
A string that starts with a double quote ends at the next double quote that has no
backslash before it. BIND does not let a quoted string run over the end of its line.
Close the string; write a quote inside it as \".

    @ TXT "v=spf1 mx -all       ; the closing quote is missing
    @ TXT "v=spf1 mx -all"`},
	{CodeBadEscape, Error, "an escape is neither \\X nor \\DDD", `
A backslash is followed by one character that is no digit, or by exactly three
decimal digits from 000 to 255 (RFC 1035 section 5.1). Servers read anything else
differently: \256 is an error to some and the octet 0 to others. Write the octet
with three digits.

    a\046b A 192.0.2.1      ; one label with a dot in it
    a\256b A 192.0.2.1      ; refused`},
	{CodeEmptyLabel, Error, "a name has an empty label", `
Two dots in a row, or a dot at the start, leave a label with no octets. Only the
root has that, and it is written as a single dot. Delete the extra dot.

    www..example.com. A 192.0.2.1      ; refused
    www.example.com.  A 192.0.2.1`},
	{CodeLabelTooLong, Error, "a label is longer than 63 octets", `
A label, the part of a name between two dots, has at most 63 octets (RFC 1035
section 2.3.4). Escapes count as the one octet they stand for. Long keys, such as
those of DKIM, belong into the RDATA of a TXT record and not into its owner.

    selector1._domainkey TXT "v=DKIM1; p=..."`},
	{CodeNameTooLong, Error, "a name is longer than 255 octets", `
A whole name has at most 255 octets in wire form, one for each label's length and
the root included (RFC 1035 section 2.3.4). A relative name is measured after the
origin was appended to it. Shorten it, or end it with a dot if the origin was not
meant to be appended.

    some.very.long.name.example.net.      ; the final dot keeps the origin away`},
	{CodeBadName, Error, "this is no domain name", `
A domain name was expected here and the text cannot be one. Typical causes are an
address, a URL or a mail address where a name belongs. In an SOA the mail address of
the zone's contact is written with a dot in place of the at sign.

    @ SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 300`},
	{CodeUnknownType, Error, "the record type is not known", `
The word in the type's place is no type that aliasflat or BIND knows. Mostly it is a
misspelling, or the owner name is missing and the fields have moved. A type that is
too new to have a mnemonic can be written in the generic form of RFC 3597.

    www    AAA    2001:db8::1         ; AAAA was meant
    www    TYPE65280 \# 2 abcd`},
	{CodeUnknownDirective, Error, "the directive is not known", `
A line that starts with a dollar sign is a control entry: $ORIGIN, $TTL, $INCLUDE or
$GENERATE. Any other word is refused, because servers disagree on whether to ignore
it or to take it for an owner name. An owner that starts with a dollar sign is
written with a backslash.

    $TLL 3600             ; $TTL was meant
    \$owner A 192.0.2.1`},
	{CodeIndentedDirective, Error, "a directive does not start in the first column", `
Control entries start in the first column. With blanks before it the word is read as
a field of a record that inherits its owner, and every server refuses that. Delete
the blanks.

    $TTL 3600`},
	{CodeDirectiveJunk, Error, "there is text after the directive's arguments", `
A directive takes a fixed number of arguments and something follows them. Some
servers ignore it, so the line does not say what its author thinks. Delete the text
or put a semicolon before it.

    $ORIGIN example.com.  ; the zone
    $TTL 3600 seconds     ; refused`},
	{CodeDirectiveArgument, Error, "a directive lacks its argument", `
$ORIGIN needs a name, $TTL a time, $INCLUDE a file and an optional origin, and
$GENERATE a range, an owner, a type and a right-hand side. One of them is missing or
cannot be used.

    $ORIGIN example.com.
    $INCLUDE hosts.zone sub.example.com.`},
	{CodeBadTTL, Error, "this is no TTL", `
A TTL is a number of seconds, or numbers each followed by one of the units w, d, h, m
and s. A number without unit after one with a unit (1h30) is read as 1 hour and 30
seconds by some servers and refused by others. Write plain seconds where in doubt.

    www 5400  A 192.0.2.1
    www 1h30m A 192.0.2.1`},
	{CodeTTLTooBig, Error, "a TTL is above 2147483647", `
A TTL has 31 bits (RFC 2181 section 8). Servers read larger values as 0, as the
default, or as written, so nobody knows what is served. A week is 604800.

    www 604800 A 192.0.2.1`},
	{CodeNoTTL, Error, "no TTL is known for this record", `
The record has no TTL, no $TTL stands before it, and no earlier record has one to
inherit. Servers then use SOA MINIMUM, 3600, or refuse the zone. Put $TTL at the top
of the file (RFC 2308 section 4).

    $TTL 3600`},
	{CodeBadClass, Error, "the class is not known", `
Between the owner and the type a TTL and a class may stand, each once. The class is
IN; CH, HS and the generic CLASSnnn are recognized, but no zone of theirs can be
flattened. Two classes in one record are refused too.

    www IN A 192.0.2.1`},
	{CodeClassMismatch, Error, "the class differs from the zone's", `
All records of a zone have one class, and aliasflat handles class IN alone, because
A and AAAA mean addresses only there. Write IN, or leave the class out.

    version.bind. CH TXT "..."      ; not part of an IN zone`},
	{CodeMetaType, Error, "this type cannot stand in a zone", `
OPT, TSIG, ANY, AXFR, IXFR and their like exist in messages only. TYPE0 and TYPE255
are the same thing in generic form. Servers refuse a zone file with one of them.
Delete the record.

    www ANY 192.0.2.1      ; refused`},
	{CodeNoOwner, Error, "the first record has no owner to inherit", `
A record that starts with a blank has the owner of the record before it. This one is
the first, so there is none. Write the owner; for the zone's own name it is @.

    @   SOA ns hostmaster 1 7200 3600 1209600 300`},
	{CodeByteOrderMark, Error, "the file starts with a byte order mark", `
The three bytes EF BB BF at the start of the file come from an editor that saves
"UTF-8 with BOM". A name server takes them as part of the first name. Save the file
as plain UTF-8 or ASCII.

    sed -i '1s/^\xef\xbb\xbf//' example.com.zone`},
	{CodeNoBreakSpace, Error, "a no-break space stands between fields", `
The character U+00A0 looks like a blank and is none: the fields on both sides are one
word to every server. It comes along when text is copied from a web page. Replace it
by an ordinary blank.

    sed -i 's/\xc2\xa0/ /g' example.com.zone`},
	{CodeControlCharacter, Error, "a control character stands in the text", `
Only blank, tab and line end separate fields. Form feed, vertical tab, NUL and ^Z are
read as part of a name by some servers and end the file for others. Delete it, or
write it as \DDD where an octet of data was meant.

    @ TXT "tab:\009"`},
	{CodeBareCR, Error, "a carriage return does not end in a line feed", `
A carriage return alone ends a line for BIND, is swallowed by Knot, and is refused by
others. The file was probably written for an old Macintosh, or damaged in transfer.
Convert the line ends.

    tr '\r' '\n' < old.zone > new.zone`},
	{CodeMoreErrors, Error, "more errors than are shown", `
A file that is broken in many places repeats itself, so at most twenty errors of one
file are listed and the rest is counted. Mend the first ones and run again: later
errors often follow from earlier ones.

    aliasflat check example.com.zone`},
	{CodeMoreWarnings, Warning, "more warnings than are shown", `
Of each kind of warning at most twenty of one zone are listed. The message tells how many
more there are of which kinds. Most have one cause, such as a tool that writes the file;
mend that, and run again.

    aliasflat check example.com.zone`},

	// RDATA.
	{CodeMissingRDATA, Error, "the record has too few fields", `
The type asks for more fields than stand on the line. The place shown is the end of
what was written. Add the missing field; an empty text is written as two quotes.

    @ MX mail            ; the preference is missing
    @ MX 10 mail
    @ TXT ""`},
	{CodeBadRDATA, Error, "a field does not have the form that its type asks for", `
The RDATA was read field by field, as the type's RFC defines it, and this field does
not fit: a number with letters in it, a tag that does not exist, a key that stands
twice. Name servers refuse the whole zone for it.

    _443._tcp TLSA 3 1 one 8d02...      ; the matching type is a number`},
	{CodeExtraText, Error, "there is text after the last field", `
The type has a fixed number of fields and more words follow. Two records may have
slipped onto one line, or a comment lacks its semicolon. In zone files # starts no
comment.

    www A 192.0.2.1 # web      ; refused
    www A 192.0.2.1 ; web`},
	{CodeStringTooLong, Error, "a character-string is longer than 255 octets", `
A character-string holds at most 255 octets (RFC 1035 section 3.3). Some servers
split a longer one silently, others refuse it. Split it yourself: a TXT record takes
several strings, and readers such as DKIM join them without a blank.

    key._domainkey TXT "v=DKIM1; p=MIIB..." "IDAQAB"`},
	{CodeBadAddress, Error, "this is no address of the type's family", `
An A record takes four decimal numbers without leading zeros, an AAAA record an IPv6
address without zone or prefix length. A name here means that a CNAME or an ALIAS
was intended.

    www A     192.0.2.1
    www AAAA  2001:db8::1
    @   ALIAS cdn.example.net.`},
	{CodeNumberRange, Error, "a number is out of range", `
The field has 8, 16 or 32 bits and the number does not fit. Servers that do not
refuse it cut it off and serve another number. Look up the field in the type's RFC.

    @ MX 70000 mail      ; a preference is at most 65535`},
	{CodeGenericLength, Error, "the length of generic RDATA does not match its octets", `
The generic form of RFC 3597 is \#, the number of octets, and that many pairs of
hexadecimal digits. Here the number and the digits differ, or a digit is missing.
Correct the number: some servers believe it and drop octets.

    www TYPE65280 \# 3 abcdef`},
	{CodeRDATATooLong, Error, "the RDATA is longer than 65535 octets", `
The length of RDATA has 16 bits in a message, so nothing longer can be served. A
TXT record of that size would not reach a client anyway. Split the data over several
names.

    part1 TXT "..."`},
	{CodeUnverifiedRDATA, Warning, "the RDATA of this type could not be checked", `
aliasflat checks the common types itself. For the rest it asks the miekg/dns library,
which knows fewer forms than the name servers do, so its refusal proves nothing. The
record is passed through as written. Let the name server's own checker have a look.

    named-checkzone example.com example.com.db`},
	{CodeQuotedField, Error, "this field may not be quoted", `
Quotes are for character-strings. Around an address or a name BIND and Knot refuse
them, and NSD lets them pass. Delete the quotes.

    www A "192.0.2.1"      ; refused
    www A 192.0.2.1`},

	// Files.
	{CodeIncludeMissing, Error, "the included file does not exist", `
$INCLUDE names a file that is not there. A relative path starts at the include root:
the folder given by --include-root, or else the folder of the top source. This is
the part that BIND's "directory" option plays.

    $INCLUDE hosts/web.zone
    aliasflat compile --include-root /etc/bind/zones example.com.zone`},
	{CodeIncludeOutside, Error, "the included file lies outside of the include root", `
An absolute path, "..", or a symbolic link leads out of the folder below which
includes are read. Zone files may come from people who shall not read every file of
this machine. Move the file, or name a higher folder by --include-root.

    $INCLUDE ../shared/mx.zone`},
	{CodeIncludeCycle, Error, "a file includes itself", `
Following the $INCLUDE lines leads back to a file that is still being read, so the
zone would never end. The notes show the way round. Knot hangs on such a file, and
others run out of open files. Take one of the lines out.

    a.zone: $INCLUDE b.zone
    b.zone: $INCLUDE a.zone`},
	{CodeIncludeDepth, Error, "includes are nested more than 16 deep", `
Each $INCLUDE inside an included file adds a level, and more than 16 are taken for a
mistake. Servers have limits of their own, some of them lower. Include the files from
the top file instead.

    $INCLUDE mail.zone
    $INCLUDE web.zone`},
	{CodeIncludeBeside, Error, "the file is beside the including file, not below the include root", `
Knot looks for an included file beside the file that includes it; BIND and NSD look
in their working folder. The file exists only in the first of the two, so servers
would read different zones. Write the path as seen from the include root.

    $INCLUDE hosts/web.zone      ; also inside of hosts/all.zone`},
	{CodeIncludeRefused, Error, "$INCLUDE is not allowed here", `
The zone comes from standard input or from another place that has no folder of its
own, so a relative path has no meaning. Name the folder.

    aliasflat compile --include-root zones - < zones/example.com.zone`},
	{CodeGenerateRange, Error, "the range of $GENERATE is wrong", `
A range is start-stop or start-stop/step, with start not above stop, a step above 0,
and no number above 2147483647. BIND refuses the zone otherwise.

    $GENERATE 1-254 host-$ A 192.0.2.$
    $GENERATE 0-10/2 even-$ A 192.0.2.$`},
	{CodeGenerateLimit, Error, "$GENERATE makes more records than allowed", `
One line may make 65,536 records. A larger number is mostly a misprint, and the zone
that results would fill the name server's memory. If it is meant, raise the limit.

    aliasflat compile --generate-limit 200000 example.com.zone`},
	{CodeGenerateSyntax, Error, "a $GENERATE template is wrong", `
In the owner and in the right-hand side $ stands for the number, and ${offset},
${offset,width} or ${offset,width,base} for a changed form of it, with base d, o, x,
X, n or N. A literal dollar sign is \$. The right-hand side is one word, or several in
quotes.

    $GENERATE 1-9 host-${0,3,d} A 192.0.2.$`},
	{CodeZoneTwice, Error, "two sources of one run are the same zone", `
Targets inside a zone of the run are answered from its text, so one run cannot hold
the same zone twice. Compile them one after the other, or give each a view in the
configuration; a view sees its own zones only.

    zones:
      - {name: example.com, view: inside, source: inside.zone, output: inside.db}
      - {name: example.com, view: outside, source: outside.zone, output: outside.db}`},
	{CodeNoZoneName, Error, "the name of the zone is not known", `
The zone's name comes from --origin, else the configuration, else a $ORIGIN before
the first record, else an absolute owner of the SOA, else a file name such as
example.com.zone or db.example.com. None of them gave one here.

    aliasflat compile --origin example.com zone.txt`},
	{CodeUnreadable, Error, "the file cannot be read", `
The operating system refused to open or read the file. The message carries its
reason. A folder in the place of a file, missing rights, and a path relative to
another folder are the usual ones.

    ls -l example.com.zone`},
	{CodeUnwritable, Error, "the output cannot be written", `
The output was not replaced; what stood there stands. The message carries the reason:
a full disk, a folder without the right to write, a link that leads nowhere, a file
that is no zone file and is not overwritten for that, or a checker of verify-with that
refused the new file.

    aliasflat compile -o /var/lib/bind/example.com.db example.com.zone`},
	{CodeLocked, Error, "another run is at work on the output", `
One run at a time reads what was published, decides, and writes: two would overwrite each
other's work. This one has waited for as long as --wait says, 10s without it. The message
tells the process that has the lock, a hidden file beside the output. The lock ends with
its process, however that ends; a file that is left behind locks nothing, and the next
run removes it.

    aliasflat compile --wait 1m -o example.com.db example.com.zone`},

	// Zone.
	{CodeNoSOA, Error, "the zone has no SOA record", `
Every zone has one SOA record at its apex; without it no server loads the zone. If
there is one in the file, look whether its owner is the zone's name: a missing dot at
its end makes it example.com.example.com.

    @ SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 300`},
	{CodeSeveralSOA, Error, "the zone has several different SOA records", `
A zone has exactly one SOA record. A second one that differs comes from a file that
was included although it is a zone of its own, or from two zones in one file. Keep
one.

    @ SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 300`},
	{CodeSOANotApex, Error, "the SOA is not at the apex", `
The owner of the SOA is the name of the zone. This one has another owner, so either
the zone's name was given wrongly or the owner lacks its final dot.

    $ORIGIN example.com.
    example.com SOA ...      ; this is example.com.example.com.`},
	{CodeNoApexNS, Error, "the zone has no NS record at its apex", `
The zone has to name its own name servers at its apex, and BIND and Knot refuse it
otherwise. They are the same names that the parent zone delegates to.

    @ NS ns1.example.com.
    @ NS ns2.example.com.`},
	{CodeApexNSCNAME, Error, "a name server of the zone is a CNAME", `
The host of an NS record must own its addresses itself (RFC 2181 section 10.3). BIND
refuses a zone whose apex NS points at a CNAME within the zone. Give the host A and
AAAA records.

    @   NS ns1
    ns1 A  192.0.2.53`},
	{CodeApexNSAddress, Error, "a name server of the zone has no address", `
The host of an NS record at the apex lies in the zone and has neither A nor AAAA.
BIND refuses such a zone, and resolvers could not reach it. If the host is an ALIAS,
its target has no address now.

    @   NS ns1
    ns1 A  192.0.2.53`},
	{CodeBadHostname, Error, "the owner of an address or MX record is no host name", `
Owners of A, AAAA and MX records consist of letters, digits and hyphens (RFC 952, RFC
1123); a named with default options refuses a zone with others. An ALIAS becomes A
and AAAA and is held to the same. Rename it, or set check-names: warn where the
server is configured likewise.

    my_host ALIAS cdn.example.net.      ; refused
    my-host ALIAS cdn.example.net.`},
	{CodeCNAMEAndOther, Error, "a CNAME shares its owner with other records", `
A name with a CNAME has no other data (RFC 2181 section 10.1), apart from what DNSSEC
adds. At the apex a CNAME can never be, because SOA and NS are there. An ALIAS does
what was meant.

    @ CNAME cdn.example.net.      ; refused
    @ ALIAS cdn.example.net.`},
	{CodeSeveralCNAME, Error, "an owner has several CNAME records", `
A name is an alias of one other name at most (RFC 2181 section 10.1). Some servers
pick one of several, others refuse the zone. To spread load, point at one name that
has several addresses.

    www CNAME cdn.example.net.`},
	{CodeSeveralDNAME, Error, "an owner has several DNAME records", `
A subtree is redirected to one other subtree at most (RFC 6672 section 2.4), and BIND
refuses a zone that says two things. Delete all but one.

    old DNAME new.example.net.`},
	{CodeWildcardNS, Error, "a wildcard owns an NS record", `
Delegation by wildcard is not defined (RFC 4592 section 4.2), and BIND refuses the
zone. Delegate each name on its own.

    *.lab NS ns.example.net.      ; refused
    a.lab NS ns.example.net.`},
	{CodeRRsetTooBig, Error, "an RRset has more than 100 records", `
BIND 9.18 refuses a whole zone with more than 100 records in one RRset when it loads
it, although named-checkzone says OK. Addresses of an ALIAS are counted together with
those written beside it. Remove some.

    max-addresses: 64      # in aliasflat.yaml, for ALIAS targets`},
	{CodeSignedZone, Error, "the source is a signed zone", `
Flattening changes records, and the signatures (RRSIG) and denial chains (NSEC,
NSEC3) over them would no longer hold. Flatten first and sign the result, or let the
name server sign. --strip-dnssec takes RRSIG, NSEC, NSEC3 and NSEC3PARAM out and
keeps DS, DNSKEY, CDS and CDNSKEY; strip-dnssec of the configuration does so for one zone
or for all, such as those that are pulled from a primary that signs.

    aliasflat compile --strip-dnssec signed.zone`},
	{CodeZONEMDDropped, Warning, "the ZONEMD record was left out", `
A ZONEMD record holds a digest over the whole zone (RFC 8976), which is another one
after flattening. The output is written without it. Compute it afterwards where the
signer or the server can do so.

    ldns-signzone -z simple:sha384 example.com.db keyfile`},
	{CodeDuplicateRecord, Warning, "the same record stands twice", `
Two records with equal owner, type and RDATA are one record to a server. It is
harmless, and often a sign that one of them was meant to be something else. Delete
one.

    www A 192.0.2.1
    www A 192.0.2.1      ; 192.0.2.2 was meant`},
	{CodeTTLMismatch, Warning, "the records of an RRset have different TTLs", `
All records with one owner and type have one TTL (RFC 2181 section 5.2). BIND takes
the first or the last without a word, and some versions of NSD refuse the zone. Give
them the same TTL.

    www 300 A 192.0.2.1
    www 300 A 192.0.2.2`},
	{CodePointsAtCNAME, Warning, "an MX, NS or SRV points at a CNAME", `
The host that MX, NS and SRV records name has to own its addresses itself (RFC 2181
section 10.3, RFC 2782). Some mail servers and resolvers refuse to follow a CNAME
there. Point at the CNAME's target, or make the host an ALIAS.

    @    MX    10 mail
    mail ALIAS mx.example.net.`},
	{CodeHostWithoutAddress, Warning, "an MX, NS or SRV names a host that has no address", `
The host lies in this zone and owns neither A nor AAAA nor ALIAS, so nothing can be
delivered there. The name is misspelled, or a record is missing.

    @    MX 10 mial      ; mail was meant
    mail A  192.0.2.25`},
	{CodeMissingGlue, Warning, "a delegation lacks glue", `
The zone delegates a name to a server that lies at or below that name. Resolvers can
reach it only if this zone gives its address as glue.

    sub    NS ns.sub
    ns.sub A  192.0.2.53`},
	{CodeRelativeLooking, Warning, "a name looks absolute but lacks the final dot", `
The name ends in the zone's name and has no final dot, so the zone's name is appended
to it once more. It is valid, and hardly ever meant.

    www CNAME web.example.com       ; web.example.com.example.com.
    www CNAME web.example.com.`},
	{CodeOutOfZone, Warning, "a record's owner lies outside of the zone", `
The owner is neither the zone's name nor below it. BIND and Knot ignore such a
record; NSD refuses the zone. Delete it, or look for a wrong $ORIGIN above it.

    $ORIGIN example.com.
    www.example.net. A 192.0.2.1      ; ignored`},
	{CodeTTLOdd, Warning, "a TTL is 0 or above a week", `
A TTL of 0 makes every client ask each time, and some resolvers handle it badly. A
TTL above a week is cut by most resolvers and makes a mistake last. Values from 60 to
86400 are usual.

    www 3600 A 192.0.2.1`},
	{CodeInheritedOwnerAfterOrigin, Warning, "a record right after $ORIGIN inherits its owner", `
A record that starts with a blank has the owner of the record before it, whatever
$ORIGIN says in between. Readers expect the new origin. Write the owner.

    $ORIGIN sub.example.com.
        A 192.0.2.1      ; belongs to the record above $ORIGIN
    @   A 192.0.2.1`},

	// Portability.
	{CodePortableCRLF, Warning, "Knot refuses CRLF line ends", `
BIND and NSD read lines that end in carriage return and line feed, as Windows editors
write them. Knot refuses the file. With --for knot the output gets plain line feeds.

    aliasflat compile --for knot example.com.zone`},
	{CodePortable8Bit, Warning, "Knot refuses octets above 127", `
Letters such as ü are several octets above 127, which BIND and NSD take as they are
and Knot refuses. Write each octet as \DDD in strings, and use the ASCII form
(xn--...) for names.

    @ TXT "gr\195\188n"`},
	{CodePortableGenerate, Warning, "NSD and Knot do not know $GENERATE", `
$GENERATE is BIND's own. With --for nsd, --for knot or --for any the records it stands
for are written out one by one.

    aliasflat compile --for any example.com.zone`},
	{CodePortableOrigin, Warning, "NSD and Knot refuse a relative $ORIGIN", `
BIND appends the current origin to a relative name after $ORIGIN or $INCLUDE. NSD and
Knot refuse it, and others take it as absolute. Write the name in full, with its
final dot.

    $ORIGIN sub.example.com.`},
	{CodePortableTTLUnits, Warning, "some servers misread TTLs with several units", `
NSD from 4.10 on refuses 1h30m, because it wants the smaller unit first, and PowerDNS
reads $TTL 1h30m as 60 seconds. Plain seconds are read alike everywhere.

    $TTL 5400`},
	{CodePortableNoTTL, Warning, "servers choose different TTLs where none is written", `
No $TTL stands before this record and it has no TTL. BIND takes SOA MINIMUM or the
last TTL that was written, NSD and Knot take 3600. Put $TTL at the top of the file.

    $TTL 3600`},
	{CodePortableClass, Warning, "Knot does not know CLASS1", `
The generic spelling of a class (RFC 3597) is read by BIND and NSD and refused by
Knot. Write IN, or leave the class out.

    www IN A 192.0.2.1`},
	{CodePortableParen, Warning, "servers disagree on parentheses in this place", `
BIND lets a parenthesis stand before the owner or the type, and lets them be nested;
NSD and Knot refuse one or the other. Open the parenthesis once, after the type.

    @ SOA ns hostmaster ( 1 7200 3600 1209600 300 )`},
	{CodePortableStrings, Warning, "Knot refuses strings without a blank between them", `
"a""b" is two strings to BIND and NSD, and an error to Knot. Put a blank between
them.

    @ TXT "a" "b"`},
	{CodePortableQuotedOwner, Warning, "only BIND and NSD read a quoted owner", `
An owner in quotes is refused by Knot and by NSD from 4.10 on. Write it without
quotes, and special characters with a backslash.

    a\032b TXT "a name with a blank in it"`},
	{CodePortableHex, Warning, "Knot wants an even number of hex digits in each word", `
Generic RDATA may be split over several words. BIND lets a split fall between the two
digits of an octet, Knot does not. Move the blank.

    www TYPE65280 \# 3 ab cdef`},
	{CodePortableDate, Warning, "only BIND accepts $DATE", `
BIND writes $DATE into its own dumps and skips it when it reads a file. All others
refuse the line. Delete it or make it a comment.

    ; $DATE 20261122000000`},
	{CodePortableDirective, Warning, "NSD reads control entries in upper case only", `
BIND and Knot take $ttl and $origin in any letter case. NSD from 4.10 on reads
control entries in upper case only and refuses others. Write them in upper case.

    $ORIGIN example.com.`},
	{CodePortableBelowDNAME, Warning, "NSD and Knot refuse data below a DNAME", `
Names below a DNAME are redirected and data there can never be seen (RFC 6672 section
2.4). BIND loads it all the same, the others refuse the zone. Delete the records or
the DNAME.

    old     DNAME new.example.net.
    www.old A     192.0.2.1      ; never seen`},
	{CodePortableType, Warning, "another server does not know this type", `
BIND knows the mnemonic and the named server does not: it may be obsolete (MD, MF, MB)
or too new for that server's release. Write it in generic form, which all servers
pass on unread.

    www TYPE65280 \# 2 abcd`},
	{CodePortableNewline, Warning, "servers disagree on line ends in this place", `
The last line has no line end, or a line end was escaped inside quotes. One server
reads it, another warns or refuses. End the file with a line feed and keep each
string on one line.

    @ TXT "first part" "second part"`},

	// ALIAS.
	{CodeAliasTarget, Error, "the target of an ALIAS cannot be used", `
An ALIAS takes one name after the type. Refused are the root, the owner itself, an
address, and further words that are no key=value parameter. A relative target is
completed with the origin, so a name elsewhere needs its final dot.

    @ ALIAS cdn.example.net.
    @ ALIAS 192.0.2.1            ; that is an A record`},
	{CodeAliasParameter, Error, "a parameter of an ALIAS is wrong", `
After the target key=value pairs may stand, each key once: types, siblings, ttl-min,
ttl-max, max-stale, on-empty and on-stale. The key is not one of them, or its value
is not one that it takes, or ttl-min is above ttl-max.

    @ ALIAS cdn.example.net. types=A ttl-min=60 siblings=fallback`},
	{CodeAliasTwice, Error, "an owner has two ALIAS records", `
A name takes its addresses from one target. A second ALIAS with another target, or
with other parameters, is an error at its own line; an identical one is a warning.
To combine targets, let one be the other's CNAME, or write addresses beside the ALIAS
with siblings=merge.

    @ ALIAS cdn.example.net.`},
	{CodeAliasCNAME, Error, "an ALIAS shares its owner with a CNAME", `
The ALIAS becomes address records, and a CNAME allows no other data at its owner.
Keep the one that is meant: CNAME where the whole name shall be another one, ALIAS
where only the addresses shall be.

    www CNAME cdn.example.net.`},
	{CodeAliasBelowDNAME, Error, "an ALIAS stands below a DNAME", `
Names below a DNAME are redirected (RFC 6672), so the addresses would never be seen,
and NSD and Knot would refuse the zone. Move the ALIAS to the place that the DNAME
leads to.

    old     DNAME new.example.com.
    www.new ALIAS cdn.example.net.`},
	{CodeAliasSibling, Error, "an ALIAS shares its owner with address records", `
Explicit A or AAAA records stand beside an ALIAS that asks for the same type. Whether
they shall add to the target's addresses or replace them cannot be guessed.
siblings=fallback serves them when the target cannot be resolved, override prefers
them, merge serves both.

    @ ALIAS cdn.example.net. siblings=fallback
    @ A     192.0.2.1`},
	{CodeAliasAtCut, Error, "an ALIAS stands at or below a delegation", `
NS records below the apex hand the name over to other servers. Addresses at or below
that name would be glue at best and are never an answer. Put the ALIAS into the
delegated zone.

    sub     NS    ns.example.net.
    www.sub ALIAS cdn.example.net.      ; refused`},
	{CodeAliasLoop, Error, "ALIAS records lead in a circle", `
Following the targets leads back to where it began, so there are no addresses at the
end. The message prints the whole circle. A wildcard that matches its own target is a
circle too. Point one of them at a name that has addresses.

    a ALIAS b
    b ALIAS a`},
	{CodeAliasChain, Error, "an ALIAS leads through more than 16 steps", `
Each CNAME, DNAME or ALIAS on the way to the addresses is a step, and each costs a
lookup and lowers the TTL. More than 16 are taken for a mistake. Point at the last
name of the chain.

    @ ALIAS cdn.example.net.`},
	{CodeAliasInDomain, Error, "a target within the zones of this run has no address", `
The target lies in a zone that is being compiled, so the zone's own data decides, and
there the name does not exist or has none of the types asked for. No resolver is
asked, since it could only know an older copy. Correct the name or add the record.

    @   ALIAS web
    web A     192.0.2.1`},
	{CodeAliasPayload, Error, "the generic form of an ALIAS cannot be read", `
TYPE65401 is the number that PowerDNS and Knot use for ALIAS. Its payload is one
uncompressed domain name in wire form and nothing else. This one is another thing,
which aliasflat refuses to pass on as if it were data.

    @ TYPE65401 \# 17 0363646e076578616d706c65036e657400`},
	{CodeAliasNSHost, Warning, "a name server's host is an ALIAS", `
The addresses of a name server also stand in the parent zone as glue, and these do
not follow when the target's addresses change. Give the host fixed addresses.

    @   NS ns1
    ns1 A  192.0.2.53`},
	{CodeHintMismatch, Warning, "ipv4hint or ipv6hint differ from the flattened addresses", `
An HTTPS or SVCB record may carry address hints, which clients may use before they
ask for A and AAAA (RFC 9460 section 7.3). Beside an ALIAS they grow old. Leave the
hints out.

    @ HTTPS 1 . alpn=h2,h3
    @ ALIAS cdn.example.net.`},
	{CodeHTTPSTarget, Warning, "an AliasMode HTTPS record has another target than the ALIAS", `
A client that knows HTTPS records goes to the target of the AliasMode record, all
others to the addresses of the ALIAS. They would reach different places. Use the same
target in both.

    @ HTTPS 0 cdn.example.net.
    @ ALIAS cdn.example.net.`},

	// Lookup.
	{CodeTargetServfail, Error, "the resolver answered SERVFAIL", `
The resolver could not get an answer: the target's servers are broken, or DNSSEC
validation failed. This says nothing about whether addresses exist, so nothing is
taken away for it. The message carries the resolver's own words where it gave some
(RFC 8914). Try the target by hand.

    aliasflat resolve --trace cdn.example.net`},
	{CodeTargetRefused, Error, "the resolver refused to answer", `
The rcode is REFUSED, an extended error says that the answer was blocked, censored or
filtered, or a resolver over HTTPS gave an error status. It does not serve this machine,
does not want to answer for this name, or is not at that URL. Use another one.

    aliasflat compile --resolver udp://192.0.2.53 example.com.zone`},
	{CodeTargetTimeout, Error, "no resolver answered in time", `
Each query has a deadline of 2 seconds, each target one of 10 seconds, and the whole
run the one that --timeout sets. The resolver is down, a firewall drops the packets,
or the address is wrong.

    aliasflat resolve --resolver tcp://192.0.2.53 cdn.example.net`},
	{CodeTargetUnreachable, Error, "no resolver could be reached", `
The system said that nobody listens at the resolver's address and port (connection
refused) or that no way leads there, the resolver hung up, or its name has no address. No
question was answered, so nothing is known of the target, and nothing is taken away for
it. Look whether the resolver runs, and at address, port and transport in its URL.

    aliasflat doctor --resolver udp://192.0.2.53`},
	{CodeTargetMalformed, Error, "the answer cannot be used", `
The answer is broken, belongs to another question, or has an rcode that makes no
sense for a query. This is a fault of the resolver, or somebody forges answers. It is
counted as a failure and never as an empty answer.

    aliasflat resolve --trace cdn.example.net`},
	{CodeTargetLame, Error, "the server does not serve this name and does not recurse", `
The answer is neither authoritative nor from a server that offers recursion, or it is
a referral to other servers. The address belongs to an authoritative server of some
other zone. Name a recursive resolver.

    resolvers: [udp://192.0.2.53]      # in aliasflat.yaml`},
	{CodeTargetLoop, Error, "the target's CNAME records lead in a circle", `
The chain outside of the zone comes back to a name that it has passed, or is longer
than 16 steps. Only the owner of those names can mend that. The message prints the
chain.

    aliasflat resolve --trace cdn.example.net`},
	{CodeTargetTruncated, Error, "the answer is cut short over TCP too", `
An answer that is too big for UDP is asked again over TCP, where 64 KiB fit. This one
is marked as cut short there as well, so addresses may be missing from it. Part of a
set is never published.

    aliasflat resolve --resolver tcp://192.0.2.53 big.example.net`},
	{CodeTargetNXDOMAIN, Error, "the target does not exist", `
The DNS says with authority that there is no such name. It is misspelled, lacks its
final dot, or was given up by the provider. A name that was given up can be taken by
somebody else, so do not leave the ALIAS in place.

    @ ALIAS cdn.example.net       ; cdn.example.net.example.com.
    @ ALIAS cdn.example.net.`},
	{CodeTargetNODATA, Error, "the target exists but has no address", `
The name is there and has neither A nor AAAA, or not the types that the ALIAS asks
for. An MX or TXT name may have been taken for a host.

    @ ALIAS v6only.example.net. types=AAAA`},
	{CodeTargetWeakNODATA, Warning, "an empty answer lacks its SOA record", `
An answer without data carries the zone's SOA, which proves that the server knows the
zone (RFC 2308 section 2.2). This one does not, so it may be a fault. Beside addresses
of the other type it is taken as "there is none". Say so in the source to silence
this.

    @ ALIAS v4only.example.net. types=A`},
	{CodeTargetRefusedAddress, Error, "the target has an address that must not be published", `
Loopback, link-local, multicast, unspecified, IPv4-mapped and similar addresses mean
something else on each machine. In a public zone they are a mistake, or an attack on
those who look it up. An IPv6 address that carries such an IPv4 address, as those of
6to4, Teredo and NAT64 do, is one too. Where it is meant, allow its network, best for
the targets alone that need it.

    allow-net: [127.0.0.0/8@lab.example.net.]      # in aliasflat.yaml`},
	{CodeTargetTooMany, Error, "the target has more addresses than allowed", `
At most 64 addresses of a type are published for an ALIAS, because a name server
refuses a whole zone with more than 100 in one RRset. The set is not cut, since nobody
could say which part is right.

    aliasflat compile --max-addresses 90 example.com.zone`},
	{CodeTargetPrivate, Warning, "the target has a private address", `
Addresses of RFC 1918, unique local addresses, those of carrier-grade NAT and others
that the IANA registries do not call globally reachable cannot be reached from outside.
They are published all the same, since the zone may be an internal one. To refuse them,
name the networks; to silence this, say for which targets they are meant.

    deny-net: [10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16]
    allow-net: [10.0.0.0/8@internal.example.com.]`},
	{CodeTargetStale, Warning, "the addresses of an ALIAS are older than their TTL", `
The resolver marked its answer as stale (RFC 8767), or the target could not be
resolved and the last good addresses are kept. What is published may be out of date.
It is repeated in each run until the target answers again.

    aliasflat resolve --trace cdn.example.net`},
	{CodeTargetMixedNXDOMAIN, Warning, "the target has addresses of one type and does not exist for the other", `
A name that has A records exists, so NXDOMAIN for AAAA is a fault of its server (RFC
4074 section 4.2). It is read as "there is no AAAA". Say so in the source to silence
this, and tell the provider.

    @ ALIAS v4only.example.net. types=A`},
	{CodeTargetDNS64, Warning, "the AAAA records of the target were made by a DNS64", `
The resolver makes AAAA records of A records (DNS64, RFC 6147), in 64:ff9b::/96 or in
the prefix that it gives for ipv4only.arpa (RFC 7050). They lead anywhere only from a
network with the NAT64 that goes with it, so they are not published. Beside A records
this is a warning, once in a run; where A was not asked for, or has no address, nothing
is known about AAAA and it is an error. Name a resolver without DNS64.

    aliasflat compile --resolver udp://192.0.2.53 example.com.zone`},
	{CodeResolverInvents, Warning, "a resolver has addresses for a name that does not exist", `
Before its first question each resolver is asked for a random name below invalid, which
has no names (RFC 6761 section 6.4). This one has addresses for it: it sends those who
mistype to a page of its own, or stands behind a login. It would publish that address for
every target that is gone, so it is not used. Without another resolver in the list
nothing can be resolved, and it is an error.

    resolvers: [udp://192.0.2.53, udp://198.51.100.53]      # in aliasflat.yaml`},
	{CodeResolverCertificate, Error, "the resolver does not prove to be the one named", `
With tls, https and quic the resolver has to show a certificate for the name in its URL,
from an authority that this system trusts. What it shows has expired, is for another
name, or comes from somebody else, so nothing was asked: the answers could be forged. An
address alone is right only if it is in the certificate; else the name goes behind it.

    aliasflat resolve --resolver tls://192.0.2.53#dns.example cdn.example.net`},
	{CodeTargetDisagree, Error, "resolvers do not say the same about the target", `
With agree: N addresses are published only where N resolvers have them. They differ
while a change gets around, where one is wrong or attacked, and where a provider gives
each resolver other addresses. For the last agree-mode: overlap is made: it wants sets
that share addresses and belong to one pool, and publishes that of the first resolver.

    agree: 2
    agree-mode: overlap`},
	{CodeTargetNotValidated, Error, "the answer is not validated by DNSSEC", `
With require-ad only answers are taken that the resolver has validated, which it says
with the AD bit. Without it the target's zone, or one on the way to it, is not signed,
or the resolver does not validate. That there is no address has to be validated too.

    aliasflat compile --require-ad --resolver udp://127.0.0.1 example.com.zone`},
	{CodeTargetNoServer, Error, "no authoritative server of the target has an answer", `
With fresh: authoritative the name servers of the target's zone are asked themselves.
All that were tried are named, each with what came of it. Servers with addresses that
may not be published are not asked, which deny-net and allow-net decide, and UDP and
TCP to port 53 have to be open. Else let resolvers answer.

    fresh: cached      # in aliasflat.yaml`},
	{CodeTargetSubnet, Warning, "the client subnet could not be used", `
The zone has an ecs setting, and the resolver refuses queries with a client subnet
(RFC 7871). It was asked again without, so that the addresses are those for the
resolver's own network. Use a resolver that passes the subnet on.

    ecs: 198.51.100.0/24`},
	{CodeTargetNotLocked, Error, "the lock file does not list the target", `
With --locked no resolver is asked, and everything comes from the lock file. The
target, or one of its address types, is not in it: the ALIAS was added, or its target,
types or client subnet were changed, after the lock file was written. Write it anew
where the network can be asked, and commit both files together.

    aliasflat compile --update-lock example.com.zone`},

	// Memory.
	{CodeLockSyntax, Error, "the lock file cannot be read", `
A line of the lock file is none that aliasflat writes, or does not fit to those above
it: the records below a target have to lead from its name to its addresses. A merge
that was not finished and an edit by hand are the usual causes. Mend the line, or
write the file anew.

    ; target: cdn.example.net. A AAAA
    cdn.example.net. 300 IN CNAME edge.example.net.
    edge.example.net. 60 IN A 192.0.2.1`},
	{CodeLockDiffers, Error, "the targets have other addresses than the lock file lists", `
What the resolvers say differs from the lock file, so that what was reviewed is not
what would be published. Each line with - is listed and not true any more; each with +
is true and not listed. Look at them, then write the lock file anew and commit it.

    aliasflat compile --update-lock example.com.zone`},
	{CodeStateLocked, Error, "another process has the state open", `
One process at a time may write to a state, and none may read it meanwhile. The pid of
who holds it is in the message. A daemon holds its state as long as it runs; another
run ends soon. Nothing has to be cleaned up after a process that was killed: the lock
ends with it.

    ps -fp 4711      # with the pid from the message`},
	{CodeStateCorrupt, Warning, "the state is damaged", `
The file of the state is not as it was written: it was cut short, overwritten, or the
disk gave other bytes than it was given. Nothing in it is used. It is put aside as
state.db.corrupt-N, of which three are kept, and an empty one takes its place; last
good addresses and serials are taken from the outputs. An export brings back the rest.

    aliasflat state import --state /var/lib/aliasflat < state.jsonl`},
	{CodeStateVersion, Error, "the state was written by a later release", `
The state says a version of its format that this release does not know. It is left as
it is, since what it remembers would be lost otherwise. Run the release that wrote it,
or let that one export the state and this one import it into another folder.

    aliasflat state export --state /var/lib/aliasflat > state.jsonl`},
	{CodeStateImport, Error, "a line of the import cannot be taken in", `
Each line of an import is one JSON object of the form that state export writes. Names
are absolute, address sets sorted, times between 1970 and tomorrow, and fields that
are not known are refused. Nothing is taken in while a single line is wrong.

    {"schema":"aliasflat/state/v1"}
    {"kind":"zone","zone":"example.com.","output":"out/db","serial":7}`},
	{CodeStateSerial, Error, "the import would set a serial back", `
The state remembers that a zone was published with a later serial than the import has
for it (RFC 1982). Secondaries that have that one would not transfer the zone any more.
If that is meant, because the servers were set back too, say so.

    aliasflat state import --lower-serials --state /var/lib/aliasflat < state.jsonl`},

	// Serial.
	{CodeTargetPastMaxStale, Error, "an ALIAS is held past max-stale", `
The target has not been resolved for longer than max-stale. What happens then is set by
on-stale: hold (the default) keeps the last good addresses published, says so in every
run and exits with 7; fail writes nothing; drop takes the addresses out. Mend the
target, or point the ALIAS at another name.

    @ ALIAS cdn.example.net. max-stale=1d on-stale=drop`},
	{CodeTargetGone, Warning, "a target is confirmed to have no addresses", `
A second resolver, or the same one after the negative TTL, said again that the target
does not exist or has no address. on-empty says what follows: hold keeps the last good
addresses until max-stale, keep for good, drop takes them out at once.

    @ ALIAS cdn.example.net. on-empty=keep`},
	{CodeTargetDropped, Warning, "last good addresses are taken out", `
The target is confirmed to have no such addresses any more, or could not be resolved
for longer than max-stale, and on-empty or on-stale says that they go then. If the
target comes back with other addresses, these are held back until they are accepted.

    @ ALIAS cdn.example.net. on-empty=keep    ; keeps them instead`},
	{CodeDropForbidden, Error, "addresses that should go are kept", `
The target has no addresses any more, but to take the last good ones out would do
harm: a name server of the zone would have no address, a wildcard would answer in
their place, or so many targets fail at once that the fault is probably on this side.
They are kept until the target or the source is mended.

    ns1 ALIAS host.example.net.      ; give ns1 fixed addresses`},
	{CodeStateUnusable, Error, "the state cannot be read or written", `
The folder of --state cannot be used, or was written by a later release. Where that is
found before anything was written, the old outputs stand; where a run could not be
remembered, its output stands and the message says so.

    aliasflat compile --state /var/lib/aliasflat -o example.com.db example.com.zone`},
	{CodeOutputEdited, Error, "the output is not the file that the last run wrote", `
Somebody has changed the output, or another file was put in its place, so that what is
remembered of it is not true any more. It is not overwritten, since the changes would be
lost. Look at them with diff --adopt and bring into the source what shall stay. Then say
--adopt once: the file is overwritten, and the serial goes on after the later of both.

    aliasflat compile --adopt --state mem -o example.com.db example.com.zone`},
	{CodeGuardChange, Error, "too many targets changed at once", `
More than 30 % of a zone's targets, of at least 10, have addresses at once that none of
them ever had. That looks like a resolver that lies rather than like their owners'
work. Only these RRsets are held at their last good addresses. They pass once they were
seen three times, a TTL and at least 30 s apart, when they are accepted, or with --force.

    aliasflat accept example.com`},
	{CodeGuardConvergence, Error, "unrelated targets came to share an address", `
Three or more targets of different owners, which had no address in common, now have the
same one. Captive portals, sinkholes and broken resolvers do that. These RRsets are
held at their last good addresses until the change is accepted.

    aliasflat accept cdn.example.net`},
	{CodeGuardReborn, Error, "a target that was gone came back with other addresses", `
The target was confirmed gone and is back with addresses that it never had. Somebody
else may have registered the name. The addresses are published once they are accepted,
or were seen three times.

    aliasflat accept cdn.example.net`},
	{CodeGuardApex, Error, "the apex would lose a type", `
The target of the apex is said to have no address of a type that it had. One answer is
not enough for that: the last good addresses stay until a second resolver says the
same, or the same one after the negative TTL.

    aliasflat compile --resolver udp://192.0.2.53 --resolver udp://198.51.100.53 ...`},
	{CodeGuardShrink, Error, "more than half of the records would go", `
Compared with what was published last, more than half of at least 10 records would be
gone. A source that was saved half-way looks like that. An address that takes the place
of another one is no loss. Nothing is written. If it is meant, --force writes it.

    aliasflat compile --force -o example.com.db example.com.zone`},
	{CodeSerialOrder, Error, "the serial would not be later than the published one", `
Secondaries transfer a zone only when its serial is later than theirs, by the
arithmetic of RFC 1982. A fixed number that is not later, or exactly 2^31 away, would
leave them with the old zone for good.

    aliasflat compile --serial increment -o example.com.db example.com.zone`},
	{CodeSerialFallback, Warning, "the serial could not follow its style and was raised by one", `
The style asked for, a date or the Unix time, gives a number that is before the
published serial. That happens after a change from date to Unix time, or when the
clock was wrong once. One more than the published serial is written instead, so that
secondaries go on.

    aliasflat compile --serial date -o example.com.db example.com.zone`},
	{CodeSerialUnknownPublished, Warning, "the last published serial is not known", `
Without -o there is no earlier output to compare with, so the serial of the source is
written as it stands. When the target's addresses change, the zone changes under the
same serial, and secondaries do not notice. Where the output is not at hand, as in CI,
--serial-from asks the server for the serial that it serves.

    aliasflat compile -o example.com.db example.com.zone
    aliasflat compile --serial-from dns://192.0.2.1 example.com.zone > flat.zone`},
	{CodeSerialGeneric, Error, "the serial of an SOA in generic form cannot be edited", `
The SOA is written as \# and hexadecimal digits (RFC 3597). aliasflat edits a serial
in place as decimal digits and does not rewrite such a record. Write it in the usual
form.

    @ SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 300`},
	{CodePublishedUnknown, Error, "what is published could not be found out", `
The server that --serial-from or --against names did not answer, does not serve the
zone, or sent no whole zone. A serial chosen without its word might not be later than
what its secondaries have, so nothing is written. Ask the server itself: the answer has
to have the flag aa, and a transfer has to be allowed from here.

    dig +norecurse SOA example.com. @192.0.2.1
    dig AXFR example.com. @192.0.2.1`},
	{CodePlanDiffers, Error, "what would be published is not what was planned", `
compile --plan publishes exactly what aliasflat diff has shown under that sum: the same
records on top of the same published zone. Since then the addresses of a target, a
source, or what is published changed, so nothing is written. Look at the difference
again, and take its sum. A serial that is the date or the time of the run may be another
one; it is no part of the sum.

    aliasflat diff -o example.com.db example.com.zone
    aliasflat compile --plan SUM -o example.com.db example.com.zone`},

	// Reload.
	{CodeReloadDynamic, Error, "the zone is dynamic, so its file belongs to the server", `
A BIND zone with allow-update or update-policy lives in named and its journal, and
named refuses to reload a file that somebody else has written. Nothing was written.
Make the zone static, let named sign it with inline-signing, where the file stays
ours, or send it updates in place of a file.

    zone "example.com" { type primary; file "example.com.db"; inline-signing yes; };`},
	{CodeReloadSerial, Error, "the server has a serial that is not earlier", `
Before a file is written the server is asked for its serial. What it serves came from
somewhere else and is not earlier than the serial that would be published, so that
BIND would refuse the file or secondaries would keep the old zone for good. Nothing was
written. Go on from what the server has; where it numbers the zone itself, as Knot does
with zonefile-load: difference-no-serial, use serial: keep.

    aliasflat compile --serial-from dns://192.0.2.1 -o example.com.db example.com.zone`},
	{CodeReloadUnconfirmed, Error, "nobody knows whether the server took the new file", `
The file is written and the server was told, but within the timeout it was not seen to
serve the new serial or a later one. It may be slow, stopped, unreachable, or read
another file, so the file is left in place: time alone is no reason to go back. The
reload, and the hooks behind it, can be run again.

    aliasflat compile --reload --zone example.com`},
	{CodeReloadFailed, Error, "the server says that it cannot load the new file", `
The server still has the old zone and is done with the new file, or answers SERVFAIL.
The file that stood there before was put back, with a new time, and loaded. The log of
the server tells what is wrong. Its own checker, run before the file goes out, finds
most of it.

    verify-with: [["named-checkzone", "{zone}", "{file}"]]`},
	{CodeReloadWithdrawn, Error, "the server served the new zone and then no more", `
The server answered with the new serial and lost the zone after that. Secondaries may
have the new serial, so the old file under its old serial would leave them alone with
what they have. The way is forward: the records of before are put in place again under a
later serial, and the server is asked for that. The next run tries the change again.
Where there is no earlier file the old source has to be compiled.

    git checkout HEAD~1 example.com.zone && aliasflat compile`},
	{CodePushFailed, Error, "the server does not take what it is sent", `
The zone goes to a server that is updated (publish: update://), and the server cannot be
reached, does not know the key, or does not allow it to transfer the zone or to change
it. The message says which. The file stands, the server keeps what it had, and it is
tried again. BIND takes this much in the zone, and Knot an acl with the same.

    allow-transfer { key xfr; }; allow-update { key xfr; };`},
	{CodePushUnconfirmed, Error, "nobody knows whether the server serves what it was sent", `
The server was sent an update and gave no answer, or it said that all was well and was
not seen to serve what was sent before the time was up. It may be slow, or change what
it is sent: max-zone-ttl of BIND lowers TTLs. Nothing is taken back. The next run
compares the whole zone and goes on from there.

    publish: {to: "update://192.0.2.1?key=xfr", timeout: 60s}`},
	{CodePushConflict, Error, "somebody else changes the same records at the server", `
Every change is sent on condition that the RRset still is what it was seen to be. It was
another one again and again, or somebody else's records stand at a name for which the
source has a CNAME, or a CNAME of somebody else's at a name of the source. Let one
program alone change what the source has.

    nsupdate -k other.key       ; delete www.example.com. TXT`},
	{CodePushOthers, Warning, "the server has records that were never published from here", `
A zone that is updated may have records of others, such as the TXT records of ACME
clients. Only what was published from here before is ever deleted at the server; the
rest is left alone, and told once. Which RRsets were given to the server is noted in a
file beside the output, with the suffix .pushed.

    _acme-challenge.example.com. TXT "..."`},
	{CodeHookFailed, Error, "a hook failed, and the zone is published", `
A hook did not end with 0, or not in time. The zone stays published. A hook is an
argument list without a shell; it runs in a process group of its own that ends with it,
and the first 64 KiB that it prints are shown. It can be run again although nothing
changed.

    aliasflat compile --reload --zone example.com`},

	{CodeServeFailed, Error, "what is published cannot be served to secondaries", `
The output is written, and the primary serves what it served before: a record has RDATA
that no message can carry, or the serial is not later than the one that is served. Put
the record right; a serial goes on with the next change.

    b.example.com. APL 1:nonsense      ; files may hold it, messages may not`},

	// Edit.
	{CodeEditText, Error, "a record or a name that was given is more than that", `
What a record edit is given becomes a part of one line of the source, so it has no line
ends, no other control characters, no parentheses and no comments, and an owner name
is one name. A semicolon or a parenthesis in a text stands in quotes; any octet can be
written as \\DDD.

    aliasflat record add example.com.zone www TXT '"v=1; a=2"'`},
	{CodeEditSOA, Error, "the SOA record is not edited", `
A record edit never touches the serial of the source, which the SOA holds together with
the name of the primary and the timers. The SOA is changed in the file itself.

    @ SOA ns1.example.com. hostmaster.example.com. 7 7200 900 1209600 300`},
	{CodeEditIncluded, Error, "a record that is to change stands in another file", `
The record comes from a file that $INCLUDE reads, which other zones may read too, or is
one of those that a $GENERATE makes. Only records that the zone file itself has can be
edited. Change it at the place that is shown.

    $INCLUDE common.inc        ; www is in there
    $GENERATE 1-9 host$ A 192.0.2.$`},
	{CodeEditMeaning, Error, "the edit would change what another record means", `
A record without owner name or TTL has those of the record before it. Where that one
goes, the line is given its own; but lines of an included file cannot be, and records
of one type that stand together have one TTL, whatever they say. Give the file a $TTL,
or the record that is shown an owner name and TTL of its own, and edit again.

    www 300 A 192.0.2.1
    $INCLUDE more.inc          ; begins with a line without owner name or TTL`},
	{CodeEditChanged, Error, "the source is not the one that the edit is meant for", `
The file has changed since its ETag was asked for, or while it was edited. Nothing is
written, so that nobody's work is lost. Look at the record again and repeat the edit.

    aliasflat record get --etag example.com.zone www A
    aliasflat record set --if-match ETAG example.com.zone www A 192.0.2.1`},
	{CodeEditCheck, Error, "an edited text does not read back as what was meant", `
Each edit is read again before it is written, and has to differ from the source in the
records that were asked for and in no other. This one did not, so nothing was written.
It is a mistake of the program: please report it with the source.

    aliasflat record set --dry-run example.com.zone www A 192.0.2.1`},

	// Pull.
	{CodePullUnreachable, Warning, "the primary of a pulled zone does not answer", `
A zone with source: axfr://... is asked for at its primary, over UDP and TCP, and no
answer came. The copy in the folder pulled of the state is used on, and the primary is
asked again after the RETRY of the SOA. It is an error where there is no copy.

    dig @192.0.2.1 example.com SOA +norecurse`},
	{CodePullRefused, Warning, "the primary of a pulled zone does not give it", `
The primary answers with an error, is no authority for the zone, or has no SOA of it.
Most often it does not let this machine transfer, or has the zone under another view. The
copy is used on; it is an error where there is none.

    allow-transfer { key xfr; };     // BIND
    allow-axfr-ips=192.0.2.54        # PowerDNS`},
	{CodePullSignature, Warning, "an answer of a primary has no right signature", `
With ?key= in the source every answer has to be signed with that key (RFC 8945), the
first and the last message of a transfer too. Of one that is not nothing is taken over.
Names, algorithms and secrets have to be the same on both sides, and the clocks close.

    keys:
      - {name: xfr, algorithm: hmac-sha256, secret-file: xfr.key}
    zones:
      - source: axfr://192.0.2.1/example.com?key=xfr`},
	{CodePullBroken, Warning, "what a primary has sent is no whole zone", `
A transfer begins and ends with the same SOA and has only records of its zone. This one
ended early, stood still, was too large or took too long (10,000,000 records, 512 MiB, 1
hour), or cannot be read. Nothing of it is taken over, and the copy is used on.

    dig @192.0.2.1 example.com AXFR`},
	{CodePullSerial, Warning, "the serial of a primary went back", `
The primary has an earlier serial (RFC 1982) than the copy that was transferred from it.
No secondary takes such a zone, and it may be one that was restored from a backup, so
that the copy is used on. Raise the serial at the primary, or remove the copy by hand.

    rm /var/lib/aliasflat/pulled/example.com@192.0.2.1.zone`},
	{CodePullExpired, Error, "a pulled zone was not checked for longer than its EXPIRE", `
The primary has not told for the EXPIRE of the SOA that its zone is as it is kept. Other
secondaries stop answering then; here what is published stands, is kept up to date as its
targets move, and is served on, for an old zone is better than none. Have the primary
answer. aliasflat compile does not use a copy that has expired.

    aliasflat status example.com`},
	{CodePullPending, Error, "nothing of a pulled zone was transferred yet", `
The source is a zone of another primary, and there is no copy of it in the folder pulled
of the state. Commands that ask no network read that copy alone.

    aliasflat compile axfr://192.0.2.1/example.com`},

	// Configuration.
	{CodeConfigSyntax, Error, "the configuration is no YAML", `
The file cannot be read as YAML, so none of its settings are known. Indentation by
tabs, a missing blank after a colon, and a value that starts with an asterisk or an at
sign without quotes are the usual causes.

    zones:
      - source: "*.zone"`},
	{CodeConfigUnknownKey, Error, "the configuration has an unknown key", `
A key that is not known would be a setting without effect, so it is an error. It is
misspelled, stands at the wrong level, or belongs to another release. The same holds
for a key that stands twice.

    timeuot: 30s      # timeout was meant`},
	{CodeConfigValue, Error, "a setting has a value that it does not take", `
The value has the wrong form: no duration, no network, a word that is not in the
list, or a list where one value belongs. Durations are written as 30s or 1m30s, or in
the units of TTLs such as 3d.

    max-stale: 3d
    siblings: fallback`},
	{CodeConfigZone, Error, "the zones of the configuration do not fit together", `
Each zone needs a source, and an output of its own. A name may stand twice if its
outputs differ and each has its own view. An output with {zone} in it serves many
sources at once.

    zones:
      - source: zones/*.zone
        output: out/{zone}.db`},
	{CodeConfigPrivacy, Warning, "a client subnet tells more than servers need", `
What stands at ecs is sent to the resolvers and through them to the servers of every
target. A prefix longer than /24, or /56 for IPv6, points at a household or a single
machine (RFC 7871 section 11.1). Servers hardly ever make use of so much.

    ecs: 198.51.100.0/24`},
	{CodeConfigServe, Error, "what is to be served does not fit together", `
Zones are served where listen.dns says, to the secondaries that are listed for all zones
or for one. Each secondary needs an address and a key of keys; key: none is for a
network in which an address is proof enough. The catalog is a zone of its own, and
tls belongs to listen.dns-tls and listen.https.

    listen: {dns: "192.0.2.1:53"}
    keys:
      - {name: xfr, algorithm: hmac-sha256, secret-file: xfr.key}
    secondaries:
      - {address: "192.0.2.54:53", key: xfr}`},
	{CodeConfigSecret, Error, "the secret of a TSIG key cannot be used", `
The file of a secret holds the secret alone, at least 16 octets in base64, and nobody
but its owner and group may read it. Nothing of what is in it is ever shown. The
command writes a new one.

    aliasflat tsig generate xfr
    chmod 600 xfr.key`},
}
