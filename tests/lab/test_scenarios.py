# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each scenario with its break (`mcast_break`): the verdict must fail by exactly the checks that the break concerns.
That each one passes as it is, molecule proves. All breaks are tried where MCAST_ALL is set, which takes minutes more;
else some stand for them."""
from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import scenarios
import yaml
from ansible_collections.mcast.lab.plugins.plugin_utils.run import expectations, steps

# One for each part that can break: receiver, switch, querier, router.
ALWAYS = ("source_filter", "snooping", "routed", "election")
BROKEN = [name for name in scenarios.NAMES if "mcast_break" in scenarios.variables(name)]


def verify(folder, bundle):
    """Run a scenario. Returns (the run, its results); nothing of its lab may be left."""
    ran = subprocess.run(
        [os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", str(folder), "mcast.lab.verify",
         "-e", f"mcast_bundle={bundle}"],
        capture_output=True, text=True, cwd=folder.parent, timeout=300, check=False,
        env=dict(os.environ, ANSIBLE_CONFIG=str(scenarios.ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))
    assert not [name for name in os.listdir("/run/netns") if name.split(".")[0] == folder.name], "left behind"
    return ran, json.loads((bundle / "results.json").read_text())


@pytest.mark.parametrize("scenario", BROKEN if os.environ.get("MCAST_ALL") else ALWAYS)
def test_exactly_the_checks_that_a_break_concerns_fail(tmp_path, scenario):
    # A copy of the inventory in a folder of another name is a lab of its own.
    folder = tmp_path / f"mct{os.getpid()}"
    broken = scenarios.broken(scenario, folder)
    ran, judged = verify(folder, tmp_path / "bundle")
    found = {each["id"] for each in judged["results"] if each["verdict"] not in ("pass", "warning")}
    assert found == set(broken["fails"]), ran.stdout + ran.stderr
    assert ran.returncode != 0 and judged["verdict"] == "fail"


def test_the_scenario_of_the_page_passes(tmp_path):
    folder = tmp_path / f"mct{os.getpid()}"
    folder.mkdir()
    page = (scenarios.ROOT / "docs/scenarios.md").read_text()
    (folder / "topology.yml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    ran, judged = verify(folder, tmp_path / "bundle")
    assert ran.returncode == 0 and len(judged["results"]) == 10, ran.stdout


@pytest.mark.parametrize("scenario", scenarios.NAMES)
def test_molecule_runs_each_scenario_with_its_own_hosts(scenario):
    """Further platforms would be hosts of the inventory too."""
    molecule = yaml.safe_load((scenarios.ROOT / "molecule" / scenario / "molecule.yml").read_text())
    topology = yaml.safe_load((scenarios.INVENTORIES / scenario / "topology.yml").read_text())
    assert [platform["name"] for platform in molecule["platforms"]] == list(topology["hosts"])


def test_no_check_of_a_scenario_is_lost():
    """What each scenario has judged since it was first written, by the name of then, and the name of today."""
    known = json.loads((scenarios.ROOT / "tests/fixtures/scenario_checks.json").read_text())
    environment = dict(os.environ, ANSIBLE_CONFIG=str(scenarios.ROOT / "ansible.cfg"))
    ran = subprocess.run([sys.executable, str(scenarios.ROOT / "tests/lab/scenario_plans.py")], capture_output=True,
                         text=True, check=True, env=environment)
    plans = json.loads(ran.stdout)
    assert sorted(known) == sorted(plans) == BROKEN
    for name, successors in known.items():
        planned = set(plans[name])
        assert set(successors.values()) <= planned, name
        assert len(set(successors.values())) == len(successors), name
        assert set(scenarios.variables(name)["mcast_break"]["fails"]) <= planned, name


def test_the_page_on_scenarios_has_every_word():
    page = (scenarios.ROOT / "docs/scenarios.md").read_text()
    assert not [word for word in (*expectations.WORDS, *steps.ACTS)
                if f"| `{word}`" not in page and f", `{word}` |" not in page]


def test_each_scenario_with_steps_has_a_break():
    assert [name for name in scenarios.NAMES if scenarios.variables(name).get("mcast_steps")] == BROKEN
