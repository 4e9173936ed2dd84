#!/usr/bin/env python3
"""Measures an instance of the release build: docs/measure.py target/release/headcount

Takes about three minutes and 1.5 GB of the temporary folder, with simulated employees and plain commands in a
workspace of its own. With a word behind, only that part: start, idle or noise. See docs/performance.md.
"""

import contextlib
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
LINES = 10_000_000
LINE = "a line of a build that nobody reads as it comes"
FRAMES = 300
# Simulated employees; plain commands are themselves.
MODE = ["--demo"]
PROGRAM = os.path.abspath(sys.argv[1])
HOME = tempfile.mkdtemp()
TICKS = os.sysconf("SC_CLK_TCK")
ROLES = """
[defaults]
agent = "shell"
[departments.operations]
title = "Operations"
cpu = {{ min = 0.1, max = 2.0 }}
memory = {{ min = "16MB", max = "1GB" }}
[roles.talker]
title = "Talker"
department = "operations"
[agents.shell]
command = "sh"
args = ["-c", {command}]
protocol = "plain"
"""
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": HOME,
    "LANG": "C.UTF-8",
    "TERM": "xterm-256color",
    "HEADCOUNT_WORKSPACE": HOME,
}


def run(*words):
    command = [PROGRAM, *MODE, *words]
    return subprocess.run(command, env=ENVIRONMENT, cwd=HOME, stdout=subprocess.PIPE, text=True, check=True).stdout


def milliseconds(action):
    begin = time.perf_counter()
    result = action()
    return (time.perf_counter() - begin) * 1e3, result


def spread(name, times):
    print(f"{name:44} median {statistics.median(times):5.0f} ms  ({min(times):.0f} to {max(times):.0f}, n={len(times)})")


def screen():
    """Opens the screen at 120x40; returns when its last line, the keys, is drawn.

    Starts the instance if none runs.
    """
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 120, 0, 0))
    client = subprocess.Popen(
        [PROGRAM, *MODE], stdin=slave, stdout=slave, stderr=slave, env=ENVIRONMENT, cwd=HOME, start_new_session=True
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


def instance():
    return json.loads(run("status", "--json"))["instance"]["pid"]


def rest(name, *groups):
    """What groups of processes take while nothing happens."""
    before = [sum(map(cpu, group)) for group in groups]
    time.sleep(IDLE_SECONDS)
    used = [(sum(map(cpu, group)) - earlier) / IDLE_SECONDS for group, earlier in zip(groups, before)]
    print(f"{name:44} " + ", ".join(f"{one:.2%} of a core" for one in used))


def memory(name, *pids):
    found = {"Rss": [], "Pss": []}
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as rollup:
            for line in rollup:
                field = line.split(":")[0]
                if field in found:
                    found[field].append(int(line.split()[1]) / 1024)
    rss, pss = (statistics.mean(found[field]) for field in ("Rss", "Pss"))
    print(f"{name:44} {rss:.1f} MiB resident, {pss:.1f} MiB its share (PSS)")


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


@contextlib.contextmanager
def drained(master):
    """Reads what a screen writes, meanwhile."""
    done = threading.Event()

    def drain():
        while not done.is_set():
            if select.select([master], [], [], 0.2)[0]:
                os.read(master, 65536)

    drainer = threading.Thread(target=drain)
    drainer.start()
    yield
    done.set()
    drainer.join()


def start():
    """From nothing to ready, and from a command to the whole of its first frame."""
    ups = []
    for _ in range(11):
        ups.append(milliseconds(lambda: run("up"))[0])
        run("down")
    spread("`up`, until the instance is ready", ups)
    frames = []
    for _ in range(11):
        took, opened = milliseconds(screen)
        frames.append(took)
        leave(*opened)
        gone()
    spread("first frame where the instance must start", frames)
    run("up")
    frames = []
    for _ in range(21):
        took, opened = milliseconds(screen)
        frames.append(took)
        leave(*opened)
    spread("first frame of a running instance", frames)
    run("down")


def gone():
    """Waits for the end of an instance that nobody started on purpose: it ends with its last terminal."""
    while subprocess.run([PROGRAM, *MODE, "status"], env=ENVIRONMENT, cwd=HOME, capture_output=True).returncode == 0:
        time.sleep(0.02)


def idle():
    """What a company costs that does nothing."""
    run("up")
    took, _ = milliseconds(lambda: run("create", "senior_developer", "--count", str(STAFF)))
    print(f"{f'{STAFF} employees hired and ready':44} {took:.0f} ms")
    time.sleep(2)
    shims = list(commands("__exec"))
    rest("idle, nobody attached: instance, all shims", [instance()], shims)
    client, master = screen()
    with drained(master):
        time.sleep(2)
        rest("idle, a screen attached: instance, client", [instance()], [client.pid])
        memory("a shim", *shims)
        memory("the instance", instance())
        memory("a client", client.pid)
    leave(client, master)
    run("down", "--force")


def noise():
    """What output costs: the shim and the instance, against a bare loop that reads and writes."""
    MODE.clear()
    for name, command in [
        ("in blocks", f"yes {LINE!r} | head -n {LINES}"),
        ("line by line", f"i=0; while [ $i -lt {LINES // 10} ]; do echo {LINE!r}; i=$((i+1)); done"),
    ]:
        count = LINES if name == "in blocks" else LINES // 10
        bare = bare_loop(command) / count
        with open(os.path.join(HOME, "roles.toml"), "w") as roles:
            roles.write(ROLES.format(command=json.dumps(command + "; echo over; exec sleep 3600")))
        run("up")
        one = instance()
        before, grown = cpu(one), private(one)
        talk()
        (shim,) = commands("__exec")
        used = (cpu(one) - before + cpu(shim)) / count
        grown = private(one) - grown
        print(f"{f'a line, {count:,} {name}':44} {used * 1e9:.0f} ns CPU in shim and instance, "
              f"{bare * 1e9:.0f} in a bare loop: {used / bare:.2f} times; the instance grew by {grown:.1f} MiB")
        if name == "in blocks":
            frame("a frame over that log")
        run("down", "--force")
    with open(os.path.join(HOME, "roles.toml"), "w") as roles:
        roles.write(ROLES.format(command=json.dumps(f"yes {LINE!r} | head -n 100; echo over; exec sleep 3600")))
    run("up")
    talk()
    frame("a frame over a log of 100 lines")
    run("down", "--force")


def bare_loop(command):
    """CPU seconds of a process that reads what the command writes, and writes it to a file."""
    kept = os.path.join(HOME, "bare")
    source = subprocess.Popen(["sh", "-c", command], stdout=subprocess.PIPE)
    with open(kept, "wb") as file:
        loop = subprocess.Popen(["cat"], stdin=source.stdout, stdout=file)
        source.stdout.close()
        _, _, used = os.wait4(loop.pid, 0)
    source.wait()
    os.unlink(kept)
    return used.ru_utime + used.ru_stime


def talk():
    """Hires somebody in the place of who was there, and waits until all is said."""
    for one in json.loads(run("ps", "--json")):
        run("rm", one["id"])
    run("create", "talker")
    while run("logs", "talker", "-n", "1").strip() != "over":
        time.sleep(0.5)


def frame(name):
    """Reads upwards in a log; each key is answered by a frame."""
    client, master = screen()
    os.write(master, b"l")
    quiet(master)
    os.write(master, b"k" * 3)
    quiet(master)
    one = instance()
    before = fine_cpu(one)
    for number in range(FRAMES):
        os.write(master, b"k" if number % 60 < 30 else b"j")
        quiet(master, 0.04)
    used = (fine_cpu(one) - before) / FRAMES
    print(f"{name:44} {used * 1e3:.2f} ms CPU in the instance, from the key to the last byte")
    leave(client, master)


def quiet(master, seconds=0.5):
    """Reads until nothing has come for a while."""
    while select.select([master], [], [], seconds)[0]:
        os.read(master, 65536)


def fine_cpu(pid):
    """CPU seconds of a process, finer than in ticks."""
    total = 0
    for task in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{task}/schedstat") as schedule:
            total += int(schedule.read().split()[0])
    return total / 1e9


def private(pid):
    """MiB of memory that are its own."""
    with open(f"/proc/{pid}/status") as status:
        for line in status:
            if line.startswith("RssAnon:"):
                return int(line.split()[1]) / 1024


# In this order: the last one leaves the demonstration.
PARTS = {"start": start, "idle": idle, "noise": noise}
try:
    for part in sys.argv[2:] or PARTS:
        PARTS[part]()
finally:
    subprocess.run([PROGRAM, *MODE, "down", "--force"], env=ENVIRONMENT, cwd=HOME, stderr=subprocess.DEVNULL)
    shutil.rmtree(HOME)
