#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Wrong uses of the macros must be rejected, and say why. Each file of must_not_compile/ names in its
# first line the diagnostic that it wants; with -DRIGHT the same file must be accepted, so that the
# wrong line is what was rejected, and not something around it.
set -u
cd "$(dirname "$0")/must_not_compile" || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bad=0 done=0
fail() {
	bad=$((bad + 1))
	echo "not ok $1"
	head -n 3 "$tmp/out" | sed 's/^/     /'
}

check() {
	local file=$1 expect
	shift
	done=$((done + 1))
	expect=$(sed -n '1s|^// expect: ||p' "$file")
	if [ -z "$expect" ]; then
		: >"$tmp/out"
		fail "$file: the first line is not \"// expect: REGEX\""
	elif ! "$@" -DRIGHT "$file" >"$tmp/out" 2>&1; then
		fail "$file ($1): its right form was rejected"
	elif "$@" "$file" >"$tmp/out" 2>&1; then
		fail "$file ($1): was accepted"
	elif ! grep -qE "$expect" "$tmp/out"; then
		fail "$file ($1): was rejected without \"$expect\""
	fi
}

shopt -s nullglob
flags=(-Wall -Wextra -O1 -I../../include -c -o "$tmp/out.o")
for file in *.c; do
	for compiler in gcc clang; do
		command -v $compiler >/dev/null && check "$file" $compiler -std=gnu11 "${flags[@]}"
	done
	for compiler in g++ clang++; do
		command -v $compiler >/dev/null && check "$file" $compiler -x c++ -std=c++17 "${flags[@]}"
	done
done

echo "$done compilations, $bad not as they must be"
[ $done -gt 0 ] && [ $bad -eq 0 ]
