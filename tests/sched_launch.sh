#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tacho sched with a launch file: errors with their line and nothing is started; programs are placed where the file says,
# run as often as it is asked, and are gone at the end; logs, report and page; a mould is replayed.
# No time is asserted, but that things happen at all.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
own_run=yes
. "$(dirname "$0")/cli_common.sh"
run_verb=(sched) run_seconds=100
file_has() {
	grep -qE -- "$2" "$1" || {
		fail "no '$2' in $1"
		head -n 20 "$1" | sed 's/^/     /'
	}
}

# --- what is wrong --------------------------------------------------------------------------------

cat >"$tmp/bad" <<END
a 0 touch $tmp/started
b -1 true
***thread 0 3
c 0 /no/such/program
***speed 9
END
run --launch "$tmp/bad"
[ $? -eq 1 ] || fail "a launch file with errors: status"
[ "$(wc -l <"$tmp/err")" -eq 4 ] || fail "a launch file with errors: not a line for each"
for line in 2 3 4 5; do
	has err "$tmp/bad:$line: "
done
[ ! -e "$tmp/started" ] || fail "something was started"
printf '1 on a 0 x\n' >"$tmp/badmould"
printf 'a 0 touch %s/started\n' "$tmp" >"$tmp/good"
run --launch "$tmp/good" --mould "$tmp/badmould"
[ $? -eq 1 ] || fail "a mould with errors: status"
has err "$tmp/badmould:1: "
[ ! -e "$tmp/started" ] || fail "something was started"

need_kernel --launch "$tmp/good"

# --- bind, logs, report ---------------------------------------------------------------------------

# A program that waits until it may run on CPU 0 only, bounded, and stays a while.
cat >"$tmp/waits" <<'END'
#!/bin/bash
for ((i = 0; i < 400; i++)); do
	while read -r key value _; do
		[ "$key" = Cpus_allowed_list: ] && [ "$value" = 0 ] && echo "placed" && sleep 1.5 && exit 0
	done <"/proc/$$/status"
	sleep 0.1
done
echo "never"
END
chmod 755 "$tmp/waits"
printf 'waits 0 ./waits\n***rundir %s\n***thread 0 [0]\nother 0.2 sleep 0.3\n' "$tmp" >"$tmp/launch"
if [ "$(nproc)" -ge 2 ]; then
	good --launch "$tmp/launch" --restart --runs 2 --policy bind --logs "$tmp/logs" --report "$tmp/r.html"
	# a third one if the other program was late
	[ "$(head -n 2 "$tmp/logs/waits.out" | grep -c placed)" -eq 2 ] || fail "bind: not placed in both runs"
	for file in scheduler.log mould.log time.log online.log numa.log systemwide.log; do
		head -n 1 "$tmp/logs/$file" | grep -q '^# ' || fail "$file: does not begin with its columns"
	done
	compgen -G "$tmp/logs/*.report" >/dev/null || fail "no report of this machine"
	[ "$(grep -c ' 0 waits ' "$tmp/logs/time.log")" -ge 2 ] || fail "time.log: not two runs"
	file_has "$tmp/logs/mould.log" '^[0-9.]+ start waits 0 1 [0-9]+$'
	file_has "$tmp/logs/mould.log" '^[0-9.]+ on waits 0 0$'
	file_has "$tmp/logs/mould.log" '^[0-9.]+ end waits 0 2 [0-9]+$'
	file_has "$tmp/logs/scheduler.log" '^[0-9.]+ place waits'
	file_has "$tmp/logs/scheduler.log" '^# tacho sched on '
	checks=$((checks + 1))
	python3 - "$tmp/r.html" 2>"$tmp/err" <<'END' || fail "the page is not well formed"
import sys
from html.parser import HTMLParser


class Page(HTMLParser):
    stack, ids, empty = [], set(), {"meta", "br", "img", "link"}

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link", "iframe"), tag
        assert not any(name in ("src", "href") or name.startswith("on") for name, _ in attrs), attrs
        self.ids.add(tag)
        if tag not in self.empty:
            self.stack.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.ids.add(tag)

    def handle_endtag(self, tag):
        assert self.stack.pop() == tag, tag


page = Page()
page.feed(open(sys.argv[1]).read())
page.close()
assert not page.stack, page.stack
assert {"svg", "table", "h1"} <= page.ids, page.ids
END
	grep -q '>waits<' "$tmp/r.html" || fail "the page does not name the program"

	# --- replay: the same, but only the mould says where
	printf 'waits 0 ./waits\n***rundir %s\n' "$tmp" >"$tmp/launch2"
	printf '0 start waits 0 1 1\n0.1 on waits 0 1\n0.8 on waits 0 0\n' >"$tmp/mould"
	good --launch "$tmp/launch2" --mould "$tmp/mould" --logs "$tmp/logs2" --quiet
	grep -q placed "$tmp/logs2/waits.out" || fail "replay: not placed"
	good --launch "$tmp/launch2" --mould "$tmp/logs/mould.log" --logs "$tmp/logs3" --report "$tmp/r.txt" --quiet
	grep -q placed "$tmp/logs3/waits.out" || fail "replay of what was recorded: not placed"
	file_has "$tmp/r.txt" '^tacho sched on .*policy bind'
	file_has "$tmp/r.txt" '^  waits  '
fi

# --- the end --------------------------------------------------------------------------------------

# However the scheduler ends, its programs do.
for signal in TERM KILL; do
	rm -f "$tmp/pid"
	printf "s 0 bash -c 'echo \$\$ >%s/pid.new; mv %s/pid.new %s/pid; exec sleep 300'\n" "$tmp" "$tmp" "$tmp" \
		>"$tmp/sleeps"
	"$tacho" sched --launch "$tmp/sleeps" --quiet >"$tmp/out" 2>"$tmp/err" </dev/null &
	pids+=($!)
	scheduler=$!
	wait_for 60 test -s "$tmp/pid" || fail "$signal: the program does not run"
	program=$(cat "$tmp/pid")
	is_gone "$program" && fail "$signal: the program does not run"
	kill "-$signal" "$scheduler"
	wait "$scheduler" 2>/dev/null
	wait_for 60 is_gone "$program" || fail "$signal: the program still runs"
done
# what a killed one left is undone by the restorer, or here
wait_for 60 run --restore || fail "--restore: $(cat "$tmp/err")"
# a program that cannot be started is told, and ends it
mkdir "$tmp/dir"
printf 'first 0 rmdir %s/dir\nb 0.5 true\n***rundir %s/dir\n' "$tmp" "$tmp" >"$tmp/late"
run --launch "$tmp/late" --quiet
[ $? -eq 1 ] || fail "a program that cannot be started: status"
has err 'line 2, b: true: its rundir cannot be entered'

finish
