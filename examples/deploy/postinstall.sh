#!/bin/sh
# Behind the installation of the package. Debian calls it with "configure" and the version that
# was there before, RPM with how many versions are there.
set -e
case "$1" in
configure) before=${2:-} ;;
1) before= ;;
[2-9]*) before=some ;;
*) exit 0 ;;
esac
getent group aliasflat >/dev/null || groupadd --system aliasflat
getent passwd aliasflat >/dev/null || useradd --system --gid aliasflat --no-create-home \
	--home-dir /var/lib/aliasflat --shell /usr/sbin/nologin --comment aliasflat aliasflat
install -d -o aliasflat -g aliasflat -m 0750 /var/lib/aliasflat
[ -d /run/systemd/system ] || exit 0
systemctl daemon-reload
# Nothing begins by itself. A daemon that runs goes on with the new program.
[ -z "$before" ] || systemctl try-restart aliasflat.service
