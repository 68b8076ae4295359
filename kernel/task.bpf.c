// SPDX-License-Identifier: BSD-2-Clause
/*
 * task.bpf.c: who is who: binding tasks to principals, and telling user space about new ones.
 *
 * Owns the maps, and the principal in the storage of each task. A child inherits it; where
 * processes or threads are domains of their own (fresh_for), it takes a fresh one from the pool,
 * which user space keeps filled with principals that are bound to domains already. If the pool is
 * empty it is charged to its parent's domain: nothing is lost. A thread of a process that is split
 * (TACHO_TASK_SPLIT) takes one too, whatever fresh_for says. What a task becomes by exec, user
 * space decides from the rows that are logged here. Attached while any event is enabled, or tasks
 * are followed; bound are all tasks before anything else is attached.
 */
#include "kernel.bpf.h"

struct area_map area SEC(".maps");
struct task_map tasks SEC(".maps");
struct principal_map principals SEC(".maps");

/* Principals for children, pushed by the session. */
struct {
	__uint(type, BPF_MAP_TYPE_QUEUE);
	__uint(max_entries, 1024);
	__uint(key_size, 0);
	__uint(value_size, sizeof(__u32));
} pool SEC(".maps");

/*
 * Bindings to be made, by thread id; emptied by the session when bind_tasks is done. Its buckets
 * are memory that is there from the beginning; where there are more tasks they are bound in several
 * walks.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tacho_k_bind);
} bindings SEC(".maps");

/*
 * Tasks that are watched, by thread id. What is older than the task that has the number was said of
 * somebody who has ended. Added by the session; their children are added when they are born, so
 * that what these make before the session has looked at them is told, too. Removed by the session,
 * and when the task ends.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, struct tacho_k_watch);
} watched SEC(".maps");

/* Their children, for the session. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 17);
} children SEC(".maps");

const volatile struct tacho_geometry geometry = {};
volatile __u32 active = 0;
volatile __u64 enabled_ns[TACHO_K_NR] = {};
const volatile __s64 preempt_from_rq = 0;
const volatile __s64 this_cpu_off_from_rq = 0;

/* Which children become a principal of their own: TACHO_FRESH_*. */
const volatile __u32 fresh_for = 0;
/* Somebody is or was watched, by the session: nobody else looks into the map. */
volatile __u32 watching = 0;
/* Children for whom there was no room in the buffer, or among the watched. By the programs. */
volatile __u64 children_lost = 0;
/* Tasks whose storage could not be made: they count as the system's. By the programs. */
volatile __u64 unbound = 0;

static __always_inline bool wants_fresh(__u32 flags, __u64 clone_flags)
{
	if (flags & TACHO_TASK_INHERIT)
		return false;
	if (fresh_for == TACHO_FRESH_THREAD)
		return true;
	return clone_flags & CLONE_THREAD ? flags & TACHO_TASK_SPLIT
					  : fresh_for == TACHO_FRESH_PROCESS;
}

/* What a child has of its parent's flags: that a process is split concerns its own threads. */
static __always_inline __u32 flags_inherited(__u32 flags, __u64 clone_flags)
{
	__u32 kept = TACHO_TASK_INHERIT | TACHO_TASK_KEEP_EXEC;

	if (clone_flags & CLONE_THREAD)
		kept |= TACHO_TASK_SPLIT;
	return flags & kept;
}

/*
 * Room for what is to be told of a task; NULL: there is none. Submitted without flags: the session
 * is woken when it has read everything before, and once until it reads again.
 */
static __always_inline struct tacho_k_child *tell(struct task_struct *task, __u32 what,
						  __u32 parent, __u32 ancestor,
						  struct tacho_cpu *cpu)
{
	struct tacho_k_child *told = bpf_ringbuf_reserve(&children, sizeof(*told), 0);

	if (!told) {
		__sync_fetch_and_add(&children_lost, 1);
		if (cpu)
			tacho__bpf_lost(cpu, TACHO_LOST_BUSY);
		return NULL;
	}
	told->pid = (__u32)task->tgid;
	told->tid = (__u32)task->pid;
	told->parent = parent;
	told->ancestor = ancestor;
	told->start_ns = task->start_boottime;
	told->what = what;
	told->pad0 = 0;
	return told;
}

/*
 * Wakes the session, if the parent is watched; and then the child is, too, until the session says
 * otherwise. It is entered before it is told: the session may be faster than this.
 */
static __always_inline void child_tell(struct task_struct *child, struct task_struct *parent,
				       struct tacho_cpu *cpu)
{
	__u32 tid = (__u32)parent->pid, child_tid = (__u32)child->pid;
	struct tacho_k_watch *watch = bpf_map_lookup_elem(&watched, &tid), own = {};
	struct tacho_k_child *told;

	if (!watch || watch->since_ns < parent->start_time)
		return;
	own.since_ns = child->start_time;
	own.ancestor = watch->ancestor;
	told = tell(child, TACHO_K_TOLD_BORN, tid, own.ancestor, cpu);
	if (!told)
		return;
	if (bpf_map_update_elem(&watched, &child_tid, &own, BPF_ANY))
		__sync_fetch_and_add(&children_lost, 1);
	bpf_ringbuf_submit(told, 0);
}

SEC("tp_btf/task_newtask")
int BPF_PROG(task_new, struct task_struct *child, unsigned long clone_flags)
{
	struct task_struct *parent = bpf_get_current_task_btf();
	struct tacho_k_task *from = task_get(parent), *to;
	struct tacho_k_task fresh = {};
	void *part = area_part();
	__u32 principal, domain, parent_domain;

	if (from) {
		fresh.principal = from->principal;
		fresh.flags = flags_inherited(from->flags, clone_flags);
	}
	if (!(child->flags & PF_KTHREAD) && wants_fresh(fresh.flags, clone_flags) &&
	    bpf_map_pop_elem(&pool, &principal) == 0)
		fresh.principal = principal;
	to = bpf_task_storage_get(&tasks, child, &fresh, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (to)
		task_bind(child, to, fresh.principal, fresh.flags);
	else
		__sync_fetch_and_add(&unbound, 1);
	if (watching)
		child_tell(child, parent, part);
	if (!part)
		return 0;
	domain = principal_domain(fresh.principal);
	parent_domain = from ? principal_domain(from->principal) : TACHO_DOMAIN_SYSTEM;
	log_data(part, TACHO_K_TASK_TRACK, domain,
		 TACHO_K_TRACK_NEW | TACHO_K_TRACK_PARENT(parent_domain), task_ids(child), 0);
	log_data(part, TACHO_K_TASK_NEW, domain, parent_domain, task_ids(child), 0);
	return 0;
}

static __always_inline int task_tell(struct task_struct *task, __u32 event, __u32 what)
{
	void *part = area_part();
	__u32 domain;

	if (!part)
		return 0;
	domain = task_domain(task);
	log_data(part, TACHO_K_TASK_TRACK, domain, what, task_ids(task), 0);
	log_domain(part, event, domain, TACHO_NONE, task_ids(task), 0);
	return 0;
}

/*
 * A thread that executes takes the number of its process's first one, which has ended by then, and
 * is watched on. Who keeps books by number has to know.
 */
static __always_inline void watch_move(struct task_struct *task, __u32 from)
{
	__u32 to = (__u32)task->pid;
	struct tacho_k_watch *watch = bpf_map_lookup_elem(&watched, &from), moved;
	struct tacho_k_child *told;

	if (!watch || from == to)
		return;
	moved = *watch;
	if (moved.ancestor == from)
		moved.ancestor = to;
	bpf_map_update_elem(&watched, &to, &moved, BPF_ANY);
	bpf_map_delete_elem(&watched, &from);
	told = tell(task, TACHO_K_TOLD_EXEC, from, moved.ancestor, area_part());
	if (told)
		bpf_ringbuf_submit(told, 0);
}

SEC("tp_btf/sched_process_exec")
int BPF_PROG(task_exec, struct task_struct *task, int old_tid)
{
	if (watching)
		watch_move(task, (__u32)old_tid);
	return task_tell(task, TACHO_K_TASK_EXEC, TACHO_K_TRACK_EXEC);
}

SEC("tp_btf/sched_process_exit")
int BPF_PROG(task_exit, struct task_struct *task)
{
	__u32 tid = (__u32)task->pid;

	if (watching)
		bpf_map_delete_elem(&watched, &tid);
	return task_tell(task, TACHO_K_TASK_EXIT, TACHO_K_TRACK_EXIT);
}

struct bpf_iter_meta;
struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

/* Read by the session to its end: every task whose binding is waiting gets it. */
SEC("iter/task")
int bind_tasks(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct tacho_k_task *state;
	struct tacho_k_bind *bind;
	__u32 tid;

	if (!task)
		return 0;
	tid = (__u32)task->pid;
	bind = bpf_map_lookup_elem(&bindings, &tid);
	if (!bind)
		return 0;
	state = bpf_task_storage_get(&tasks, task, NULL, BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!state) {
		__sync_fetch_and_add(&unbound, 1);
		return 0;
	}
	task_bind(task, state, bind->principal, bind->flags);
	return 0;
}

/* Run by the session on each CPU: what runs there, as if it had been switched to now. */
SEC("raw_tp")
int start_running(void *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tacho_cpu *cpu = area_part();

	if (!cpu)
		return 0;
	cpu->running_task = (__u32)task->pid;
	tacho_bpf_running(&geometry, cpu, task_domain(task), bpf_ktime_get_ns());
	return 0;
}

/* Run by the session: a row of mem.shared, which user space found out. */
SEC("raw_tp")
int emit(const struct tacho_k_emit *what)
{
	void *part = area_part();

	if (part)
		log_domain(part, TACHO_K_MEM_SHARED, (__u32)what->domain & geometry.domain_mask,
			   (__u32)what->correspondent, what->counter, 0);
	return 0;
}

char licence[] SEC("license") = "Dual BSD/GPL";
