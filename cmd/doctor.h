/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * doctor.h: what a probe of tacho doctor is.
 *
 * A probe tries one thing, leaves the machine as it was, and notes what it found in one line. doctor.c
 * has the list of things and prints; doctor_kernel.c has the probes of the kernel and the hypervisor.
 * Included by these two files only.
 */
#ifndef TACHO_CMD_DOCTOR_H
#define TACHO_CMD_DOCTOR_H

enum state { HAVE, PARTLY, MISSING };

struct finding {
	enum state state;
	char detail[120];
};

#define GOOD(found, ...) doctor_note((found), HAVE, __VA_ARGS__)
#define LESS(found, ...) doctor_note((found), PARTLY, __VA_ARGS__)
#define NONE(found, ...) doctor_note((found), MISSING, __VA_ARGS__)

void doctor_note(struct finding *found, enum state state, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The first line of a small file, without its end; empty if there is none. */
const char *doctor_line(const char *path, char *text, int size);

/* doctor_kernel.c */
void doctor_area(struct finding *found);
void doctor_bpf(struct finding *found);
void doctor_btf(struct finding *found);
void doctor_capabilities(struct finding *found);
void doctor_counters(struct finding *found);
void doctor_hardware(struct finding *found);
void doctor_hypervisor(struct finding *found);
void doctor_iter(struct finding *found);
void doctor_kvm(struct finding *found);
void doctor_numbers(struct finding *found);
void doctor_refs(struct finding *found);
void doctor_software(struct finding *found);
void doctor_storage(struct finding *found);
void doctor_timer(struct finding *found);
void doctor_tracefs(struct finding *found);
void doctor_tracepoints(struct finding *found);

#endif /* TACHO_CMD_DOCTOR_H */
