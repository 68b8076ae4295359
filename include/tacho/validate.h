/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * validate.h: whether the bytes of an area keep every promise of area.h.
 *
 * For files that come from elsewhere, for tests, and for whoever writes a second implementation.
 * Readers and writers do not need it: they check the geometry and mask the rest.
 */
#ifndef TACHO_VALIDATE_H
#define TACHO_VALIDATE_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum tacho_severity {
	TACHO_WARNING =
		1, /* not defined in this version, or heals by itself: readers are not misled */
	TACHO_ERROR = 2, /* a promise of area.h is broken */
};

/*
 * One finding: where, from the start of the area, and what, in one line. Called in the thread of
 * tacho_validate, in the order of the walk. Nonzero ends the walk.
 */
typedef int (*tacho_finding_fn)(void *arg, enum tacho_severity severity, uint64_t off,
				const char *text);

struct tacho_validate {
	tacho_finding_fn finding; /* may be NULL */
	void *arg; /* of finding */
	int fd; /* of the file that is mapped, so that its holes stay holes (reading one through a
		   mapping would give it memory); its file offset changes. -1: look at every byte */
	uint64_t nr_errors; /* out */
	uint64_t nr_warnings; /* out */
};

/*
 * Walk the area of size bytes at base, aligned to 8 bytes. Any bytes are safe, also while somebody
 * writes them; then what changes during the walk may be found wrong once, and not again.
 * Returns 0, -EINVAL (nr_errors > 0), -ECANCELED (finding ended it) or -ENOMEM.
 */
int tacho_validate(struct tacho_validate *validate, const void *base, uint64_t size);

#ifdef __cplusplus
}
#endif

#endif /* TACHO_VALIDATE_H */
