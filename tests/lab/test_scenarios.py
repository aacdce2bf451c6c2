# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Each scenario broken on purpose: the verdict must fail by exactly the checks that the break concerns. That each one
passes as it is, molecule proves. All breaks are tried where MCAST_ALL is set, which takes minutes more; else
some stand for them."""
from __future__ import annotations

import json
import os
import pathlib
import shutil
import subprocess
import sys

import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]

# scenario, name of the break, what is changed by it (variables, which go before those of the inventory), and the
# planned checks that are not passed then
BREAKS = [
    ("source_filter", "a list that isn't exchanged", {"exchanged": {
        "receiver-news": {"receiver": {"group": "239.0.15.1", "port": 5001, "interface": "eth0",
                                       "sources": ["10.15.0.2"]}},
        "receiver-news6": {"receiver": {"group": "ff15::15:1", "port": 5001, "interface": "eth0",
                                        "sources": ["fd00:15::2"]}}}},
     {"receiver/exchanged/packets.messages/block", "receiver/exchanged/packets.messages/block6",
      *("receiver/exchanged/delivery.received/" + stream for stream in (
          "news/239.0.15.1/eth0", "news6/ff15::15:1/eth0")),
      *("receiver/exchanged/membership.present/%s/eth0" % group for group in ("239.0.15.1", "ff15::15:1")),
      *("receiver/%s/packets.messages/%s" % (phase, group) for phase in ("exchanged", "left")
        for group in ("239.0.15.1", "ff15::15:1"))}),
    ("source_filter", "a host that speaks the newest versions", {"mcast_host_settings": {"state": "up"}}, {
        "older/excluding/packets.messages",
        *("older/%s/packets.messages/%s" % (phase, group) for phase in ("excluding", "left")
          for group in ("239.0.15.1", "ff15::15:1"))}),
    ("many_groups", "a group too few", {"five_hundred": ["239.1.%d.%d" % divmod(number, 250) for number in range(499)]},
     {"many/%s/packets.messages" % phase for phase in ("both", "alone", "left")}),
    ("many_groups", "two pairs in one group", {"two": {"group": "239.0.10.1", "port": 5002, "interface": "eth0"}}, {
        "receiver_two/both/membership.present/239.0.10.2/eth0",
        "receiver_two/both/delivery.received/two/239.0.10.2/eth0",
        "receiver_one/both/packets.delay", "receiver_one/alone/packets.delay",
        "receiver_one/alone/packets.messages/239.0.10.2"}),
    ("reserved", "a host that reports groups of 224.0.0.0/24", {"link_local_reports": 1},
     {"quiet/joined/packets.messages/224.0.0.251"}),
    ("igmp_versions", "IGMPv2 in place of IGMPv1", {"slow": {
        "interface": "eth1", "igmp_version": 2, "mld_version": 0, "query_interval": 0.5, "query_response_interval": 0.4,
        "last_member_query_interval": 0.1, "robustness": 3}}, {
            "host/asked/packets.messages", "host/asked/interface.settings/eth1",
            "host/joined/packets.messages/239.0.21.1", "host/joined/packets.messages/others",
            "querier/gone/packets.messages", "querier/gone/querier.expired/239.0.21.1/eth1"}),
    ("suppression", "newer versions, in which all answer", {"by_two": {
        "interface": "eth2", "igmp_version": 3, "mld_version": 2}},
     {"querier/asked/querier.answers/igmpv2", "querier/asked/querier.answers/mldv1"}),
    ("snooping", "a switch that doesn't snoop", {"mcast_bridges": {"lan": {"snooping": False}, "unqueried": {
        "snooping": True}}}, {
            "switch/snooped/mdb.querier/ipv4", "switch/snooped/mdb.querier/ipv6",
            "switch/snooped/mdb.router_port/uplink~eth0",
            "member/left/packets.delay/ipv4", "member/left/packets.delay/ipv6",
            *("switch/snooped/mdb.ports/" + group for group in ("239.0.16.1", "ff15::16:1")),
            *("switch/snooped/mdb.present/%s/member~eth0" % group for group in ("239.0.16.1", "ff15::16:1")),
            *("member/left/packets.messages/" + group for group in ("239.0.16.1", "ff15::16:1")),
            *("bystander/%s/packets.datagrams/%s/5001" % (phase, group) for phase in ("snooped", "left")
              for group in ("239.0.16.1", "ff15::16:1"))}),
    ("expiry", "a member that goes on answering", {"silence": "table inet silence"}, {
        "silent/silenced/packets.delay/ipv4", "silent/silenced/packets.delay/ipv6",
        *("switch/silenced/expiry.gone/%s/silent~eth0" % group for group in ("239.0.18.1", "ff15::18:1")),
        *("switch/killed/mdb.ports/" + group for group in ("239.0.18.1", "ff15::18:1"))}),
    ("election", "a robustness of 4, so that the other waits longer than it should",
     {"mcast_querier": {"query_interval": 1, "query_response_interval": 0.4, "robustness": 4}},
     {"host/ended/packets.delay/takeover/ipv4", "host/ended/packets.delay/takeover/ipv6"}),
    ("fallback", "a robustness of 4, by which hosts remember the older querier for longer",
     {"asking": {"query_interval": 0.5, "query_response_interval": 0.2, "robustness": 4}},
     {"member/back/packets.delay/igmpv2", "member/back/packets.delay/mldv1", "member/ended/packets.delay/igmpv1"}),
    ("routed", "a TTL that ends at the second router", {"lasting": {"count": 0, "interval": 0.05, "ttl": 2}}, {
        "neighbor/sender_first/packets.datagrams/239.1.1.1/4001",
        *("sink/receiver_first/packets.datagrams/%s/4001" % group for group in ("239.1.1.2", "232.1.1.1", "ff15::1")),
        "r2/receiver_first/mroute.growing/239.1.1.2",  # its route counts what it then drops
        "sink/left/packets.delay"}),
]


# One for each part that can break: receiver, switch, querier, router.
ALWAYS = {"a list that isn't exchanged", "a switch that doesn't snoop", "a TTL that ends at the second router",
          "a robustness of 4, so that the other waits longer than it should"}
TRIED = [row for row in BREAKS if os.environ.get("MCAST_ALL") or row[1] in ALWAYS]


@pytest.mark.parametrize(("scenario", "name", "variables", "expected"), TRIED, ids=lambda value: value if isinstance(
    value, str) else "")
def test_exactly_the_checks_that_a_break_concerns_fail(tmp_path, scenario, name, variables, expected):
    # A copy of the inventory in a folder of another name is a lab of its own.
    folder = tmp_path / ("mct%d" % os.getpid())
    shutil.copytree(ROOT / "inventories" / scenario, folder)
    (tmp_path / "break.json").write_text(json.dumps(variables))
    playbook = scenario if (ROOT / "playbooks" / (scenario + ".yml")).exists() else "verify"
    bundle = tmp_path / "bundle"
    ran = subprocess.run(
        [os.path.join(sys.prefix, "bin", "ansible-playbook"), "-i", str(folder), "mcast.lab." + playbook,
         "-e", "mcast_bundle=%s" % bundle, "-e", "@%s" % (tmp_path / "break.json")],
        capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False,
        env=dict(os.environ, ANSIBLE_CONFIG=str(ROOT / "ansible.cfg"), ANSIBLE_NOCOLOR="1"))
    judged = json.loads((bundle / "results.json").read_text())
    found = {each["id"] for each in judged["results"] if each["verdict"] not in ("pass", "warning")}
    assert found == expected, ran.stdout + ran.stderr
    assert ran.returncode != 0 and judged["verdict"] == "fail"
    assert not [name for name in os.listdir("/run/netns") if name.split(".")[0] == folder.name], "left behind"


# A fleet has no streams; it is asked by tests of its own.
@pytest.mark.parametrize("scenario", sorted({path.name for path in (ROOT / "inventories").iterdir()} - {"fleet"}))
def test_each_scenario_is_run_by_molecule_and_broken_here(scenario):
    file = ROOT / "molecule" / scenario / "molecule.yml"
    provisioner = yaml.safe_load(file.read_text())["provisioner"]
    assert any(argument.endswith("/inventories/" + scenario) for argument in provisioner["ansible_args"])
    playbook = scenario if (ROOT / "playbooks" / (scenario + ".yml")).exists() else "verify"
    assert provisioner["playbooks"]["converge"].endswith("/playbooks/%s.yml" % playbook)
    assert playbook == "verify" or scenario in {row[0] for row in BREAKS}
