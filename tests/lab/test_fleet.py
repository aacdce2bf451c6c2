# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A fleet of real sshds, most of which fail, each in its own way: the others are complete, and it ends in time."""
from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess

import fleet_hosts
import pytest
from ansible_collections.mcast.lab.plugins.module_utils.kernel import sources
from waiting import until

pytest.importorskip("paramiko")
pytestmark = pytest.mark.skipif(not os.path.exists(fleet_hosts.SSHD), reason="openssh-server is not here")

# Seconds: long enough for a busy machine to log in to all hosts, and what is left after it.
TIMEOUT, AFTER = 20, 30
PASS = "correct horse"


@pytest.fixture(scope="module")
def fleet(tmp_path_factory):
    made = fleet_hosts.Fleet(tmp_path_factory.mktemp("secret"), f"mct-{os.getpid()}-f")
    try:
        made.make()
        yield made
    finally:
        made.remove()


@pytest.fixture
def run(fleet, tmp_path):
    """run(HOSTS, OPTIONS, WORD, ...): returns what fleet_info returned, and what was printed. HOSTS: {name: variables};
    further tasks in `more`; the play's own keywords in `play`."""
    def run(hosts, options=None, *words, more=(), play=(), **environment):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        tasks = [{"mcast.lab.fleet_info": dict({"timeout": TIMEOUT}, **(options or {})), "run_once": True,
                  "register": "fleet"},
                 {"ansible.builtin.copy": {"content": "{{ fleet | to_json }}", "dest": str(out / "fleet.json")},
                  "delegate_to": "localhost", "connection": "local", "become": False, "run_once": True,
                  "no_log": True, "vars": {"ansible_connection": "local"}},
                 *more]
        ran = subprocess.run(fleet.command(tmp_path, hosts, tasks, *words, **dict(play)), capture_output=True,
                             text=True, check=False, env=fleet.environment(**environment), cwd=tmp_path, timeout=300)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return json.loads((out / "fleet.json").read_text()), ran.stdout + ran.stderr
    return run


FAULTS = {
    "refused": ("refused", "nobody listens on port"),
    "dropped": ("unreachable", "packets are dropped"),
    "wrong_key": ("authentication", "user root: 1 keys were not accepted"),
    "changed_key": ("host_key_changed", "another ssh-ed25519 key"),
    "unknown_key": ("host_key_unknown", "not in known_hosts"),
    "hang_connected": ("timeout", "no answer of an SSH server"),
    "hang_command": ("timeout", "does not answer the command"),
    "no_shell": ("shell", "exit status 1"),
    "cut_off": ("cut_off", "is cut off"),
    "killed": ("cut_off", ""),
    "killed_at_once": ("cut_off", "the connection ended"),
    "strange": ("facts", "/proc/net/igmp: has a line of an unknown form: 'what is this'"),
}


def test_each_fault_has_its_own_reason_and_the_others_are_complete(run, fleet):
    hosts = {name: fleet.variables(name) for name in fleet_hosts.PORTS}
    hosts["no_address"] = fleet.variables("good", ansible_host="no-such-host.invalid")
    hosts["undefined"] = fleet.variables("good", ansible_user="{{ nowhere }}")
    # Of these two, Ansible's own ssh says what is wrong.
    hosts["by_ssh"] = fleet.variables("refused", ansible_ssh_extra_args="-o Tunnel=no")
    hosts["by_ssh_changed"] = fleet.variables("changed_key", ansible_ssh_extra_args="-o Tunnel=no")
    faults = dict(FAULTS, no_address=("unresolved", ""), undefined=("options", "nowhere"), by_ssh=("refused", ""),
                  by_ssh_changed=("host_key_changed", ""))
    found, printed = run(hosts, {"gather_subset": ["memberships"], "timeout": 12})
    assert found["elapsed"] < 12 + AFTER
    told = {name: (failure["reason"], failure["detail"]) for name, failure in found["failures"].items()}
    assert {name: told[name][0] for name in told} == {name: reason for name, (reason, unused) in faults.items()}, told
    for name, (_reason, detail) in faults.items():
        assert detail in told[name][1], told[name]
    assert set(found["hosts"]) == {"good", "second", "noisy"}
    for facts in found["hosts"].values():
        assert ("eth0", "239.77.0.1") in {(row["interface"], row["group"]) for row in facts["memberships"]}
    assert {row["host"] for row in found["groups"]["239.77.0.1"]} == set(found["hosts"])
    assert str(fleet.folder) not in printed


@pytest.mark.parametrize("forks", [1, 3])
def test_hosts_that_keep_silent_do_not_keep_the_others_waiting(run, fleet, forks):
    silent = {f"s{number:02d}": fleet.variables("dropped" if number % 2 else "hang_connected") for number in range(20)}
    found, unused = run({**silent, "good": fleet.variables("good")}, {
        "gather_subset": ["memberships"], "timeout": 10, "forks": forks})
    assert list(found["hosts"]) == ["good"]
    assert set(found["failures"]) == set(silent)
    assert found["elapsed"] < 10 + AFTER


def test_a_mixed_fleet_says_what_host_facts_says(run, fleet, tmp_path):
    hosts = {"paramiko": fleet.variables("good"), "openssh": fleet.variables("second", ansible_ssh_extra_args="-4"),
             "netns": {"ansible_connection": "mcast.lab.netns", "mcast_netns": fleet.host},
             "other": {"ansible_connection": "mcast.lab.netns", "mcast_netns": fleet.controller},
             "local": {"ansible_connection": "local"}}
    facts = [{"mcast.lab.host_facts": {}, "register": "told"},
             {"ansible.builtin.copy": {"content": "{{ told.ansible_facts.mcast | to_json }}",
                                       "dest": str(tmp_path / "out") + "/{{ inventory_hostname }}.json"},
              "delegate_to": "localhost", "vars": {"ansible_connection": "local"}}]
    found, unused = run(hosts, {"gather_subset": list(sources.SUBSETS)}, more=facts)
    assert found["failures"] == {}
    assert found["how"] == {"paramiko": "paramiko", "openssh": "ansible.builtin.ssh", "netns": "mcast.lab.netns",
                            "other": "mcast.lab.netns", "local": "local"}
    for name in hosts:
        # JSON of both: Ansible's own types of text are none of it.
        told = json.loads((tmp_path / "out" / f"{name}.json").read_text())
        # What is counted goes on meanwhile.
        counted, again = found["hosts"][name].pop("counters"), told.pop("counters")
        assert {protocol: list(each) for protocol, each in counted.items()} == {
            protocol: list(each) for protocol, each in again.items()}
        assert found["hosts"][name] == told, name
    assert found["hosts"]["other"]["interfaces"] != found["hosts"]["netns"]["interfaces"]


BECOME = {"ansible_user": fleet_hosts.USER, "ansible_become": True}
SUDO = {
    "no password": ({}, "become", "a password is required"),
    "a wrong one": ({"ansible_become_password": "incorrect donkey"}, "become", "not accepted"),
    "the right one": ({"ansible_become_password": PASS}, None, None),
    "no become": ({"ansible_become": False}, None, None),
    "another way, which is not understood": (
        {"ansible_become_method": "su", "ansible_become_password": "wrong"}, "become", ""),
}


@pytest.mark.parametrize("case", SUDO)
def test_sudo(run, fleet, case):
    more, reason, detail = SUDO[case]
    found, printed = run({"host": fleet.variables("good", **{**BECOME, **more})}, {"timeout": 15}, "-vvvv")
    if reason:
        failure = found["failures"]["host"]
        assert (failure["reason"], detail in failure["detail"]) in ((reason, True), ("timeout", False)), failure
        assert failure["reason"] == reason or "su" in case
    else:
        assert found["failures"] == {}
        seen = found["hosts"]["host"]["sources"]["sockets"]["note"]
        assert seen is None or more.get("ansible_become") is False
    assert found["elapsed"] < 15 + AFTER
    for secret in (PASS, "incorrect donkey"):
        assert secret not in printed


@pytest.fixture
def agent(fleet, tmp_path):
    """An agent that holds two keys, of which the hosts accept the second. Returns its socket."""
    path = str(tmp_path / "agent")
    running = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
    try:
        until(lambda: os.path.exists(path), 20)
        subprocess.run(["ssh-add", "-q", fleet.folder / "other", fleet.folder / "id"], check=True,
                       env=dict(os.environ, SSH_AUTH_SOCK=path))
        yield path
    finally:
        running.kill()
        running.wait()


def test_ways_to_log_in(run, fleet, agent):
    locked = fleet.folder / "locked"
    locked.write_bytes((fleet.folder / "id").read_bytes())
    locked.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "open sesame", "-f", locked], check=True)
    known = f"-F /dev/null -o UserKnownHostsFile={fleet.folder / 'known_hosts'}"
    only = f"{known} -o IdentitiesOnly=yes"

    def host(arguments, **more):
        return fleet.variables("good", **{"ansible_ssh_private_key_file": "/nowhere/my-key",
                                          "ansible_ssh_common_args": arguments, **more})

    hosts = {
        "agent": host(known), "no_agent": host(only),
        "password": host(only, ansible_user=fleet_hosts.USER, ansible_password=PASS),
        "wrong_password": host(only, ansible_user=fleet_hosts.USER, ansible_password="incorrect donkey"),
        "openssh_password": host(only, ansible_user=fleet_hosts.USER, ansible_password=PASS,
                                 ansible_ssh_extra_args="-4"),
        "openssh_wrong_password": host(only, ansible_user=fleet_hosts.USER, ansible_password="incorrect donkey",
                                       ansible_ssh_extra_args="-4"),
        "password_of_root": host(only, ansible_password=PASS),
        "passphrase": host(only, ansible_ssh_private_key_file=str(locked),
                           ansible_ssh_private_key_passphrase="open sesame"),
        "wrong_passphrase": host(only, ansible_ssh_private_key_file=str(locked),
                                 ansible_ssh_private_key_passphrase="close sesame")}
    found, printed = run(hosts, {"gather_subset": ["memberships"]}, "-vvvv", SSH_AUTH_SOCK=agent)
    assert {name for name, how in found["how"].items() if how == "ansible.builtin.ssh"} == {
        "openssh_password", "openssh_wrong_password"}
    assert set(found["hosts"]) == {"agent", "password", "openssh_password", "passphrase"}
    assert {failure["reason"] for failure in found["failures"].values()} == {"authentication"}
    assert found["failures"]["wrong_password"]["detail"].endswith("0 keys and the password were not accepted")
    for text in (printed, json.dumps(found)):
        for secret in (PASS, "incorrect donkey", "open sesame", "close sesame", str(fleet.folder), "my-key", agent):
            assert secret not in text


def test_with_serial_it_runs_once_a_batch(run, fleet, tmp_path):
    hosts = {name: fleet.variables(name) for name in ("good", "refused", "second")}
    keep = {"ansible.builtin.copy": {"content": "{{ fleet | to_json }}",
                                     "dest": str(tmp_path / "out") + "/{{ ansible_play_batch | join('+') }}.json"},
            "run_once": True, "delegate_to": "localhost", "vars": {"ansible_connection": "local"}}
    run(hosts, {"gather_subset": ["memberships"]}, more=[keep], play={"serial": 2})
    batches = {path.stem: json.loads(path.read_text()) for path in (tmp_path / "out").glob("*.json")}
    del batches["fleet"]
    assert {name: (set(one["hosts"]), set(one["failures"])) for name, one in batches.items()} == {
        "good+refused": ({"good"}, {"refused"}), "second": ({"second"}, set())}


def test_nothing_is_written_on_a_host(run, fleet):
    port = max(fleet_hosts.PORTS.values()) + 1
    files = fleet.watched("watched", port)
    before = files()
    host = fleet.variables("good", ansible_port=port)
    hosts = {"paramiko": host, "openssh": dict(host, ansible_ssh_extra_args="-4")}
    found, unused = run(hosts, {"gather_subset": list(sources.SUBSETS)})
    assert found["failures"] == {} and set(found["how"].values()) == {"paramiko", "ansible.builtin.ssh"}
    assert files() == before
    # What is written there is seen.
    fleet.inside(fleet.controller, "ssh", "-i", str(fleet.folder / "id"), *host["ansible_ssh_common_args"].split(),
                 "-p", str(port), f"root@{fleet_hosts.ADDRESS}", "touch /var/tmp/written")
    assert {line.split()[0].rpartition("/upper")[2] for line in files() - before} >= {"/var/tmp/written"}


@pytest.fixture
def querier(fleet):
    """A bridge whose only port leads to the host, as lan0, and which asks it each second."""
    def of_controller(*words):
        subprocess.run(["ip", "-n", fleet.controller, *words], check=True)

    bridge = "type bridge mcast_query_interval 100 mcast_startup_query_interval 100 mcast_query_response_interval 50 " \
             "mcast_igmp_version 3"
    of_controller("link", "add", "br0", *bridge.split())
    try:
        of_controller("link", "add", "port", "master", "br0", "type", "veth", "peer", "name", "lan0", "netns",
                      fleet.host)
        subprocess.run(["ip", "-n", fleet.host, "link", "set", "lan0", "up"], check=True)
        for name in ("port", "br0"):
            of_controller("link", "set", name, "up")
        of_controller("link", "set", "br0", "type", "bridge", "mcast_querier", "1")
        yield
    finally:
        of_controller("link", "delete", "br0")
        of_controller("link", "delete", "port")


@pytest.mark.skipif(not shutil.which("tcpdump"), reason="no tcpdump")
def test_listening_for_queriers(run, fleet, querier):
    hosts = {"paramiko": fleet.variables("good"),
             "sudo": fleet.variables("good", **BECOME, ansible_become_password=PASS),
             "netns": {"ansible_connection": "mcast.lab.netns", "mcast_netns": fleet.host},
             "not_root": fleet.variables("second", ansible_user=fleet_hosts.USER)}
    found, unused = run(hosts, {"gather_subset": ["interfaces", "memberships", "bridges"], "listen": 6})
    assert found["failures"] == {}
    assert found["hosts"]["not_root"]["queriers"] == {}
    for name in ("paramiko", "sudo", "netns"):
        told = found["hosts"][name]["queriers"]
        assert told["eth0"] == [] and set(told) == {"eth0", "lan0"}
        ipv4, ipv6 = told["lan0"]
        assert (ipv4["family"], ipv4["address"], ipv4["version"]) == ("ipv4", "0.0.0.0", 3)
        assert (ipv6["family"], ipv6["address"][:6], ipv6["version"]) == ("ipv6", "fe80::", 1)
        assert 0.9 < ipv4["interval"] < 2 and 0.9 < ipv6["interval"] < 2
    told = [(each["basis"], each["subject"], each["hosts"]) for each in found["findings"]
            if each["kind"] == "no_querier"]
    listened = ["netns", "paramiko", "sudo"]
    assert told == [("unknown", "IGMP on 10.77.0.0/24", listened), ("unknown", "MLD on 10.77.0.0/24", listened),
                    ("unknown", None, ["not_root"])]


@pytest.mark.parametrize("name", ["good", "wrong_key", "refused", "changed_key", "cut_off"])
@pytest.mark.parametrize("extra", [{}, {"ansible_ssh_extra_args": "-4 -i /nowhere/my-key"}],
                         ids=["paramiko", "openssh"])
def test_no_secret_is_shown(run, fleet, name, extra):
    """With a password and a key, whatever fails, and with all that Ansible can be made to tell."""
    hosts = {"host": fleet.variables(name, ansible_ssh_private_key_passphrase="open sesame",
                                     ansible_password="let me in", **extra)}
    found, printed = run(hosts, {"timeout": 10}, "-vvvv", ANSIBLE_DEBUG="0")
    for text in (printed, json.dumps(found)):
        for secret in (str(fleet.folder / "id"), "open sesame", "let me in", "PRIVATE KEY", "my-key"):
            assert secret not in text


def test_checking_of_host_keys_can_be_off(run, fleet):
    hosts = {name: fleet.variables(name, ansible_host_key_checking=False) for name in ("changed_key", "unknown_key")}
    before = (fleet.folder / "known_hosts").read_text()
    found, unused = run(hosts)
    assert set(found["hosts"]) == set(hosts) and set(found["how"].values()) == {"paramiko"}
    assert (fleet.folder / "known_hosts").read_text() == before


def test_through_a_jump_host_and_a_proxy_command(run, fleet):
    config = fleet.folder / "config"
    address, ports = fleet_hosts.ADDRESS, fleet_hosts.PORTS
    config.write_text(f"Host *\n IdentityFile {fleet.folder}/id\n IdentitiesOnly yes\n"
                      f" UserKnownHostsFile {fleet.folder}/known_hosts\n User root\n"
                      f"Host gate\n HostName {address}\n Port {ports['good']}\n"
                      f" Host closed\n HostName {address}\n Port {ports['refused']}\n")

    def through(words, name="second"):
        return fleet.variables(name, ansible_ssh_common_args=f"-F {config} {words}")

    hosts = {"jump": through("-J gate"), "jump_again": through("-o ProxyJump=gate", "noisy"),
             "jump_closed": through("-J closed"), "beyond": through("-J gate", "refused"),
             "command": through(f"-o ProxyCommand='ip netns exec {fleet.host} {fleet_hosts.SSHD} "
                                f"-i -f {fleet.folder}/second.conf'")}
    found, unused = run(hosts)
    assert set(found["how"].values()) == {"paramiko"}
    assert {name: failure["reason"] for name, failure in found["failures"].items()} == {
        "jump_closed": "refused", "beyond": "unreachable"}
    assert set(found["hosts"]) == {"jump", "jump_again", "command"}


def test_facts_are_merged_into_the_cache(run, fleet, tmp_path):
    """By the plugin jsonfile: of what it had, all stays; a later run asks nobody."""
    cache = {"ANSIBLE_CACHE_PLUGIN": "jsonfile", "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(tmp_path / "cache")}
    hosts = {name: fleet.variables(name) for name in ("good", "second", "refused")}
    first = fleet.command(tmp_path, {"good": hosts["good"]}, [{"ansible.builtin.set_fact": {
        "before": 1, "mcast": {"old": True}, "cacheable": True}}])
    subprocess.run(first, capture_output=True, check=True, cwd=tmp_path, env=fleet.environment(**cache))
    found, unused = run(hosts, {"gather_subset": ["memberships"], "cache": True}, **cache)
    again = fleet.command(tmp_path, hosts, [{"ansible.builtin.debug": {
        "msg": "{{ inventory_hostname }} {{ before | default(0) }} {{ (mcast | default({})).keys() | sort }}"}}])
    printed = subprocess.run(again, capture_output=True, text=True, check=True, cwd=tmp_path,
                             env=fleet.environment(**cache)).stdout
    for line in ("good 1 ['kernel', 'memberships', 'sources']", "second 0 ['kernel', 'memberships', 'sources']",
                 "refused 0 []"):
        assert line in printed, printed
    assert len(found["hosts"]["good"]["memberships"]) > 1


def test_a_cache_that_keeps_nothing_is_refused(fleet, tmp_path):
    command = fleet.command(tmp_path, {"good": fleet.variables("good")}, [
        {"mcast.lab.fleet_info": {"cache": True}, "run_once": True}])
    ran = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=fleet.environment())
    assert ran.returncode != 0 and "fact_caching = jsonfile" in ran.stdout + ran.stderr


def test_the_interrupt_ends_all_connections(fleet, tmp_path):
    hosts = {f"h{number}": fleet.variables("hang_command") for number in range(4)}
    hosts.update(openssh=fleet.variables("hang_command", ansible_ssh_extra_args="-4"))
    task = {"mcast.lab.fleet_info": {"timeout": 100}, "run_once": True}
    running = subprocess.Popen(fleet.command(tmp_path, hosts, [task]), env=fleet.environment(), cwd=tmp_path,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)

    def open_connections():
        said = subprocess.run(["ip", "netns", "exec", fleet.host, "ss", "-Htn", "state", "established", "sport", "=",
                               f":{fleet_hosts.PORTS['hang_command']}"], capture_output=True, text=True, check=True)
        return len(said.stdout.splitlines())

    try:
        until(lambda: open_connections() == 5, 60)
        os.killpg(running.pid, signal.SIGINT)
        running.wait(30)
        until(lambda: open_connections() == 0, 60)
        left = subprocess.run(["ip", "netns", "pids", fleet.controller], capture_output=True, text=True, check=True)
        assert left.stdout == ""
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def test_a_shell_that_ends_before_it_is_spoken_to(run, fleet):
    """Whether it has been given the script by then is chance, and what is told is not."""
    hosts = {f"h{number}": fleet.variables("no_shell") for number in range(60)}
    found, unused = run(hosts, {"gather_subset": ["memberships"], "forks": 6})
    assert {failure["reason"] for failure in found["failures"].values()} == {"shell"}, found["failures"]
