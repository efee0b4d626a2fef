# What somebody does with the package for Debian on a machine with BIND, in the machine of
# machine.sh.
trap 'status=$?; [ $status = 0 ] || journalctl --no-pager -o cat -u aliasflat -u aliasflat-compile | tail -n 40' EXIT
say() { echo "== $*"; }
want() { # want WHAT GOT EXPECTED
	[ "$2" = "$3" ] && return
	echo "$1: got \"$2\", want \"$3\""
	exit 1
}
until_is() { # until_is WHAT EXPECTED COMMAND...: tries for some seconds
	what=$1 expected=$2
	shift 2
	for _ in $(seq 300); do
		[ "$("$@")" != "$expected" ] || return 0
		sleep 0.1
	done
	want "$what" "$("$@")" "$expected"
}
show() { systemctl show -P "$1" "${2:-aliasflat}"; }
serves() { dig +short @127.0.0.1 "$1" "$2"; }
ip link set lo up

say install
dpkg -i aliasflat.deb
want user "$(getent passwd aliasflat | cut -d: -f1,6,7)" aliasflat:/var/lib/aliasflat:/usr/sbin/nologin
want "folder of the state" "$(stat -c '%U:%G %a' /var/lib/aliasflat)" "aliasflat:aliasflat 750"
want files "$(dpkg -V aliasflat)" ""
want conffiles "$(dpkg-query -W -f '${Conffiles}' aliasflat | awk '{print $1}' | xargs)" /etc/aliasflat/aliasflat.yaml
want version "$(aliasflat version | cut -d' ' -f1)" aliasflat
want "manual page" "$(man -w aliasflat-watch)" /usr/share/man/man1/aliasflat-watch.1.gz
want enabled "$(systemctl is-enabled aliasflat aliasflat-compile.timer | xargs)" "disabled disabled"
systemd-analyze verify /usr/lib/systemd/system/aliasflat*

say without zones nothing begins, which is no failure
for unit in aliasflat aliasflat-compile; do
	systemctl start $unit
	want state "$(show ActiveState $unit)" inactive
	want skipped "$(journalctl --no-pager -o cat -u $unit | grep -c "Skipped due to 'exec-condition'")" 1
done

say BIND as Debian has it
cat >>/etc/bind/named.conf.local <<'EOF'
zone "example.com" { type primary; file "/var/lib/bind/example.com.db"; ixfr-from-differences yes; };
EOF
systemctl start named
mkdir -p /etc/systemd/system/aliasflat.service.d /etc/systemd/system/aliasflat-compile.service.d
cp /usr/share/doc/aliasflat/examples/aliasflat.service.d/bind.conf /etc/systemd/system/aliasflat.service.d/
cp /usr/share/doc/aliasflat/examples/aliasflat.service.d/bind.conf /etc/systemd/system/aliasflat-compile.service.d/
sed 's,udp://127.0.0.1:5300,file:answers.zone,' /usr/share/doc/aliasflat/examples/watch/bind.yaml >/etc/aliasflat/aliasflat.yaml
echo 'cdn.example.net. 60 IN A 192.0.2.1' >/etc/aliasflat/answers.zone
cat >/etc/aliasflat/zones/example.com.zone <<'EOF'
$ORIGIN example.com.
$TTL 300
@ SOA ns hostmaster 7 7200 900 1209600 300
@ NS ns
ns A 192.0.2.53
@ ALIAS cdn.example.net.
EOF
systemctl daemon-reload

say the daemon publishes, and BIND loads
systemctl enable --now aliasflat
want state "$(show ActiveState) $(systemctl is-enabled aliasflat)" "active enabled"
until_is address 192.0.2.1 serves example.com A
want output "$(stat -c '%U %a' /var/lib/bind/example.com.db)" "aliasflat 644"
until_is status "1 zone: 1 published; 2 targets, 0 failing" show StatusText
aliasflat status
want socket "$(stat -c '%U %a %F' /run/aliasflat/control.sock)" "aliasflat 600 socket"
want errors "$(journalctl --no-pager -o cat -u aliasflat -p warning _COMM=aliasflat)" ""
want "lines of the log" "$(journalctl --no-pager -o cat -u aliasflat | grep -c '^msg=published zone=example.com newSerial=7$')" 1

say an edit of the source arrives
echo 'mail A 192.0.2.25' >>/etc/aliasflat/zones/example.com.zone
until_is address 192.0.2.25 serves mail.example.com A

say reload
echo 'cdn.example.net. 60 IN A 192.0.2.2' >/etc/aliasflat/answers.zone
systemctl reload aliasflat
aliasflat refresh cdn.example.net
until_is address 192.0.2.2 serves example.com A
serial=$(serves example.com SOA | cut -d' ' -f3)
cp /etc/aliasflat/aliasflat.yaml good.yaml
echo 'no-such-key: 1' >>/etc/aliasflat/aliasflat.yaml
systemctl reload aliasflat
until_is status "1 zone: 1 published; 2 targets, 0 failing; a newer configuration was not taken in" show StatusText
cp good.yaml /etc/aliasflat/aliasflat.yaml
systemctl reload aliasflat
until_is status "1 zone: 1 published; 2 targets, 0 failing" show StatusText

say one run does nothing while the daemon is there
systemctl start aliasflat-compile
want state "$(show ConditionResult aliasflat-compile)" no

say a daemon that crashes is started anew, and one that hangs
mkdir -p /run/systemd/system/aliasflat.service.d
printf '[Service]\nWatchdogSec=2s\nTimeoutAbortSec=1s\nRestartSec=0\n' >/run/systemd/system/aliasflat.service.d/fast.conf
systemctl daemon-reload
systemctl restart aliasflat
kill -ABRT "$(show MainPID)"
until_is restarts 1 show NRestarts
until_is state active show ActiveState
sleep 5
want "restarts of one that is well" "$(show NRestarts)" 1
kill -STOP "$(show MainPID)"
until_is restarts 2 show NRestarts
until_is state active show ActiveState
rm -r /run/systemd/system/aliasflat.service.d
systemctl daemon-reload

say an upgrade goes on with the new program, and keeps the configuration
pid=$(show MainPID)
dpkg -i aliasflat.deb
want state "$(show ActiveState)" active
[ "$(show MainPID)" != "$pid" ]
cmp good.yaml /etc/aliasflat/aliasflat.yaml
want serial "$(serves example.com SOA | cut -d' ' -f3)" "$serial"

say the daemon ends, and what it has published stays
systemctl disable --now aliasflat
want state "$(show ActiveState) $(show Result)" "inactive success"
want address "$(serves example.com A)" 192.0.2.2

say one run, and the timer
echo 'cdn.example.net. 60 IN A 192.0.2.3' >/etc/aliasflat/answers.zone
systemctl start aliasflat-compile
want state "$(show Result aliasflat-compile)" success
want address "$(serves example.com A)" 192.0.2.3
systemctl enable --now aliasflat-compile.timer
want timer "$(show ActiveState aliasflat-compile.timer)" active
systemctl disable --now aliasflat-compile.timer
until_is "the run of the timer" inactive show ActiveState aliasflat-compile

say the line for cron
echo 'cdn.example.net. 60 IN A 192.0.2.4' >/etc/aliasflat/answers.zone
line=$(grep -v '^#' /usr/share/doc/aliasflat/examples/aliasflat.cron)
want user "$(echo "$line" | awk '{print $6}')" aliasflat
want mail "$(setpriv --reuid aliasflat --regid aliasflat --groups "$(getent group bind | cut -d: -f3)" sh -c "$(echo "$line" | sed -E 's/^([^ ]+ +){6}//')" 2>&1)" ""
want address "$(serves example.com A)" 192.0.2.4

say remove and purge
systemctl start aliasflat
dpkg -r aliasflat
want daemon "$(pgrep -x aliasflat || true)" ""
[ -e /etc/aliasflat/aliasflat.yaml ] && [ -e /var/lib/aliasflat ]
dpkg -P aliasflat
[ ! -e /etc/aliasflat/aliasflat.yaml ] && [ ! -e /var/lib/aliasflat ]
want address "$(serves example.com A)" 192.0.2.4
say all is well
