/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel that buddy/magazine.c stands on, made of threads:
 * a thread is a CPU and stays one, nothing interrupts it, and it counts how
 * often it takes the pool's lock. The compiler reads this before anything else.
 */
#ifndef RESPOOL_THREADS_KERNEL_H
#define RESPOOL_THREADS_KERNEL_H

#include <pthread.h>
#include <stdlib.h>

#include "plain.h"

#define MAX_CPUS	2

extern __thread unsigned int this_cpu;		/* which this thread is */
extern __thread unsigned long lock_holds;	/* by this thread so far */

#define __percpu
#define noinline			__attribute__((noinline))
#define OPTIMIZER_HIDE_VAR(var)		asm("" : "+r" (var))
#define min3(a, b, c)			min(min(a, b), c)
#define clamp_t(type, val, lo, hi)	min_t(type, max_t(type, val, lo), hi)
#undef try_cmpxchg	/* of plain.h, for one thread */
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, 0, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

/* What the kernel marks, the compiler knows by other names or not at all. */
#define smp_store_release(p, v)		__atomic_store_n(p, v, __ATOMIC_RELEASE)

#if __has_feature(thread_sanitizer)
/* What is marked is no race; accesses that are volatile and no more would be one. */
#undef READ_ONCE
#undef WRITE_ONCE
#define READ_ONCE(x)			__atomic_load_n(&(x), __ATOMIC_RELAXED)
#define WRITE_ONCE(x, v)		__atomic_store_n(&(x), v, __ATOMIC_RELAXED)

void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);

#undef data_race
/* Not watched while it is read. */
#define data_race(expr)							\
({									\
	__auto_type __value = (AnnotateIgnoreReadsBegin(__FILE__, __LINE__), (expr)); \
									\
	AnnotateIgnoreReadsEnd(__FILE__, __LINE__);			\
	__value;							\
})
#endif

#define preempt_disable()		do { } while (0)
#define preempt_enable()		do { } while (0)
#define in_interrupt()			false
#define irqs_disabled()			false
#define might_sleep()			do { } while (0)
#define cpu_relax()			__builtin_ia32_pause()

#define smp_processor_id()		this_cpu
#define num_possible_cpus()		((unsigned int)MAX_CPUS)
#define for_each_possible_cpu(cpu)	for ((cpu) = 0; (cpu) < MAX_CPUS; (cpu)++)
#define per_cpu_ptr(p, cpu)		(&(p)[cpu])
#define this_cpu_ptr(p)			per_cpu_ptr(p, this_cpu)
#define free_percpu(p)			free(p)

#define alloc_percpu(type)						\
({									\
	void *all_cpus = aligned_alloc(64, MAX_CPUS * sizeof(type));	\
									\
	all_cpus ? memset(all_cpus, 0, MAX_CPUS * sizeof(type)) : NULL;	\
})

static inline bool test_and_set_bit_lock(unsigned int bit, unsigned long *word)
{
	return __atomic_fetch_or(word, BIT(bit), __ATOMIC_ACQUIRE) & BIT(bit);
}

#define raw_spinlock_t			pthread_spinlock_t

#define raw_spin_lock_irqsave(lock, flags)				\
do {									\
	(flags) = 0;							\
	pthread_spin_lock(lock);					\
	lock_holds++;							\
} while (0)

#define raw_spin_unlock_irqrestore(lock, flags)				\
do {									\
	(void)(flags);							\
	pthread_spin_unlock(lock);					\
} while (0)

/* Nothing is timed, and nothing traced. */
#define DECLARE_STATIC_KEY_FALSE(name)	extern int name
#define static_branch_unlikely(key)	false
#define local_clock()			0ULL
#define this_cpu_inc(count)		((count)++)
#define this_cpu_add(count, n)		((count) += (n))
#define trace_respool_page_split_enabled()	false
#define trace_respool_page_merge_enabled()	false
#define trace_respool_page_split(pool, page, order, whole)	((void)(pool), (void)(page))
#define trace_respool_page_merge(pool, page, order, whole)	((void)(pool), (void)(page))
#define trace_respool_refill(pool, cpu, order, blocks)	((void)(pool), (void)(cpu))
#define trace_respool_drain(pool, cpu, order, blocks)	((void)(pool), (void)(cpu))

#endif /* RESPOOL_THREADS_KERNEL_H */
