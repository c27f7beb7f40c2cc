"""Where evidence comes from: the interfaces of operating systems to trusted hardware.

Each adapter is a few reads and writes; none of them verifies anything, and none falls back to
another. A workload is given the one it is meant to run on.
"""

from confide.tee.providers.configfs import ConfigfsTsm
from confide.tee.providers.gramine import Gramine
from confide.tee.providers.nitro_nsm import NitroNsm
from confide.tee.providers.simulator import SimulatorSocket

__all__ = ["ConfigfsTsm", "Gramine", "NitroNsm", "SimulatorSocket"]
