#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel and the hypervisor on the command line: tacho list, log and doctor, with and without
# privileges; then the bad days: no BTF, no tracefs, no compiler, too little memory, two sessions at
# once, and kill -9 in every phase. Whatever happens is one line, and nothing stays in the kernel.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
. "$(dirname "$0")/cli_common.sh"
here=$(cd "$(dirname "$0")" && pwd)
PATH=$PATH:/usr/sbin:/sbin

# Ids of programs, maps and links of the kernel that no process holds.
orphans() {
	python3 - "$tmp" <<'END'
import glob, json, re, subprocess, sys
ids = set()
for kind in "prog", "map", "link":
    text = subprocess.run(["bpftool", "-j", kind, "list"], stdout=subprocess.PIPE, text=True).stdout
    things = json.loads(text or "[]")
    for thing in things if isinstance(things, list) else []:
        # what went while the list was made is an error in it
        if "id" in thing and not thing.get("pinned"):
            ids.add((kind, thing["id"]))
held = set()
for path in glob.glob("/proc/[0-9]*/fdinfo/*"):
    try:
        text = open(path).read()
    except OSError:
        continue
    for kind, number in re.findall(r"^(prog|map|link)_id:\s*(\d+)", text, re.M):
        held.add((kind, int(number)))
for kind, number in sorted(ids - held):
    print(kind, number)
END
}
# nothing_left WHAT: what a process had in the kernel is freed a moment after it ended.
nothing_left() {
	local i
	checks=$((checks + 1))
	for i in $(seq 100); do
		orphans >"$tmp/orphans" && [ -z "$(comm -13 "$tmp/before" <(sort "$tmp/orphans"))" ] && return
		sleep 0.1
	done
	comm -13 "$tmp/before" <(sort "$tmp/orphans") >"$tmp/err"
	fail "$1: left in the kernel after $((i / 10)) s"
}
# wait_for FILE PATTERN: a session in the background has come so far.
wait_for() {
	local i
	for i in $(seq 200); do
		grep -qE -- "$2" "$1" 2>/dev/null && return
		sleep 0.05
	done
	fail "no '$2' in $1 after $((i / 20)) s"
}

# --- wrong usage ----------------------------------------------------------------------------------

refuse 2 log kernel
refuse 2 log hypervisor
for pair in domain-by=x domain-by= period=0 period=x period=0.01 period=2000 counter=x counter=0 \
	counter=0= counter=4=cycles counter=-1=cycles domain=x domain=a=b domain=a=x:y domain==pid:1 \
	domain=a=pid:x domain=a=comm: domain=12345678901234567890123456789012=pid:1; do
	refuse 2 log kernel cpu.service --"$pair"
	refuse 2 log kernel cpu.service --"${pair%%=*}" "${pair#*=}"
done
refuse 2 log kernel cpu.service --huge
refuse 2 log 1 x --period 1
refuse 2 log 1 x --domain-by user
refuse 2 log 1 x --counter 0=cycles
refuse 2 log kernel cpu.service --count --rows 1

# --- without privileges ---------------------------------------------------------------------------

if [ "$(id -u)" -eq 0 ]; then
	chmod 755 "$tmp"
	cp "$tacho" "$tmp/tacho" # the build may be in a directory that others may not enter
	chmod 755 "$tmp/tacho"
	all=$tacho tacho=$tmp/tacho
	as=(setpriv --reuid 65534 --regid 65534 --clear-groups --inh-caps=-all)
	refuse 1 log kernel cpu.service
	has err 'CAP_BPF'
	refuse 1 log kernel cpu.service --domain a=comm:x
	refuse 1 log hypervisor vm.exit
	good doctor
	has out '^no +kernel capabilities +CAP_BPF'
fi
good list
has out '^kernel: [0-9]+ event'
has out '^hypervisor: [0-9]+ event'
good list kernel
has out ' cpu\.service '
good list hypervisor -v
has out ' vm\.exit '
good list --json
json "list --json" 'c = d["components"]
assert [x["name"] for x in c][:2] == ["kernel", "hypervisor"], [x["name"] for x in c]
kernel, hypervisor = c[0]["events"], c[1]["events"]
assert all(e["name"].startswith("vm.") for e in hypervisor) and len(hypervisor) >= 5
assert not any(e["name"].startswith("vm.") for e in kernel) and len(kernel) > 20
ids = [e["id"] for e in kernel + hypervisor]
assert len(ids) == len(set(ids)), ids
assert all((e["kind"] == "-") == bool(e["why_not"]) for e in kernel + hypervisor)
page = open(sys.argv[2]).read().split(".Sh EVENTS")[1].split("\n.Sh ")[0]
named = {w for l in page.splitlines() if l.startswith(".It Cm ") for w in l[7:].split(" , ")}
assert named == {e["name"] for e in kernel + hypervisor}, named ^ {e["name"] for e in kernel + hypervisor}' \
	"$here/../doc/tacho.1"
good doctor --json
json "doctor --json" 'things = {t["thing"]: t["state"] for t in d["things"]}
assert {"BTF", "eBPF", "task storage", "tracepoints", "tracefs", "page references", "KVM"} <= set(things), things'

as=()
tacho=$all
need_kernel log kernel cpu.service
if orphans >"$tmp/orphans"; then
	sort "$tmp/orphans" >"$tmp/before"
else
	echo "no list of programs by bpftool: whether some are left is not known"
	nothing_left() { :; }
fi

# --- what cannot be done --------------------------------------------------------------------------

refuse 1 log kernel no.such.event
refuse 1 log kernel 'no.such.*'
refuse 1 log kernel cpu.service no.such.event
refuse 1 log kernel task.track
refuse 1 log hypervisor cpu.service
refuse 1 log kernel '*' --rows 16777216
refuse 2 log kernel cpu.pmc0 --counter 0=no-such-counter

# --- rows and totals ------------------------------------------------------------------------------

good log kernel cpu.service --limit 10
[ "$(wc -l <"$tmp/out")" -eq 11 ] || fail "log kernel --limit 10: not ten rows and a head"
has err '^10 rows of 1 event .*lost: nothing$'
good log kernel syscall --limit 50 --json
json "names of system calls" 'rows = [r for r in d if "event" in r]
assert len(rows) == 50 and d[-1]["ended"] == "limit", d[-1]
assert all(r["correspondent"].isidentifier() for r in rows), rows[0]
assert all(isinstance(r["counter"], int) and r["domain"] for r in rows), rows[0]'
good log kernel cpu.runq --period 5 --for 1 --json
json "run queues" 'rows = [r for r in d if "event" in r]
assert rows and all(r["counter"] < 100000 for r in rows), rows[:3]'
good log kernel cpu.service --count --for 0.5 --domain-by user --json
json "totals by user" 't = d["totals"]
assert {"idle", "root"} & {x["domain"] for x in t} and all(x["counter"] == "ns" for x in t), t'
good log kernel cpu.pmc3 --counter 3=cpu-clock --limit 5 --entries event,domain,counter,none
[ "$(head -n 1 "$tmp/out" | tr -s ' ')" = 'CPU EVENT DOMAIN COUNTER' ] || fail "log kernel --entries"

# A program of such a name is reached by its pid only.
if [ -x "$build/examples/queue" ]; then
	cp "$build/examples/queue" "$tmp/kernel"
	LD_LIBRARY_PATH=$build "$tmp/kernel" --seconds 60 &
	pid=$!
	pids+=("$pid")
	wait_for "/proc/$pid/comm" kernel
	for _ in $(seq 50); do
		"$tacho" list $pid >/dev/null 2>&1 && break
		sleep 0.1
	done
	refuse 1 log kernel queue.push
	good log $pid queue.push --limit 3
	good list kernel
	has out ' cpu\.service '
	good list $pid
	has out "^$pid kernel: 5 events"
	kill $pid
	wait $pid 2>/dev/null
fi

# --- two sessions at once -------------------------------------------------------------------------

# The same events, each with logs of its own: both see each of them, once.
for i in 1 2; do
	"$tacho" log kernel task.exec --domain "us=tree:$$" --json --for 60 >"$tmp/session$i" 2>"$tmp/session$i.err" &
	pids+=("$!")
	session[i]=$!
done
# without --json there is a head to wait for; this third one changes nothing for the others
"$tacho" log kernel task.exec --domain "us=tree:$$" --for 60 >"$tmp/session3" 2>"$tmp/session3.err" &
pids+=("$!")
session[3]=$!
wait_for "$tmp/session3" '^ *SECONDS'
sleep 1
for i in $(seq 20); do
	/bin/true
done
sleep 0.3
kill -TERM "${session[3]}" # ends in the middle
wait "${session[3]}" || fail "log kernel: status $? after a signal"
for i in $(seq 5); do
	/bin/true
done
sleep 0.3
kill -TERM "${session[1]}" "${session[2]}"
for i in 1 2; do
	wait "${session[i]}" || fail "log kernel: status $? after a signal"
	cp "$tmp/session$i" "$tmp/out"
	# the children of this shell: 25 times true, and what else it called
	json "session $i of two" 'rows = [r for r in d if r.get("event") == "task.exec" and r["domain"] == "us"]
assert len(rows) >= 25 and d[-1]["lost"] == {}, (len(rows), d[-1])'
	grep -o '"time_ns":[0-9]*\|"counter":[0-9]*' "$tmp/session$i" | grep counter | sort >"$tmp/execs$i"
done
checks=$((checks + 1))
# what was seen by one and not by the other happened while only one was there
[ "$(comm -12 "$tmp/execs1" "$tmp/execs2" | wc -l)" -ge 25 ] || fail "two sessions see different things"
[ "$(grep -cE ' task\.exec +us ' "$tmp/session3")" -ge 20 ] || fail "the third session misses something"
nothing_left "three sessions"

# --- bad days -------------------------------------------------------------------------------------

mkdir "$tmp/none"
if unshare -m true 2>/dev/null; then
	# no BTF
	as=(unshare -m sh -c "mount --bind '$tmp/none' /sys/kernel/btf && exec \"\$@\"" sh)
	release=$(uname -r)
	if compgen -G "/boot/vmlinux-$release" || compgen -G "/lib/modules/$release/*vmlinux*" ||
		compgen -G "/usr/lib/debug/*/vmlinux*"; then
		echo "this kernel's type information is also elsewhere: it was not hidden"
	else
		refuse 1 log kernel cpu.service
		has err 'CONFIG_DEBUG_INFO_BTF'
		good list kernel
		has out 'not here: no type information'
	fi
	good doctor
	has out '^no +BTF'
	# no tracefs: it is not needed
	as=(unshare -m sh -c "mount --bind '$tmp/none' /sys/kernel/tracing; mount --bind '$tmp/none' /sys/kernel/debug; exec \"\$@\"" sh)
	good log kernel cpu.service --limit 5
	good doctor
	has out '^no +tracefs'
	# other numbers of tasks than the kernel's: it says so
	as=(unshare -m -p -f --mount-proc)
	good log kernel cpu.service --limit 5
	has err 'pid namespace'
	good doctor
	has out '^part +numbers of tasks'
else
	echo "no mount namespace can be made: BTF and tracefs were not hidden"
fi
# no compiler, no tools: what is needed is in the command itself
as=(env -i PATH=/nonexistent)
good log kernel cpu.service --limit 5
# capabilities instead of root
as=(setpriv "--bounding-set=-all,+bpf,+perfmon" --inh-caps=-all)
good log kernel cpu.service --limit 5
# too little memory: the address space, and what the kernel charges to the group
as=(prlimit --as=200000000)
refuse 1 log kernel cpu.service --rows 8388608
as=(prlimit --nofile=20)
refuse 1 log kernel cpu.service
as=()
nothing_left "refusals"
group=
for root in /sys/fs/cgroup/memory /sys/fs/cgroup/unified /sys/fs/cgroup; do
	for limit in memory.limit_in_bytes memory.max; do
		[ -z "$group" ] || break
		mkdir "$root/tacho-test-$$" 2>/dev/null || continue
		if [ -e "$root/tacho-test-$$/$limit" ] && echo 268435456 >"$root/tacho-test-$$/$limit"; then
			group=$root/tacho-test-$$
		else
			rmdir "$root/tacho-test-$$"
		fi
	done
done
if [ -n "$group" ]; then
	as=(sh -c "echo \$\$ >$group/cgroup.procs && exec \"\$@\"" sh)
	refuse 1 log kernel cpu.service --rows 8388608
	has err 'no memory for an area'
	good log kernel cpu.service --limit 5
	as=()
	nothing_left "too little memory"
	for _ in $(seq 50); do
		rmdir "$group" 2>/dev/null && break
		sleep 0.1
	done
else
	echo "no memory cgroup can be made: no limit was tried"
fi

# kill -9: while it loads, as soon as its events are on, while it ends
for delay in 0.01 0.03 0.05 0.08 0.12 0.16 0.2 0.25 0.3 0.4 0.5; do
	"$tacho" log kernel '*' >"$tmp/killed" 2>&1 &
	pid=$!
	pids+=("$pid")
	sleep $delay
	kill -KILL $pid
	wait $pid 2>/dev/null
done
nothing_left "killed while it loads"
for delay in 0 0.002 0.005 0.01 0.02 0.05; do
	: >"$tmp/killed"
	"$tacho" log kernel '*' --count --json >"$tmp/killed" 2>&1 &
	pid=$!
	"$tacho" log kernel '[cit]*' --rows 512 >"$tmp/killed" 2>&1 &
	second=$!
	pids+=("$pid" "$second")
	wait_for "$tmp/killed" 'SECONDS'
	[ $delay = 0 ] || kill -TERM $pid $second
	sleep $delay
	kill -KILL $pid $second 2>/dev/null
	wait $pid $second 2>/dev/null
done
nothing_left "killed while it ends"
good log kernel '*' --for 0.2
nothing_left "in the end"

finish
