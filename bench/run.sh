#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# bench/run.sh BUILD-DIRECTORY [NAME...]: runs the benchmarks one after the other; their lines go to
# bench.tsv in the build directory, what they run on to bench.env beside it.
set -u
cd "$(dirname "$0")/.." || exit 1
dir=${1:?usage: bench/run.sh BUILD-DIRECTORY [NAME...]}
shift
if [ $# -eq 0 ]; then
	mapfile -t names <"$dir/bench/list"
	set -- "${names[@]}"
fi

cpu_flag() { grep -m 1 '^flags' /proc/cpuinfo | grep -qw "$1" && echo yes || echo no; }

environment() {
	local commit
	commit=$(git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
	[ -z "$(git status --porcelain 2>/dev/null)" ] || commit="$commit, with changes"
	echo "# date: $(date -u +%Y-%m-%dT%H:%M:%SZ)"
	echo "# commit: $commit"
	echo "# cpu: $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
	echo "# cpus: $(nproc) of $(getconf _NPROCESSORS_ONLN)"
	echo "# virtual: $(cpu_flag hypervisor)"
	echo "# clock: $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource 2>/dev/null)"
	echo "# governor: $(cat /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor 2>/dev/null || echo none)"
	echo "# memory: $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
	echo "# kernel: $(uname -r) $(uname -m)"
	echo "# compiler: $(sed -n 's/^C compiler for the host machine: //p' \
		"$dir/meson-logs/meson-log.txt" | head -n 1)"
	echo "# options: $(meson introspect "$dir" --buildoptions 2>/dev/null | python3 -c '
import json, sys
keep = ("buildtype", "optimization", "debug", "b_sanitize", "b_lto")
print(", ".join("%s=%s" % (o["name"], o["value"]) for o in json.load(sys.stdin) if o["name"] in keep))')"
	echo "# load before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
}

environment >"$dir/bench.env"
status=0
: >"$dir/bench.tsv"
for name; do
	echo "bench: $name" >&2
	"$dir/bench/$name" >"$dir/bench/$name.tsv"
	rc=$?
	# Seven fields and nothing else: a line that is not one of ours is an error of the benchmark.
	if ! awk -F '\t' 'NF != 7 { exit 1 }' "$dir/bench/$name.tsv"; then
		echo "bench: $name printed lines of another format, see $dir/bench/$name.tsv" >&2
		status=1
	fi
	cat "$dir/bench/$name.tsv" >>"$dir/bench.tsv"
	case $rc in
	0) ;;
	77) echo "bench: $name was skipped" >&2 ;;
	*)
		echo "bench: $name failed with status $rc" >&2
		status=1
		;;
	esac
done
echo "# load after: $(cut -d ' ' -f 1-3 /proc/loadavg)" >>"$dir/bench.env"
if [ -t 1 ]; then
	column -t -s "$(printf '\t')" "$dir/bench.tsv" 2>/dev/null || cat "$dir/bench.tsv"
fi
echo "bench: $(wc -l <"$dir/bench.tsv") lines in $dir/bench.tsv" >&2
exit $status
