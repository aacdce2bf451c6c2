# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the callback shows beside checks and verdicts, which the tests of whole runs look at."""
from __future__ import annotations

import re
import sys

import yaml

TASKS = [
    {"name": "Not asked for", "ansible.builtin.set_fact": {"quiet": "nobody reads it"}},
    {"name": "Shown", "ansible.builtin.debug": {"msg": "somebody reads it"}},
    {"name": "A warning", "ansible.builtin.debug": "{{ {'msg': 'args of a template'} }}"},
    {"name": "A warning of an item", "ansible.builtin.debug": "{{ {'msg': item} }}", "loop": ["of the item"]},
    {"name": "Changes", "ansible.builtin.copy": {"content": "new\n", "dest": "{{ playbook_dir }}/{{ item }}"},
     "loop": ["a", "b"]},
    {"name": "Fails", "ansible.builtin.fail": {"msg": "for a reason"}, "ignore_errors": True},
]


def test_what_is_shown_of_ordinary_tasks(ansible, tmp_path):
    (tmp_path / "play.yml").write_text(yaml.safe_dump([
        {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": TASKS,
         "vars": {"ansible_python_interpreter": sys.executable}}], sort_keys=False))
    ran = ansible("ansible-playbook", "-i", "localhost,", "play.yml", "--diff", cwd=tmp_path)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for text in ("somebody reads it", "args of a template", "of the item"):
        assert text in ran.stdout
    assert ran.stdout.count("diff    localhost: Changes\n---") == ran.stdout.count("\n+new\n") == 2
    assert "nobody reads it" not in ran.stdout
    assert ran.stdout.splitlines()[-1] == "error   localhost: Fails: for a reason"
    assert ran.stderr.count("[WARNING]: Using a template for task args is unsafe") == 2, ran.stderr


CHECKS = [{"check": "kernel.prerequisites", "options": ["IP_MULTICAST"]},
          {"check": "socket.listening", "port": 9, "process": "nobody"}]


def test_what_is_waited_for_is_named_and_can_be_kept_quiet(ansible, tmp_path):
    (tmp_path / "play.yml").write_text(yaml.safe_dump([
        {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": {
            "ansible_python_interpreter": sys.executable, "within": "25s"}, "tasks": [
                {"name": "Judge", "mcast.lab.check": {"within": "{{ within }}", "checks": CHECKS}}]}], sort_keys=False))
    ran = ansible("ansible-playbook", "-i", "localhost,", "play.yml", cwd=tmp_path)
    assert re.search(r"^waiting localhost: nobody listens on UDP port 9 \(\d+ s\)$", ran.stdout, re.M), ran.stdout
    ran = ansible("ansible-playbook", "-i", "localhost,", "play.yml", "-e", "within=0s", cwd=tmp_path, MCAST_QUIET="1")
    # There is no verdict, so the errors are shown.
    assert [line.partition(":")[0].strip() for line in ran.stdout.splitlines()] == [
        "FAIL    localhost", "expected", "actual"], ran.stdout
