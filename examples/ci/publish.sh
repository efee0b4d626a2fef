#!/bin/sh
# Publishes the zones of aliasflat.yaml on the primary, for Jenkins, for cron, or by
# hand.
#
#   publish.sh plan        check, show what would change, and leave its sum in plan.sum
#   publish.sh apply SUM   publish exactly what was shown under this sum
#   publish.sh             check and publish without anybody's approval, for cron
#
# In a Jenkinsfile: a stage with "publish.sh plan", an input step that shows plan.txt,
# a stage with "publish.sh apply $(cat plan.sum)". The exit status is that of aliasflat.
# The configuration names what judges a file before it is published (verify-with) and
# what loads it afterwards (reload).
set -eu
config=${ALIASFLAT_CONFIG:-aliasflat.yaml}

case ${1:-} in
plan)
	rm -f plan.txt plan.sum
	aliasflat check --config "$config"
	aliasflat diff --config "$config" --report plan.txt
	sed -n 's/^plan //p' plan.txt >plan.sum
	;;
apply)
	exec aliasflat compile --config "$config" --plan "${2:?the sum of the plan}"
	;;
"")
	aliasflat check -q --config "$config"
	exec aliasflat compile -q --config "$config"
	;;
*)
	echo "usage: publish.sh [plan | apply SUM]" >&2
	exit 2
	;;
esac
