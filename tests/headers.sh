#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# Every public header compiles alone, in each language and with each compiler that is there, and a
# program that uses the macros compiles without a warning at every level of optimisation.
set -u
cd "$(dirname "$0")/.." || exit 1
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bad=0 done=0
# try WHAT COMMAND...: one compilation.
try() {
	local what=$1
	shift
	done=$((done + 1))
	if ! "$@" >"$tmp/out" 2>&1; then
		bad=$((bad + 1))
		echo "not ok $what"
		grep -m 3 -E 'error|warning' "$tmp/out" | sed 's/^/     /'
	fi
}
has() { command -v "$1" >/dev/null; }

warn=(-Wall -Wextra -Werror)
pairs=(gcc:c11 gcc:c17 clang:c11 clang:c17 g++:c++17 clang++:c++17)

mapfile -t headers < <(find include/tacho -maxdepth 1 -name '*.h' ! -name '*.bpf.h' -printf '%f\n' |
	sort)
[ ${#headers[@]} -gt 0 ] || {
	echo "no header was found"
	exit 1
}

cat >"$tmp/use.h" <<'END'
#include <tacho/tacho.h>
TACHO_EVENT(used, TACHO_ACCESS, "test.used", "items", "client", "an event");
TACHO_EVENT(spanned, TACHO_SPAN, "test.spanned", "", "client", "a span");
TACHO_EVENT(sampled, TACHO_SAMPLE, "test.sampled", "items", "", "a sample");
int use(int n);
int use(int n)
{
	TACHO_ENTER(spanned);
	TACHO_LOG(used);
	TACHO_LOG(used, n);
	if (n)
		TACHO_LOG(used, n + 1, 7);
	else
		TACHO_LOG(used, n, 7u, 8u);
	while (n-- > 0)
		TACHO_LOG(sampled, sizeof(n));
	TACHO_EXIT(spanned);
	TACHO_EXIT(spanned, 3u);
	return n;
}
END
cp "$tmp/use.h" "$tmp/use.c"
cp "$tmp/use.h" "$tmp/use.cc"

for pair in "${pairs[@]}"; do
	compiler=${pair%%:*} std=${pair#*:}
	if ! has "$compiler"; then
		echo "skip $compiler -std=$std: not installed"
		continue
	fi
	ext=c
	[[ $std == c++* ]] && ext=cc
	for header in "${headers[@]}"; do
		# twice: a second inclusion must change nothing
		printf '#include <tacho/%s>\n#include <tacho/%s>\nextern int unit;\n' \
			"$header" "$header" >"$tmp/alone.$ext"
		try "$compiler -std=$std tacho/$header" \
			"$compiler" -std="$std" "${warn[@]}" -pedantic -Wundef -fsyntax-only -Iinclude \
			"$tmp/alone.$ext"
	done
	# all of them together, in the other order
	for header in "${headers[@]}"; do
		echo "#include <tacho/$header>"
	done | tac >"$tmp/all.$ext"
	try "$compiler -std=$std all headers" \
		"$compiler" -std="$std" "${warn[@]}" -fsyntax-only -Iinclude "$tmp/all.$ext"
	for how in -O0 -O1 -O2 -O3 -Os "-O2 -fPIC" "-O2 -fno-pie" "-O2 -DTACHO_NO_USDT"; do
		# shellcheck disable=SC2086 # several flags
		try "$compiler -std=$std $how, in use" \
			"$compiler" -std="$std" $how "${warn[@]}" -Iinclude -c -o "$tmp/use.o" "$tmp/use.$ext"
	done
done

# The eBPF writer: the format alone, and the inline writer on the types of the kernel. The stub
# stands for a generated vmlinux.h.
if has clang; then
	bpf=(clang -target bpf -O2 -g "${warn[@]}" -Iinclude -Itests)
	printf '#include <tacho/area.h>\nextern int unit;\n' >"$tmp/area.bpf.c"
	try "bpf tacho/area.h" "${bpf[@]}" -nostdinc -fsyntax-only "$tmp/area.bpf.c"
	for header in include/tacho/*.bpf.h; do
		[ -e "$header" ] || continue
		printf '#include "bpf_stub.h"\n#include <tacho/%s>\nextern int unit;\n' \
			"$(basename "$header")" >"$tmp/hot.bpf.c"
		try "bpf tacho/$(basename "$header")" "${bpf[@]}" -fsyntax-only "$tmp/hot.bpf.c"
	done
else
	echo "skip bpf: clang is not installed"
fi

echo "$done compilations, $bad failed"
[ $bad -eq 0 ]
