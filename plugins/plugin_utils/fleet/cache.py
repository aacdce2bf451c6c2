# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Facts of many hosts into Ansible's own fact cache, as host_facts would leave them there for each."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible import constants as C
from ansible.vars.hostvars import HostVars

from ...module_utils.error import McastError


def store(hostvars: HostVars, hosts: Mapping[str, dict[str, Any]]) -> None:
    """hostvars: Ansible's; hosts: {name: facts}. Merges each into what the cache has of the host. McastError where
    the cache lives in the memory of this process, which ends with the task."""
    if C.CACHE_PLUGIN in ("memory", "ansible.builtin.memory", "ansible.legacy.memory"):
        raise McastError("cache", "fact caching is set to memory, which keeps nothing for later plays; set "
                                  "fact_caching = jsonfile and fact_caching_connection in ansible.cfg, or cache: false")
    cache = hostvars._variable_manager._fact_cache
    for name, facts in hosts.items():
        try:
            have = dict(cache.get(name) or {})
        except KeyError:
            have = {}
        cache.set(name, dict(have, mcast=facts))
