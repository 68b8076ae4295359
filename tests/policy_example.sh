#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The policy that doc/policies.md shows is the one in examples/policy/, compiles out of tree against
# nothing but the headers, in C and in C++, and does what is said of it; its Makefile works.
set -u
build=$(cd "${1:?usage: policy_example.sh BUILD-DIRECTORY}" && pwd) || exit 1
cd "$(dirname "$0")/.." || exit 1
top=$PWD
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# The Makefile exports it, and an empty one is not a compiler.
[ -n "${CC:-}" ] || unset CC

bad=0
fail() {
	bad=$((bad + 1))
	echo "not ok $*"
	head -n 5 "$tmp/out" 2>/dev/null | sed 's/^/     /'
}

# The first block of C in the document, from its opening comment on.
awk '/^```c$/ { on = !done; next } /^```$/ { if (on) done = 1; on = 0 } on' doc/policies.md >"$tmp/corner.c"
diff "$tmp/corner.c" examples/policy/corner.c >"$tmp/out" ||
	fail "doc/policies.md and examples/policy/corner.c differ"

mkdir "$tmp/include" && cp -r include/tacho "$tmp/include/" || exit 1
cd "$tmp" || exit 1
# Words of the document: nothing but -I is added.
grep -q '^    cc -O2 -shared -fPIC -o corner.so corner.c$' "$top/doc/policies.md" ||
	fail "the document does not say how it is compiled"
cc -O2 -Wall -Wextra -Werror -I include -shared -fPIC -o corner.so corner.c >out 2>&1 || fail "cc corner.c"
for cc in gcc clang; do
	command -v $cc >/dev/null || continue
	$cc -std=c11 -Wall -Wextra -Werror -I include -shared -fPIC -o other.so corner.c >out 2>&1 ||
		fail "$cc -std=c11 corner.c"
done
if nm -D --undefined-only corner.so 2>/dev/null | grep -i tacho >out; then
	fail "it needs a library of tacho"
fi

"$build/tests/programs/policy_try" ./corner.so >out 2>&1 || fail "policy_try"
grep -q '^corner: keeps what only computes on the last half of the CPUs$' out || fail "its name and what it does"
grep -q '^hog on 2 3: hog: 90 % of a CPU, and 0 wake-ups/s$' out || fail "the hog is not in the corner"
[ "$(wc -l <out)" -eq 2 ] || fail "others are placed as well"

mkdir make && cp "$top"/examples/policy/* make/ || exit 1
make -s -B -C make TACHO_INCLUDE="$tmp/include" >out 2>&1 || fail "make"
"$build/tests/programs/policy_try" make/corner.so >out 2>&1 || fail "policy_try with what make made"

# The real thing, where it may: nothing is moved. A policy that gets no CPU is given up on, which a busy
# machine may do to this one.
if [ "$(id -u)" -eq 0 ] && "$build/tacho" list kernel --json | python3 -c 'import json, sys
sys.exit(json.load(sys.stdin)["components"][0]["why_not"] is not None)'; then
	for _ in 1 2 3; do
		timeout 60 "$build/tacho" sched --policy ./corner.so --dry-run --for 0.5 >out 2>&1
		status=$?
		grep -q 'did not come back' out || break
	done
	[ "$status" -eq 0 ] || fail "tacho sched --policy: status $status"
	grep -q 'policy corner' out || fail "tacho sched --policy: it is not told which"
fi
[ $bad -eq 0 ] && echo "the policy of doc/policies.md works"
[ $bad -eq 0 ]
