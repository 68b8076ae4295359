#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What a site is in the text while it is off. site_pair.c is compiled by each compiler that is
# installed, PIE, not PIE and as a shared object, and disassembled:
#   - a site is the one-byte no-op of its USDT probe, at most four bytes of padding, and the
#     five-byte no-op, which does not straddle a cache line; every site is in the list;
#   - take the sites away, and what can be reached is the function with empty sites, instruction for
#     instruction and register for register: nothing else stands there;
#   - functions called alone_* are then also the function without any site. In the others a compiler
#     may do what it likes: how many instructions the split into two paths costs is only told.
set -u
build=${1:?the build directory}
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

[ -f "$build/libtacho.a" ] || {
	echo "$build/libtacho.a is not built"
	exit 1
}
[ "$(uname -m)" = x86_64 ] || {
	echo "sites are a flag on this CPU"
	exit 77
}
echo 'int pair_other(int a); int pair_other(int a) { return a + 1; } int main(void) { return 0; }' \
	>"$tmp/other.c"

bad=0 compared=0
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	for mode in '-fPIE -pie' '-fno-pie -no-pie' '-fPIC -shared'; do
		for sites in 0 1 2; do
			# The archive is not linked into a shared object: nothing there is called.
			library=$build/libtacho.a
			[[ $mode = *shared* ]] && library=
			# shellcheck disable=SC2086
			$cc -O2 -Wall -Wextra -Werror $mode -DSITES=$sites -Iinclude -pthread \
				-o "$tmp/pair$sites" tests/site_pair.c "$tmp/other.c" $library || exit 1
			objdump -d --no-show-raw-insn "$tmp/pair$sites" >"$tmp/text$sites" || exit 1
		done
		python3 - "$tmp" "$cc $mode" <<'END' || bad=$((bad + 1))
import re, struct, sys

tmp, label = sys.argv[1:]
bad = 0


def fail(text):
    global bad
    bad += 1
    print(f"{label}: {text}")


def functions(path):
    """name -> [(address, text)] of the functions of site_pair.c"""
    found, now = {}, None
    for line in open(path):
        head = re.match(r"[0-9a-f]+ <(.*)>:$", line)
        if head:
            name = head.group(1)
            # a cold part belongs to its function
            now = found.setdefault(name.split(".")[0], []) if re.match(r"(pair|alone)_[a-z_]+(\.|$)", name) else None
        part = re.match(r"\s*([0-9a-f]+):\s+(.*\S)", line)
        if part and now is not None:
            text = part.group(2).split("#")[0].strip()
            now.append((int(part.group(1), 16), re.sub(r"\s+", " ", text)))
    found.pop("pair_other", None)
    return found


def sections(path):
    """name -> (address, bytes), of an ELF file of 64 bits"""
    data = open(path, "rb").read()
    off, = struct.unpack_from("<Q", data, 40)
    size, number, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, off + i * size) for i in range(number)]
    start = heads[names][4]
    return {data[start + h[0]:data.index(b"\0", start + h[0])].decode(): (h[3], data[h[4]:h[4] + h[5]])
            for h in heads}


def padding(text):
    return re.match(r"(data16 )*(cs )*(nop|nopw|nopl|xchg %ax,%ax)\b", text) is not None


def target(text):
    jump = re.match(r"(j\w+) ([0-9a-f]+)", text)
    return (jump.group(1), int(jump.group(2), 16)) if jump else (None, None)


def reached(code):
    """The instructions that can be reached, in the order of their addresses, without padding."""
    index = {address: i for i, (address, _) in enumerate(code)}
    todo, seen = [0], set()
    while todo:
        i = todo.pop()
        while i is not None and i < len(code) and i not in seen:
            seen.add(i)
            jump, to = target(code[i][1])
            if to in index:
                todo.append(index[to])
            i = None if jump == "jmp" or code[i][1].startswith("ret") else i + 1
    return [code[i] for i in sorted(seen)]


def normal(code):
    """Without padding; a target is the number of the instruction that it leads to."""
    kept = [(a, t) for a, t in code if not padding(t)]
    number = {}
    for address, _ in code:
        number[address] = sum(a < address for a, _ in kept)
    out = []
    for address, text in kept:
        jump, to = target(text)
        out.append(f"{jump} {number.get(to, 'out')}" if jump else
                   re.sub(r"[0-9a-f]+ <(\w+).*>", r"\1", text) if text.startswith("call") else
                   re.sub(r"-?0x[0-9a-f]+\(%rip\)", "(%rip)", text))
    return out


plain, sited, empty = [functions(f"{tmp}/text{i}") for i in range(3)]
if not plain or not plain.keys() == sited.keys() == empty.keys():
    fail(f"functions {sorted(plain)}, {sorted(sited)}, {sorted(empty)}")
if "tacho_sites" in sections(f"{tmp}/pair2"):
    fail("the empty sites are not empty")

# The list of the sites, and what stands in front of each of them.
secs = sections(f"{tmp}/pair1")
base, table = secs["tacho_sites"]
text_base, text = secs[".text"]
everywhere = {a: t for code in sited.values() for a, t in code}
listed = set()
for at in range(0, len(table), 16):
    site = base + at + struct.unpack_from("<i", table, at)[0]
    length, = struct.unpack_from("<I", table, at + 12)
    listed.add(site)
    code = text[site - text_base:site - text_base + 5]
    if length != 5 or code != bytes.fromhex("0f1f440000"):
        fail(f"site {site:x}: {code.hex()}")
    if site % 64 > 59:
        fail(f"site {site:x} straddles a cache line")
    before = site
    while before > site - 5 and everywhere.get(before - 1) != "nop":
        before -= 1
    if everywhere.get(before - 1) != "nop":
        fail(f"site {site:x}: no probe in front of it")
    if any(not padding(everywhere[a]) for a in range(before, site) if a in everywhere):
        fail(f"site {site:x}: more than padding behind its probe")
if not listed:
    fail("no site is listed")

sites = more = 0
for name in sorted(plain):
    live = reached(sited[name])
    here = sum(a in listed for a, _ in live)
    sites += here
    if not here:
        fail(f"{name} has no site that is reached")
    want, have = normal(reached(empty[name])), normal(live)
    none = normal(reached(plain[name]))
    more += len(have) - len(none) if name.startswith("pair_") else 0
    for other, text in (("empty", want), ("no", none)):
        if text != have and (other == "empty" or name.startswith("alone_")):
            fail(f"{name} is not the same with {other} sites\n  without: " + "; ".join(text) +
                 "\n  with: " + "; ".join(have))
print(f"{label}: {len(plain)} functions, {sites} sites, {bad} differences; "
      f"splitting the paths: {more:+d} instructions")
sys.exit(bad > 0)
END
		compared=$((compared + 1))
	done
done
[ $compared -gt 0 ] || {
	echo "no compiler"
	exit 77
}
echo "$compared builds compared, $bad bad"
[ $bad -eq 0 ]
