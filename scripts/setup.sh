#!/usr/bin/env bash
# Make the project's virtual environment and install the system packages that are missing.
# usage: scripts/setup.sh VENV PYTHON REQUIREMENTS...   (a second run with nothing to do takes under 0.1 s)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() { echo "mcast.lab: $*" >&2; exit 1; }

[ "$#" -ge 3 ] || fail "usage: scripts/setup.sh VENV PYTHON REQUIREMENTS..."
venv=$1 python=$2
shift 2
[ "$(id -u)" = 0 ] || fail "labs are made of network namespaces, which needs root: run it again with sudo"

# command -> Debian or Ubuntu package. Tools that only the tests need come with test.txt.
needs="ip:iproute2"
case " $* " in *test.txt*) needs="$needs tcpdump:tcpdump tshark:tshark shellcheck:shellcheck" ;; esac
missing=()
for need in $needs; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ ! -x "$venv/bin/python" ]; then
    command -v "$python" >/dev/null || missing+=(python3)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
fi
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "missing: ${missing[*]} (Debian's names); install them and run it again"
    echo "mcast.lab: installing system packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null 2>&1 ||
        { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null; } ||
        fail "apt-get could not install ${missing[*]}"
fi

stamp=$(cat "$@" | cksum)
[ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && exit 0

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "needs Python 3.11 or newer; $python is $("$python" -V)"
echo "mcast.lab: making $venv"
"$python" -m venv --clear "$venv"
files=()
for file in "$@"; do files+=(-r "$file"); done
"$venv/bin/python" -m pip install -qq --disable-pip-version-check "${files[@]}"
# The collection is found by its name inside the environment; a link in the tree itself would confuse linters.
home=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/mcast
mkdir -p "$home"
ln -sfn ../../../../../.. "$home/lab"
[ "$(readlink -f "$home/lab")" = "$PWD" ] || fail "$venv is not directly below $PWD"
echo "$stamp" > "$venv/.stamp"
