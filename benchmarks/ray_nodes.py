"""python benchmarks/ray_nodes.py [--runs 10]: a Ray cluster of two nodes on this machine, one of which fails.

Needs the extra `cluster`. As root on Linux each node has a network namespace and an address of its own, with
nothing between them but a pair of virtual network cards; else both have ports of their own on 127.0.0.1. An
audit and a calibration run on one process and on the cluster; the calibration once more while a worker
process of the second node is killed (SIGKILL), and once more while the second node itself is (its raylet).
Prints what was done and whether all files have the same bytes.
"""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from unmirage.engine import engine
from unmirage.errors import UnmirageError

HEAD, OTHER = "unmirage-head", "unmirage-other"
ADDRESSES = {HEAD: "10.77.0.1", OTHER: "10.77.0.2"}
PORT = 6379
COUNTED = 40  # calls that say which node made them
BEFORE = 3  # designs that are finished when something is killed
UP = 600  # seconds in which both nodes must be there


class Nodes:
    """Two nodes of one CPU each.

    Attributes: spaces, whether they have network namespaces; address, of the head; folder, for Ray's files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spaces = _spaces()
        self.address = f"{ADDRESSES[HEAD] if self.spaces else '127.0.0.1'}:{PORT}"
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str) -> None:
        """Start a node."""
        own = f"--node-ip-address={ADDRESSES[name] if self.spaces else '127.0.0.1'}"
        where = (
            ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
            if name == HEAD
            else [f"--address={self.address}"]
        )
        ray = str(Path(sys.executable).with_name("ray"))
        command = [ray, "start", *where, own, "--num-cpus=1", "--disable-usage-stats", "--block"]
        self.running[name] = subprocess.Popen(
            self.within(name, command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def within(self, name: str, command: list[str]) -> list[str]:
        """The command, as one of the node's machine."""
        return ["ip", "netns", "exec", name, *command] if self.spaces else command

    def processes(self, name: str, title: str) -> list[int]:
        """The node's processes whose command line holds a title."""
        parents = {}
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                parents[int(status.parent.name)] = int(status.read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
        found, above = [], {self.running[name].pid}
        while above:
            above = {process for process, parent in parents.items() if parent in above}
            found += sorted(above)
        return [process for process in found if title in _command(process)]

    def stop(self) -> None:
        """End both nodes and their network."""
        for node in self.running.values():
            node.terminate()
        for node in self.running.values():
            try:
                node.wait(20)
            except subprocess.TimeoutExpired:
                node.kill()
        if self.spaces:
            for name in ADDRESSES:
                subprocess.run(["ip", "netns", "del", name], check=False)


def _command(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def _spaces() -> bool:
    """Two network namespaces, joined; False where that is not allowed."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    commands = [
        *(f"ip netns add {name}" for name in ADDRESSES),
        f"ip link add um0 netns {HEAD} type veth peer name um1 netns {OTHER}",
        *(f"ip -n {n} addr add {a}/24 dev um{i}" for i, (n, a) in enumerate(ADDRESSES.items())),
        *(f"ip -n {name} link set um{i} up" for i, name in enumerate(ADDRESSES)),
        *(f"ip -n {name} link set lo up" for name in ADDRESSES),
    ]
    return all(subprocess.run(command.split(), check=False).returncode == 0 for command in commands)


def place() -> str:
    """The address of the node that makes this call, after a while."""
    import ray

    time.sleep(0.3)
    return str(ray.util.get_node_ip_address())


def count(address: str) -> None:
    """Print how many calls each node makes; ends with code 1 where there are not two of them yet."""
    try:
        with engine("ray", address=address) as ray:
            if ray.jobs < 2:
                raise SystemExit(1)
            found = Counter(where for _, where in ray.map(place, dict.fromkeys(range(COUNTED), ())))
    except UnmirageError:
        raise SystemExit(1) from None
    print(f"  of {COUNTED} calls {dict(sorted(found.items()))}", flush=True)


def unmirage(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "unmirage", *arguments]


def bytes_of(path: Path) -> dict[str, bytes]:
    """Name -> content of a file, or of all files of a folder."""
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    return {
        str(file.relative_to(path.parent if path.is_file() else path)): file.read_bytes() for file in files
    }


def kill(nodes: Nodes, title: str, out: Path) -> Callable[[subprocess.Popen[bytes]], None]:
    """Kills a process of the second node as soon as some designs are finished and there is one."""

    def wait(running: subprocess.Popen[bytes]) -> None:
        while running.poll() is None:
            done = max(0, len(out.read_text().splitlines()) - 1) if out.exists() else 0
            found = nodes.processes(OTHER, title) if done >= BEFORE else []
            if found:
                os.kill(found[0], signal.SIGKILL)
                print(f"  killed {_named(title)} of the second node after {done} designs", flush=True)
                return
            time.sleep(0.05)

    return wait


def _named(title: str) -> str:
    return "a worker process" if title.startswith("ray::") else "the raylet"


def timed(command: list[str], beside: Callable[[subprocess.Popen[bytes]], None] | None = None) -> float:
    """Run a command; the seconds that it took."""
    start = time.monotonic()
    running = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    if beside is not None:
        beside(running)
    if running.wait() != 0:
        raise SystemExit(f"it ended with code {running.returncode}: {' '.join(command)}")
    return time.monotonic() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=10, help="families of each design of the calibration")
    parser.add_argument("--count", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.count:
        count(options.count)
        return
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    with tempfile.TemporaryDirectory(prefix="um-", dir="/tmp") as name:
        folder = Path(name)
        nodes = Nodes(folder / "ray")
        try:
            compare(nodes, folder, options.runs)
        finally:
            nodes.stop()


def compare(nodes: Nodes, folder: Path, runs: int) -> None:
    """Everything, in order."""
    nodes.start(HEAD)
    nodes.start(OTHER)
    kind = "in network namespaces of their own" if nodes.spaces else "on 127.0.0.1, with ports of their own"
    print(f"two Ray nodes of one CPU each, {kind}; the head is {nodes.address}", flush=True)
    here = [sys.executable, __file__, "--count", nodes.address]
    deadline = time.monotonic() + UP
    while subprocess.run(nodes.within(HEAD, here), check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise SystemExit("the nodes do not come up")
        time.sleep(2)
    cluster = ["--engine", "ray", "--ray-address", nodes.address]
    designs = ["--designs", "quick", "--truths", "tuning", "--runs", str(runs), "--quiet"]
    tables = [folder / f"{name}.csv" for name in ("one", "cluster", "worker", "node")]
    family = folder / "family.parquet"
    subprocess.run(
        unmirage("simulate", "--truth", "step", str(family)), check=True, stderr=subprocess.DEVNULL
    )
    audit = ["audit", str(family), "--quiet", "--out"]
    jobs = [
        ("audit, one process", unmirage(*audit, str(folder / "a1")), None),
        ("audit, cluster", unmirage(*audit, str(folder / "a2"), *cluster), None),
        (
            "calibrate, one process",
            unmirage("calibrate", *designs, "--jobs", "1", "--out", str(tables[0])),
            None,
        ),
    ] + [
        (f"calibrate, cluster{what}", unmirage("calibrate", *designs, "--out", str(table), *cluster), beside)
        for what, table, beside in (
            ("", tables[1], None),
            (", a worker killed", tables[2], kill(nodes, "ray::call", tables[2])),
            (", a node killed", tables[3], kill(nodes, "raylet/raylet", tables[3])),
        )
    ]
    for what, command, beside in jobs:
        print(f"{what}:", flush=True)
        print(f"  {timed(nodes.within(HEAD, command), beside):.0f} s", flush=True)
    one, two = bytes_of(folder / "a1"), bytes_of(folder / "a2")
    print(f"audits: {len(one)} files, same bytes: {one == two}")
    first, *others = (table.read_bytes() for table in tables)
    same = [other == first for other in others]
    print(f"calibrations: {len(first.splitlines()) - 1} designs, same bytes: {same}")


if __name__ == "__main__":
    main()
