#!/bin/sh
# Makes sure that the programs the tests compare and work with are installed, and
# installs the Debian packages that bring them when one is missing. Quick and
# silent when all are there. The services in these packages are neither
# started nor enabled: the tests start their own.
#
# With the argument "cc" it looks for a C compiler, which the race detector
# needs, and for nothing else. With the argument "bench" it also looks for the
# programs that only the benchmarks run.
set -eu
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin"
export PATH

missing=
need() { # need PACKAGE PROGRAM...
	package=$1
	shift
	for program in "$@"; do
		if ! command -v "$program" >/dev/null 2>&1; then
			missing="$missing $package"
			return
		fi
	done
}

if [ "${1:-}" = cc ]; then
	need gcc cc
	[ -z "$missing" ] || missing="$missing libc6-dev"
else
	need bind9 named
	need bind9-utils named-checkzone named-compilezone rndc
	need bind9-dnsutils dig
	need nsd nsd nsd-checkzone nsd-control
	need knot knotd knotc
	need knot-dnsutils kdig
	need knot-dnssecutils kzonecheck
	need ldnsutils ldns-read-zone
	need unbound unbound
	need pdns-server pdns_server pdnsutil
	# Modules of the server, without programs of their own.
	ls /usr/lib/*/pdns/libbindbackend.so >/dev/null 2>&1 || missing="$missing pdns-backend-bind"
	[ -e /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql ] || missing="$missing pdns-backend-sqlite3"
	need sqlite3 sqlite3
	# They let calls to files fail, and file systems lose their power.
	need strace strace
	need e2fsprogs mkfs.ext4
	need xfsprogs mkfs.xfs
	# What the packages and the units are built for, and judged by.
	need systemd systemd-analyze
	need rpm rpm
	need rpm2cpio rpm2archive
	need iproute2 ip
	need man-db man
	need procps pgrep
	# What the examples for pipelines run.
	need curl curl
	need jq jq
	need git git
	need pre-commit pre-commit
	# What looks at the dashboard.
	need chromium chromium
fi
if [ "${1:-}" = bench ]; then
	need dnsperf dnsperf
fi
[ -n "$missing" ] || exit 0

line="apt-get update && apt-get install -y --no-install-recommends$missing"
if ! command -v apt-get >/dev/null 2>&1; then
	echo "The tests need programs that are not installed. On Debian they come with:$missing" >&2
	exit 1
fi
if [ "$(id -u)" -ne 0 ]; then
	if command -v sudo >/dev/null 2>&1 && sudo -n true 2>/dev/null; then
		exec sudo -n sh "$0" "$@"
	fi
	echo "The tests need programs that are not installed. Run this as root, then try again:" >&2
	echo "    $line" >&2
	exit 1
fi

echo "Installing for the tests:$missing"
log=$(mktemp)
policy=/usr/sbin/policy-rc.d
made_policy=
# The exit status is kept: a trap that ends with a failing test would change it.
clean() {
	status=$?
	rm -f "$log"
	[ -z "$made_policy" ] || rm -f "$policy"
	exit "$status"
}
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
if [ ! -e "$policy" ]; then
	made_policy=yes
	printf '#!/bin/sh\nexit 101\n' >"$policy"
	chmod 755 "$policy"
fi

# An update that fails is no reason to stop: the lists may be there already.
export DEBIAN_FRONTEND=noninteractive
apt-get -qq -o Acquire::Retries=3 update >"$log" 2>&1 || cat "$log" >&2
# shellcheck disable=SC2086 # $missing is a list of words.
if ! apt-get -qq -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=120 install \
	--no-install-recommends $missing >"$log" 2>&1 </dev/null; then
	cat "$log" >&2
	echo "The packages could not be installed. The line was:" >&2
	echo "    $line" >&2
	exit 1
fi
if [ -d /run/systemd/system ]; then
	for package in $missing; do
		case $package in
		bind9) systemctl --quiet disable named ;;
		nsd | knot | unbound) systemctl --quiet disable "$package" ;;
		pdns-server) systemctl --quiet disable pdns ;;
		esac
	done 2>/dev/null || true
fi
