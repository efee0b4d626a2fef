#!/bin/sh
# Behind the removal of the package. What is remembered goes when Debian purges it; RPM leaves it.
set -e
[ "$1" != purge ] || rm -rf /var/lib/aliasflat
[ ! -d /run/systemd/system ] || systemctl daemon-reload
