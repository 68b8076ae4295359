// SPDX-License-Identifier: BSD-2-Clause
/*
 * principal.c: the principals of this process, by number and by name.
 *
 * Owns the names, so that sessions can bind "producer-1" to a domain. The principal of a thread is
 * in hot.c's thread-local data; what a principal means for accounting is the session's business
 * (paper 001, section 4.3.4).
 */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "internal.h"

#define MAX_NAMES (TACHO_MAX_PRINCIPALS / 2) /* the last slot of any table is TACHO_NONE's */

struct name {
	char text[28]; /* zero-terminated */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct name *names; /* names[principal - 1] */
static uint32_t nr_names, size_names;

TACHO_EXPORT tacho_u32 tacho_principal_create(const char *text)
{
	tacho_u32 principal = TACHO_NONE;

	pthread_mutex_lock(&lock);
	if (nr_names == size_names && size_names < MAX_NAMES) {
		uint32_t size = size_names ? size_names * 2 : 16;
		struct name *grown = realloc(names, size * sizeof(*grown));

		if (grown) {
			names = grown;
			size_names = size;
		}
	}
	if (nr_names < size_names) {
		memset(&names[nr_names], 0, sizeof(names[0]));
		strncpy(names[nr_names].text, text, sizeof(names[0].text) - 1);
		principal = ++nr_names;
	}
	pthread_mutex_unlock(&lock);
	return principal;
}

TACHO_EXPORT tacho_u32 tacho_principal_set(tacho_u32 principal)
{
	tacho_u32 before = tacho__thread.principal;

	tacho__thread.principal = principal;
	return before;
}

TACHO_EXPORT tacho_u32 tacho_principal_get(void)
{
	return tacho__thread.principal;
}

uint32_t tacho_i_principal_names(uint32_t from, char (*text)[28], uint32_t max)
{
	uint32_t nr = 0;

	pthread_mutex_lock(&lock);
	for (; from + nr < nr_names && nr < max; nr++)
		memcpy(text[nr], names[from + nr].text, sizeof(names[0].text));
	pthread_mutex_unlock(&lock);
	return nr;
}

uint32_t tacho_i_principal_count(void)
{
	uint32_t nr;

	pthread_mutex_lock(&lock);
	nr = nr_names;
	pthread_mutex_unlock(&lock);
	return nr;
}

void tacho_i_principal_lock(void)
{
	pthread_mutex_lock(&lock);
}

void tacho_i_principal_unlock(void)
{
	pthread_mutex_unlock(&lock);
}
