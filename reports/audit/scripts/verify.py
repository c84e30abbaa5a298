#!/usr/bin/env python3
"""Checks an unpacked audit bundle with Python's standard library alone.

    python3 verify.py [FOLDER] [--receipt FILE]

FOLDER is the unpacked bundle (default: the folder above this file's). It is a
second program for what FORMAT.md describes, written to be read in a quarter of
an hour: digests, ledger, receipts, order of events, who is in which arm, and
the counts of the participant flow. The draw is made again by rule/redraw.py
where that is in the bundle, the analysis by scripts/analysis.R. It prints PASS
and FAIL lines and ends with status 3 if there is a FAIL.
"""

import base64
import csv
import hashlib
import json
import os
import sys

failed = 0


def say(ok, what, faults=()):
    global failed
    print("PASS " if ok else "FAIL ", what)
    for f in list(faults)[:20]:
        print("      ", f)
    failed += not ok


def digest(data):
    return hashlib.sha256(data).hexdigest()


def merkle(leaves):
    """The root of RFC 6962, section 2.1."""
    if len(leaves) < 2:
        return hashlib.sha256(b"\0" + leaves[0] if leaves else b"").digest()
    k = 1 << ((len(leaves) - 1).bit_length() - 1)
    return hashlib.sha256(b"\1" + merkle(leaves[:k]) + merkle(leaves[k:])).digest()


def chance_again(commitment, evidence):
    """The chance that the evidence gives by the commitment's lines, and what is wrong with it; "" where it is local."""
    terms = [line.split(" ") for line in commitment.splitlines()]
    of = lambda key: [words[1:] for words in terms if words[0] == key]
    source, faults, lines = of("chance")[0][0], [], []
    if source == "two-party":
        for (party, sealed), name in zip(of("sealed"), ("sealed-1", "sealed-2")):
            number = evidence.get(name, "").strip()
            if digest(number.encode()) != sealed:
                faults.append("the number of %s is not the one that was sealed" % party)
            lines.append(number)
        lines = ["evenhand-chance 1"] + lines
    elif source == "beacon":
        record, name, number = json.loads(evidence.get("record", "{}")), of("beacon")[0][0], of("round")[0][0]
        if name == "drand-quicknet":
            value = digest(bytes.fromhex(record.get("signature", "")))
            if str(record.get("round")) != number or record.get("randomness", value).lower() != value:
                faults.append("the record is not of round %s, or its value is not the SHA-256 of its signature" % number)
        else:
            pulse = record.get("pulse", {})
            value = pulse.get("outputValue", "").lower()
            if pulse.get("timeStamp") != number[:-1] + ".000Z":
                faults.append("the pulse is not of %s" % number)
        lines = ["evenhand-beacon 1", name, number, value]
        print("NOTE   the beacon's signature is not checked here: fetch the round yourself, or use evenhand-verify")
    elif source == "dice":
        lines = ["evenhand-dice 1", evidence.get("numbers", "").rstrip("\n")]
        if len(lines[1].split()) < int(of("numbers")[0][-1]):
            faults.append("fewer numbers were thrown than the commitment asks for")
    return digest("".join(line + "\n" for line in lines).encode()) if lines else "", faults


def main(folder, receipt):
    def read(name):
        with open(os.path.join(folder, name), "rb") as f:
            return f.read()

    def there(name):
        return os.path.exists(os.path.join(folder, name))

    # 1. every file is as the manifest says, and there is no other
    listed = dict(reversed(line.split("  ", 1)) for line in read("MANIFEST.txt").decode().splitlines())
    found = set()
    for base, _, names in os.walk(folder):
        for n in names:
            found.add(os.path.relpath(os.path.join(base, n), folder).replace(os.sep, "/"))
    faults = [n + " is missing" for n in sorted(set(listed) - found)]
    faults += [n + " is not in MANIFEST.txt" for n in sorted(found - set(listed) - {"MANIFEST.txt", "MANIFEST.txt.minisig"})]
    faults += [n + " was changed" for n in sorted(set(listed) & found) if digest(read(n)) != listed[n]]
    say(not faults, "files: %d as MANIFEST.txt says" % len(listed), faults)

    # 2. the ledger is one chain
    lines = read("ledger.ndjson").split(b"\n")[:-1]
    sums = [s.split() for s in read("ledger.digests.txt").decode().splitlines()]
    entries, faults, before = [], [], "0" * 64
    for i, line in enumerate(lines):
        e = json.loads(line)
        entries.append(e)
        if e["seq"] != i + 1:
            faults.append("entry %d calls itself %d" % (i + 1, e["seq"]))
        if e["prev"] != before:
            faults.append("entry %d does not follow the entry before it" % (i + 1))
        before = digest(line)
        if i >= len(sums) or sums[i] != [str(i + 1), before]:
            faults.append("entry %d does not have the digest in ledger.digests.txt" % (i + 1))
    if len(sums) != len(lines):
        faults.append("%d entries, %d digests" % (len(lines), len(sums)))
    say(not faults, "ledger: %d entries in one chain" % len(lines), faults)

    # 3. receipts, those in the bundle and yours
    texts = [(n, read(n).decode()) for n in sorted(listed) if n.startswith("receipts/") and n in found]
    if receipt:
        with open(receipt, encoding="utf-8") as f:
            texts.append((receipt, f.read()))
    faults = []
    for name, text in texts:
        r = dict(line.strip().split(" ", 1) for line in text.splitlines() if " " in line.strip())
        n = int(r["entries"])
        if n > len(sums) or (n > 0 and sums[n - 1][1] != r["head"]):
            faults.append("%s saw another ledger at entry %d" % (name, n))
        elif "tree" in r and base64.b64encode(merkle(lines[:n])).decode() != r["tree"]:
            faults.append("%s has another root than the tree over %d entries" % (name, n))
    say(not faults, "receipts: %d agree with the ledger" % len(texts), faults)
    if not receipt:
        print("NOTE   you gave no receipt of your own: the whole ledger could have been written anew")

    # 4. the texts are those that the ledger recorded, in the right order
    def last(action):
        return next((e for e in reversed(entries) if e["action"] == action), None)

    faults, checked = [], 0

    def same(name, want, seq):
        nonlocal checked
        checked += 1
        if not there(name):
            faults.append("%s, recorded by entry %d, is missing" % (name, seq))
        elif digest(read(name)) != want:
            faults.append("%s is not what entry %d recorded" % (name, seq))

    for e in entries:
        if e["action"] == "protocol record":
            same("protocol/%d.yaml" % e["after"]["version"], e["after"]["digest"], e["seq"])
    locks = [e for e in entries if e["action"] == "roster lock"]
    commits = [e for e in entries if e["action"] == "draw commit"]
    draws = [e for e in entries if e["action"] == "draw run"]
    run = last("analysis run")

    def in_wave(n, name):  # a file of wave n of the schools; most trials have one wave
        return name if n == 1 else "wave-%d/%s" % (n, name.replace("/", "-"))

    for n, draw in enumerate(draws or [None], 1):
        if locks:
            lock = locks[draw["after"]["roster"] - 1] if draw else locks[-1]
            same("design.txt", lock["after"]["design"], lock["seq"])
            same(in_wave(n, "roster.txt"), lock["after"]["roster"], lock["seq"])
            same(in_wave(n, "pupils.txt"), lock["after"]["pupil_list"], lock["seq"])
        commit = commits[n - 1] if len(commits) >= n else None
        if commit:
            same(in_wave(n, "commitment.txt"), commit["after"]["commitment"], commit["seq"])
        if draw:
            chance_name, commitment = in_wave(n, "chance.txt"), read(in_wave(n, "commitment.txt")).decode()
            same(in_wave(n, "allocation.txt"), draw["after"]["allocation"], draw["seq"])
            if read(chance_name).decode() != draw["after"]["chance"] + "\n":
                faults.append("%s is not what entry %d recorded" % (chance_name, draw["seq"]))
            evidence = {}
            for e in draw["after"].get("evidence", []):
                name = in_wave(n, "chance/%s.txt" % e["name"])
                same(name, e["digest"], draw["seq"])
                evidence[e["name"]] = read(name).decode() if there(name) else ""
            if any(line.startswith("chance ") for line in commitment.splitlines()):
                chance, wrong = chance_again(commitment, evidence)
                if chance and chance != draw["after"]["chance"]:
                    wrong.append("the folder chance gives %s" % chance)
                if chance:
                    say(not wrong, "chance: taken again as committed", wrong)
            if n > 1 and "\nwave %d after %s\n" % (n, draws[n - 2]["after"]["allocation"]) not in commitment:
                faults.append("the commitment of wave %d does not name the allocation before it" % n)
            order = [lock["seq"], commit["seq"] if commit else 0, draw["seq"]] + ([run["seq"]] if run and n == 1 else [])
            if order != sorted(order):
                faults.append("lock, commitment, draw and analysis are entries %s" % order)
            if draw["after"].get("wave", 1) != n:
                faults.append("there is more than one draw")
    results = []
    if run:
        same("results.json", run["after"]["results"], run["seq"])
        results = json.loads(read("results.json"))
        data = "evenhand-data 1\n"
        if there("data.digests.txt"):  # the data stay in a secure room
            data = read("data.digests.txt").decode()
        for r in [] if there("data.digests.txt") else results:
            for part in (".csv", ".schools.csv", ".codebook.csv"):
                name = "data/" + r["plan"]["outcome"] + part
                data += digest(read(name)) + " " + name + "\n"
        checked += 1
        if digest(data.encode()) != run["after"]["data"]:
            faults.append("the files in data are not what entry %d recorded" % run["seq"])
    unblind = next((e for e in entries if e["action"] == "analysis unblind"), None)
    for e in entries:
        if e["action"] in ("analysis run", "analysis explore"):
            if not unblind or unblind["seq"] > e["seq"]:
                faults.append("entry %d has estimates under the arms' names, and no entry before it locks plan and data" % e["seq"])
            if e is not run:
                same("runs/%d.json" % e["after"]["run"], e["after"]["results"], e["seq"])
        if e["action"] == "analysis room-pack":
            locks = [u["after"] for u in entries if u["action"] == "analysis unblind" and u["seq"] < e["seq"]]
            for outcome in e["after"]["outcomes"]:
                if not any(outcome in u["data"] or outcome in u.get("room", []) for u in locks):
                    faults.append("entry %d carries %s into a secure room under the arms' names, and no entry before it locks its plan" % (e["seq"], outcome))
    say(not faults, "records: %d texts are those that the ledger recorded" % checked, faults)

    # 5. everybody stands in the arm of the draw; 6. the counts follow from the rows
    if not run:
        return
    if there("data.digests.txt"):
        print("NOTE   the data stay in a secure room: arms and counts were not looked at")
        return
    arm_of, faults, counts = {}, [], {}
    for n in range(1, len(draws) + 1):
        for line in read(in_wave(n, "allocation.txt")).decode().splitlines()[2:]:
            unit, arm, _ = line.split("\t")
            if unit in arm_of:
                faults.append("school %s was drawn twice" % unit)
            arm_of[unit] = arm
    for k, r in enumerate(results):
        name = "data/" + r["plan"]["outcome"] + ".csv"
        needed = ["x:" + c for c in r["plan"]["covariates"] or [] if c != "Stratum"]
        for row in csv.DictReader(read(name).decode().splitlines(True)):
            if arm_of.get(row["school"]) != row["arm"]:
                faults.append("%s: %s is not in the arm that school %s was drawn into" % (name, row["pupil"], row["school"]))
            if k == 0:
                c = counts.setdefault(row["arm"], {"pupils": 0, "analysed": 0, "schools": set()})
                c["pupils"] += 1
                if row["outcome"] != "" and all(row[x] != "" for x in needed):
                    c["analysed"] += 1
                    c["schools"].add(row["school"])
    say(not faults, "arms: every row stands in the arm of its school", faults)
    faults = []
    for a in json.loads(read("flow.json"))["Arms"]:
        c = counts.get(a["arm"], {"pupils": 0, "analysed": 0, "schools": set()})
        if a["pupils"]["randomised"] > 0:  # where schools are measured there are no pupils
            if (a["pupils"]["randomised"], a["pupils"]["analysed"]) != (c["pupils"], c["analysed"]):
                faults.append("%s: the flow has %d pupils, %d analysed; the rows %d, %d" % (a["arm"], a["pupils"]["randomised"], a["pupils"]["analysed"], c["pupils"], c["analysed"]))
        if a["schools"]["analysed"] != len(c["schools"]) or a["schools"]["randomised"] != sum(x == a["arm"] for x in arm_of.values()):
            faults.append("%s: the schools of the flow are not those of the draw and the rows" % a["arm"])
        for level in ("schools", "pupils"):
            lost = sum(x["n"] for x in a[level]["lost"] or [])
            if a[level]["randomised"] != a[level]["analysed"] + lost:
                faults.append("%s: randomised %s are not those analysed and lost" % (a["arm"], level))
    attrition = results[0].get("attrition")
    if attrition:
        n, left = sum(c["pupils"] for c in counts.values()), sum(c["analysed"] for c in counts.values())
        if abs(attrition["pupils"]["overall"] - (1 - left / n)) > 1e-12:
            faults.append("overall attrition is %r, from the rows %r" % (attrition["pupils"]["overall"], 1 - left / n))
    say(not faults, "counts: the flow and attrition follow from the rows", faults)


if __name__ == "__main__":
    args, receipt = sys.argv[1:], None
    if "--receipt" in args:
        i = args.index("--receipt")
        receipt = args[i + 1]
        del args[i : i + 2]
    try:
        main(args[0] if args else os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."), receipt)
    except (KeyError, IndexError, ValueError, OSError) as problem:
        say(False, "the bundle cannot be read: %r" % problem)
    sys.exit(3 if failed else 0)
