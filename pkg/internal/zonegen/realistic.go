package zonegen

import (
	"io"
	"strconv"
)

// A generator writes blocks: the records of one owner name or of a few that
// belong together, in the layout somebody might have typed them.
type generator struct {
	*text
	plain   bool
	written int
	limit   int    // records that may still be written by the end of the block
	block   int    // number of the block; makes its owner names unique
	host    string // a host of the current origin, for CNAME and SRV
}

// blockMax is the most records that one block has.
const blockMax = 6

// The head has this many records.
const headRecords = 16

// originBlocks is how many blocks stand below one $ORIGIN.
const originBlocks = 2500

type blockKind struct {
	weight int
	write  func(*generator)
}

var blockKinds = []blockKind{
	{30, (*generator).hosts},
	{14, (*generator).web},
	{13, (*generator).canonical},
	{6, (*generator).mail},
	{6, (*generator).service},
	{10, (*generator).words},
	{3, (*generator).caa},
	{6, (*generator).delegation},
	{4, (*generator).pointer},
	{4, (*generator).tlsa},
	{4, (*generator).sshfp},
}

func realistic(w io.Writer, records, aliases int, plain bool) error {
	g := &generator{text: newText(w, seedRealistic), plain: plain}
	g.limit = max(records-aliases, headRecords)
	total := g.limit + aliases
	g.head(aliases > 0)
	done := min(aliases, 1)
	for g.written < g.limit || done < aliases {
		g.block++
		if g.block%originBlocks == 0 {
			g.put("\n; ---- site ", strconv.Itoa(g.block/originBlocks), " ----\n",
				"$ORIGIN site", strconv.Itoa(g.block/originBlocks), ".example.com.\n")
			g.host = "mail1.example.com."
		}
		// The ALIAS records stand evenly among the others.
		if done < aliases && (g.written >= g.limit || (g.written+done)*aliases >= done*total) {
			g.alias(done)
			done++
			continue
		}
		g.pick()(g)
	}
	return g.out.Flush()
}

// pick chooses what comes next; near the end, where a block might be too
// long, a single record.
func (g *generator) pick() func(*generator) {
	if g.limit-g.written < blockMax {
		return (*generator).pointer
	}
	n := g.rnd.IntN(100)
	for _, kind := range blockKinds {
		if n -= kind.weight; n < 0 {
			return kind.write
		}
	}
	return (*generator).hosts
}

// head writes the SOA, the apex and the hosts it names: 16 records, and the
// first ALIAS record if there is to be one.
func (g *generator) head(alias bool) {
	g.put(`; example.com, kept by hand
$ORIGIN example.com.
$TTL 3600
@	IN	SOA	ns1.example.com. hostmaster.example.com. (
			2026112201 ; serial
			7200       ; refresh
			900        ; retry
			1209600    ; expire
			300 )      ; negative answers
	IN	NS	ns1
	IN	NS	ns2.example.com.
	IN	MX	10 mail1
	IN	MX	20 mail2
	IN	TXT	"v=spf1 mx ip4:192.0.2.0/24 -all"
	IN	CAA	0 issue "ca.example.net; validationmethods=dns-01"
	IN	CAA	0 iodef "mailto:security@example.com"
	IN	HTTPS	1 . alpn="h2,h3"
`)
	if alias {
		record, target := g.aliased(0)
		g.put("\t60\t", record, "\t", target, " ; the apex\n")
	}
	g.put(`ns1	A	192.0.2.1
	AAAA	2001:db8::1
ns2	A	198.51.100.1
	AAAA	2001:db8::2
mail1	A	192.0.2.25
mail2	A	198.51.100.25
*.dev	300	A	203.0.113.7

`)
	g.written = headRecords
	g.host = "mail1"
}

// owner makes a name that no other block has.
func (g *generator) owner(prefix string) string {
	return prefix + strconv.Itoa(g.block)
}

// ttlClass is what may stand between owner and type. The order of class and TTL
// is the one that every reader takes.
func (g *generator) ttlClass() string {
	switch g.rnd.IntN(10) {
	case 0:
		return "300\t"
	case 1:
		return "600\tIN\t"
	case 2, 3:
		return "IN\t"
	}
	return ""
}

// comment ends a line, sometimes with a remark.
func (g *generator) comment() string {
	switch g.rnd.IntN(12) {
	case 0:
		return " ; rack " + g.number(40) + "\n"
	case 1:
		return "\t; see ticket " + g.number(9000) + " (moved)\n"
	}
	return "\n"
}

// addresses writes one A record for each address, the first with the owner.
func (g *generator) addresses(owner, recordType string, list []string) {
	// One TTL for the whole RRset (RFC 2181 §5.2).
	between := g.ttlClass()
	gap := "\t"
	if g.chance(60) {
		gap = "                "
	}
	for _, address := range list {
		g.put(owner, gap, between, recordType, "\t", address, g.comment())
		owner = ""
		g.written++
	}
}

func (g *generator) hosts() {
	if g.chance(8) {
		g.put("\n; ", g.word(), " machines\n")
	}
	owner := g.owner(g.word() + "-" + g.word())
	g.addresses(owner, "A", g.ipv4s(1+g.rnd.IntN(3)))
	if g.chance(40) {
		g.addresses("", "AAAA", g.ipv6s(1))
	}
	if g.chance(5) {
		g.put("\tTXT\t\"owner: ", g.word(), " team; room ", g.number(400), "\"\n")
		g.written++
	}
	g.host = owner
}

func (g *generator) web() {
	owner := g.owner("www")
	v4, v6 := g.ipv4s(1), g.ipv6s(1)
	g.addresses(owner, "A", v4)
	g.addresses("", "AAAA", v6)
	if g.chance(30) {
		g.put("\tHTTPS\t1 . alpn=\"h2,h3\" ipv4hint=", v4[0], " ipv6hint=", v6[0], "\n")
		g.written++
	}
	g.host = owner
}

func (g *generator) canonical() {
	owner := g.owner("c")
	for n := range 1 + g.rnd.IntN(2) {
		target := g.host
		if g.chance(40) {
			target = g.hex(12) + "." + g.word() + ".cdn.example.org."
		}
		g.put(owner, []string{"", "-b"}[n], "\t", g.ttlClass(), "CNAME\t", target, g.comment())
		g.written++
	}
}

func (g *generator) mail() {
	owner := g.owner("dept")
	g.put(owner, "\tMX\t10 mail1.example.com.\n\tMX\t20 mail2.example.com.\n",
		"\tTXT\t\"v=spf1 include:", g.word(), ".example.net -all\"\n")
	g.written += 3
	if g.chance(30) {
		g.put("_dmarc.", owner, "\tTXT\t( \"v=DMARC1; p=quarantine; \" ; the policy\n",
			"\t\t\"rua=mailto:dmarc@example.com\" )\n")
		g.written++
	}
}

func (g *generator) service() {
	for _, service := range []string{"_sip._tcp.", "_xmpp._tcp."} {
		g.put(service, g.owner("v"), "\t", g.ttlClass(), "SRV\t10 ", g.number(100), " 5060 ", g.host, "\n")
		g.written++
	}
}

func (g *generator) words() {
	owner := g.owner("k")
	switch g.rnd.IntN(4) {
	case 0:
		g.put("_acme-challenge.", owner, "\t60\tTXT\t\"", g.base64(43), "\"\n")
	case 1:
		g.put("s1._domainkey.", owner, "\tTXT\t(\n\t\"v=DKIM1; k=ed25519; \" ; key (", g.number(99), ")\n\n",
			"\t\"p=", g.base64(43), "=\"\n\t)\n")
	case 2:
		g.put(owner, "\tTXT\t\"say \\\"", g.word(), "\\\"\\; \\195\\169t\\195\\169\" plain\\ ", g.word(), "\n")
	case 3:
		g.put(owner, "\tTXT\t", g.word(), "=", g.base64(16), "\n")
	}
	g.written++
}

func (g *generator) caa() {
	owner := g.owner("shop")
	g.put(owner, "\tCAA\t0 issue \"ca.example.net\"\n\tCAA\t0 issuewild \";\"\n")
	g.written += 2
}

func (g *generator) delegation() {
	owner := g.owner("branch")
	if g.chance(25) {
		g.put(owner, "\tNS\tns1.", owner, "\n\tNS\tns2.example.org.\nns1.", owner, "\tA\t", g.ipv4s(1)[0], "\n")
		g.written += 3
	} else {
		g.put(owner, "\tNS\tns1.", g.word(), ".example.org.\n\tNS\tns2.", g.word(), ".example.net.\n")
		g.written += 2
	}
	if g.chance(30) {
		g.put(owner, "\tDS\t", g.number(65536), " 13 2 ( ", g.hex(32), "\n\t\t", g.hex(32), " )\n")
		g.written++
	}
}

func (g *generator) pointer() {
	g.put(g.owner("p"), ".ptr\tPTR\t", g.host, "\n")
	g.written++
}

func (g *generator) tlsa() {
	g.put("_443._tcp.", g.owner("tls"), "\tTLSA\t3 1 1 ", g.hex(64), "\n")
	g.written++
}

func (g *generator) sshfp() {
	owner := g.owner("gw")
	g.put(owner, "\tA\t", g.ipv4s(1)[0], "\n\tSSHFP\t4 2 (\n\t\t", g.hex(64), " )\n")
	g.written += 2
}

// alias writes ALIAS record number n, or the A record in its place, in one of
// the layouts in which records stand. It takes nothing from the source of
// randomness, so that both forms of the zone are alike in all else.
func (g *generator) alias(n int) {
	owner := g.owner("shop-")
	record, target := g.aliased(n)
	switch n % 6 {
	case 0:
		g.put(owner, "\t", record, "\t", target, "\n")
	case 1:
		g.put(owner, "\t300\tIN\t", record, "\t", target, "\t; edge\n")
	case 2:
		g.put(owner, " IN ", record, " ", target, "\n")
	case 3:
		g.put(owner, "\t", record, "\t( ; the target\n\t\t", target, " )\n")
	case 4:
		g.put(owner, ".example.com.\t", record, "\t", target, "\n")
	case 5:
		g.put("; shops (", strconv.Itoa(n), ")\n", owner, "\t60\t", record, "\t", target, "\n")
	}
}

// aliased gives type and RDATA of ALIAS record number n, or of the A record in
// its place.
func (g *generator) aliased(n int) (record, target string) {
	if g.plain {
		return "A", "192.0.2." + strconv.Itoa(1+n%254)
	}
	return "ALIAS", "t" + strconv.Itoa(n) + ".cdn.example.net."
}
