#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The command line: wrong usage is status 2, what cannot be done is status 1, and either is exactly
# one line on standard error and nothing on standard output. Then the verbs against a real program.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
. "$(dirname "$0")/cli_common.sh"

# --- wrong usage ----------------------------------------------------------------------------------

refuse 2
refuse 2 nonsense
refuse 2 lis
refuse 2 --nonsense
refuse 2 -x
refuse 2 $'two\nlines'
for verb in list log top sched check doctor demo; do
	refuse 2 $verb --nonsense
	refuse 2 $verb -x
	refuse 2 $verb $'--two\nlines'
	refuse 2 $verb --hel
	refuse 2 $verb --help=x
	good $verb --help
	has out "^usage: tacho $verb"
	good $verb -h
done
good --help
good --version
has out '^tacho [0-9]'

refuse 2 list 1 2
refuse 2 list --json=1
refuse 2 list --verb
refuse 2 doctor something
refuse 2 demo one two
refuse 2 demo --process one two
refuse 2 demo --report
refuse 2 demo --report ''
refuse 2 demo --process --report x
refuse 2 check
refuse 2 check one two
refuse 2 check --max
refuse 2 check --max x /dev/null

refuse 2 log
refuse 2 log 1
refuse 2 log --count 1
for pair in threshold=0 threshold=x threshold=-1 threshold=5000000000 threshold= \
	rows=0 rows=x rows=99999999999 limit=0 limit=x limit=1.5 for=0 for=x for=-1 for=nan for=inf \
	entries= entries=x "entries=event," "entries=time,tick" "entries=none,virtual" \
	domain= domain=x domain=x= domain==x domain=12345678901234567890123456789012=1; do
	refuse 2 log 1 x --"$pair"
	refuse 2 log 1 x --"${pair%%=*}" "${pair#*=}"
	refuse 2 log 1 x --"${pair%%=*}"
done
refuse 2 log 1 x --count --limit 1
refuse 2 log 1 x --count --rows 1
refuse 2 log 1 x --count --entries event
refuse 2 log 1 x --limi 1

# --- what cannot be done --------------------------------------------------------------------------

refuse 1 list no-such-program
refuse 1 list 999999999
refuse 1 list $$
refuse 1 log no-such-program x
refuse 1 log $$ x
refuse 1 log '' x
refuse 1 check "$tmp/none"
refuse 1 check "$tmp"
: >"$tmp/empty"
refuse 1 check "$tmp/empty"
refuse 1 demo "$tmp/none"
refuse 1 demo --process "$tmp/none"
refuse 1 demo "$tmp"
refuse 1 demo "$tmp/empty"
chmod +x "$tmp/empty"
refuse 1 demo "$tmp/empty"

# --- closed descriptors ---------------------------------------------------------------------------

# closed ARGUMENT...: to print without a standard output is an error; nothing else gets its number.
# Without the others it is as always.
closed() {
	local status
	checks=$((checks + 1))
	: >"$tmp/out"
	timeout 30 "$tacho" "$@" 2>"$tmp/err" >&- <&-
	status=$?
	[ $status -eq 1 ] || fail "tacho $* >&-: status $status and not 1"
	tail -n 1 "$tmp/err" | grep -q '^tacho.*: standard output: Bad file descriptor$' ||
		fail "tacho $* >&-: does not say why"
	timeout 30 "$tacho" "$@" 2>&- >&- <&- && fail "tacho $*, all closed: status 0"
	timeout 30 "$tacho" "$@" 2>&- >"$tmp/out" <&- || fail "tacho $* 2>&-: status $?"
	[ -s "$tmp/out" ] || fail "tacho $* 2>&-: nothing on standard output"
}
closed --help
closed --version
closed log --help
closed list
closed doctor
closed doctor --json
timeout 30 "$tacho" nonsense 2>&- >&- <&-
[ $? -eq 2 ] || fail "nonsense, all closed"

# --- a real program -------------------------------------------------------------------------------

queue=$build/examples/queue
if [ -x "$queue" ]; then
	"$queue" --seconds 60 &
	pid=$!
	pids+=("$pid")
	for _ in $(seq 50); do
		"$tacho" list $pid >/dev/null 2>&1 && break
		sleep 0.1
	done
	sleep 0.2 # its threads have named themselves

	good list $pid -v
	has out "^$pid queue: 5 events"
	has out 'producer-0'
	good list $pid --json
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))["components"]
assert len(d) == 1 and d[0]["name"] == "queue" and len(d[0]["events"]) == 5, d
assert not any(e["on"] for e in d[0]["events"]), d' "$tmp/out" 2>"$tmp/err" || fail "list --json"

	refuse 1 log $pid no.such.event
	refuse 1 log $pid 'queue.*' nothing
	refuse 1 log $pid queue.push --domain a=no-such-principal
	refuse 1 log $pid '*' --rows 16777216

	good log $pid 'queue.*' --limit 10
	[ "$(wc -l <"$tmp/out")" -eq 11 ] || fail "log --limit 10: not ten rows and a head"
	has err '^10 rows of 5 events .*lost: nothing$'
	good log $pid queue.push queue.take --limit 100 --json --entries event,domain,virtual
	python3 -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1])]
end = rows.pop()
assert end["rows"] == 100 == len(rows) and end["ended"] == "limit", end
assert all(set(r) == {"event", "cpu", "virtual", "domain"} for r in rows), rows[0]
assert {r["event"] for r in rows} <= {"queue.push", "queue.take"}
assert {r["domain"] for r in rows} <= {f"{w}-{n}" for w in ("producer", "consumer") for n in (0, 1)}
' "$tmp/out" 2>"$tmp/err" || fail "log --json"
	good log $pid queue.push --for 0.5 --threshold 100000
	has err '^0 rows of 1 event '
	good log $pid queue.push queue.take --count --for 1 --domain 'in=producer-*' --domain 'out=consumer-*' --json
	python3 -c 'import json, sys
d = json.load(open(sys.argv[1]))
t = {(x["event"], x["domain"]): x["total"] for x in d["totals"]}
assert set(t) == {("queue.push", "in"), ("queue.take", "out")}, t
assert abs(t["queue.push", "in"] - t["queue.take", "out"]) <= 64, t' "$tmp/out" 2>"$tmp/err" ||
		fail "log --count: what went in and what came out"
	# all principals in one domain: everything happens inside it
	good log $pid queue.push --domain 'all=*' --for 0.3
	has err '^0 rows '

	# an interrupt ends it in order, and the events are off
	"$tacho" log $pid 'queue.*' >"$tmp/out" 2>"$tmp/err" &
	log=$!
	pids+=("$log")
	sleep 0.5
	area=
	for fd in "/proc/$log/fd"/*; do
		case $(readlink "$fd") in *memfd:tacho*) area=$fd ;; esac
	done
	if [ -n "$area" ]; then
		run check "$area" || fail "the area in use is not valid"
	else
		fail "the session has no area"
	fi
	"$tacho" log $pid 'queue.*' >"$tmp/out" 2>"$tmp/err" &
	second=$!
	pids+=("$second")
	sleep 0.3
	kill -TERM "$second"
	wait "$second" || fail "log: status $? after a signal"
	has err '^[0-9]+ rows of 5 events .*lost: nothing$'
	kill -KILL "$log"
	wait "$log" 2>/dev/null
	for _ in $(seq 50); do
		"$tacho" list $pid >"$tmp/out"
		grep -q '  on  ' "$tmp/out" || break
		sleep 0.1
	done
	if grep -q '  on  ' "$tmp/out"; then
		fail "the events of a session that was killed are on"
	fi

	# a reader of the output that goes away
	timeout 30 "$tacho" log $pid 'queue.*' 2>"$tmp/err" | head -n 2 >"$tmp/out"
	[ "${PIPESTATUS[0]}" -eq 0 ] || fail "log into a closed pipe"
	[ "$(wc -l <"$tmp/out")" -eq 2 ] || fail "log into a pipe"
	timeout 30 "$tacho" log $pid 'queue.*' --limit 5 2>"$tmp/err" >/dev/full && fail "log to a full disk"
	closed log $pid 'queue.*' --limit 5

	# the component dies
	"$tacho" log $pid 'queue.*' >"$tmp/out" 2>"$tmp/err" &
	log=$!
	pids+=("$log")
	sleep 0.5
	kill -KILL $pid
	wait $pid 2>/dev/null
	wait "$log" || fail "log: status $? after the component died"
	has err '^queue \([0-9]*\) has ended'
	[ "$(wc -l <"$tmp/out")" -gt 10 ] || fail "log: no rows of a component that died"

	# not a component, because it was told so
	TACHO=0 "$queue" --seconds 60 &
	pid=$!
	pids+=("$pid")
	sleep 0.2
	refuse 1 list $pid
	refuse 1 log $pid x
else
	echo "no example was built: nothing was attached"
fi

good doctor
good doctor --json
python3 -c 'import json, sys
assert len(json.load(open(sys.argv[1]))["things"]) > 10' "$tmp/out" 2>"$tmp/err" || fail "doctor --json"

finish
