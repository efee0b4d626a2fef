#!/bin/sh
# Before the package is removed, but not before an upgrade. Debian calls it with "remove", RPM
# with how many versions stay.
set -e
case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac
command -v systemctl >/dev/null || exit 0
systemctl --quiet disable aliasflat.service aliasflat-compile.timer
[ ! -d /run/systemd/system ] || systemctl stop aliasflat.service aliasflat-compile.timer aliasflat-compile.service
