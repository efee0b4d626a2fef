package zonefile

import (
	"github.com/aliasflat/aliasflat/pkg/diag"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

func faultEditText(what string) *diag.Diagnostic {
	return problem(diag.CodeEditText, "what goes into one line of a zone file has "+what, `write an octet that has a meaning there as \DDD, or the text in quotes`)
}

func faultEditOutside(owner, apex zone.Name) *diag.Diagnostic {
	return problem(diag.CodeOutOfZone, "owner name "+owner.String()+" is not in zone "+apex.String(), "end an owner name with a dot if it is absolute, else leave the zone name out")
}

func faultEditSOA() *diag.Diagnostic {
	return problem(diag.CodeEditSOA, "the SOA record is no record to edit: its serial is that of the source", "change it in the file itself")
}

func faultEditIncluded(s *rrsetName, what string, generated bool) *diag.Diagnostic {
	by := "a file that $INCLUDE reads"
	if generated {
		by = "what $GENERATE makes"
	}
	return problem(diag.CodeEditIncluded, TypeName(s.typ)+" record of "+s.owner.String()+" stands in "+by+", so it "+what, "change it there")
}

func faultEditMeaning(what string) *diag.Diagnostic {
	return problem(diag.CodeEditMeaning, what+" would have another owner name or TTL after the edit, and cannot be made to say its own", "let it have an owner name and a TTL of its own, or give the file a $TTL")
}

func faultEditOrigin(s *rrsetName, origin []byte) *diag.Diagnostic {
	return problem(diag.CodeEditMeaning, "RDATA of "+TypeName(s.typ)+" could not be verified, so it cannot be written below $ORIGIN "+nameText(origin), "add it to the file itself")
}

func faultEditJudge(what string) *diag.Diagnostic {
	return problem(diag.CodeEditCheck, "the edited text does not read back as what was meant: "+what, "nothing was changed; add it to the file itself, and please report this")
}
