#!/usr/bin/env bash
# The linters of Python and its types, of YAML, Ansible and shell.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/ruff check .
# mypy knows packages by the folders that they are in.
mkdir -p .cache/mypy/ansible_collections/mcast
ln -sfn ../../../.. .cache/mypy/ansible_collections/mcast/lab
.venv/bin/mypy --no-error-summary
.venv/bin/yamllint --strict .
shellcheck scripts/*.sh .ci/run
PATH="$PWD/.venv/bin:$PATH" .venv/bin/ansible-lint --offline --profile production
