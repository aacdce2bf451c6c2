#!/usr/bin/env bash
# Run one scenario: its lab, its streams, its verdict. Whatever happens, nothing of it is left.
# usage: scripts/scenario.sh NAME   (the folder inventories/NAME, or a folder elsewhere by its path)
#        scripts/scenario.sh --known NAME   (only whether there is such a scenario)
set -uo pipefail
cd "$(dirname "$0")/.." || exit

venv=${VENV:-.venv}
known=
[ "$1" = --known ] && known=yes && shift
inventory=$1
[ -d "$inventory" ] || inventory=inventories/$1
name=$(basename "$inventory")
[ -d "$inventory" ] || {
    echo "mcast.lab: there is no scenario $1; there are: $(ls inventories)" >&2
    exit 1
}
[ -z "$known" ] || exit 0
bundle=results/$name/$(date -u +%Y%m%dT%H%M%SZ)-$$

# The run has a session of its own, so that Ctrl-C reaches it by this script alone: while Ansible still loads, it would
# end in a traceback. The plan is its first file.
interrupted=
trap 'interrupted=yes
      if [ -e "$bundle/plan.json" ]; then kill -INT -- "-$run"; else kill -TERM -- "-$run"; fi 2>/dev/null' INT TERM HUP
# A shell without job control has its background jobs ignore Ctrl-C.
setsid env --default-signal=INT,QUIT "$venv/bin/ansible-playbook" -i "$inventory" mcast.lab.verify \
    -e "mcast_bundle=$bundle" &
run=$!
while :; do # wait returns early when a signal comes
    wait "$run"
    status=$?
    kill -0 "$run" 2>/dev/null || break
done
[ "$status" = 0 ] && exit

# A run that came to its verdict has cleared up, and says so by results.json.
trap '' INT TERM HUP
[ -e "$bundle/results.json" ] && [ -z "$interrupted" ] && exit "$status"
[ -n "$interrupted" ] || [ -e "$bundle/plan.json" ] || exit "$status" # refused before anything was made
[ -n "$interrupted" ] && status=130
echo "mcast.lab: the run ended before its verdict, clearing what it left" >&2
"$venv/bin/ansible" -i "$inventory" localhost -m mcast.lab.topology -a 'name={{ mcast_settled.name }} state=cleared' \
    >/dev/null || echo "mcast.lab: could not clear it; see mcast.lab.lab_list" >&2
if [ -e "$bundle/plan.json" ]; then
    "$venv/bin/ansible-playbook" -i localhost, mcast.lab.verdict -e "mcast_bundle=$bundle"
else
    echo "verdict: fail, ended before anything was planned"
fi
exit "$status"
