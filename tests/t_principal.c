/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * t_principal.c: principals by number and by name.
 */
#include <pthread.h>
#include <string.h>

#include "internal.h"
#include "t.h"

#define THREADS 4
#define EACH	200

T_CASE(numbers_are_small_and_dense)
{
	uint32_t before = tacho_i_principal_count();
	tacho_u32 first = tacho_principal_create("one");
	tacho_u32 second = tacho_principal_create("two");

	T_EQ(first, before + 1);
	T_EQ(second, before + 2);
	T_EQ(tacho_i_principal_count(), before + 2);
}

T_CASE(names_are_cut_and_terminated)
{
	char name[1][28];
	tacho_u32 p = tacho_principal_create("a name that is much longer than fits");

	T_EQ(tacho_i_principal_names(p - 1, name, 1), 1);
	T_EQ(strlen(name[0]), 27);
	T_OK(strncmp(name[0], "a name that is much longer than fits", 27) == 0);
	T_EQ(tacho_i_principal_names(p, name, 1), 0);
}

T_CASE(a_thread_has_one)
{
	T_EQ(tacho_principal_get(), 0);
	T_EQ(tacho_principal_set(7), 0);
	T_EQ(tacho_principal_get(), 7);
	T_EQ(tacho_principal_set(0), 7);
}

static void *create_many(void *arg)
{
	tacho_u32 *numbers = arg;

	T_EQ(tacho_principal_get(), 0);
	for (int i = 0; i < EACH; i++)
		numbers[i] = tacho_principal_create("many");
	return NULL;
}

T_CASE(threads_get_different_ones)
{
	static tacho_u32 numbers[THREADS][EACH];
	static unsigned char seen[1 << 16];
	pthread_t thread[THREADS];

	for (int i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, create_many, numbers[i]);
	for (int i = 0; i < THREADS; i++)
		pthread_join(thread[i], NULL);
	for (int i = 0; i < THREADS; i++) {
		for (int k = 0; k < EACH; k++) {
			T_OK(numbers[i][k] < sizeof(seen));
			T_EQ(seen[numbers[i][k]]++, 0);
		}
	}
}

T_MAIN
