#!/usr/bin/env bash
# Everything that must be green: linters once, then the tests on the oldest and the newest ansible-core.
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

sanity_and_units() { # VENV: ansible-test wants its own tree, and a PATH with real interpreters instead of shims
    local root tree bins
    root=$(mktemp -d -p "$scratch")
    tree=$root/ansible_collections/mcast/lab
    mkdir -p "$tree"
    git ls-files -co --exclude-standard -z | xargs -0 cp --parents -t "$tree"
    bins=$(find "$HOME"/.pyenv/versions/*/bin -maxdepth 0 2>/dev/null | tr '\n' ':')
    git -C "$tree" init -q && git -C "$tree" add -A # ansible-test asks git which files there are
    say "$("$1/bin/ansible" --version | sed -n 1p): ansible-test" # not head, which would leave ansible talking to nobody
    for what in sanity "units --venv --python $("$1/bin/python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"; do
        # shellcheck disable=SC2086
        env -C "$tree" PATH="$PWD/$1/bin:$bins$PATH" ansible-test $what --color no || return
    done
}

labs() { # VENV PYTEST-ARGUMENTS...
    local venv=$1
    shift
    say "$venv: pytest"
    # By file: within one, tests may look at what the others of it left behind.
    "$venv/bin/python" -m pytest -q -n 4 --dist loadfile --no-loadscope-reorder --durations 8 "$@"
}

scenarios() { # VENV MOLECULE-ARGUMENTS...
    local venv=$1
    shift
    say "$venv: molecule"
    PATH="$PWD/$venv/bin:$PATH" "$venv/bin/molecule" test "$@"
}

scratch=$(mktemp -d)
ansible_test=
trap 'rm -rf "$scratch"; [ -z "$ansible_test" ] || kill -- "-$ansible_test" 2>/dev/null || true' EXIT

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

say "linters"
.venv/bin/ruff check .
.venv/bin/yamllint --strict .
PATH="$PWD/.venv/bin:$PATH" .venv/bin/ansible-lint --offline --profile production

# ansible-test keeps one core busy, and waits a lot; meanwhile the others go on.
set -m
{ sanity_and_units .venv && sanity_and_units ".venv-$other"; } >"$scratch/ansible-test.log" 2>&1 &
ansible_test=$!
set +m

# With the units that ansible-test passes over, as its environment has neither hypothesis nor paramiko.
labs .venv tests/lab tests/unit/{test_properties,test_fleet_login,kernel/test_kernel_fuzz}.py
# Once more what touches Ansible: connections, actions, logins. What knows nothing of it has been tested above, its units
# are on this Python too, and each scenario runs here.
labs ".venv-$other" tests/lab/test_{fleet,host_facts,netns_connection}.py
scenarios ".venv-$other" --all
some=(--scenario-name default --scenario-name two_hosts --scenario-name two_hosts_ssh)
[ -z "${MCAST_ALL:-}" ] || some=(--all)
scenarios .venv "${some[@]}"

status=0
wait "$ansible_test" || status=$?
ansible_test=
cat "$scratch/ansible-test.log"
exit "$status"
