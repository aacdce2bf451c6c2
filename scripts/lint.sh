#!/usr/bin/env bash
# The linters of Python, YAML, Ansible and shell.
set -euo pipefail
cd "$(dirname "$0")/.."

.venv/bin/ruff check .
.venv/bin/yamllint --strict .
shellcheck scripts/*.sh .ci/run
PATH="$PWD/.venv/bin:$PATH" .venv/bin/ansible-lint --offline --profile production
