#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The rules of the tree: includes point one way, the library never prints and never exits, and no two
# files of one kind have the same name. A file of more than 800 lines is only told.
set -u
cd "$(dirname "$0")/.." || exit 1

# In the order of the data: a file may include headers of its own directory and of those before it.
order=(include lib schema kernel guest trace facts sched cmd)
# These may include anything above, nothing includes them. Examples see what is installed.
users=(examples tests verify bench fuzz)

bad=0
fail() {
	echo "$*"
	bad=$((bad + 1))
}

rank() {
	local i
	for i in "${!order[@]}"; do
		[ "${order[$i]}" = "$1" ] && echo "$i" && return
	done
	echo 99
}

mapfile -t files < <(for dir in "${order[@]}" "${users[@]}"; do
	[ -d "$dir" ] && find "$dir" -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' \)
done | sort)
[ ${#files[@]} -gt 0 ] || {
	echo "no source was found"
	exit 1
}

# Where a quoted name leads, as the compiler searches; empty if nowhere.
resolve() {
	local from=$1 name=$2 base
	for base in "$(dirname "$from")" include lib .; do
		if [ -f "$base/$name" ]; then
			realpath --relative-to=. "$base/$name"
			return
		fi
	done
}

include_line='^[[:space:]]*#[[:space:]]*include[[:space:]]*(["<])([^">]+)[">]'
includes=0
while IFS=: read -r file line text; do
	[[ $text =~ $include_line ]] || continue
	kind=${BASH_REMATCH[1]} name=${BASH_REMATCH[2]}
	includes=$((includes + 1))
	from=${file%%/*}
	if [ "$kind" = '<' ]; then
		[[ $name == tacho/* ]] || continue
		to=include/$name
	else
		to=$(resolve "$file" "$name")
		if [ -z "$to" ]; then
			# generated
			[[ $name == *.skel.h || $name == vmlinux.h || $name == *.gen.h ]] && continue
			fail "$file:$line: includes \"$name\", which is nowhere"
			continue
		fi
	fi
	to=${to%%/*}
	[ "$to" = "$from" ] && continue
	case $from in
	examples)
		[ "$to" = include ] || fail "$file:$line: an example may not include $to/ ($name)"
		;;
	tests | verify | bench | fuzz) ;;
	*)
		[ "$(rank "$to")" -lt "$(rank "$from")" ] ||
			fail "$file:$line: $from/ may not include $to/ ($name)"
		;;
	esac
done < <(scripts/uncomment "${files[@]}" | grep -E '^[^:]+:[0-9]+:[[:space:]]*#[[:space:]]*include')
[ $includes -gt 0 ] || fail "no include was found: this check is broken"

# Only cmd/ prints and exits.
silent=(include lib kernel facts sched)
words='(printf|fprintf|vprintf|vfprintf|dprintf|vdprintf|puts|fputs|putchar|putc|fputc|perror|psignal'
words+='|exit|quick_exit|abort)[[:space:]]*\(|stdout|stderr'
while IFS= read -r hit; do
	fail "$hit: $(echo "$hit" | cut -d/ -f1)/ may not print or exit"
done < <(for dir in "${silent[@]}"; do
	[ -d "$dir" ] && find "$dir" -name '*.[ch]' -exec scripts/uncomment {} +
done | grep -E "(^|[^[:alnum:]_])($words)([^[:alnum:]_]|\$)")

# Benchmarks are named after what they measure, so their names are their own.
while read -r name; do
	fail "two files have the name $name"
done < <(printf '%s\n' "${files[@]}" | grep -v -e '^bench/' -e '/arch/' | sed 's|.*/||' | sort | uniq -d)

for file in "${files[@]}"; do
	lines=$(wc -l <"$file")
	[ "$lines" -le 800 ] || echo "note: $file has $lines lines"
done

echo "${#files[@]} files, $includes includes, $bad violations"
[ $bad -eq 0 ]
