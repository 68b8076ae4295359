# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tests of the command line share; they source it, with the build directory in $1. A check
# that fails is told and counted; `finish` says how many, and is the exit status.
#
# With own_run=yes before, /run/tacho is the test's own: one scheduler is all that a machine may have, and
# somebody else's is no reason to fail.
if [ -n "${own_run-}" ] && [ -z "${TACHO_OWN_RUN-}" ] && [ "$(id -u)" -eq 0 ] && unshare -m true 2>/dev/null; then
	mkdir -p /run/tacho
	export TACHO_OWN_RUN=yes
	# shellcheck disable=SC2016 # for the other shell
	exec unshare -m sh -c 'mount -t tmpfs tmpfs /run/tacho; exec "$@"' sh "$0" "$@"
fi
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY}" && pwd)
tacho=$build/tacho
tmp=$(mktemp -d)
pids=()
cleanup() {
	local pid
	[ "$BASHPID" = $$ ] || return # a child that has not become its command yet
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT

checks=0 bad=0
as=() # words before the command: another user, another place
run_verb=() # words of the command before the arguments
run_seconds=30 # seconds that a command may take
fail() {
	bad=$((bad + 1))
	echo "not ok $*"
	head -n 5 "$tmp/out" "$tmp/err" | sed 's/^/     /'
}
run() {
	checks=$((checks + 1))
	timeout "$run_seconds" "${as[@]}" "$tacho" "${run_verb[@]}" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
}
# refuse STATUS ARGUMENT...: refused with that status in one line.
refuse() {
	local want=$1 status
	shift
	run "$@"
	status=$?
	[ $status -eq "$want" ] || fail "tacho ${run_verb[*]} $*: status $status and not $want"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "tacho ${run_verb[*]} $*: $(wc -l <"$tmp/err") lines and not one"
	[ "$(grep -c '^tacho' "$tmp/err")" -eq 1 ] || fail "tacho ${run_verb[*]} $*: does not say who refuses"
	[ ! -s "$tmp/out" ] || fail "tacho ${run_verb[*]} $*: something on standard output"
	if [ "$want" -eq 2 ]; then
		grep -q -- '--help$' "$tmp/err" || fail "tacho ${run_verb[*]} $*: does not say where help is"
	fi
}
# good ARGUMENT...: status 0
good() {
	local status
	run "$@"
	status=$?
	[ $status -eq 0 ] || fail "tacho ${run_verb[*]} $*: status $status"
}
has() {
	grep -qE -- "$2" "$tmp/$1" || fail "no '$2' in std$1"
}
# json WHAT PYTHON [ARGUMENT...]: d is the list of the objects in standard output, or the only one.
json() {
	local what=$1 program=$2
	shift 2
	python3 - "$tmp/out" "$@" 2>"$tmp/err" <<END || fail "$what"
import json, sys
text = open(sys.argv[1]).read()
try:
    d = json.loads(text)
except ValueError:
    d = [json.loads(line) for line in text.splitlines()]
$program
END
}
# wait_for SECONDS CONDITION...: whether it comes true
wait_for() {
	local end=$((SECONDS + $1))
	shift
	checks=$((checks + 1))
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.05
	done
}
# is_gone PID: it has ended, whoever may have to wait for it
is_gone() {
	! grep -qsE '^State:[[:space:]]+[^ZX]' "/proc/$1/status"
}
# pair_start NAME: two processes that do nothing but wake each other; NAMEing is $ping, NAMEong is $pong
pair_start() {
	rm -f "$tmp/pair"
	python3 - "$tmp/pair" "$1" 2>/dev/null <<'END' &
import os, sys
a, b = os.pipe(), os.pipe()
child = os.fork()
if child == 0:
    open("/proc/self/comm", "w").write(sys.argv[2] + "ong")
    os.close(a[1])
    os.close(b[0])
    while os.read(a[0], 1):
        os.write(b[1], b"x")
    os._exit(0)
open("/proc/self/comm", "w").write(sys.argv[2] + "ing")
os.close(a[0])
os.close(b[1])
with open(sys.argv[1] + ".new", "w") as f:
    f.write(str(child))
os.rename(sys.argv[1] + ".new", sys.argv[1])
while True:
    os.write(a[1], b"x")
    os.read(b[0], 1)
END
	ping=$!
	pids+=("$ping")
	wait_for 60 test -s "$tmp/pair" || fail "no pair of processes"
	pong=$(cat "$tmp/pair")
	pids+=("$pong")
}
# without_privileges ARGUMENT...: refused to somebody who has none
without_privileges() {
	local ours=$tacho
	if [ "$(id -u)" -ne 0 ] || ! command -v setpriv >/dev/null; then
		return
	fi
	chmod 711 "$tmp" # the build may be in a directory that others may not enter
	install -m 755 "$tacho" "$tmp/tacho"
	tacho=$tmp/tacho
	as=(env -C / setpriv --reuid 65534 --regid 65534 --clear-groups --bounding-set=-all --inh-caps=-all)
	refuse 1 "$@"
	tacho=$ours as=()
}
# need_kernel [ARGUMENT...]: the rest needs events of the kernel; without root, the arguments are refused
need_kernel() {
	local why
	if [ "$(id -u)" -ne 0 ]; then
		[ $# -eq 0 ] || refuse 1 "$@"
		why="not root"
	else
		"$tacho" list kernel --json >"$tmp/out" 2>"$tmp/err" || fail "tacho list: status $?"
		why=$(python3 -c 'import json, sys
print(json.load(open(sys.argv[1]))["components"][0]["why_not"] or "")' "$tmp/out")
	fi
	[ -n "$why" ] || return 0
	echo "skip the rest: $why"
	finish || exit
	exit 77
}
finish() {
	echo "$checks checks, $bad failed"
	[ $bad -eq 0 ]
}
