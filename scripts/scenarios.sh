#!/usr/bin/env bash
# Run every scenario, a verdict line each; what a failed one printed follows its line.
# usage: scripts/scenarios.sh
set -uo pipefail
cd "$(dirname "$0")/.." || exit

output=$(mktemp)
trap 'rm -f "$output"' EXIT
worst=0
for folder in inventories/*/group_vars; do # a fleet without streams has none
    name=$(basename "$(dirname "$folder")")
    scripts/scenario.sh "$name" >"$output" 2>&1
    status=$?
    printf '%-12s %s\n' "$name" "$(tail -n 1 "$output")"
    [ "$status" = 0 ] && continue
    cat "$output"
    worst=1
    [ "$status" = 130 ] && break
done
exit "$worst"
