#!/usr/bin/env python3
"""Writes docs/keys.md from the table of keys: docs/keys.py > docs/keys.md"""

import pathlib
import re

SOURCE = (pathlib.Path(__file__).parent.parent / "src/tui/keys.rs").read_text()
PLACES = {
    "Processes": "The processes (1)",
    "Tasks": "The tasks (2)",
    "Inbox": "The inbox (3)",
    "Roles": "The roles (4)",
    "Details": "One employee",
    "Logs": "A log",
    "Task": "One task",
    "Updates": "What changed on disk",
    "Diff": "What somebody changed",
    "Bring": "Bringing work home",
    "Hire": "Hiring",
    "Editor": "Writing a text",
    "Line": "Writing one line",
    "Alike": "Answering several at once",
    "Away": "While you were away",
    "Choices": "Answering a question",
    "Confirm": "Being asked whether",
    "Alike": "One answer for several",
    "Finder": "Finding an action",
    "Sizes": "How many a cluster has",
    "Reader": "Reading",
}
NAMES = {"PageUp": "PgUp", "PageDown": "PgDn", "BackTab": "Shift-Tab", "Delete": "Del", "' '": "Space"}


def groups():
    for name, members in re.findall(r"const (\w+): &\[Place\] = &\[([^\]]*)\];", SOURCE):
        yield name, re.findall(r"\w+", members)


def key(kind, name):
    if kind == "ctrl_enter":
        return "Ctrl-Enter"
    if kind == "ctrl":
        return "Ctrl-" + name.strip("'").upper()
    name = name.removeprefix("KeyCode::")
    return NAMES.get(name, name.strip("'"))


def bindings():
    table = SOURCE[SOURCE.index("TABLE: &[Binding]") : SOURCE.index("/// The bindings of a place")]
    known = dict(groups())
    row = r"^    \w+ \[(.*?)\]\s*(&\[[^\]]*\]|[A-Z]+), \"[^\"]*\", \"([^\"]*)\";"
    for keys, places, does in re.findall(row, table, re.MULTILINE | re.DOTALL):
        found = re.findall(r"(ctrl_enter|ctrl|letter|key)\(('.'|[\w:]*)\)", keys)
        words = known.get(places) or re.findall(r"\w+", places)
        yield words, " ".join(f"`{key(*one)}`" for one in found), does


def main():
    print("# Keys\n")
    print("Every key in every place, made from the program's own table by `docs/keys.py`. `?` shows those of the place")
    print("where you are. A key that can do nothing now says why.")
    table = list(bindings())
    missing = {place for places, _, _ in table for place in places} - PLACES.keys()
    assert not missing, missing
    for place, title in PLACES.items():
        print(f"\n## {title}\n\n| key | does |\n| --- | --- |")
        for places, keys, does in table:
            if place in places:
                print(f"| {keys} | {does} |")


main()
