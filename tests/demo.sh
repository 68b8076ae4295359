#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tacho demo: it shows what it promises, ends with the table, leaves no process and no file but the report, and
# without privileges shows the other part. What is won is not asserted: that is the machine's.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
own_run=yes
. "$(dirname "$0")/cli_common.sh"
export TMPDIR=$tmp LC_ALL=C.UTF-8

# programs of the mix that run
mix() { pgrep -x 'ping|pong|server|hog|client-[0-2]' -P "$1" 2>/dev/null; }

checks=$((checks + 1))
timeout 60 "$tacho" demo --process >"$tmp/out" 2>"$tmp/err" </dev/null || fail "demo --process: status $?"
has out 'What one event costs'

if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null && [ -x "$build/examples/queue" ]; then
	chmod 711 "$tmp"
	mkdir -p "$tmp/examples"
	install -m 755 "$tacho" "$tmp/tacho"
	install -m 755 "$build/examples/queue" "$tmp/examples/queue"
	find "$build" -maxdepth 1 -name "libtacho.so*" ! -type d -exec cp -P {} "$tmp" ";"
	checks=$((checks + 1))
	(cd / && LD_LIBRARY_PATH=$tmp setpriv --reuid 65534 --regid 65534 --clear-groups \
		--bounding-set -all --inh-caps -all \
		timeout 60 "$tmp/tacho" demo) >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
	[ $status -eq 0 ] || fail "without privileges: status $status"
	[ "$(grep -c 'no scheduler here: ' "$tmp/err")" -eq 1 ] || fail "without privileges: not told"
	has out 'What one event costs'
fi
# shellcheck disable=SC2119 # not this script's arguments
need_kernel

all_run() {
	children=$(mix "$demo" | tr '\n' ' ')
	[ "$(wc -w <<<"$children")" -eq 7 ]
}
# start ARGUMENT...: it runs in the background as $demo, with its programs, $children, and looks at them
start() {
	"$tacho" demo "$@" >"$tmp/out" 2>"$tmp/err" </dev/null &
	demo=$!
	pids+=("$demo")
	wait_for 60 all_run || fail "demo: not seven programs: $children"
	wait_for 60 grep -q '^1\. ' "$tmp/out" || fail "demo: shows nothing"
}
# none_left SECONDS WHEN: nor after so many seconds
none_left() {
	local pid
	for pid in $children; do
		wait_for "$1" is_gone "$pid" || fail "demo: process $pid is left $2"
	done
}

start --report "$tmp/demo.html"
wait "$demo" || fail "demo: status $?"
none_left 0 "at the end"
has out '^1\. Who talks to whom'
has out ' ping .* pong |  *pong .* ping '
has out 'client-0 .* server |  *server .* client-0 '
has out '^3\. The scheduler'
has out '^All 7 programs may run where they could before: checked\.$'
has out "^The report with all decisions: $tmp/demo.html$"
grep -qi '<html' "$tmp/demo.html" || fail "demo: no report"
[ ! -s "$tmp/err" ] || fail "demo: something on standard error"
grep -q $'\033' "$tmp/out" && fail "demo: escape sequences without a terminal"
tail -n 9 "$tmp/out" | sed -n 2p | grep -qE '^  pair: round trips +[0-9]+ +[0-9.]+ +[0-9]+ +[0-9.]+ +[0-9.]+x$' ||
	fail "demo: its last lines are not the table"
tail -n 1 "$tmp/out" | grep -qE '^  hog: rounds +[0-9]+ +[0-9]+ +[0-9.]+x$' || fail "demo: no last line"

# ended before its end: nothing is left either
start --ascii
kill -TERM "$demo"
wait "$demo"
[ $? -eq 1 ] || fail "demo: not status 1 after a signal"
none_left 0 "after a signal"
LC_ALL=C grep -q '[^ -~]' "$tmp/out" && fail "--ascii: something else"
# on a busy machine the last of them takes a while to go
start
kill -KILL "$demo"
{ wait "$demo"; } 2>/dev/null
none_left 60 "after SIGKILL"

finish
