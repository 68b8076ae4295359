#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# bench/table.sh BENCH.TSV [DOCUMENT [NAME]]: the lines of the benchmarks as markdown tables.
#
# Targets first, with the ratios that belong to them, then everything that was measured. With a
# document, what stands there between the two lines `<!-- results -->` and `<!-- end of results -->` is
# replaced; so no number in it was typed. With a name, between `<!-- NAME -->` and `<!-- end of NAME -->`:
# for a benchmark that was run alone. What the machine was comes from bench.env beside bench.tsv.
set -eu
if [ $# -lt 1 ] || [ $# -gt 3 ]; then
	echo "usage: bench/table.sh BENCH.TSV [DOCUMENT [NAME]]" >&2
	exit 2
fi
tsv=$1
name=${3:-results}
env=$(dirname "$tsv")/bench.env

environment() {
	[ -f "$env" ] || return 0
	sed -n 's/^# \([^:]*\): \(.*\)/- \1: \2/p' "$env"
	echo
}

tables() {
	awk -F '\t' '
	function number(x) {
		if (x >= 1e6) return sprintf("%.3g", x)
		return sprintf(x >= 100 ? "%.0f" : x >= 10 ? "%.1f" : "%.2f", x)
	}
	function have(k) { return k in median }
	function verdict(value, best, limit, more, unit) {
		met = more ? value >= limit : value <= limit
		by_min = more ? best >= limit : best <= limit
		return sprintf("%s | %s | %s %s%s | %s", number(value), number(best),
			more ? "at least" : "at most", limit, unit, met ? "met" : by_min ? "met by minima" : "not met")
	}
	function difference(what, a, b, limit, unit) {
		if (have(a) && have(b))
			printf "| %s | %s |\n", what, verdict(median[a] - median[b], min[a] - min[b], limit, 0, unit)
	}
	function value(what, a, limit, more, unit) {
		if (have(a)) printf "| %s | %s |\n", what, verdict(median[a], min[a], limit, more, unit)
	}
	function ratio(what, a, b, limit, more) {
		if (have(a) && have(b) && median[b] > 0 && min[b] > 0)
			printf "| %s | %s |\n", what, verdict(median[a] / median[b], min[a] / min[b], limit, more, "")
	}
	# The empty loop says whether this run can judge: CPUs that share a core, or other work on them, cannot.
	function scaling(what, a, m) {
		null = "scale" SUBSEP "threads-2/null" SUBSEP m; a = "scale" SUBSEP a SUBSEP m
		if (!have(a) || !have(null)) return
		if (median[null] > 1.9 && median[null] < 2.1)
			printf "| %s | %s |\n", what, verdict(median[a], min[a], 1.95, 1, "")
		else
			printf "| %s | %s | %s | at least 1.95 | not judged: the empty loop has %s |\n", what,
				number(median[a]), number(min[a]), number(median[null])
	}
	# What ours adds to native, over what a rival adds: by medians, and by the fastest pieces of each.
	function added(what, b, ours, rival, limit,   x, y, u, v) {
		x = b SUBSEP ours SUBSEP "cycles/event"; y = b SUBSEP rival SUBSEP "cycles/event"
		u = b SUBSEP ours SUBSEP "best-cycles"; v = b SUBSEP rival SUBSEP "best-cycles"
		if (have(x) && have(y) && have(u) && have(v) && median[y] > 0 && median[v] > 0)
			printf "| %s | %s |\n", what, verdict(median[x] / median[y], median[u] / median[v], limit, 0, "")
	}
	function abs(x) { return x < 0 ? -x : x }
	# Percent over native: by medians, and by the fastest pieces where the benchmark has them.
	function percent(what, b, ours, limit, fastest,   x, y) {
		x = b SUBSEP ours SUBSEP "percent"; y = b SUBSEP ours SUBSEP "best-percent"
		if (have(x))
			printf "| %s | %s |\n", what, verdict(median[x], fastest && have(y) ? median[y] : median[x], limit, 0, " %")
	}
	# Off may differ from native to neither side.
	function unchanged(what, b, ours, limit,   x, y) {
		x = b SUBSEP ours SUBSEP "percent"; y = b SUBSEP ours SUBSEP "best-percent"
		if (have(x) && have(y))
			printf "| %s | %s |\n", what, verdict(abs(median[x]), abs(median[y]), limit, 0, " %")
	}
	# What the same configuration differs from itself.
	function noise(k) {
		if (!have(k "null") || !have(k "stock") || median[k "stock"] <= 0) return ""
		return sprintf(" (stock once more : stock %.2f)", median[k "null"] / median[k "stock"])
	}
	NF != 7 { bad = 1; exit }
	{
		key = $1 SUBSEP $2 SUBSEP $3
		if (!(($1, $2) in seen)) { seen[$1, $2] = 1; cases[$1] = cases[$1] $2 "\n" }
		if (!($1 in benches)) { benches[$1] = 1; order[++nr] = $1 }
		if (!(($1, $3) in has)) { has[$1, $3] = 1; metrics[$1] = metrics[$1] $3 "\n" }
		median[key] = $4; unit[key] = $5; min[key] = $6; runs[key] = $7
	}
	END {
		if (bad || nr == 0) { print "table.sh: not the lines of a benchmark" > "/dev/stderr"; exit 1 }
		c = SUBSEP "cycles/event"; log_ = "log" SUBSEP
		print "| target | by medians | by minima, or the fastest pieces | wanted | |"
		print "|---|---|---|---|---|"
		difference("disabled site minus null loop", log_ "off" c, log_ "null" c, 1, " cycle")
		value("4 entries, no timestamp", log_ "entries-4/rseq" c, 12, 0, " cycles")
		ratio("5 entries with time : floor", log_ "entries-5/rseq" c, log_ "floor" c, 1.5, 0)
		ratio("LTTng-UST, discard mode : 5 entries with time", log_ "lttng-ust-discard" c, log_ "entries-5/rseq" c, 6, 1)
		ratio("LTTng-UST, overwrite mode : 5 entries with time", log_ "lttng-ust-overwrite" c, log_ "entries-5/rseq" c, 6, 1)
		for (e = 4; e <= 5; e++) {
			scaling("2 threads on 2 CPUs : 1 thread, " e " entries", "threads-2/entries-" e "/rseq", "ratio")
			scaling("the same per CPU time that they got", "threads-2/entries-" e "/rseq", "cpu-ratio")
		}
		for (key in median) {
			split(key, k, SUBSEP)
			if (k[1] != "reader" || k[2] !~ /^window\//) continue
			if (k[3] == "passes" && (!p++ || median[key] > passes)) passes = median[key]
			if (k[3] == "bytes/s" && median[key] > speed) { speed = median[key]; speed_min = min[key]; fastest = k[2] }
		}
		if (p) printf "| reader: passes, most of all sizes | %s |\n", verdict(passes, passes, 1, 0, "")
		if (speed) printf "| reader: GB/s, best size (%s) | %s |\n", fastest, verdict(speed / 1e9, speed_min / 1e9, 5, 1, "")
		unchanged("kernel component loaded, nothing enabled: pipe round trip", "pingpong", "pipe/process/off", 1)
		for (e = 1; e <= 2; e++) {
			w = e == 1 ? "ipc.wake-5" : "cpu.service-5"; t = e == 1 ? "sched_waking" : "sched_switch"
			added(w " : ftrace " t, "pingpong", "pipe/process/" w, "pipe/process/ftrace-" t, 0.8)
			added(w " : perf record " t, "pingpong", "pipe/process/" w, "pipe/process/perf-" t, 0.4)
			added(w " : BPF ring buffer, no wake-up", "pingpong", "pipe/process/" w, "pipe/process/ringbuf-" t, 0.9)
		}
		percent("pipe round trip with ipc.wake, 5 entries", "pingpong", "pipe/process/ipc.wake-5", 10, 1)
		percent("pipe round trip with ipc.wake, 4 entries, no time", "pingpong", "pipe/process/ipc.wake-4", 5, 1)
		percent("Postmark, IPC", "postmark", "ipc", 1, 0)
		percent("Postmark, IPC and shared memory at every analysis", "postmark", "ipc+shared", 5, 0)
		value("analysis loop of 20 ms at 50 000 switches/s", "top" SUBSEP "busy/analysis" SUBSEP "percent", 1, 0, " %")
		for (e = 1; e <= 2; e++) {
			w = "top" SUBSEP "very-busy/" (e == 1 ? "analysis" : "top") SUBSEP
			if (have(w "rows/s"))
				value(sprintf("rows lost, at %.0f 000 rows/s", median[w "rows/s"] / 1000), w "lost", 0, 0, "")
		}
		n = split(cases["sched"], names, "\n") - 1
		for (i = 1; i <= n; i++) {
			k_ = "sched" SUBSEP names[i] SUBSEP
			if (names[i] == "pair-1") ratio("tacho sched, pair-1: auto : stock", k_ "auto", k_ "stock", 10, 1)
			if (have(k_ "best") && have(k_ "stock") && median[k_ "best"] >= 1.2 * median[k_ "stock"])
				ratio("tacho sched, " names[i] ": auto : best", k_ "auto", k_ "best", 0.95, 1)
			else
				ratio("tacho sched, " names[i] ": auto : stock" noise(k_), k_ "auto", k_ "stock", 0.98, 1)
			if (have(k_ "own-cpu") && (!own++ || median[k_ "own-cpu"] > most)) { most = median[k_ "own-cpu"]; busiest = names[i] }
		}
		if (own) printf "| tacho sched: its own processor time, most of all cases (%s) | %s |\n", busiest, verdict(most, most, 1, 0, " %")
		value("tacho sched: ms from pattern to placement", "sched" SUBSEP "reaction" SUBSEP "placed", 100, 0, " ms")
		for (i = 1; i <= nr; i++) {
			b = order[i]
			n = split(metrics[b], m, "\n") - 1
			printf "\n### bench/%s\n\nMedian (minimum) of the repetitions.\n\n| case |", b
			for (j = 1; j <= n; j++) printf " %s |", m[j]
			printf " repetitions |\n|---|"
			for (j = 1; j <= n; j++) printf "---|"
			print "---|"
			l = split(cases[b], names, "\n") - 1
			for (k_ = 1; k_ <= l; k_++) {
				printf "| %s |", names[k_]
				r = 0
				for (j = 1; j <= n; j++) {
					key = b SUBSEP names[k_] SUBSEP m[j]
					if (have(key)) { printf " %s (%s) |", number(median[key]), number(min[key]); if (runs[key] + 0 > r) r = runs[key] }
					else printf " |"
				}
				printf " %s |\n", r
			}
		}
	}' "$tsv"
}

text=$(environment && tables)
if [ $# -eq 1 ]; then
	printf '%s\n' "$text"
	exit
fi
if ! grep -q "^<!-- $name -->\$" "$2" || ! grep -q "^<!-- end of $name -->\$" "$2"; then
	echo "table.sh: $2 has no place for the results" >&2
	exit 1
fi
new=$(mktemp)
trap 'rm -f "$new"' EXIT
{
	sed "/^<!-- $name -->\$/q" "$2"
	printf '%s\n' "$text"
	sed -n "/^<!-- end of $name -->\$/,\$p" "$2"
} >"$new"
cat "$new" >"$2"
