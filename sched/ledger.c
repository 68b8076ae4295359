// SPDX-License-Identifier: BSD-2-Clause
/*
 * ledger.c: the owner's side: writing down what a task had, changing it, and knowing by its number
 * what was changed.
 *
 * Owns the indices of the records (hashes by tid) and the entries that callers see; the file is
 * ledger_file.c's, children are ledger_children.c's, the rules of undoing ledger_undo.c's. No task
 * is changed anywhere else. One thread calls: the scheduler's loop.
 *
 * A record is not forgotten when its task is gone or was released, because it may have children
 * that nobody has seen yet: it stays as a ghost until they have been looked for. ledger_internal.h
 * says in which order things are written.
 */
#include "ledger.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <tacho/atomic.h>

#include "ledger_internal.h"

#define SLOTS	   (2u * LEDGER_MAX) /* at most half full */
#define GONE_LOOKS 64u /* tasks that are still there, per tend, of those that are asked */

/*
 * --- the index ---------------------------------------------------------------------------------
 */

static uint32_t slot_of(int tid)
{
	return (uint32_t)tid * 2654435761u >> 15 & (SLOTS - 1);
}

/* The next record of a number from slot *at on, first slot_of; LEDGER_NONE: there are no more. */
static uint32_t index_next(const struct tacho_ledger *ledger,
			   const struct tacho_ledger_index *index, int tid, uint32_t *at)
{
	while (index->slots[*at]) {
		const uint32_t record = index->slots[*at] - 1;

		*at = (*at + 1) & (SLOTS - 1);
		if (ledger->file.records[record].tid == tid)
			return record;
	}
	return LEDGER_NONE;
}

uint32_t tacho_l_find(const struct tacho_ledger *ledger, int tid)
{
	uint32_t at = slot_of(tid);

	return index_next(ledger, &ledger->live, tid, &at);
}

struct tacho_ledger_namesakes tacho_l_namesakes(int tid)
{
	return (struct tacho_ledger_namesakes){ .tid = tid, .at = slot_of(tid) };
}

uint32_t tacho_l_namesakes_next(const struct tacho_ledger *ledger,
				struct tacho_ledger_namesakes *all)
{
	uint32_t index = LEDGER_NONE;

	if (!all->are_ghosts)
		index = index_next(ledger, &ledger->live, all->tid, &all->at);
	if (index != LEDGER_NONE)
		return index;
	if (!all->are_ghosts)
		all->at = slot_of(all->tid);
	all->are_ghosts = true;
	return index_next(ledger, &ledger->ghosts, all->tid, &all->at);
}

static void index_add(struct tacho_ledger *ledger, struct tacho_ledger_index *index,
		      uint32_t record)
{
	uint32_t at = slot_of(ledger->file.records[record].tid);

	while (index->slots[at])
		at = (at + 1) & (SLOTS - 1);
	index->slots[at] = record + 1;
	index->nr++;
}

/* Those behind it move up, so that none is behind a gap that it was not behind before. */
static void index_remove(struct tacho_ledger *ledger, struct tacho_ledger_index *index,
			 uint32_t record)
{
	uint32_t at = slot_of(ledger->file.records[record].tid), next;
	uint32_t *slots = index->slots;

	while (slots[at] && slots[at] != record + 1)
		at = (at + 1) & (SLOTS - 1);
	if (!slots[at])
		return;
	index->nr--;
	for (next = (at + 1) & (SLOTS - 1); slots[next]; next = (next + 1) & (SLOTS - 1)) {
		uint32_t home = slot_of(ledger->file.records[slots[next] - 1].tid);

		if (((next - home) & (SLOTS - 1)) < ((next - at) & (SLOTS - 1)))
			continue;
		slots[at] = slots[next];
		at = next;
	}
	slots[at] = 0;
}

static void index_clear(struct tacho_ledger_index *index)
{
	memset(index->slots, 0, SLOTS * sizeof(*index->slots));
	index->nr = 0;
}

/*
 * --- records -----------------------------------------------------------------------------------
 */

static void what_store(struct tacho_ledger_record *record, uint32_t what)
{
	tacho_store_release(&record->what, what);
}

static void entry_update(struct tacho_ledger *ledger, uint32_t index)
{
	const struct tacho_ledger_record *record = tacho_l_at(ledger, index);
	struct tacho_ledger_entry *entry = &ledger->entries[index];

	entry->set = record->set;
	entry->nice_set = record->nice_set;
	entry->what = record->what;
}

static void entry_fill(struct tacho_ledger *ledger, uint32_t index,
		       const struct tacho_world_task *task)
{
	const struct tacho_ledger_record *record = tacho_l_at(ledger, index);
	struct tacho_ledger_entry *entry = &ledger->entries[index];

	memset(entry, 0, sizeof(*entry));
	entry->before = *task;
	entry->before.cpus = record->before;
	entry->before.nice = record->nice;
	entry->is_child = record->flags & LEDGER_CHILD;
	entry_update(ledger, index);
}

/* A record that nobody uses; LEDGER_NONE: there is no room, *err. */
static uint32_t record_get(struct tacho_ledger *ledger, int *err)
{
	uint32_t index;

	if (ledger->nr_unused)
		return ledger->unused[--ledger->nr_unused];
	*err = tacho_l_file_grow(&ledger->file);
	if (*err)
		return LEDGER_NONE;
	index = ledger->file.header->nr;
	tacho_store_release(&ledger->file.header->nr, index + 1);
	return index;
}

static void record_put(struct tacho_ledger *ledger, uint32_t index)
{
	what_store(tacho_l_at(ledger, index), 0);
	tacho_l_at(ledger, index)->flags = 0;
	ledger->unused[ledger->nr_unused++] = index;
}

void tacho_l_leave(struct tacho_ledger *ledger, uint32_t index)
{
	struct tacho_ledger_record *record = tacho_l_at(ledger, index);

	index_remove(ledger, &ledger->live, index);
	if (!record->what) {
		record_put(ledger, index);
		return;
	}
	record->flags |= LEDGER_GHOST;
	index_add(ledger, &ledger->ghosts, index);
}

static uint64_t ticks_now(const struct tacho_world_task *task)
{
	return task->start + task->age_ms * (uint64_t)sysconf(_SC_CLK_TCK) / 1000;
}

/* A new record, not yet of any change. */
static uint32_t record_add(struct tacho_ledger *ledger, const struct tacho_world_task *task,
			   int *err)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_cpus allowed, both;
	struct tacho_ledger_record *record;
	uint32_t index = record_get(ledger, err);

	if (index == LEDGER_NONE)
		return LEDGER_NONE;
	record = tacho_l_at(ledger, index);
	memset(record, 0, sizeof(*record));
	record->tid = task->tid;
	record->pid = task->pid;
	record->ppid = task->ppid;
	record->session = task->session;
	record->group = task->group;
	record->policy = task->policy;
	record->start = task->start;
	record->placed = ticks_now(task);
	record->nice = record->nice_set = record->nice_next = task->nice;
	record->before = record->set = record->next = task->cpus;
	if (!world->allowed(world->arg, task->tid, &allowed)) {
		both = tacho_cpus_and(&allowed, &task->cpus);
		if (tacho_cpus_equal(&both, &allowed))
			record->flags |= LEDGER_FREE;
	}
	index_add(ledger, &ledger->live, index);
	entry_fill(ledger, index, task);
	return index;
}

/*
 * The record of a task that is about to be changed, and the task as it is. -EEXIST: the user has
 * changed it since: what else we did is undone, and it is his.
 */
static int record_of(struct tacho_ledger *ledger, int tid, uint32_t *index,
		     struct tacho_world_task *task)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_ledger_record *record;
	bool is_users;
	uint32_t what;
	int err;

	*index = tid > 0 ? tacho_l_find(ledger, tid) : LEDGER_NONE;
	err = tid > 0 ? world->task(world->arg, tid, task) : -ESRCH;
	if (*index != LEDGER_NONE &&
	    (err == -ESRCH || (!err && task->start != tacho_l_at(ledger, *index)->start))) {
		tacho_l_leave(ledger, *index);
		ledger->is_late = true;
		*index = LEDGER_NONE;
	}
	if (err)
		return err;
	if (*index == LEDGER_NONE) {
		*index = record_add(ledger, task, &err);
		return err;
	}
	record = tacho_l_at(ledger, *index);
	/* where its process is does not matter now; but what became of its affinity there does */
	what = record->what & ~(uint32_t)TACHO_CHANGED_CPUSET;
	if (record->what & TACHO_CHANGED_CPUSET)
		what |= TACHO_CHANGED_CPUS;
	if (what & ~tacho_l_ours(world, record, task)) {
		err = tacho_l_undo(world, record, &is_users);
		if (err < 0)
			return err;
		tacho_l_leave(ledger, *index);
		return -EEXIST;
	}
	return 0;
}

/*
 * Children may have what it is given now for as long as nobody has looked for them. false: there is
 * no room to note it.
 */
static bool past_add(struct tacho_ledger_record *record)
{
	if (!(record->what & TACHO_CHANGED_CPUS))
		return true;
	for (unsigned i = 0; i < LEDGER_PAST; i++) {
		if (tacho_cpus_equal(&record->past[i], &record->set))
			return true;
		if (!tacho_cpus_count(&record->past[i])) {
			record->past[i] = record->set;
			return true;
		}
	}
	return false;
}

/*
 * Look for children before what they have inherited is forgotten: moved again and again, and only
 * then does it cost.
 */
static int search_now(struct tacho_ledger *ledger, int tid, uint32_t *index)
{
	size_t found;
	int err;

	ledger->is_late = true;
	err = tacho_ledger_tend(ledger, &found);
	if (err)
		return err;
	*index = tacho_l_find(ledger, tid);
	return *index == LEDGER_NONE ? -ESRCH : 0;
}

/* Announced: from now on whoever reads the file knows that it may have been done. */
static uint32_t arm(struct tacho_ledger_record *record, uint32_t kind)
{
	const uint32_t what = record->what;

	tacho_store_release(&record->armed, record->armed | kind);
	what_store(record, what | kind);
	return what;
}

/* Done, or err: then all is as it was, and a task of which nothing is changed leaves. */
static int disarm(struct tacho_ledger *ledger, uint32_t index, uint32_t kind, uint32_t what,
		  int err)
{
	struct tacho_ledger_record *record = tacho_l_at(ledger, index);

	if (err)
		what_store(record, what);
	tacho_store_release(&record->armed, record->armed & ~kind);
	if (err == -ESRCH)
		ledger->is_late = true;
	entry_update(ledger, index);
	if (err == -ESRCH || !record->what)
		tacho_l_leave(ledger, index);
	return err;
}

int tacho_l_enter(struct tacho_ledger *ledger, const struct tacho_ledger_record *whole,
		  const struct tacho_world_task *task)
{
	struct tacho_ledger_record *record, unused = *whole;
	int err = 0;
	const uint32_t index = record_get(ledger, &err);

	if (index == LEDGER_NONE)
		return err;
	record = tacho_l_at(ledger, index);
	unused.what = 0;
	*record = unused;
	what_store(record, whole->what);
	index_add(ledger, &ledger->live, index);
	entry_fill(ledger, index, task);
	return 0;
}

/*
 * --- changes -----------------------------------------------------------------------------------
 */

int tacho_ledger_cpus(struct tacho_ledger *ledger, int tid, const struct tacho_cpus *cpus,
		      struct tacho_cpus *now)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_ledger_record *record;
	struct tacho_world_task task;
	struct tacho_cpus made;
	uint32_t index, what;
	int err = record_of(ledger, tid, &index, &task);

	if (err)
		return err;
	record = tacho_l_at(ledger, index);
	if (!tacho_cpus_equal(&record->set, cpus) && !past_add(record)) {
		err = search_now(ledger, tid, &index);
		if (err)
			return err;
		record = tacho_l_at(ledger, index);
		(void)past_add(record);
	}
	record->next = *cpus;
	what = arm(record, TACHO_CHANGED_CPUS);
	err = world->affinity(world->arg, tid, task.start, cpus, &made);
	if (!err) {
		record->set = made;
		if (now)
			*now = made;
	}
	return disarm(ledger, index, TACHO_CHANGED_CPUS, what, err);
}

int tacho_ledger_nice(struct tacho_ledger *ledger, int tid, int nice)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_ledger_record *record;
	struct tacho_world_task task;
	uint32_t index, what;
	int err;

	if (nice < -20 || nice > 19)
		return -EINVAL;
	err = record_of(ledger, tid, &index, &task);
	if (err)
		return err;
	/* earlier ones are not noted: it is rare enough */
	if (tacho_l_at(ledger, index)->what & TACHO_CHANGED_NICE &&
	    tacho_l_at(ledger, index)->nice_set != nice) {
		err = search_now(ledger, tid, &index);
		if (err)
			return err;
	}
	record = tacho_l_at(ledger, index);
	record->nice_next = nice;
	what = arm(record, TACHO_CHANGED_NICE);
	err = world->nice(world->arg, tid, task.start, nice);
	if (!err)
		record->nice_set = nice;
	return disarm(ledger, index, TACHO_CHANGED_NICE, what, err);
}

/*
 * Before: each thread's affinity, which the kernel may change with the cpuset, and where the
 * process is.
 */
static int cpuset_arm(struct tacho_ledger *ledger, int tid, const char *from, const char *path,
		      uint32_t *index, uint32_t *what)
{
	struct tacho_world_task task;
	int err = record_of(ledger, tid, index, &task);
	struct tacho_ledger_record *record;

	if (err)
		return err;
	record = tacho_l_at(ledger, *index);
	if (!(record->what & TACHO_CHANGED_CPUSET))
		snprintf(record->cpuset, LEDGER_PATH, "%s", from);
	snprintf(record->cpuset_set, LEDGER_PATH, "%s", path);
	*what = arm(record, TACHO_CHANGED_CPUSET);
	return 0;
}

static void cpuset_disarm(struct tacho_ledger *ledger, int tid, const char *from, int err)
{
	const struct tacho_world *world = ledger->world;
	const uint32_t index = tacho_l_find(ledger, tid);
	struct tacho_ledger_record *record;
	struct tacho_world_task task;
	uint32_t what;

	if (index == LEDGER_NONE)
		return;
	record = tacho_l_at(ledger, index);
	what = record->what;
	if (err && strcmp(record->cpuset, from) == 0)
		what &= ~(uint32_t)TACHO_CHANGED_CPUSET;
	else if (err)
		snprintf(record->cpuset_set, LEDGER_PATH, "%s", from);
	if (!err && !world->task(world->arg, tid, &task) && task.start == record->start) {
		(void)past_add(record);
		record->set = task.cpus;
	}
	(void)disarm(ledger, index, TACHO_CHANGED_CPUSET, what, err);
}

int tacho_ledger_cpuset(struct tacho_ledger *ledger, int pid, const char *path)
{
	const struct tacho_world *world = ledger->world;
	struct tacho_world_task task;
	char from[LEDGER_PATH];
	uint32_t index, what;
	int *tids = NULL, err;
	size_t nr = 0, armed = 0;

	if (path[0] != '/' || strlen(path) >= LEDGER_PATH)
		return -EINVAL;
	err = world->task(world->arg, pid, &task);
	if (!err && task.pid != pid)
		err = -ESRCH;
	if (!err)
		err = world->cpuset(world->arg, pid, task.start, NULL, from, sizeof(from));
	if (!err)
		err = world->threads(world->arg, pid, &tids, &nr);
	for (; armed < nr && !err; armed++) {
		err = cpuset_arm(ledger, tids[armed], from, path, &index, &what);
		/*
		 * a thread that ends meanwhile, or one that is the user's, does not keep the others
		 * here
		 */
		if ((err == -ESRCH || err == -EEXIST) && tids[armed] != pid)
			err = 0;
	}
	if (!err)
		err = world->cpuset(world->arg, pid, task.start, path, NULL, 0);
	for (size_t i = 0; i < armed; i++)
		cpuset_disarm(ledger, tids[i], from, err);
	free(tids);
	return err;
}

/*
 * --- now and then ------------------------------------------------------------------------------
 */

/*
 * Some of them are asked each time. Those that are gone do not count: that is found out fast, and
 * however many end between two of these, their records must not pile up.
 */
static void gone_leave(struct tacho_ledger *ledger)
{
	const struct tacho_world *world = ledger->world;
	const uint32_t nr = ledger->file.header->nr;
	struct tacho_world_task task;

	for (uint32_t i = 0, there = 0; i < nr && there < GONE_LOOKS; i++) {
		uint32_t index = ledger->look = ledger->look + 1 < nr ? ledger->look + 1 : 0;
		struct tacho_ledger_record *record = tacho_l_at(ledger, index);
		int err;

		if (!record->what || record->flags & LEDGER_GHOST)
			continue;
		err = world->task(world->arg, record->tid, &task);
		/* a number that has come back may have hidden a child from the last search */
		if (!err && task.start != record->start)
			ledger->is_late = true;
		if (err == -ESRCH || (!err && task.start != record->start))
			tacho_l_leave(ledger, index);
		else
			there++;
	}
}

/* After a search that began when they were ghosts already. */
static void ghosts_put(struct tacho_ledger *ledger, const uint32_t *ghosts, size_t nr)
{
	for (size_t i = 0; i < nr; i++) {
		index_remove(ledger, &ledger->ghosts, ghosts[i]);
		record_put(ledger, ghosts[i]);
	}
	for (uint32_t i = 0; i < ledger->file.header->nr; i++)
		if (tacho_cpus_count(&tacho_l_at(ledger, i)->past[0]))
			memset(tacho_l_at(ledger, i)->past, 0, sizeof(tacho_l_at(ledger, i)->past));
}

int tacho_ledger_tend(struct tacho_ledger *ledger, size_t *found)
{
	const struct tacho_world *world = ledger->world;
	uint64_t births = 0;
	uint32_t *ghosts = NULL;
	size_t nr_ghosts = 0;
	bool known, search;
	int err = 0;

	*found = 0;
	if (ledger->is_guarded && !tacho_l_restorer_lives(&ledger->restorer))
		err = tacho_l_restorer_start(&ledger->restorer, &ledger->file, world);
	if (err || (!ledger->live.nr && !ledger->ghosts.nr))
		return err;
	gone_leave(ledger);
	if (ledger->ghosts.nr)
		ghosts = calloc(ledger->ghosts.nr, sizeof(*ghosts));
	for (uint32_t i = 0; ghosts && i < ledger->file.header->nr; i++)
		if (tacho_l_at(ledger, i)->flags & LEDGER_GHOST)
			ghosts[nr_ghosts++] = i;
	known = world->births && !world->births(world->arg, &births);
	search = ledger->is_late || !known || !ledger->has_births || births != ledger->births;
	if (search)
		err = tacho_l_search(ledger, found);
	if (!err) {
		ghosts_put(ledger, ghosts, nr_ghosts);
		ledger->births = births;
		ledger->has_births = known;
		ledger->is_late = false;
	}
	free(ghosts);
	return err;
}

/*
 * --- undo --------------------------------------------------------------------------------------
 */

int tacho_ledger_release(struct tacho_ledger *ledger, int tid)
{
	const uint32_t index = tid > 0 ? tacho_l_find(ledger, tid) : LEDGER_NONE;
	bool is_users;
	int err;

	if (index == LEDGER_NONE)
		return -ENOENT;
	err = tacho_l_undo(ledger->world, tacho_l_at(ledger, index), &is_users);
	if (err < 0)
		return err;
	tacho_l_leave(ledger, index);
	return is_users;
}

int tacho_ledger_release_all(struct tacho_ledger *ledger, size_t *undone)
{
	const uint32_t nr = ledger->file.header->nr;
	struct tacho_ledger_list list = { 0 };
	int err = 0;

	*undone = 0;
	for (uint32_t i = 0; i < nr && !err; i++)
		if (tacho_l_at(ledger, i)->what)
			err = tacho_l_list_add(&list, tacho_l_at(ledger, i));
	if (!err && list.nr)
		*undone = tacho_l_undo_all(ledger->world, &list);
	/* once more later, by whoever does: what is as before already stays so */
	if (list.nr_left)
		err = -EAGAIN;
	free(list.records);
	if (err)
		return err;
	for (uint32_t i = 0; i < nr; i++)
		if (tacho_l_at(ledger, i)->what)
			record_put(ledger, i);
	index_clear(&ledger->live);
	index_clear(&ledger->ghosts);
	return 0;
}

/*
 * --- the object --------------------------------------------------------------------------------
 */

static void ledger_free(struct tacho_ledger *ledger)
{
	if (ledger->entries)
		munmap(ledger->entries, LEDGER_MAX * sizeof(*ledger->entries));
	free(ledger->live.slots);
	free(ledger->ghosts.slots);
	free(ledger->unused);
	free(ledger);
}

static struct tacho_ledger *ledger_new(const struct tacho_world *world)
{
	struct tacho_ledger *ledger = calloc(1, sizeof(*ledger));
	void *entries;

	if (!ledger)
		return NULL;
	ledger->file.fd = -1;
	ledger->world = world;
	ledger->live.slots = calloc(SLOTS, sizeof(*ledger->live.slots));
	ledger->ghosts.slots = calloc(SLOTS, sizeof(*ledger->ghosts.slots));
	ledger->unused = calloc(LEDGER_MAX, sizeof(*ledger->unused));
	entries = mmap(NULL, LEDGER_MAX * sizeof(*ledger->entries), PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	ledger->entries = entries == MAP_FAILED ? NULL : entries;
	if (ledger->live.slots && ledger->ghosts.slots && ledger->unused && ledger->entries)
		return ledger;
	ledger_free(ledger);
	return NULL;
}

int tacho_ledger_open(struct tacho_ledger **out, const char *file, const struct tacho_world *world,
		      int *owner, size_t *undone, char *why, size_t why_size)
{
	struct tacho_ledger *ledger = ledger_new(world ? world : &tacho_world_real);
	int err;

	*out = NULL;
	*owner = 0;
	*undone = 0;
	if (!ledger) {
		snprintf(why, why_size, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	err = tacho_l_file_open(&ledger->file, file ? file : TACHO_LEDGER_FILE, true, owner, why,
				why_size);
	if (!err) {
		err = tacho_l_file_undo(&ledger->file, ledger->world, 0, owner, undone, why,
					why_size);
		if (!err || err == -ENODATA)
			err = tacho_l_file_start(&ledger->file, why, why_size);
	}
	if (err) {
		tacho_l_file_close(&ledger->file, false);
		ledger_free(ledger);
		return err;
	}
	*out = ledger;
	return 0;
}

void tacho_ledger_close(struct tacho_ledger *ledger)
{
	size_t undone;

	if (!ledger)
		return;
	/* when there is no memory for it, or no descriptor, the restorer still may */
	if (!tacho_ledger_release_all(ledger, &undone)) {
		tacho_l_restorer_stop(&ledger->restorer);
		tacho_l_file_close(&ledger->file, true);
	} else {
		tacho_l_file_close(&ledger->file, false);
	}
	ledger_free(ledger);
}

int tacho_ledger_restore(const char *path, const struct tacho_world *world, int *owner,
			 size_t *undone, char *why, size_t why_size)
{
	struct tacho_ledger_file file;
	int err;

	*owner = 0;
	*undone = 0;
	err = tacho_l_file_open(&file, path ? path : TACHO_LEDGER_FILE, false, owner, why,
				why_size);
	if (err)
		return err;
	err = tacho_l_file_undo(&file, world ? world : &tacho_world_real, 0, owner, undone, why,
				why_size);
	tacho_l_file_close(&file, !err || err == -ENODATA);
	if (err == -ENODATA) {
		snprintf(why, why_size, "%s: there is nothing to undo",
			 path ? path : TACHO_LEDGER_FILE);
		err = -ENOENT;
	}
	return err;
}

int tacho_ledger_guard(struct tacho_ledger *ledger)
{
	int err;

	if (tacho_l_restorer_lives(&ledger->restorer))
		return 0;
	err = tacho_l_restorer_start(&ledger->restorer, &ledger->file, ledger->world);
	ledger->is_guarded = !err;
	return err;
}

int tacho_ledger_guardian(const struct tacho_ledger *ledger)
{
	return ledger->restorer.pid;
}

const struct tacho_ledger_entry *tacho_ledger_find(const struct tacho_ledger *ledger, int tid)
{
	const uint32_t index = tid > 0 ? tacho_l_find(ledger, tid) : LEDGER_NONE;

	return index == LEDGER_NONE ? NULL : &ledger->entries[index];
}

const struct tacho_ledger_entry *tacho_ledger_next(const struct tacho_ledger *ledger, size_t *pos)
{
	const uint32_t nr = ledger->file.header->nr;

	while (*pos < nr) {
		const uint32_t index = (uint32_t)(*pos)++;
		const struct tacho_ledger_record *record = tacho_l_at(ledger, index);

		if (record->what && !(record->flags & LEDGER_GHOST))
			return &ledger->entries[index];
	}
	*pos = 0;
	return NULL;
}

size_t tacho_ledger_nr(const struct tacho_ledger *ledger)
{
	return ledger->live.nr;
}
