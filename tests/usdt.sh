#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every site is a USDT probe, too: the notes and bpftrace name it, bpftrace and tacho may be attached
# at the same time and count the same events, and when both are gone, whoever went first, the text is
# that of the file again.
set -u
build=$(cd "${1:?the build directory}" && pwd) || exit 1
tacho=$build/tacho queue=$build/examples/queue program=$build/tests/programs/usdt
tmp=$(mktemp -d)
declare -A pids=()
cleanup() {
	local pid
	for pid in "${!pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT

bad=0
fail() {
	bad=$((bad + 1))
	echo "not ok $*"
}
die() {
	echo "not ok $*"
	head -n 5 "$tmp"/*.out "$tmp"/*.err 2>/dev/null
	exit 1
}
skip() {
	echo "$*"
	[ $bad -eq 0 ] && exit 77
	exit 1
}

[ "$(uname -m)" = x86_64 ] || skip "sites are a flag on this CPU"

# text.py sites FILE: how many sites it lists.  text.py state PID FILE: of the running program, how
# many probes hold a breakpoint, how many sites jump, and how many bytes of the text are not the file's.
cat >"$tmp/text.py" <<'END'
import re, struct, sys


def sections(data):
    """name -> (address, offset, size, flags), of an ELF file of 64 bits"""
    off, = struct.unpack_from("<Q", data, 40)
    size, number, names = struct.unpack_from("<HHH", data, 58)
    heads = [struct.unpack_from("<IIQQQQ", data, off + i * size) for i in range(number)]
    start = heads[names][4]
    return {data[start + h[0]:data.index(b"\0", start + h[0])].decode(): (h[3], h[4], h[5], h[2])
            for h in heads}


def sites(data, secs):
    base, off, size, _ = secs["tacho_sites"]
    return [base + at + struct.unpack_from("<i", data, off + at)[0] for at in range(0, size, 16)]


def probes(data, secs):
    _, off, size, _ = secs[".note.stapsdt"]
    found, end = [], off + size
    while off < end:
        owner, length, kind = struct.unpack_from("<III", data, off)
        body = off + 12 + (owner + 3 & ~3)
        assert kind == 3 and data[body + 24:body + 30] == b"tacho\0", "another note"
        found.append(struct.unpack_from("<Q", data, body)[0])
        off = body + (length + 3 & ~3)
    return found


verb, path = sys.argv[1], sys.argv[-1]
data = open(path, "rb").read()
secs = sections(data)
if verb == "sites":
    assert len(sites(data, secs)) == len(probes(data, secs)) == len(set(probes(data, secs)))
    print(len(sites(data, secs)))
    sys.exit()
pid = sys.argv[2]
is_pie = struct.unpack_from("<H", data, 16)[0] == 3
first = next(line for line in open(f"/proc/{pid}/maps") if line.rstrip().endswith(path))
bias = int(first.split("-")[0], 16) if is_pie else 0
mem = open(f"/proc/{pid}/mem", "rb", 0)


def at(address, size):
    mem.seek(bias + address)
    return mem.read(size)


differ = 0
for address, off, size, flags in secs.values():
    if flags & 4 and size:  # executable
        differ += sum(a != b for a, b in zip(at(address, size), data[off:off + size]))
print(sum(at(a, 1) == b"\xcc" for a in probes(data, secs)),
      sum(at(a, 1) == b"\xe9" for a in sites(data, secs)), differ)
END

# --- the notes ------------------------------------------------------------------------------------

names_of() { # FILE: the probes in it
	readelf -n "$1" | sed -n 's/^ *Name: //p' | sort
}
for file in "$queue" "$program"; do
	[ -x "$file" ] || die "$file is not built"
	sites=$(python3 "$tmp/text.py" sites "$file") || die "$file: its notes and its sites"
	notes=$(readelf -n "$file" | grep -c 'NT_STAPSDT')
	named=$(readelf -n "$file" | grep -c 'Provider: tacho$')
	[ "$notes" -eq "$sites" ] || fail "$file: $notes notes, $sites sites"
	[ "$named" -eq "$sites" ] || fail "$file: $named notes of tacho, $sites sites"
	[ "$sites" -gt 3 ] || fail "$file: $sites sites"
done

# --- both at once ---------------------------------------------------------------------------------

command -v bpftrace >/dev/null || skip "bpftrace is not installed"
[ "$(id -u)" = 0 ] || skip "bpftrace wants root"

for file in "$queue" "$program"; do
	timeout 15 bpftrace -l "usdt:$file:*" 2>"$tmp/list.err" | sed 's/.*:tacho://' | sort -u >"$tmp/list"
	names_of "$file" | sort -u | cmp -s - "$tmp/list" ||
		fail "bpftrace does not list the probes of $file"
done

state() {
	python3 "$tmp/text.py" state "$target" "$program"
}
# await PROBES SITES: until so many probes hold a breakpoint and so many sites jump.
await() {
	local i now=
	for ((i = 0; i < 150; i++)); do
		now=$(state)
		[ "${now% *}" = "$1 $2" ] && return
		sleep 0.05
	done
	die "breakpoints, jumps, other bytes: $now, and not $1 $2"
}
bpf_start() {
	timeout 30 bpftrace -p "$target" -e '
		usdt:'"$program"':tacho:hit { @hit = count(); }
		usdt:'"$program"':tacho:leaf { @leaf = count(); }
		usdt:'"$program"':tacho:round__entry { @entry = count(); }
		usdt:'"$program"':tacho:round__exit { @exit = count(); }' \
		>"$tmp/bpf.out" 2>"$tmp/bpf.err" &
	bpf=$!
	pids[$bpf]=1
}
tacho_start() {
	timeout 30 "$tacho" log "$target" 'usdt.*' --count --json >"$tmp/tacho.out" 2>"$tmp/tacho.err" &
	log=$!
	pids[$log]=1
}
# timeout hands the signal on to what it runs.
end() {
	kill -INT "$1"
	wait "$1"
	unset "pids[$1]"
}
hit() {
	local answer
	echo "hit $1" >&"$to"
	read -r -t 10 answer <&"$from"
	[ "$answer" = "ok $1" ] || die "hit $1: the program answers '$answer'"
}
# bpf_saw N, tacho_saw N...: how many times around; the counter of leaf is 0, 1... in every command.
bpf_saw() {
	local name
	for name in hit leaf entry exit; do
		grep -qx "@$name: $1" "$tmp/bpf.out" ||
			fail "bpftrace, $name: $(grep "@$name" "$tmp/bpf.out"), and not $1"
	done
}
tacho_saw() {
	local n times=0 sum=0
	for n in "$@"; do
		times=$((times + n)) sum=$((sum + n * (n - 1) / 2))
	done
	python3 - "$tmp/tacho.out" $times $sum <<'END' || fail "tacho: $(tail -n 1 "$tmp/tacho.out")"
import json, sys
said = json.loads(open(sys.argv[1]).read().splitlines()[-1])
total = {}
for row in said["totals"]:
    total[row["event"]] = total.get(row["event"], 0) + row["total"]
good = total["usdt.hit"] == int(sys.argv[2]) and total["usdt.leaf"] == int(sys.argv[3])
sys.exit(not (good and total["usdt.round"] > 0 and not any(said["lost"].values())))
END
}

coproc PROGRAM { exec timeout 60 "$program"; }
program_pid=${PROGRAM_PID:?} to=${PROGRAM[1]} from=${PROGRAM[0]}
pids[$program_pid]=1
read -r -t 10 line <&"$from"
[ "$line" = ready ] || die "the program does not start"
target=$(pgrep -P "$program_pid" -x usdt) || die "the program is gone"
pids[$target]=1
sites=$(python3 "$tmp/text.py" sites "$program")
[ "$(state)" = "0 0 0" ] || fail "at the start: $(state)"

# bpftrace is first to come and last to go
bpf_start
await "$sites" 0
hit 10
tacho_start
await "$sites" "$sites"
hit 1000
end $log
await "$sites" 0
hit 100
end $bpf
await 0 0
[ "$(state)" = "0 0 0" ] || fail "bpftrace left last: $(state)"
bpf_saw 1110
tacho_saw 1000

# tacho is first to come and last to go
tacho_start
await 0 "$sites"
hit 10
bpf_start
await "$sites" "$sites"
hit 1000
end $bpf
await 0 "$sites"
hit 100
end $log
await 0 0
[ "$(state)" = "0 0 0" ] || fail "tacho left last: $(state)"
bpf_saw 1000
tacho_saw 10 1000 100

hit 10
exec {to}>&- # it ends with its input
wait "$program_pid" || fail "the program ends with status $?"
pids=()

echo "$sites sites that are probes, $bad bad"
[ $bad -eq 0 ]
