#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# The manual page and the command say the same: every verb of `tacho --help` has a section, every long
# option of a verb stands in its section, no section has an option that the verb does not know, and
# the page renders without a warning.
set -u
build=$(cd "${1:?usage: manpage.sh BUILD-DIRECTORY}" && pwd)
cd "$(dirname "$0")/.." || exit 1
page=doc/tacho.1
tacho=$build/tacho
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

bad=0
fail() {
	echo "not ok $*"
	bad=$((bad + 1))
}

# section NAME: the lines of .Ss NAME
section() {
	awk -v name="$1" '/^\.S[sh] / { on = index($0 " ", ".Ss " name " ") == 1 } on' "$page"
}
# Long options as the page and as the command name them, but those of every verb.
in_page() { sed -nE 's/^\.It Fl (. , )?-([a-z][a-z-]*).*/\2/p' | sort -u; }
in_help() { grep -oE '^ {2,6}(-., )?--[a-z-]+' | sed 's/.*--//' | grep -vx help | sort -u; }

mapfile -t verbs < <("$tacho" --help | sed -n 's/^  \([a-z][a-z]*\) .*/\1/p')
[ ${#verbs[@]} -ge 5 ] || fail "tacho --help names ${#verbs[@]} verbs"
mapfile -t sections < <(sed -n 's/^\.Ss tacho \([a-z]*\).*/\1/p' $page)
[ "${verbs[*]}" = "${sections[*]}" ] ||
	fail "the verbs are ${verbs[*]}, the sections ${sections[*]}"

for verb in "${verbs[@]}"; do
	section "tacho $verb" | in_page >"$tmp/page"
	"$tacho" "$verb" --help | in_help >"$tmp/help"
	diff "$tmp/help" "$tmp/page" >"$tmp/diff" ||
		fail "tacho $verb: --help (<) and the page (>): $(grep '^[<>]' "$tmp/diff" | tr '\n' ' ')"
	"$tacho" "$verb" --help | awk 'length > 85 { exit 1 }' || fail "tacho $verb --help: a line is too long"
done
grep -q 'Fl -version' $page || fail "--version is not in the page"
for name in TACHO TACHO_WRITER TACHO_CLOCK; do
	grep -q "^\.It Ev $name\$" $page || fail "$name is not in the page"
done

if command -v mandoc >/dev/null; then
	mandoc -T lint -W warning $page >"$tmp/lint" 2>&1 || true
	[ ! -s "$tmp/lint" ] || fail "mandoc: $(head -n 3 "$tmp/lint")"
elif command -v groff >/dev/null; then
	groff -mandoc -Tutf8 -ww $page 2>"$tmp/lint" >"$tmp/text"
	[ ! -s "$tmp/lint" ] || fail "groff: $(head -n 3 "$tmp/lint")"
	[ "$(wc -l <"$tmp/text")" -gt 100 ] || fail "groff: the page is nearly empty"
else
	echo "neither mandoc nor groff is installed: the page was not rendered"
fi

echo "${#verbs[@]} verbs, $bad failed"
[ $bad -eq 0 ]
