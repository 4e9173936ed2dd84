#!/usr/bin/env python3
"""Measures an instance of the release build: docs/measure.py target/release/headcount

Takes about 90 seconds, in a folder of its own, with simulated employees. See docs/performance.md.
"""

import fcntl
import json
import os
import pty
import select
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time

STAFF = 20
IDLE_SECONDS = 30
PROGRAM = os.path.abspath(sys.argv[1])
HOME = tempfile.mkdtemp()
TICKS = os.sysconf("SC_CLK_TCK")
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "HEADCOUNT_WORKSPACE": HOME,
}


def run(*words):
    command = [PROGRAM, "--demo", *words]
    return subprocess.run(command, env=ENVIRONMENT, cwd=HOME, stdout=subprocess.PIPE, text=True, check=True).stdout


def milliseconds(action):
    begin = time.perf_counter()
    result = action()
    return (time.perf_counter() - begin) * 1e3, result


def spread(name, times):
    print(f"{name:40} median {statistics.median(times):5.0f} ms  ({min(times):.0f} to {max(times):.0f}, n={len(times)})")


def screen():
    """Opens the screen at 120x40; returns when its last line, the keys, is drawn."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    client = subprocess.Popen(
        [PROGRAM, "--demo"], stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, cwd=HOME, start_new_session=True
    )
    os.close(slave)
    seen = b""
    while b"detach" not in seen:
        if not select.select([master], [], [], 10)[0]:
            sys.exit("no screen")
        seen += os.read(master, 65536)
    return client, master


def leave(client, master):
    os.write(master, b"q")
    client.wait()
    os.close(master)


def cpu(pid):
    with open(f"/proc/{pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def idle(name, *pids):
    before = [cpu(pid) for pid in pids]
    time.sleep(IDLE_SECONDS)
    used = [(cpu(pid) - earlier) * 1e3 / IDLE_SECONDS for pid, earlier in zip(pids, before)]
    print(f"{name:40} " + ", ".join(f"{one:.1f} ms CPU a second" for one in used))


def memory(name, *pids):
    found = {"Rss": [], "Pss": []}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            for line in rollup:
                field = line.split(":")[0]
                if field in found:
                    found[field].append(int(line.split()[1]) / 1024)
    rss, pss = (statistics.mean(found[field]) for field in ("Rss", "Pss"))
    print(f"{name:40} {rss:.1f} MiB resident, {pss:.1f} MiB its share (PSS)")


def commands(word):
    """PIDs of this measurement whose command line has the word."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as line:
                words = line.read()
        except OSError:
            continue
        if word.encode() in words and HOME.encode() in words:
            yield int(pid)


def drain(master, done):
    while not done.is_set():
        if select.select([master], [], [], 0.2)[0]:
            os.read(master, 65536)


def measure():
    ups = []
    for _ in range(11):
        ups.append(milliseconds(lambda: run("up"))[0])
        run("down")
    spread("`up`, until the instance is ready", ups)
    run("up")
    frames = []
    for _ in range(21):
        took, opened = milliseconds(screen)
        frames.append(took)
        leave(*opened)
    spread("screen, from exec to the whole frame", frames)
    took, _ = milliseconds(lambda: run("create", "senior_developer", "--count", str(STAFF)))
    print(f"{f'{STAFF} employees hired and ready':40} {took:.0f} ms")
    instance = json.loads(run("status", "--json"))["instance"]["pid"]
    time.sleep(2)
    idle("idle, nobody attached: instance", instance)
    client, master = screen()
    done = threading.Event()
    drainer = threading.Thread(target=drain, args=(master, done))
    drainer.start()
    time.sleep(2)
    idle("idle, a screen attached: instance, client", instance, client.pid)
    memory("a shim", *commands("__exec"))
    memory("the instance", instance)
    memory("a client", client.pid)
    done.set()
    drainer.join()
    leave(client, master)


try:
    measure()
finally:
    run("down", "--force")
    shutil.rmtree(HOME)
