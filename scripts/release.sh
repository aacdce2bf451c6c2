#!/usr/bin/env bash
# Build the archive for Galaxy, and prove it: install it into a clean environment, read the documentation of every plugin
# and role there, load every playbook, and have it checked by what Galaxy itself runs.
# usage: scripts/release.sh PYTHON
set -euo pipefail
cd "$(dirname "$0")/.."

# Without the link to this checkout that the other environments have.
venv=$PWD/.cache/release
if ! cmp -s requirements/release.txt "$venv/.installed"; then
    echo "mcast.lab: making $venv"
    "$1" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install -qq --disable-pip-version-check -r requirements/release.txt
    cp requirements/release.txt "$venv/.installed"
fi
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
export PATH="$venv/bin:$PATH" ANSIBLE_COLLECTIONS_PATH="$scratch" ANSIBLE_HOME="$scratch/home" ANSIBLE_NOCOLOR=1

echo "== build"
version=$(sed -n 's/^version: //p' galaxy.yml)
archive=$PWD/build/mcast-lab-$version.tar.gz
ansible-galaxy collection build --force --output-path build . >/dev/null
tar -tzf "$archive" | sed 's,/.*,,' | sort | uniq -c

echo "== install, and read the documentation"
cd "$scratch" # where no ansible.cfg of ours is found
ansible-galaxy collection install --offline --no-deps -p "$scratch" "$archive" >/dev/null
installed=$scratch/ansible_collections/mcast/lab
for kind in module filter inventory connection callback role; do
    mapfile -t names < <(ansible-doc -t "$kind" -l mcast.lab 2>/dev/null | sed -n 's/^\(mcast\.lab\.[a-z_]*\).*/\1/p')
    [ "${#names[@]}" -gt 0 ] || { echo "no $kind is found" >&2 && exit 1; }
    ansible-doc -t "$kind" --json "${names[@]}" >"$kind.json" 2>"$kind.err"
    [ ! -s "$kind.err" ] || { cat "$kind.err" >&2 && exit 1; }
    echo "$kind: ${#names[@]}"
done
for playbook in "$installed"/playbooks/*.yml; do
    ansible-playbook --syntax-check -i "$installed/inventories/two_hosts" "mcast.lab.$(basename "$playbook" .yml)" >/dev/null
done

echo "== as Galaxy checks it"
printf '[galaxy-importer]\nRUN_ANSIBLE_TEST = False\nCHECK_REQUIRED_TAGS = True\n' >importer.cfg
GALAXY_IMPORTER_CONFIG=$scratch/importer.cfg python -m galaxy_importer.main "$archive" >importer.log 2>&1 ||
    { cat importer.log >&2 && exit 1; }
grep -v "Failed to find mcast.lab" importer.log | grep -E "ERROR|WARNING" || true
echo "mcast.lab: $archive"
