# Copyright (c) 2026 the mcast.lab authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
from __future__ import annotations


class ModuleDocFragment:
    """What the modules share that run one of our programs under a name."""

    DOCUMENTATION = r"""
requirements:
  - Linux, Python 3.8 or newer, and root on the host.
attributes:
  diff_mode:
    description: Shows the program's arguments and whether it runs, before and after.
options:
  name:
    description:
      - Name of the program on this host, 1 to 64 letters, digits, C(_), C(-) and C(.), not beginning with C(.).
      - Receivers, senders, captures and queriers share these names.
    type: str
    required: true
  state:
    description:
      - With V(started), the program runs with exactly these options. One that has ended, or runs with others, is
        started anew; so a sender that has sent all of its datagrams sends them again.
      - With V(stopped), nothing of it is left.
    type: str
    choices: [started, stopped]
    default: started
  timeout:
    description: End after so many seconds, so that none that was forgotten stays; V(0) is never.
    type: float
    default: 3600
"""
