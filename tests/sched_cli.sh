#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tacho sched for real: wrong usage; a pair that talks is brought together and released again, whatever ends
# the scheduler; what was given CPUs by somebody else is left alone; JSON, the story, commands, policies that fail.
# It starts and looks at its own processes only. No time is asserted, but that things happen at all.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
own_run=yes
. "$(dirname "$0")/cli_common.sh"
run_verb=(sched) run_seconds=100

# --- wrong usage ----------------------------------------------------------------------------------

refuse 2 something
refuse 2 something -- true
refuse 2 --nonsense
refuse 2 -x
refuse 2 --expl
refuse 2 --help=x
good --help
has out '^usage: tacho sched '
for pair in policy= policy=x period=0 period=x period=-1 period=20000 period=1.5 for=0 for=x for=-1 for=nan \
	ready=x ready=-1 ready=77 min-age=x min-age=-1 min-age=9999999 min-gain=0 min-gain=x min-gain=-5 \
	min-gain=2000 domain-by= domain-by=cpu domain= domain=x domain=x=y domain=x=pid: domain=system=pid:1 \
	metric= metric=x cpu=0 cpu=x cpu=-1 cpu=1e3 cpu=2000 disk=x disk=0 disk=-1 net=x net=0 net=-1 runs=0 \
	runs=x runs=-1 seed=x seed=-1 seed=5000000000 topology= launch= mould= logs= report=; do
	refuse 2 --"$pair"
	refuse 2 --"${pair%%=*}" "${pair#*=}"
	refuse 2 --"${pair%%=*}"
done
for flag in list-policies dry-run explain json quiet force always restore restart once random fixed; do
	refuse 2 --$flag=1
done
refuse 2 --restart
refuse 2 --once
refuse 2 --random
refuse 2 --fixed
refuse 2 --runs 2
refuse 2 --launch x --runs 2
refuse 2 --seed 2
refuse 2 --launch x --seed 2
refuse 2 --mould x
refuse 2 --launch x --mould x --policy auto
refuse 2 --launch x --restart --once
refuse 2 --launch x --random --fixed
refuse 2 --launch x -- true
refuse 2 --restore -- true
refuse 2 --restore something
refuse 2 --restore --launch x
refuse 2 --restore --dry-run
refuse 2 --launch x --dry-run
refuse 2 --json --explain
refuse 2 --quiet --explain

# --- what needs nothing ---------------------------------------------------------------------------

good --list-policies
for policy in observe bind affinity balance gang spread auto; do
	has out "^$policy  *[a-z]"
done
good --list-policies --json
json "--list-policies --json" '
assert {"observe", "bind", "affinity", "balance", "gang", "spread", "auto"} <= {x["policy"] for x in d}
assert all(x["doc"] for x in d)'
refuse 1 --launch "$tmp/none"

# --- without privileges ---------------------------------------------------------------------------

without_privileges --for 1
need_kernel --for 1
good --for 0.3 --quiet
[ ! -s "$tmp/out" ] || fail "--quiet: something on standard output"
[ ! -s "$tmp/err" ] || fail "--quiet: something on standard error"

# --- a pair that talks ----------------------------------------------------------------------------

cpus=$(nproc)
name=t$$p # nobody else has such names: ping and pong end with the rest
all=$(taskset -pc $$ | sed 's/.*: //')
pair() {
	pair_start "$name"
	sleep 0.3 # older than what is left alone
}
unpair() {
	kill "$ping" "$pong" 2>/dev/null
	wait "$ping" 2>/dev/null
}
where() { taskset -pc "$1" 2>/dev/null | sed 's/.*: //'; }
# together: both may run on one and the same CPU only
together() {
	local a b
	a=$(where "$ping") b=$(where "$pong")
	[ "$a" = "$b" ] && [[ $a =~ ^[0-9]+$ ]]
}
# released: both may run anywhere
released() { [ "$(where "$ping")" = "$all" ] && [ "$(where "$pong")" = "$all" ]; }
# start ARGUMENT...: a scheduler in the background, pid in $sched, ready when this returns
start() {
	rm -f "$tmp/fifo"
	mkfifo "$tmp/fifo"
	# a policy of a file is given up on when it gets no CPU for half a second: others shall not be the reason
	nice -n -15 "$tacho" sched --ready 9 "$@" 9>"$tmp/fifo" >"$tmp/out" 2>"$tmp/err" </dev/null &
	sched=$!
	pids+=("$sched")
	timeout 60 head -c 1 "$tmp/fifo" >"$tmp/byte"
	[ "$(wc -c <"$tmp/byte")" -eq 1 ] || fail "--ready: no byte from tacho sched $*"
}

if [ "$cpus" -lt 2 ]; then
	echo "skip the rest: one CPU, nothing can be moved"
	finish
	exit
fi

# apart: what they have before is a CPU for each, so that there is always something to be won; moved with --force only
apart() {
	taskset -pc 0 "$ping" >/dev/null && taskset -pc 1 "$pong" >/dev/null
}
as_apart() { [ "$(where "$ping") $(where "$pong")" = "0 1" ]; }
# end SIGNAL: end it, and see that it is as before
end() {
	kill "-$1" "$sched"
	wait "$sched" || fail "status $? after SIG$1"
	as_apart || fail "not as before after SIG$1: $(where "$ping") and $(where "$pong")"
}
# says PATTERN...: what it has written so far
says() {
	local pattern
	for pattern in "$@"; do
		grep -q -- "$pattern" "$tmp/out" || return 1
	done
}

# A policy that wants the pair on CPU 0, come what may: whether the real ones do depends on what else runs here.
wants=affinity
if command -v cc >/dev/null; then
	cat >"$tmp/wants.c" <<'END'
#include <string.h>
#include <tacho/policy.h>
static void decide(void *state, const struct tacho_policy_input *input, struct tacho_policy_plan *plan)
{
	struct tacho_cpus cpus = tacho_cpus_one(0);
	struct tacho_policy_place *place;

	(void)state;
	for (uint32_t i = 0; i < input->nr_domains; i++) {
		if (strncmp(input->domains[i].name, NAME, strlen(NAME)) ||
		    !(input->domains[i].flags & TACHO_D_MOVABLE))
			continue;
		place = tacho_plan_add(plan, i, &cpus, 1, "a test wants it there");
		if (place) {
			place->fact = input->domains[i].wakes_out;
			place->threshold = place->fact < 1 ? 0 : 1; /* it may have had no turn yet */
			strcpy(place->fact_name, "wake-ups/s");
		}
	}
}
const struct tacho_policy tacho_policy = { TACHO_POLICY_ABI, "wants", "for a test", NULL, decide };
END
	cc -shared -fPIC "-DNAME=\"$name\"" -I"$(dirname "$0")/../include" -o "$tmp/wants.so" "$tmp/wants.c" || fail "cc"
	wants=$tmp/wants.so
fi

pair
apart
start --policy "$wants" --force --dry-run
wait_for 60 says ' place ' || fail "--dry-run: nothing would be done"
as_apart || fail "--dry-run: something was moved"
end INT
has err '^tacho sched: .*nothing was done'

# left alone without --force
start --policy "$wants"
sleep 3
as_apart || fail "moved what taskset had placed"
end TERM

# ended in order, by each signal: undone, and it says so
for signal in HUP INT TERM; do
	start --policy "$wants" --force --json
	wait_for 60 together || fail "a pair is not brought together: $(where "$ping") and $(where "$pong")"
	end $signal
done
[ ! -s "$tmp/err" ] || fail "--json: something on standard error"
json "--json" '
end = d.pop()
assert end["ended"] == "signal" and end["totals"]["moves"] >= 1 and not end["dry_run"], end
assert end["restored"] >= 2 or any(n["note"] == "take back" for n in d), end
assert d[0]["note"] == "start", d[0]
places = [n for n in d if n["note"] == "place" and n["pid"] in (int(sys.argv[2]), int(sys.argv[3]))]
assert places, [n["note"] for n in d]
for n in places:
    assert len(n["to"]) == 1 and n["text"] and n["move"] > 0, n
    assert n["fact"] is None or n["fact"]["value"] >= n["fact"]["threshold"], n
assert all({"note", "time_ns", "seconds", "name", "pid", "tid", "tasks", "move", "from", "to", "policy",
            "fact", "progress", "pages", "text"} == set(n) for n in d)' "$ping" "$pong"
# a line each, as the page says
checks=$((checks + 1))
while read -r line; do
	python3 -m json.tool <<<"$line" >"$tmp/tool" || fail "--json: $line"
done <"$tmp/out"

# killed: somebody else undoes it
start --policy "$wants" --force
wait_for 60 together || fail "a pair is not brought together"
kill -KILL "$sched"
{ wait "$sched"; } 2>/dev/null
wait_for 60 as_apart || fail "not as before after SIGKILL: $(where "$ping") and $(where "$pong")"
wait_for 60 run --restore || fail "--restore: $(cat "$tmp/err")"

# a second one; what the first one writes is not touched
mkdir "$tmp/both"
echo kept >"$tmp/both/scheduler.log"
start --policy "$wants" --quiet # whatever it has to say would be taken for what the second one says
refuse 1 --for 1 --logs "$tmp/both"
has err "$sched"
[ "$(cat "$tmp/both/scheduler.log")" = kept ] || fail "--logs: written by one that may not run"
refuse 1 --restore
has err "$sched"
end TERM
has_summary='^tacho sched: [0-9]+ moves?, [0-9]+ kept, [0-9]+ taken back; everything is as before \([0-9]+ tasks? restored\); own cost [0-9.]+ % of a CPU$'

# the story
start --explain --policy "$wants" --force
wait_for 60 says 'is given CPUs' 'compared with' || fail "--explain: tells no story"
end INT
has out '^It cost [0-9.]+ % of a CPU itself\.$'
has err "$has_summary"
unpair

# free to run anywhere: whether anything is to be won is the machine's to say, but not that they are free afterwards
pair
start --policy affinity
wait_for 10 together || echo "the policy did not bring the pair together: nothing was to be won beside what else runs"
kill -TERM "$sched"
wait "$sched" || fail "status $? after SIGTERM"
# somebody else's scheduler may have placed them as well
if says ' place '; then
	released || fail "not released: $(where "$ping") and $(where "$pong")"
fi
unpair

# --- a terminal -----------------------------------------------------------------------------------

# on_terminal WORDS KEYS ARGUMENT...: on one of 100 columns and 30 lines; KEYS are hit a while after WORDS came
on_terminal() {
	checks=$((checks + 1))
	timeout "$run_seconds" python3 - "$tacho" "$@" >"$tmp/out" 2>"$tmp/err" <<'END'
import fcntl, os, pty, struct, sys, termios, time
tacho, words, keys, *arguments = sys.argv[1:]
sized, go = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
    os.read(sized, 1)
    os.execv(tacho, ["tacho", "sched", *arguments])
fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
os.write(go, b"x")
out, hit = b"", False
while True:
    try:
        got = os.read(fd, 4096)
    except OSError:
        break
    if not got:
        break
    out += got
    if not hit and words.encode() in out:
        time.sleep(1.2)
        os.write(fd, keys.encode())
        hit = True
sys.stdout.buffer.write(out)
status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(status if hit else f"{words} did not come")
END
}
# screen KEY: the command is ended by it, and leaves the screen before it says how it was
screen() {
	on_terminal DOMAIN "$1" --policy observe --for 60 || fail "on a terminal, ended by '$1': status $?"
	has out $'\033\\[\\?1049h'
	has out $'\033\\[\\?1049l'
	has out 'tacho sched  observe'
	tr '\r\n' '  ' <"$tmp/out" | sed $'s/.*\033\\[?1049l//' | grep -q 'everything is as before' ||
		fail "on a terminal, ended by '$1': the end is not told on the screen that stays"
}
screen q
screen $'\003'

# --- a command ------------------------------------------------------------------------------------

run -- sh -c 'echo hello; exit 7'
[ $? -eq 7 ] || fail "the status of a command is not that of tacho sched"
[ "$(cat "$tmp/out")" = hello ] || fail "standard output is not the command's"
has err "$has_summary"
run --quiet -- sh -c 'kill -KILL $$'
[ $? -eq 137 ] || fail "the status of a command that is killed"
[ ! -s "$tmp/err" ] || fail "--quiet with a command: something on standard error"
refuse 1 --quiet -- "$tmp/none"
# signalled SCRIPT: the status of one whose command is that, and has said something when SIGTERM comes
signalled() {
	: >"$tmp/out"
	"$tacho" sched --quiet -- sh -c "$1" >"$tmp/out" 2>"$tmp/err" </dev/null &
	sched=$!
	pids+=("$sched")
	wait_for 60 test -s "$tmp/out" || fail "the command does not run"
	kill -TERM "$sched"
	wait "$sched"
}
signalled 'echo $$; exec sleep 100'
[ $? -eq 143 ] || fail "a signal is not passed on to the command"

# one that survives the signal: said, and it is no success
signalled 'trap "" TERM; echo $$; exec sleep 100'
[ $? -eq 1 ] || fail "a command that goes on: not status 1"
has err 'the command goes on, as process'
kill -KILL "$(cat "$tmp/out")" || fail "a command that goes on: it does not"
# nor has it the descriptor of --ready
run --quiet --ready 9 -- sh -c 'if [ -e /proc/self/fd/9 ]; then exit 9; fi' 9>"$tmp/byte" ||
	fail "a command inherits the descriptor of --ready"

# --- files ----------------------------------------------------------------------------------------

good --for 1 --report "$tmp/report.html" --logs "$tmp/logs"
grep -qi '<html' "$tmp/report.html" || fail "--report: no HTML"
[ -s "$tmp/logs/scheduler.log" ] || fail "--logs: no scheduler.log"
good --for 1 --report "$tmp/report.txt"
[ -s "$tmp/report.txt" ] || fail "--report: no text"
refuse 1 --for 1 --logs /dev/null/x
refuse 1 --for 1 --report /dev/null/x.html
refuse 1 --for 1 --report /dev/null
refuse 1 --for 1 --report "$tmp"
ln -s "$tmp/elsewhere" "$tmp/link.txt"
refuse 1 --for 1 --report "$tmp/link.txt"
[ ! -e "$tmp/elsewhere" ] || fail "--report: writes through a link"
find "$tmp" -name '*.part' | grep -q . && fail "--report: something is left beside it"
grep -q '^command: tacho sched --for 1 --report ' "$tmp/report.txt" || fail "--report: no command"
grep -q '^[0-9.]* start ' "$tmp/logs/scheduler.log" || fail "--logs: does not begin with the start"

# a launch file that says where is obeyed without --policy
printf '0 /bin/true\n***thread 0 [0]\n' >"$tmp/placed"
printf '0 /bin/true\n' >"$tmp/anywhere"
good --launch "$tmp/placed" --for 60
has out ' start .*policy bind '
good --launch "$tmp/anywhere" --for 60
has out ' start .*policy auto '

# typed at a terminal, the command gets it once: from the kernel
cat >"$tmp/once.py" <<'END'
import signal, time
got = []
signal.signal(signal.SIGINT, lambda *_: got.append(1))
print("up", flush=True)
end = time.time() + 60
while time.time() < end and not got:
    time.sleep(0.05)
time.sleep(0.8)
raise SystemExit(40 + len(got))
END
on_terminal up $'\003' --quiet -- python3 "$tmp/once.py"
status=$?
[ $status -eq 41 ] || fail "Ctrl-C and a command: status $status and not 41"

# --- policies that fail ---------------------------------------------------------------------------

refuse 1 --policy ./none.so --for 1
refuse 1 --policy "$tmp/report.txt" --for 1
if command -v cc >/dev/null; then
	cat >"$tmp/crash.c" <<'END'
#include <tacho/policy.h>
static void decide(void *state, const struct tacho_policy_input *input, struct tacho_policy_plan *plan)
{
	(void)input;
	(void)plan;
	if (++*(int *)state == 5)
		__builtin_trap();
}
const struct tacho_policy tacho_policy = { TACHO_POLICY_ABI, "crash", "fails", NULL, decide };
END
	cc -shared -fPIC -I"$(dirname "$0")/../include" -o "$tmp/crash.so" "$tmp/crash.c" || fail "cc"
	run --policy "$tmp/crash.so" --always --for 60 --quiet
	[ $? -eq 1 ] || fail "a policy that crashes: not status 1"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "a policy that crashes: not one line"
fi

# nothing of it is left
wait_for 60 test ! -e /run/tacho/sched.state || fail "the state file is left"

finish
