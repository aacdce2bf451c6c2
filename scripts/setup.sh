#!/usr/bin/env bash
# Make a virtual environment of the project and install the system packages that are missing.
# usage: scripts/setup.sh VENV PYTHON REQUIREMENTS...   (with nothing to do it takes a few hundredths of a second)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
    echo "mcast.lab: $*" >&2
    exit 1
}

[ "$#" -ge 3 ] || fail "usage: scripts/setup.sh VENV PYTHON REQUIREMENTS..."
venv=$1 python=$2
shift 2
[ "$(id -u)" = 0 ] || fail "a lab is made of network namespaces, which takes root: run it again with sudo"

# command:package of Debian and Ubuntu. What only the tests need comes with test.txt.
needs="ip:iproute2 nft:nftables tcpdump:tcpdump"
case " $* " in
    *bench.txt*) needs="$needs tshark:tshark" ;;
    *test.txt*) needs="$needs tshark:tshark busybox:busybox shellcheck:shellcheck sudo:sudo" ;;
esac
# Debian starts an SSH server once it is installed: only for who wants a lab that is reached so, or tests it.
case " $* ${SCENARIO:-} " in
    *test.txt* | *" all "* | *_ssh\ * | *" fleet "*) needs="$needs sshd:openssh-server ssh:openssh-client" ;;
esac
missing=()
for need in $needs; do
    command -v "${need%%:*}" >/dev/null || missing+=("${need##*:}")
done
if [ ! -x "$venv/bin/pip" ]; then
    command -v "$python" >/dev/null || missing+=(python3)
    "$python" -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)
fi
if [ "${#missing[@]}" -gt 0 ]; then
    command -v apt-get >/dev/null || fail "missing: ${missing[*]} (Debian's names); install them and run it again"
    echo "mcast.lab: installing system packages: ${missing[*]}"
    export DEBIAN_FRONTEND=noninteractive
    install=(apt-get install -y -qq --no-install-recommends "${missing[@]}")
    "${install[@]}" >/dev/null 2>&1 || { apt-get update -qq && "${install[@]}" >/dev/null; } ||
        fail "apt-get could not install ${missing[*]}"
fi

# Routing daemons and a time service, for the tests and for scenarios: packages conflict, and would start services.
# Unpacked beside each other, FRR with those of its libraries that a small system lacks.
daemons=.cache/daemons
unpack() ( # FOLDER PACKAGE...
    folder=$daemons/$1
    [ ! -d "$folder" ] || exit 0
    shift
    echo "mcast.lab: unpacking $1 into $folder"
    rm -rf "$folder.new" && mkdir -p "$folder.new" && cd "$folder.new" || exit 1
    apt-get -o APT::Sandbox::User=root download -qq "$@" || exit 1
    for file in *.deb; do dpkg -x "$file" . && rm "$file" || exit 1; done
    mv "../$(basename "$PWD")" "../$(basename "$PWD" .new)"
)
unpack_all() {
    unpack frr frr libyang2 libjson-c5 libcap2 && unpack smcroute smcroute && unpack pimd pimd &&
        unpack linuxptp linuxptp
}
case " $* ${SCENARIO:-} " in
    *test.txt* | *" all "* | *" routed "* | *" many_groups "*)
        unpack_all 2>/dev/null || { apt-get update -qq && unpack_all; } ||
            echo "mcast.lab: could not unpack the daemons; what needs them will say so" >&2
        ;;
esac

files=()
for file in "$@"; do
    cmp -s "$file" "$venv/.installed/$(basename "$file")" || files+=(-r "$file")
done
[ "${#files[@]}" -gt 0 ] || exit 0

echo "mcast.lab: making $venv"
if [ ! -x "$venv/bin/pip" ]; then
    "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "needs Python 3.11 or newer, and $python is $("$python" -V)"
    "$python" -m venv --clear "$venv"
fi
"$venv/bin/python" -m pip install -qq --disable-pip-version-check "${files[@]}"
# The collection is found by its name inside the environment; a link in the tree itself would mislead linters.
home=$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/ansible_collections/mcast
mkdir -p "$home" "$venv/.installed"
ln -sfn ../../../../../.. "$home/lab"
[ "$(readlink -f "$home/lab")" = "$PWD" ] || fail "$venv is not directly below $PWD"
cp "$@" "$venv/.installed/"
