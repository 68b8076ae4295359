# shellcheck shell=bash
# SPDX-License-Identifier: BSD-2-Clause
# What the tests of the command line share; they source it, with the build directory in $1. A check
# that fails is told and counted; `finish` says how many, and is the exit status.
build=$(cd "${1:?usage: $0 BUILD-DIRECTORY}" && pwd)
tacho=$build/tacho
tmp=$(mktemp -d)
pids=()
cleanup() {
	local pid
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	rm -rf "$tmp"
}
trap cleanup EXIT

checks=0 bad=0
as=() # words before the command: another user, another place
fail() {
	bad=$((bad + 1))
	echo "not ok $*"
	head -n 5 "$tmp/out" "$tmp/err" | sed 's/^/     /'
}
run() {
	checks=$((checks + 1))
	timeout 30 "${as[@]}" "$tacho" "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
}
# refuse STATUS ARGUMENT...: refused with that status in one line.
refuse() {
	local want=$1 status
	shift
	run "$@"
	status=$?
	[ $status -eq "$want" ] || fail "tacho $*: status $status and not $want"
	[ "$(wc -l <"$tmp/err")" -eq 1 ] || fail "tacho $*: $(wc -l <"$tmp/err") lines and not one"
	[ "$(grep -c '^tacho' "$tmp/err")" -eq 1 ] || fail "tacho $*: does not say who refuses"
	[ ! -s "$tmp/out" ] || fail "tacho $*: something on standard output"
	if [ "$want" -eq 2 ]; then
		grep -q -- '--help$' "$tmp/err" || fail "tacho $*: does not say where help is"
	fi
}
# good ARGUMENT...: status 0
good() {
	local status
	run "$@"
	status=$?
	[ $status -eq 0 ] || fail "tacho $*: status $status"
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
finish() {
	echo "$checks checks, $bad failed"
	[ $bad -eq 0 ]
}
