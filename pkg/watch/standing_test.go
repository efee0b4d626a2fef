package watch

import (
	"net/netip"
	"reflect"
	"testing"

	"github.com/aliasflat/aliasflat/pkg/resolve"
	"github.com/aliasflat/aliasflat/pkg/zone"
)

// TestStanding has an answer come out as it went in, whatever field of it is set.
func TestStanding(t *testing.T) {
	name := zone.MustParseName("cdn.example.net.")
	q := resolve.Question{Target: name, Type: 1}
	addrs := []netip.Addr{netip.MustParseAddr("192.0.2.1")}
	values := map[reflect.Type]any{
		reflect.TypeFor[bool]():              true,
		reflect.TypeFor[uint32]():            uint32(7),
		reflect.TypeFor[string]():            "a text",
		reflect.TypeFor[zone.Name]():         zone.MustParseName("edge.example.net."),
		reflect.TypeFor[resolve.Outcome]():   resolve.Failure,
		reflect.TypeFor[resolve.Reason]():    resolve.ReasonBadResolver,
		reflect.TypeFor[[]netip.Addr]():      addrs,
		reflect.TypeFor[resolve.Pref64]():    resolve.NewPref64(netip.MustParsePrefix("2001:db8::/96")),
		reflect.TypeFor[[]resolve.Link]():    []resolve.Link{{Owner: name, Type: 5}},
		reflect.TypeFor[[]resolve.Attempt](): []resolve.Attempt{{Resolver: "udp://192.0.2.53"}},
	}
	for i := range reflect.TypeFor[resolve.Answer]().NumField() {
		field := reflect.TypeFor[resolve.Answer]().Field(i)
		a := resolve.Answer{Target: name, Type: 1, Last: name}
		if field.Name != "Target" && field.Name != "Type" {
			value, ok := values[field.Type]
			if !ok {
				t.Fatalf("%s: the test has no value of %s", field.Name, field.Type)
			}
			reflect.ValueOf(&a).Elem().Field(i).Set(reflect.ValueOf(value))
		}
		got := (&target{question: q, answer: stand(&a)}).last()
		if !reflect.DeepEqual(*got, a) {
			t.Errorf("%s: %+v, want %+v", field.Name, *got, a)
		}
	}
	if (&target{question: q}).last() != nil {
		t.Error("a target that was never asked has an answer")
	}
}
