# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The querier beside what it has to get along with: the kernel as host in every version and as snooping switch, FRR as
the other querier; its queries as tshark reads them."""
from __future__ import annotations

import ipaddress
import json
import os
import pathlib
import shutil
import subprocess

import pytest
from packet_oracle import judge, tshark
from packet_wire import Recorder
from traffic_lan import PORT, SOURCES
from waiting import until

DAEMONS = pathlib.Path(__file__).resolve().parents[2] / ".cache" / "daemons"
FRR = DAEMONS / "frr" / "usr" / "lib" / "frr"
needs_tshark = pytest.mark.skipif(not shutil.which("tshark"), reason="needs tshark")

GROUP = {4: "239.1.1.1", 6: "ff15::1"}
FAMILY = {4: "ipv4", 6: "ipv6"}
FAST = {"interface": "eth0", "query_interval": 1, "query_response_interval": 0.3, "last_member_query_interval": 0.2}
TCPDUMP = ("tcpdump", "-U", "--immediate-mode", "-p", "-i", "eth0", "-w")


def link_local(lan, namespace):
    """The link-local address of eth0 once its detection has ended."""
    def found():
        links = json.loads(lan.run(namespace, ["ip", "-j", "address", "show", "dev", "eth0", "-tentative"]).stdout)
        return [one["local"] for link in links for one in link.get("addr_info", ())
                if (one.get("scope"), one.get("family")) == ("link", "inet6")]
    return until(found)[0]


def versions(family, version):
    """The options of a querier of one family."""
    return {"igmp_version": version if family == 4 else 0, "mld_version": version if family == 6 else 0}


def member(report, family):
    """What the report says of the group, or None."""
    groups = report[FAMILY[family]]["groups"] if report[FAMILY[family]] else []
    return next((group for group in groups if group["group"] == GROUP[family]), None)


def events(report, family, *names):
    return [event for event in report[FAMILY[family]]["events"] if event["event"] in names]


VERSIONS = [(4, 1), (4, 2), (4, 3), (6, 1), (6, 2)]


@pytest.mark.parametrize(("family", "version"), VERSIONS)
def test_a_linux_host_joins_answers_and_leaves(lan, family, version):
    querier = lan.program(lan.client, "querier", **dict(FAST, **versions(family, version)))
    until(lambda: len(events(querier.report(), family, "query_sent")) >= 1)
    receiver = lan.program(lan.server, "receiver", interface="eth0", group=GROUP[family], port=PORT)
    first = until(lambda: member(querier.report(), family))
    assert (first["filter_mode"], first["version"]) == ("exclude", version)
    if (family, version) != (4, 1):  # IGMPv1 hosts have ten seconds to answer
        until(lambda: member(querier.report(), family)["expires"] > first["expires"] + 0.5)
    receiver.end()
    if (family, version) == (4, 1):
        assert member(querier.report(), family)
        return
    until(lambda: not member(querier.report(), family))
    asked = [event["time"] for event in events(querier.report(), family, "query_sent")
             if event["group"] == GROUP[family]]
    left = next(event["time"] for event in events(querier.report(), family, "group_left")
                if event["group"] == GROUP[family])
    # MLDv2 and IGMPv3 hosts repeat their leave, and each is asked about.
    assert len(asked) == 2 if version != {4: 3, 6: 2}[family] else 2 <= len(asked) <= 3
    assert 0.39 <= left - asked[0] < 2
    if family == 4:
        table = lan.run(lan.server, ["cat", "/proc/net/igmp"]).stdout
        assert f" V{version}" in next(line for line in table.splitlines() if line.split()[1] == "eth0")


@pytest.mark.parametrize("family", [4, 6])
def test_the_sources_that_a_linux_host_wants_are_kept_and_asked_for(lan, family):
    group, sources = {4: ("232.1.1.1", ["10.9.0.1", "10.9.0.2"]), 6: ("ff35::1", ["fd00:9::1", "fd00:9::2"])}[family]
    querier = lan.program(lan.client, "querier", **dict(FAST, **versions(family, {4: 3, 6: 2}[family])))

    def found():
        groups = querier.report()[FAMILY[family]]["groups"]
        return next((one for one in groups if one["group"] == group), None)

    receiver = lan.program(lan.server, "receiver", interface="eth0", group=group, port=PORT, source=sources)
    assert [one["source"] for one in until(found)["sources"]] == sources and found()["filter_mode"] == "include"
    receiver.end()
    until(lambda: not found())
    asked = [event for event in events(querier.report(), family, "query_sent") if event["query"] == "group_and_source"]
    assert len(asked) == 2 and {source for event in asked for source in event["sources"]} == set(sources)


QUERIES = [
    ({"family": 4, "version": 1}, {"igmp.version": "1", "igmp.max_resp": "", "igmp.maddr": "0.0.0.0"}),
    ({"family": 4, "version": 2, "max_response": 2.5}, {"igmp.version": "2", "igmp.max_resp": "25"}),
    ({"family": 4, "version": 2, "group": "239.1.1.1"}, {"igmp.maddr": "239.1.1.1", "ip.dst": "239.1.1.1"}),
    ({"family": 4, "version": 3, "max_response": 0.1, "robustness": 3, "query_interval": 1}, {
        "igmp.version": "3", "igmp.max_resp": "1", "igmp.qrv": "3", "igmp.qqic": "1", "igmp.s": "0"}),
    ({"family": 4, "version": 3, "group": "232.1.1.1", "source": ["10.0.0.7", "10.0.0.8"], "suppress": None}, {
        "igmp.saddr": "10.0.0.7,10.0.0.8", "igmp.s": "1", "igmp.maddr": "232.1.1.1", "igmp.qqic": "125"}),
    ({"family": 6, "version": 1, "max_response": 2.5}, {"icmpv6.mld.maximum_response_delay": "2500"}),
    ({"family": 6, "version": 1, "group": "ff15::1"}, {
        "icmpv6.mld.multicast_address": "ff15::1", "ipv6.dst": "ff15::1"}),
    ({"family": 6, "version": 2, "max_response": 0.5, "query_interval": 20}, {
        "icmpv6.mld.maximum_response_code": "500", "icmpv6.mld.flag.qrv": "2", "icmpv6.mld.qqi": "20"}),
    ({"family": 6, "version": 2, "group": "ff35::1", "source": ["fd00::7"], "suppress": None}, {
        "icmpv6.mld.source_address": "fd00::7", "icmpv6.mld.flag.s": "1", "ipv6.dst": "ff35::1"}),
]


@needs_tshark
def test_tshark_reads_each_query_as_it_is_meant(lan, tmp_path):
    address = link_local(lan, lan.client)
    with Recorder(lan.server, tmp_path / "wire.pcap", TCPDUMP) as recorder:
        for options, _fields in QUERIES:
            words = [f"--{key.replace('_', '-')}" + ("" if value is None else f"={value}")
                     for key, values in options.items() for value in (values if isinstance(values, list) else [values])]
            ran = lan.run(lan.client, [lan.pyz, "query", "--interface=eth0"] + words)
            assert (ran.returncode, ran.stderr) == (0, "")

        def rows():
            return [row for row in tshark(recorder.path).values()
                    if row["igmp.type"] == "0x11" or row["icmpv6.type"] == "130"]
        until(lambda: len(rows()) == len(QUERIES))
    for (options, fields), row in zip(QUERIES, rows()):
        common = {"ip.ttl": "1", "ip.opt.ra": "0", "ip.src": "10.9.0.1", "igmp.checksum.status": "1"}
        if options["family"] == 6:
            common = {"ipv6.hlim": "1", "ipv6.opt.router_alert": "0", "ipv6.src": address,
                      "icmpv6.checksum.status": "1"}
        wanted = dict(common, **fields)
        assert {key: row[key] for key in wanted} == wanted
        assert not row["_ws.malformed"]
    compared, complaints = judge(recorder.path)
    assert compared >= len(QUERIES) and not complaints


@pytest.mark.parametrize("family", [4, 6])
def test_two_queriers_the_lower_wins_the_other_takes_over_and_gives_way(lan, family):
    options = dict(FAST, **versions(family, {4: 3, 6: 2}[family]))
    first, second = lan.client, lan.server
    if family == 6:  # chance decides
        first, second = sorted((first, second), key=lambda host: ipaddress.ip_address(link_local(lan, host)))

    def told(program):
        return program.report()[FAMILY[family]]

    higher = lan.program(second, "querier", **options)
    lower = lan.program(first, "querier", **options)
    until(lambda: told(higher)["role"] == "non_querier")
    assert told(lower)["role"] == "querier" and told(higher)["other"]["address"] == told(lower)["address"]
    lower.end(9)
    until(lambda: told(higher)["role"] == "querier")
    heard = events(higher.report(), family, "query_heard")[-1]["time"]
    took = events(higher.report(), family, "querier")[-1]["time"]
    assert 2.14 <= took - heard < 30  # 2 × 1 s + 0.15 s, and what a busy machine adds; not 255 s, the default
    lan.program(first, "querier", **options)
    until(lambda: told(higher)["role"] == "non_querier")


FRR_CONF = """
interface eth0
 ip igmp
 ip igmp query-max-response-time 5
 ip igmp query-interval 2
"""


def frr(lan, namespace):
    """Start zebra and pimd in a namespace."""
    folder = lan.path / "frr"
    folder.mkdir()
    (folder / "pimd.conf").write_text(FRR_CONF)
    (folder / "zebra.conf").write_text("")
    libraries = ":".join(f"{path}:{path}/frr" for path in (DAEMONS / "frr/usr/lib").glob("*-linux-gnu*"))
    # FRR wants its user, here root, in a group of its own.
    (folder / "group").write_text(pathlib.Path("/etc/group").read_text() + "frrvty:x:64999:root\n")
    private = "for d in /run /var/tmp; do mount -t tmpfs tmpfs $d; done; mount --bind \"$0\" /etc/group; exec \"$@\""
    for name in ("zebra", "pimd"):
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-euc", private, folder / "group",
                FRR / name, "-u", "root", "-g", "root", "-f", folder / f"{name}.conf", "-P", "0",
                "-i", folder / f"{name}.pid", "-z", folder / "zserv", "--vty_socket", folder, "--log", "stdout"]
        with open(folder / f"{name}.log", "wb") as log:
            lan.popen(namespace, [str(word) for word in argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                      env=dict(os.environ, LD_LIBRARY_PATH=libraries))
        until((folder / "zserv").exists)


@pytest.mark.skipif(not FRR.exists(), reason=f"needs FRR in {DAEMONS}")
def test_frr_wins_the_election_by_its_lower_address_and_sets_the_interval(lan):
    querier = lan.program(lan.server, "querier", **dict(FAST, **versions(4, 3)))
    assert querier.report()["ipv4"]["role"] == "querier"
    frr(lan, lan.client)
    until(lambda: querier.report()["ipv4"]["role"] == "non_querier", 15)
    told = querier.report()["ipv4"]
    # Which of an interface's addresses it takes, FRR decides; all are lower.
    assert told["other"]["address"] in SOURCES[4] and told["other"]["version"] == 3
    assert told["other"]["interval"] == 2 and told["in_force"]["query_interval"] == 2.0
    assert told["in_force"]["other_querier_present_interval"] == 2 * 2 + 0.15


@pytest.mark.skipif(not FRR.exists(), reason=f"needs FRR in {DAEMONS}")
def test_frr_gives_way_to_our_lower_address(lan, tmp_path):
    frr(lan, lan.server)
    with Recorder(lan.client, tmp_path / "wire.pcap", TCPDUMP) as recorder:
        def queries(source):
            return [message for message in recorder.messages(kinds=["igmpv3_query"]) if message["source"] == source]

        until(lambda: queries("10.9.0.10"), 15)
        querier = lan.program(lan.client, "querier", **dict(FAST, **versions(4, 3)))
        until(lambda: len(queries("10.9.0.1")) >= 2)
        before = len(queries("10.9.0.10"))
        until(lambda: len(queries("10.9.0.1")) >= 8, 15)  # three of its intervals
        assert len(queries("10.9.0.10")) == before and querier.report()["ipv4"]["role"] == "querier"


@pytest.fixture
def switch(lan):
    """A snooping bridge that knows no querier, with `client` and `server` on it; returns its namespace."""
    name = f"mct-{os.getpid()}-switch"
    lan.ip(f"netns add {name}")
    try:
        lan.ip("link del eth0", namespace=lan.client)
        lan.ip("link add name br type bridge mcast_snooping 1", "link set dev br up", namespace=name)
        for number, host in enumerate((lan.client, lan.server)):
            lan.ip(f"link add eth0 netns {host} type veth peer name p{number} netns {name}")
            lan.ip(f"link set p{number} master br", f"link set p{number} up", namespace=name)
            lan.ip("link set eth0 up", f"address add 10.9.0.{1 + 9 * number}/24 dev eth0", namespace=host)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


@pytest.mark.parametrize(("family", "version"), VERSIONS[1:])
def test_a_snooping_bridge_believes_the_queries(lan, switch, family, version):
    querier = lan.program(lan.client, "querier", **dict(FAST, **versions(family, version)))
    lan.program(lan.server, "receiver", interface="eth0", group=GROUP[family], port=PORT)

    def database():
        return json.loads(lan.run(switch, ["bridge", "-j", "-d", "mdb", "show"]).stdout)[0]

    # The port of the querier is one to a router, the member's port alone has the group.
    until(lambda: [one for one in database()["router"].get("br", ()) if one["port"] == "p0"], 15)
    until(lambda: [one["port"] for one in database()["mdb"] if one["grp"] == GROUP[family]] == ["p1"], 15)
    assert until(lambda: member(querier.report(), family))


def test_an_interface_that_goes_down_ends_nothing(lan):
    querier = lan.program(lan.client, "querier", **dict(FAST, **versions(4, 3)))
    lan.ip("link set eth0 down", namespace=lan.client)
    until(lambda: querier.report()["send_error"])
    lan.ip("link set eth0 up", namespace=lan.client)
    until(lambda: not querier.report()["send_error"])
    assert querier.end()["ended"]["reason"] == "SIGTERM"


@pytest.mark.parametrize(("words", "says"), [
    (["--interface=eth1"], "eth1: has no IPv4 address to query from"),
    (["--interface=eth0", "--query-response-interval=0.05"], "query_response_interval: 0.05 s can't be said"),
    (["--interface=eth0", "--query-interval=1", "--query-response-interval=1"], "is not less than the query_interval"),
    (["--interface=eth0", "--igmp-version=0", "--mld-version=0"], "leave nothing to query for"),
    (["--interface=eth0", "--igmp-version=4"], "4 is not a valid whole number; expected 0 to 3"),
    (["--interface=eth9"], "eth9: is not an interface here"),
])
def test_what_cannot_be_is_one_line(lan, words, says):
    lan.ip("address flush dev eth1", namespace=lan.client)
    ran = lan.run(lan.client, [lan.pyz, "querier"] + words)
    assert ran.returncode == 1 and says in ran.stderr and len(ran.stderr.splitlines()) == 1


def test_the_module_starts_queries_and_stops(lan, module):
    options = dict(FAST, name="lan", robustness=3)

    def run(check=False, **more):
        return module("querier", dict(options, **more), check=check, namespace=lan.client)

    assert run(check=True)["changed"] and run(state="stopped")["changed"] is False
    started = run()
    assert started["changed"] and started["report"]["state"] == "querying"
    assert {started["report"][family]["role"] for family in ("ipv4", "ipv6")} == {"querier"}
    assert started["report"]["ipv4"]["settings"]["startup_query_count"] == 3
    assert run()["changed"] is False
    again = run(igmp_version=2)
    assert again["changed"] and again["report"]["ipv4"]["version"] == 2
    asked = module("querier", {"name": "lan", "state": "queried", "group": GROUP[6]}, namespace=lan.client)
    assert asked["changed"] and (asked["query"]["protocol"], asked["query"]["query"]) == ("mldv2", "group")
    asked = module("querier", {"name": "lan", "state": "queried"}, namespace=lan.client)
    assert (asked["query"]["protocol"], asked["query"]["interface"]) == ("igmpv2", "eth0")
    stopped = run(state="stopped")
    assert stopped["changed"] and stopped["report"]["exit"]["code"] == 0 and run(state="stopped")["changed"] is False


@pytest.mark.parametrize(("options", "says"), [
    ({"name": "lan", "interface": "eth0", "query_interval": 1, "query_response_interval": 2}, "is not less than"),
    ({"name": "lan"}, "interface"),
    ({"state": "queried"}, "interface: is missing"),
    ({"state": "queried", "interface": "eth0", "group": "10.0.0.1"}, "is not a multicast group"),
    ({"state": "queried", "interface": "eth0", "group": GROUP[4], "family": "ipv6"}, "is not a group of MLD"),
    ({"state": "queried", "interface": "eth0", "group": GROUP[4], "version": 1}, "can't be asked for in IGMPv1"),
    ({"state": "queried", "interface": "eth0", "group": GROUP[4], "version": 2, "sources": ["10.0.0.1"]},
     "IGMPv3 alone"),
    ({"state": "queried", "interface": "eth0", "group": GROUP[4], "sources": ["fd00::1"]}, "is not a source"),
    ({"state": "queried", "interface": "eth0", "sources": ["10.0.0.1"]}, "needs a group"),
    ({"state": "queried", "interface": "eth0", "max_response": 0.01}, "max_response: 0.01 s can't be said"),
    ({"state": "queried", "interface": "eth0", "version": 4}, "version"),
])
def test_the_module_refuses_what_cannot_be(lan, module, options, says):
    result = module("querier", options, namespace=lan.client)
    assert result["failed"] and says in result["msg"]


@pytest.fixture
def three(lab_name, module, tmp_path):
    """A lab of three hosts, each alone on a segment and a querier by another backend; `bridge` has the bridge br0."""
    fast = {"query_interval": 1, "query_response_interval": 0.3}
    querier = {"own": fast, "bridge": {**fast, "backend": "bridge", "interfaces": ["br0"]},
               "frr": {**fast, "backend": "frr", "igmp_version": 2}}
    segments = {name: {"ipv4": f"10.{number}.0.0/24"} for number, name in enumerate(querier, 1)}
    hosts = {name: {"interfaces": {"eth0": {"segment": name}}, "querier": given} for name, given in querier.items()}
    document = {"plugin": "mcast.lab.topology", "name": lab_name, "segments": segments, "hosts": hosts}
    (tmp_path / "topology.yml").write_text(json.dumps(document))
    module("topology", {"name": lab_name, "segments": segments, "hosts": hosts})
    for words in ("link add br0 type bridge", "address add 10.99.0.1/24 dev br0", "link set br0 up",
                  "link set eth0 master br0"):
        subprocess.run(["ip", "-n", f"{lab_name}.bridge"] + words.split(), check=True)
    return tmp_path


def run_role(ansible, folder, *tasks, inventory="topology.yml", **variables):
    """Run the role on all hosts, then tasks. Returns the CompletedProcess."""
    role = {"ansible.builtin.import_role": {"name": "mcast.lab.querier"}}
    (folder / "play.yml").write_text(json.dumps([{"hosts": "all", "gather_facts": False, "tasks": [role, *tasks]}]))
    extra = dict({"mcast_daemons": str(DAEMONS)}, **variables)
    return ansible("ansible-playbook", "-i", inventory, "play.yml", "-e", json.dumps(extra), cwd=folder)


@pytest.mark.skipif(not FRR.exists(), reason=f"needs FRR in {DAEMONS}")
def test_the_role_queries_by_our_own_by_bridges_and_by_frr(three, lab_name, ansible):
    interface = "{{ 'br0' if inventory_hostname == 'bridge' else 'eth0' }}"
    version = "{{ mcast_querier.igmp_version | default(3) }}"
    ran = run_role(
        ansible, three, {"mcast.lab.capture": {"name": "wire", "interface": interface}},
        {"mcast.lab.check": {"within": "20s", "checks": [
            {"check": "querier.present", "interface": interface, "family": "ipv4", "capture": "wire",
             "version": version, "interval": 1},
            # By what the backend itself says.
            {"check": "querier.present", "interface": interface, "family": "ipv4", "version": version},
            {"check": "packets.messages", "capture": "wire", "kinds": [f"igmpv{version}_query"], "ttl": 1}]}},
        {"mcast.lab.capture": {"name": "wire", "state": "absent"}})
    assert ran.returncode == 0, ran.stdout + ran.stderr
    ran = run_role(ansible, three, {"mcast.lab.check": {"within": "10s", "checks": [
        {"check": "mdb.no_querier", "bridge": "br0", "family": "ipv4"}]}, "when": "inventory_hostname == 'bridge'"},
        mcast_querier_state="stopped")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    for host in ("own", "bridge", "frr"):
        assert not subprocess.run(["ip", "netns", "pids", f"{lab_name}.{host}"], check=True,
                                  capture_output=True).stdout


REFUSED = {
    "robust": ({"backend": "bridge", "robustness": 3}, "robustness can't be set with the backend bridge"),
    "old": ({"backend": "bridge", "igmp_version": 1}, "the backend bridge has IGMPv2 and IGMPv3 alone"),
    "single": ({"backend": "bridge", "mld_version": 0}, "a bridge is a querier of both families"),
    "mld": ({"backend": "frr", "mld_version": 2}, "the backend frr speaks no MLD"),
    "unknown": ({"backend": "router"}, "value of backend must be one of"),
    "misspelt": ({"intervals": 1}, "mcast_querier.intervals"),
    "nowhere": ({"interfaces": []}, "interfaces is missing"),
}


def test_the_role_refuses_what_a_backend_cannot_do(ansible, tmp_path):
    """Before it reaches the host: there is none behind these names."""
    hosts = {name: {"mcast_querier": {"interfaces": ["eth0"], **given}} for name, (given, _says) in REFUSED.items()}
    (tmp_path / "hosts.yml").write_text(json.dumps({"all": {"hosts": hosts}}))
    ran = run_role(ansible, tmp_path, inventory="hosts.yml")
    assert ran.returncode != 0
    for name, (_given, says) in REFUSED.items():
        said = ran.stdout.partition(f"error   {name}: ")[2].partition("error   ")[0]
        assert says in said, (name, ran.stdout + ran.stderr)
