#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# What `make install` leaves is enough for another program: an example is compiled against nothing
# but the installed files, shared and static, and the shared one finds its library.
set -eu
build=$(cd "${1:?usage: install.sh BUILD-DIRECTORY}" && pwd)
cd "$(dirname "$0")/.."
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

DESTDIR=$tmp meson install -C "$build" --no-rebuild --quiet >"$tmp/log" 2>&1 || {
	cat "$tmp/log"
	exit 1
}
pc=$(find "$tmp" -name tacho.pc)
lib=$(dirname "$(dirname "$pc")")
export PKG_CONFIG_LIBDIR=${pc%/*} PKG_CONFIG_SYSROOT_DIR=$tmp

for path in bin/tacho share/man/man1/tacho.1 include/tacho/area.h include/tacho/arch/x86_64.h \
	lib/libtacho.so lib/libtacho.a; do
	[ -e "$lib/../$path" ] || {
		echo "not installed: $path"
		exit 1
	}
done
# Every header of the tree, and no other.
diff <(cd include && find . -name '*.h' | sort) <(cd "$lib/../include" && find . -name '*.h' | sort)

read -ra cflags < <(pkg-config --cflags tacho)
read -ra libs < <(pkg-config --libs tacho)
read -ra static_libs < <(pkg-config --libs --static tacho)
gcc -std=gnu11 -O2 -Wall -Wextra -Werror "${cflags[@]}" examples/queue.c -o "$tmp/shared" \
	"${libs[@]}" -pthread
LD_LIBRARY_PATH=$lib ldd "$tmp/shared" | grep -q "libtacho.so.0 => $lib"
rm "$lib"/libtacho.so*
gcc -std=gnu11 -O2 -Wall -Wextra -Werror "${cflags[@]}" examples/queue.c -o "$tmp/static" \
	"${static_libs[@]}" -pthread
if ldd "$tmp/static" | grep -q libtacho; then
	echo "the static one needs libtacho.so"
	exit 1
fi
echo "installed files are complete"
