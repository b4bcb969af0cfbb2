# SPDX-License-Identifier: GPL-2.0
#
# Prints what mdp2p reads of the machine that it runs on, for tests/common/mod.rs to
# plant again elsewhere. A line each, paths without the first slash: `l PATH TARGET` for a
# link, `x PATH LENGTH HEX` for a file of bytes, without the zeros at its end, and
# `f PATH "TEXT"` for any other.
import glob
import json
import os

PATTERNS = """
/sys/bus/pci/devices/*
/sys/bus/pci/devices/*/modalias
/sys/bus/pci/devices/*/config
/sys/bus/pci/devices/*/resource
/sys/bus/pci/devices/*/numa_node
/sys/bus/pci/devices/*/driver
/sys/bus/pci/devices/*/iommu_group
/sys/bus/pci/devices/*/p2pmem/available
/sys/bus/pci/devices/*/p2pmem/published
/sys/bus/pci/devices/*/p2pmem/size
/sys/bus/pci/drivers/nvme/module
/sys/class/iommu/*
/sys/kernel/iommu_groups/*/type
/sys/class/nvme/*
/sys/class/nvme/*/address
/sys/class/nvme/*/cmb
/sys/class/nvme/*/model
/sys/class/nvme/*/serial
/sys/class/nvme/*/state
/sys/class/nvme/*/transport
/sys/class/nvme-subsystem/*
/sys/class/nvme-subsystem/*/nvme*
/sys/class/block/*
/sys/class/block/*/size
/sys/class/block/*/dev
/sys/class/block/*/partition
/sys/class/block/*/device
/sys/class/block/*/subsystem
/sys/class/block/*/holders/*
/sys/class/block/*/slaves/*
/sys/class/block/*/md/*
/sys/class/block/*/md/dev-*/*
/sys/block/*
/sys/module/md_p2p/*
/sys/module/md_p2p/parameters/*
/sys/module/md_mod/*
/sys/module/md_mod/parameters/*
/sys/module/*raid*/[rst]*
/sys/module/*linear*/[rst]*
/sys/module/nvme_core/parameters/multipath
/sys/module/module/parameters/sig_enforce
/sys/class/dmi/id/sys_vendor
/sys/kernel/security/lockdown
/sys/kernel/tracing/events/md_p2p
/proc/mdstat*
/proc/cmdline
/proc/cpuinfo
/proc/modules
/proc/mounts
/proc/self/mountinfo
/proc/self/mounts
/proc/swaps
/proc/version
/proc/sys/kernel/osrelease
/dev/md/*
"""


def lines():
    for pattern in PATTERNS.split():
        for path in sorted(glob.glob(pattern)):
            yield from entry(path)


def entry(path):
    if os.path.islink(path):
        yield "l", path, os.readlink(path)
    elif os.path.isfile(path) and os.stat(path).st_mode & 0o444:
        try:
            with open(path, "rb") as file:
                content = file.read(65536)
        except OSError:
            return
        # The real place: planted before the links that lead to it.
        if path.startswith("/sys/"):
            path = os.path.realpath(path)
        if path.endswith("/config"):
            yield "x", path, f"{len(content)} {content.rstrip(bytes(1)).hex()}"
        else:
            yield "f", path, json.dumps(content.decode(errors="replace"))


for kind, path, what in dict.fromkeys(lines()):
    print(kind, path[1:], what)
