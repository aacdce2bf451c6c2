#!/usr/bin/env bash
# Everything that must be green: linters once, and the tests on the oldest and the newest ansible-core.
# usage: scripts/test.sh PYTHON   (further Pythons are looked for on the PATH and below ~/.pyenv)
# With MCAST_ALL=1 in the environment, every break is tried, and every scenario on both, which takes longer.
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

# A Python of the given version: "python 3.12" prints its path, or nothing.
python() {
    command -v "python$1" 2>/dev/null | grep -v /shims/ ||
        find "$HOME"/.pyenv/versions/"$1".*/bin/python3 2>/dev/null | tail -n 1
}

# ansible-test wants its own tree, and a PATH with real interpreters instead of shims.
sanity_and_units() { # VENV [own]: with "own", nothing is imported by other Pythons than that of the VENV
    local root tree bins version
    version=$("$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')
    root=$(mktemp -d -p "$scratch")
    tree=$root/ansible_collections/mcast/lab
    mkdir -p "$tree"
    git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$tree"
    bins=$(find "$HOME"/.pyenv/versions/*/bin -maxdepth 0 2>/dev/null | tr '\n' ':')
    git -C "$tree" init -q && git -C "$tree" add -A # ansible-test asks git which files there are
    say "$("$1/bin/ansible" --version | sed -n 1p): ansible-test" # not head, which would leave ansible talking to nobody
    for what in "sanity ${2:+--python $version}" "units --venv --python $version"; do
        # shellcheck disable=SC2086
        env -C "$tree" PATH="$PWD/$1/bin:$bins$PATH" ansible-test $what --color no || return
    done
}

labs() { # VENV PYTEST-ARGUMENTS...
    local venv=$1
    shift
    say "$venv: pytest"
    # By file: within one, tests may look at what the others of it left behind.
    "$venv/bin/python" -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder --durations 8 "$@"
}

# What runs on hosts, with the oldest Python that they may have, and without Ansible.
units_of_hosts() {
    local oldest units=tests/unit
    oldest=$(python 3.8 || true)
    [ -n "$oldest" ] || { echo "mcast.lab: there is no Python 3.8 here: not tested with it" >&2 && return; }
    say "Python 3.8: what runs on hosts"
    "$oldest" -m venv "$scratch/3.8" && "$scratch/3.8/bin/pip" install -qq --disable-pip-version-check \
        -r requirements/python-3.8.txt || return
    mkdir -p "$scratch/found/ansible_collections/mcast" && ln -s "$PWD" "$scratch/found/ansible_collections/mcast/lab"
    PYTHONPATH="$scratch/found" "$scratch/3.8/bin/python" -m pytest -q $units/{packet,kernel,traffic,querier,lab} \
        $units/test_{change,daemon,expect,expect_duration,firewall_rules,group,programs,socket_info,stream}.py
}

# A folder with the programs of a small Debian and of what setup.sh installs for scenarios, and no others: what a
# scenario uses beside them would be missing on a new machine.
small_path() { # FOLDER
    mkdir "$1"
    dpkg-query -W -f '${Package} ${Essential} ${Priority}\n' |
        awk '$2 == "yes" || $3 == "required" || /^python3(\.[0-9]+)?-minimal / { print $1 }' |
        xargs dpkg -L iproute2 nftables tcpdump openssh-server openssh-client | grep -E '^(/usr)?/s?bin/[^/]+$' |
        xargs ln -sf -t "$1" "$(command -v awk)"
}

scenarios() { # VENV MOLECULE-ARGUMENTS...
    local venv=$1
    shift
    say "$venv: molecule"
    PATH="$PWD/$venv/bin:$scratch/small" "$venv/bin/molecule" test "$@"
}

scratch=$(mktemp -d)
lanes=() failed=
trap 'rm -rf "$scratch"; for each in "${lanes[@]}"; do kill -- "-${each%%:*}" 2>/dev/null || true; done' EXIT

if [ "$("$1" -c 'import sys; print(sys.version_info >= (3, 12))')" = False ]; then
    other=newest
    interpreter=$(python 3.13 || true)
    [ -n "$interpreter" ] || interpreter=$(python 3.12 || true)
else
    other=2.19 interpreter=$1
fi
if [ -z "$interpreter" ]; then
    echo "mcast.lab: the newest ansible-core needs Python 3.12 or newer, and there is none here: not tested with it" >&2
    exit 1
fi
scripts/setup.sh .venv "$1" requirements/run.txt requirements/test.txt
scripts/setup.sh ".venv-$other" "$interpreter" "requirements/core-$other.txt" requirements/test.txt

# Three lanes side by side: ansible-test keeps one core busy, and scenarios wait for protocol timers; the linters come
# before them. Labs of molecule have the names of their scenarios, those of pytest names that no other run has.
ansible_tests() {
    # That each Python imports all, one core proves for both.
    sanity_and_units .venv && sanity_and_units ".venv-$other" own
}

tests() {
    # With the units that ansible-test skips, as its environment has none of hypothesis, jsonschema and paramiko.
    labs .venv tests/lab --ignore-glob="*/test_packet_*" \
        tests/unit/{test_properties,test_schema,fleet/test_fleet_login,kernel/test_kernel_fuzz}.py
}

molecules() {
    say "linters"
    scripts/lint.sh || return
    small_path "$scratch/small" || return
    # The runs of two hosts are those of the tests on this core.
    local some=(--scenario-name default)
    [ -z "${MCAST_ALL:-}" ] || some=(--all)
    scenarios ".venv-$other" --all && scenarios .venv "${some[@]}" || return
    # This lane has time left.
    units_of_hosts || return
    labs .venv tests/lab/test_packet_*.py || return
    # The labs that touch Ansible, on the other core too: connections, actions, logins. The rest knows nothing of it, and
    # its units and the scenarios run on that core as well.
    labs ".venv-$other" tests/lab/test_{act,fleet,host_facts,netns_connection}.py
}

TIMEFORMAT=$'\n== this lane took %0R s'
set -m
{ time ansible_tests; } >"$scratch/ansible-test.log" 2>&1 &
lanes+=("$!:ansible-test")
{ time molecules; } >"$scratch/molecule.log" 2>&1 &
lanes+=("$!:molecule")
{ time tests; } >"$scratch/pytest.log" 2>&1 &
lanes+=("$!:pytest")
set +m

status=0
for each in "${lanes[@]}"; do
    wait "${each%%:*}" || { status=$?; failed+=" ${each#*:}"; }
    say "${each#*:}"
    cat "$scratch/${each#*:}.log"
done
[ "$status" = 0 ] || echo "mcast.lab: failed:$failed" >&2
exit "$status"
