// expect: tacho__kind_nobody.*(undeclared|not declared)|undeclared identifier 'tacho__kind_nobody'
/* SPDX-License-Identifier: BSD-2-Clause */
/* An event that nobody defined is an error of this file, not of the linker. */
#include <tacho/tacho.h>

#ifdef RIGHT
TACHO_EVENT(nobody, TACHO_ACCESS, "test.nobody", "", "", "defined");
#endif

void use(void);
void use(void)
{
	TACHO_LOG(nobody);
}
