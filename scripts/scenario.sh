#!/usr/bin/env bash
# Run one scenario: its lab, its streams, its verdict. Whatever happens, nothing of it is left.
# usage: scripts/scenario.sh NAME   (the folder inventories/NAME, or a folder elsewhere by its path; its playbook is
# playbooks/NAME.yml or else verify.yml)
set -uo pipefail
cd "$(dirname "$0")/.." || exit

venv=${VENV:-.venv}
inventory=$1
[ -d "$inventory" ] || inventory=inventories/$1
name=$(basename "$inventory")
[ -d "$inventory" ] || {
    echo "mcast.lab: there is no scenario $1; there are: $(ls inventories)" >&2
    exit 1
}
play=mcast.lab.verify
[ -e "playbooks/$name.yml" ] && play=mcast.lab.$name
bundle=results/$name/$(date -u +%Y%m%dT%H%M%SZ)-$$

# Ctrl-C reaches the run too, as it is of the same process group; bash comes to its trap once the run has ended.
interrupted=
trap 'interrupted=yes' INT TERM HUP
"$venv/bin/ansible-playbook" -i "$inventory" "$play" -e "mcast_bundle=$bundle"
status=$?
[ -n "$interrupted" ] || exit "$status"

trap '' INT TERM HUP
echo "mcast.lab: interrupted, taking the lab down" >&2
"$venv/bin/ansible-playbook" -i "$inventory" mcast.lab.lab_down
if [ -e "$bundle/plan.json" ]; then
    "$venv/bin/ansible-playbook" -i localhost, mcast.lab.verdict -e "mcast_bundle=$bundle"
else
    echo "verdict: fail, interrupted before anything was planned"
fi
exit 130
