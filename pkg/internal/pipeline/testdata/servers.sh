# The daemon of the package beside NSD and Knot as Debian has them, each with its drop-in and its
# example, in the machine of machine.sh.
trap 'status=$?; [ $status = 0 ] || journalctl --no-pager -o cat | tail -n 60' EXIT
say() { echo "== $*"; }
until_is() { # until_is WHAT EXPECTED COMMAND...: tries for some seconds
	what=$1 expected=$2
	shift 2
	for _ in $(seq 300); do
		[ "$("$@")" != "$expected" ] || return 0
		sleep 0.1
	done
	echo "$what: got \"$("$@")\", want \"$expected\""
	exit 1
}
show() { systemctl show -P "$1" "${2:-aliasflat}"; }
serves() { dig +short @127.0.0.1 "$1" "$2"; }
beside() { # beside SERVER: the daemon publishes to it
	# What the drop-in says that is to be done once.
	sed -n 's/^# \{5\}//p' "/usr/share/doc/aliasflat/examples/aliasflat.service.d/$1.conf" >once
	[ -s once ]
	sh -e once
	systemctl start "$1"
	mkdir -p /etc/systemd/system/aliasflat.service.d
	cp "/usr/share/doc/aliasflat/examples/aliasflat.service.d/$1.conf" /etc/systemd/system/aliasflat.service.d/
	sed 's,udp://127.0.0.1:5300,file:answers.zone,' "/usr/share/doc/aliasflat/examples/watch/$1.yaml" >/etc/aliasflat/aliasflat.yaml
	echo 'cdn.example.net. 60 IN A 192.0.2.1' >/etc/aliasflat/answers.zone
	systemctl daemon-reload
	systemctl start aliasflat
	until_is address 192.0.2.1 serves example.com A
	echo 'cdn.example.net. 60 IN A 192.0.2.2' >/etc/aliasflat/answers.zone
	systemctl reload aliasflat
	aliasflat refresh cdn.example.net
	until_is address 192.0.2.2 serves example.com A
	until_is status "1 zone: 1 published; 2 targets, 0 failing" show StatusText
	aliasflat status
	systemctl stop aliasflat "$1"
	rm /etc/systemd/system/aliasflat.service.d/*
	rm -r /var/lib/aliasflat
}
ip link set lo up
dpkg -i aliasflat.deb
cat >/etc/aliasflat/zones/example.com.zone <<'EOF'
$ORIGIN example.com.
$TTL 300
@ SOA ns hostmaster 7 7200 900 1209600 300
@ NS ns
ns A 192.0.2.53
@ ALIAS cdn.example.net.
EOF

say NSD
cat >/etc/nsd/nsd.conf.d/example.conf <<'EOF'
remote-control:
	control-enable: yes
zone:
	name: example.com
	zonefile: /var/lib/nsd/zones/example.com.db
	store-ixfr: yes
	create-ixfr: yes
EOF
beside nsd

say Knot
sed -i 's/^#    listen: .*/    listen: 127.0.0.1@53/' /etc/knot/knot.conf
cat >>/etc/knot/knot.conf <<'EOF'
zone:
  - domain: example.com
    file: /var/lib/knot-zones/example.com.db
    zonefile-sync: -1
    zonefile-load: difference
EOF
beside knot
say all is well
