#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# tacho top for real: wrong usage, no privileges, one table, JSON, domains, and the screen with its
# keys on a pseudo-terminal, which is as it was before however the command ends.
# shellcheck disable=SC1091,SC2034,SC2154 # what cli_common.sh has
set -u
. "$(dirname "$0")/cli_common.sh"
run_verb=(top) run_seconds=60
good() {
	run "$@" || fail "top $*: status $?"
	# an older kernel may lack an event
	grep -v '^tacho top: this kernel does not give ' "$tmp/err" >&2 &&
		fail "top $*: something on standard error"
}
# json WHAT CODE: the last line of the output is d
json() {
	checks=$((checks + 1))
	python3 -c 'import json, sys
lines = open(sys.argv[1]).read().splitlines()
every = [json.loads(line) for line in lines]
d = every[-1]
domains = {x["name"]: x for x in d["domains"]}
exec(sys.argv[2])' "$tmp/out" "$2" 2>"$tmp/err" || fail "$1: $(tail -n 1 "$tmp/err")"
}

# --- wrong usage ----------------------------------------------------------------------------------

refuse 2 something
refuse 2 --nonsense
refuse 2 -x
refuse 2 --onc
refuse 2 --help=x
good --help
has out '^usage: tacho top '
for pair in domain-by= domain-by=cpu sort= sort=x rows=0 rows=x rows=-1 count=0 count=x interval=0 \
	interval=x interval=nan interval=0.01 interval=1e6 events=x events= domain= domain=x domain=x= \
	domain=x=y domain=x=pid: domain=x=nonsense:y domain=system=pid:1 domain=x=pid:y \
	filter=$(printf 'x%.0s' {1..70}); do
	refuse 2 --"$pair"
	refuse 2 --"${pair%%=*}" "${pair#*=}"
	refuse 2 --"${pair%%=*}"
done
refuse 2 --once --count 2
refuse 2 --once=1

# --- without privileges ---------------------------------------------------------------------------

without_privileges --once
need_kernel --once

# --- one table ------------------------------------------------------------------------------------

# somebody who uses a processor, and two who talk
cp "$(command -v bash)" "$tmp/tachohog"
"$tmp/tachohog" -c 'while :; do :; done' &
hog=$!
pids+=("$hog")
pair_start tachop
sleep 0.5

export LC_ALL=C.UTF-8
good --once
has out '^tacho top  [0-9]+ domains, by process, every 1 s'
has out '^DOMAIN .*▾CPU% .*PARTNERS$'
has out '^tachohog .*[0-9]'
has out '^lost .* tacho top itself: '
grep -q ' $' "$tmp/out" && fail "a line ends with spaces"
grep -q $'\033' "$tmp/out" && fail "escape sequences without a terminal"
[ "$(grep -c '^DOMAIN' "$tmp/out")" -eq 1 ] || fail "--once: not one table"
good --once --ascii
LC_ALL=C grep -q '[^ -~]' "$tmp/out" && fail "--ascii: something else"
LC_ALL=C run --once || fail "locale C: status $?"
LC_ALL=C grep -q '[^ -~]' "$tmp/out" && fail "locale C: something beyond ASCII"
good --once --filter tachoh --ipc --vms
[ "$(sed -n '/^DOMAIN/,/^$/p' "$tmp/out" | grep -c '^tachohog')" -eq 1 ] || fail "--filter"
[ "$(sed -n '/^DOMAIN/,/^$/p' "$tmp/out" | grep -vc '^DOMAIN\|^$')" -eq 1 ] || fail "--filter: others"
has out '^WAKER'
has out '^VIRTUAL MACHINE'
good --once --filter nobody-is-called-so
has out '^no domain is called so$'
good --count 2 --interval 0.2 --rows 1
[ "$(grep -c '^DOMAIN' "$tmp/out")" -eq 2 ] || fail "--count 2: not two tables"

# --- JSON -----------------------------------------------------------------------------------------

good --once --json
json "the members" '
assert {"time_ns", "wall_ns", "by", "cpus", "busy_percent", "idle_percent", "accounted_percent",
        "total", "domains", "pairs", "vms", "lost", "overflow", "own", "knows_host"} == set(d), set(d)
assert d["by"] == "process" and d["cpus"] and len(every) == 1'
json "conservation" '
assert abs(d["accounted_percent"] - 100) <= 0.1, d["accounted_percent"]
cpu = sum(x["cpu_percent"] for x in d["domains"]) / len(d["cpus"])
assert abs(cpu - d["busy_percent"]) < 1e-3, (cpu, d["busy_percent"])
assert abs(d["busy_percent"] + d["idle_percent"] - d["accounted_percent"]) < 1e-3'
json "who is there" "
hog = domains['tachohog']
assert hog['pid'] == $hog and hog['cpu_percent'] > 1 and hog['rss_bytes'] > 100000, hog
assert not hog['ended'] and not hog['vm']
order = [x['cpu_percent'] for x in d['domains']]
assert order == sorted(order, reverse=True)"
json "who talks" '
ping, pong = domains["tachoping"], domains["tachopong"]
assert ping["wakes_out_per_s"] > 10 and ping["wakes_in_per_s"] > 10, ping
assert ping["partners"][0]["name"] == "tachopong", ping["partners"]
assert any(p["from"] == "tachopong" and p["to"] == "tachoping" for p in d["pairs"])'
good --json --count 3 --interval 0.2 --sort name --filter 'tacho*' --rows 2
json "count, filter, rows" '
assert len(every) == 3
for d in every:
    names = [x["name"] for x in d["domains"]]
    assert len(names) <= 2 and names == sorted(names), names
    assert all(n.startswith("tacho") for n in names), names'
good --once --json --domain talk=comm:'tachop*' --domain "busy=pid:$hog"
json "domains by rule" '
assert domains["busy"]["cpu_percent"] > 1, domains
talk = domains["talk"]
assert talk["rss_bytes"] is None # several processes
assert not any(p["name"] == "talk" for p in talk["partners"]) # inside one domain is no event
assert "tachoping" not in domains and "tachohog" not in domains'
# children that end before anybody could read them have the name of who made them
cp "$(command -v bash)" "$tmp/tachostorm"
"$tmp/tachostorm" -c 'while :; do (:); done' &
storm=$!
pids+=("$storm")
sleep 0.2
good --once --json
json "children that were never read" '
ended = [x["name"] for x in d["domains"] if x["ended"]]
storm = [n for n in ended if n.startswith("tachostorm ")]
assert len(storm) > 2 * sum(n.startswith(("pid ", "domain ")) for n in ended), ended
assert d["knows_host"] is True'
kill $storm
wait $storm 2>/dev/null
if unshare -p -f --mount-proc true 2>"$tmp/err"; then
	checks=$((checks + 1))
	timeout 60 unshare -p -f --mount-proc "$tacho" top --once --json >"$tmp/out" 2>"$tmp/err" </dev/null ||
		fail "in a pid namespace: status $?"
	has err '^tacho top: in a pid namespace '
	json "in a pid namespace" 'assert d["knows_host"] is False'
fi
for by in thread cgroup user vm; do
	good --once --json --domain-by $by
	json "--domain-by $by" "
assert d['by'] == '$by' and d['domains']
assert abs(d['accounted_percent'] - 100) <= 0.1, d['accounted_percent']"
done
good --once --json --events 'syscall' --events 'ipc.p*'
json "--events" '
assert d["total"]["syscalls_per_s"] is not None or d["total"]["pipe_read_bytes_per_s"] is not None
assert d["total"]["irq_percent"] is None'

# --- how it ends ----------------------------------------------------------------------------------

"$tacho" top --json --interval 0.2 >"$tmp/out" 2>"$tmp/err" </dev/null &
top=$!
pids+=("$top")
for _ in $(seq 100); do
	[ -s "$tmp/out" ] && break
	sleep 0.1
done
kill -TERM $top
wait $top || fail "status $? after a signal"
json "lines until then" 'assert len(every) >= 1'
checks=$((checks + 1))
timeout 60 "$tacho" top --interval 0.1 2>"$tmp/err" </dev/null | head -n 1 >"$tmp/out"
[ "${PIPESTATUS[0]}" -eq 0 ] || fail "into a closed pipe"
checks=$((checks + 1))
timeout 60 "$tacho" top --once 2>"$tmp/err" >/dev/full </dev/null && fail "to a full disk"
checks=$((checks + 1))
: >"$tmp/out"
timeout 60 "$tacho" top --once 2>"$tmp/err" >&- <&- && fail "to nowhere"
has err '^tacho top: standard output: Bad file descriptor$'

# --- the screen -----------------------------------------------------------------------------------

cat >"$tmp/screen.py" <<'END'
import fcntl, os, pty, re, select, signal, struct, sys, termios, time

tacho, how = sys.argv[1:]
ENTER, LEAVE = b"\033[?1049h", b"\033[?1049l"


class Screen:
    """The command on a terminal of its own, and what the terminal shows."""

    def __init__(self, columns, lines):
        self.master, slave = pty.openpty()
        self.slave = slave
        self.size(columns, lines)
        self.before = termios.tcgetattr(slave)
        self.raw = b""
        self.cell = {}
        self.pid = os.fork()
        if self.pid == 0:
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
            for fd in (0, 1, 2):
                os.dup2(slave, fd)
            os.environ.update(TERM="xterm", LC_ALL="C.UTF-8")
            os.environ.pop("NO_COLOR", None)
            os.execv(tacho, [tacho, "top", "--interval", "0.3"])

    def size(self, columns, lines):
        self.columns, self.lines = columns, lines
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def read(self, seconds):
        end = time.time() + seconds
        while time.time() < end:
            if select.select([self.master], [], [], 0.05)[0]:
                try:
                    data = os.read(self.master, 65536)
                except OSError:
                    return
                if not data:
                    return
                self.raw += data

    def text(self):
        """The lines, as the sequences that are used make them."""
        shown = {}
        for part in re.finditer(rb"\033\[2J|\033\[(\d+);1H\033\[K([^\033]*(?:\033\[[0-9;]*m[^\033]*)*)", self.raw):
            if part.group(1) is None:
                shown = {}
            else:
                shown[int(part.group(1))] = re.sub(rb"\033\[[0-9;]*m", b"", part.group(2)).decode("utf-8", "replace")
        return shown

    def until(self, what, good):
        end = time.time() + 30
        while time.time() < end:
            if good(self.text().values()):
                return
            self.read(0.1)
        raise AssertionError(f"{what}: {self.text()}")

    def wait(self, words):
        self.until(f"{words!r} did not come", lambda lines: any(words in x for x in lines))

    def gone(self, words):
        self.until(f"{words!r} did not go", lambda lines: not any(words in x for x in lines))

    def key(self, keys, words=None):
        os.write(self.master, keys.encode())
        if words:
            self.wait(words)

    def end(self):
        self.read(0.2)
        for _ in range(200):
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                break
            self.read(0.05)
        else:
            os.kill(self.pid, signal.SIGKILL)
            raise AssertionError("it does not end")
        self.read(0.1)
        assert termios.tcgetattr(self.slave) == self.before, "the terminal is not as it was"
        assert ENTER in self.raw and LEAVE in self.raw, "the alternate screen"
        assert self.raw.rindex(LEAVE) > self.raw.rindex(ENTER)
        assert self.raw.rindex(b"\033[?25h") > self.raw.rindex(b"\033[?25l"), "no cursor"
        return status


s = Screen(90, 30)
s.wait("DOMAIN")
s.wait("accounted")
if how == "keys":
    assert b"\033[0;7m" in s.raw, "no colours"
    s.key("?", "who wakes whom, as a matrix")
    s.key("?", "DOMAIN")
    s.key("i", "WAKER")
    s.key("v", "VIRTUAL MACHINE")
    s.key("iv")
    s.gone("VIRTUAL MACHINE")
    s.key("w", "▾WAIT%")
    s.key("s", "▾WAKES")
    s.key("n", "▾DOMAIN")
    s.key("/", "only names with:")
    s.key("tachoho", "only tachoho")
    s.key("\x7f\x7f\r", "tachohog")
    s.gone("only names with:")
    s.until("a line of another", lambda lines: not any(x.startswith("system ") for x in lines))
    s.key("/\x15", "only names with:")
    s.key("zzz", "only zzz")
    s.key("\033")
    s.gone("only zzz")  # escape brings the old one back
    s.wait("only tacho")
    s.key("/\x15\r")
    s.gone("only tacho")
    s.key("c\033[B\033[6~\033[H\033OA\033[99~")
    s.key("d\x15nonsense\r", "no number of seconds")
    s.key("d\x150.2\r", "every 0.2 s")
    s.key("p", "paused")
    clock = s.text()[1].split()[-1]
    s.read(1.5)
    s.key("w", "▾WAIT%")  # still that moment, in another order
    assert s.text()[1].split()[-1] == clock, s.text()[1]
    s.key("c", "▾CPU%")
    s.key("p")
    s.gone("paused")
    for columns, lines in (40, 10), (10, 3), (1, 1), (200, 60), (90, 30):
        s.size(columns, lines)
        s.read(0.7)
        shown = s.text()
        assert shown and max(shown) <= lines, (columns, lines, shown)
        assert all(len(line) <= columns for line in shown.values()), (columns, lines, shown)
    os.kill(s.pid, signal.SIGTSTP)  # nobody could wake an orphan: it comes back by itself
    s.read(0.7)
    os.kill(s.pid, signal.SIGSTOP)
    termios.tcsetattr(s.slave, termios.TCSANOW, s.before)  # as a shell does meanwhile
    os.kill(s.pid, signal.SIGCONT)
    s.key("?", "who wakes whom, as a matrix")  # the key comes without a return
    s.key("q")
    assert s.end() == 0
elif how == "interrupt":
    s.key("\x03")
    assert s.end() == 0
elif how == "term":
    os.kill(s.pid, signal.SIGTERM)
    assert s.end() == 0
elif how == "prompt":  # in the middle of a question
    s.key("/", "only names with:")
    os.kill(s.pid, signal.SIGTERM)
    assert s.end() == 0
else:
    os.kill(s.pid, signal.SIGSEGV)
    assert os.WIFSIGNALED(s.end())
END
for how in keys interrupt term prompt crash; do
	checks=$((checks + 1))
	: >"$tmp/out"
	(ulimit -c 0 && exec timeout 120 python3 "$tmp/screen.py" "$tacho" $how) >"$tmp/out" 2>"$tmp/err" ||
		fail "screen, $how: $(tail -n 1 "$tmp/err")"
done

finish
