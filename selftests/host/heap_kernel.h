/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The little of the kernel and of <linux/respool.h> that slab/run.c, slab/hot.c
 * and slab/magazine.c stand on: one CPU, which nothing interrupts. The compiler
 * reads this before anything else.
 */
#ifndef RESPOOL_HEAP_KERNEL_H
#define RESPOOL_HEAP_KERNEL_H

#include <stdlib.h>

#include "plain.h"

#define PAGE_SHIFT		12
#define PAGE_SIZE		(1UL << PAGE_SHIFT)
#define PFN_UP(bytes)		(((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define SZ_16K			0x4000UL
#define SZ_32K			0x8000UL
#define SZ_64K			0x10000UL
#define SZ_256K			0x40000UL
#define SZ_2M			0x200000UL
#define SZ_1G			0x40000000UL
#define GFP_NOWAIT		0u
#define GFP_KERNEL		0u

#define clamp(val, lo, hi)	min(max(val, lo), hi)
#define clamp_t(t, val, lo, hi)	min_t(t, max_t(t, val, lo), hi)
#define roundup_pow_of_two(n)	(1UL << fls64((n) - 1))

#define swap(a, b)							\
do {									\
	__typeof__(a) was = (a);					\
									\
	(a) = (b);							\
	(b) = was;							\
} while (0)

#define gfp_t			unsigned int

#define __percpu
#define __aligned(n)		__attribute__((aligned(n)))
#define nr_cpu_ids		1u
#define num_online_cpus()	1u
#define smp_processor_id()	0u
#define for_each_possible_cpu(cpu)	for ((cpu) = 0; (cpu) < 1; (cpu)++)
#define per_cpu_ptr(p, cpu)	(&(p)[cpu])
#define __this_cpu_read(var)	(var)
#define alloc_percpu(type)	((type *)calloc(1, sizeof(type)))
#define free_percpu(p)		free(p)
#define cpu_to_node(cpu)	((void)(cpu), 0)
#define kvzalloc_node(bytes, gfp, node)	((void)(gfp), (void)(node), calloc(1, bytes))
#define kvzalloc(bytes, gfp)	((void)(gfp), calloc(1, bytes))
#define kvfree(p)		free(p)
#define get_random_u64()	0xfedcba9876543210ULL

#define preempt_disable()	do { } while (0)
#define preempt_enable()	do { } while (0)
#define might_sleep()		do { } while (0)
#define cpu_relax()		do { } while (0)
#define in_interrupt()		false
#define irqs_disabled()		false

#define raw_spinlock_t		int
#define s64			long

#define raw_spin_lock_irqsave(lock, flags)	((flags) = (unsigned long)++*(lock))
#define raw_spin_unlock_irqrestore(lock, flags)	((void)(flags), --*(lock))

#define div_u64(n, by)		((n) / (by))

static inline bool test_and_set_bit_lock(unsigned int bit, unsigned long *word)
{
	bool was = *word & BIT(bit);

	*word |= BIT(bit);
	return was;
}

/* Nobody else to see it. */
#define smp_store_release(p, v)	(*(p) = (v))

struct respool;

struct respool_request {
	unsigned long nr_pages;
	size_t align;
};

unsigned int respool_max_order(const struct respool *pool);
void *respool_alloc_exact(struct respool *pool, unsigned long nr_pages, gfp_t gfp);
void *respool_alloc_request(struct respool *pool, const struct respool_request *request, gfp_t gfp);
int respool_resize_block(struct respool *pool, void *addr, unsigned long nr_pages, gfp_t gfp);
int respool_free_block(struct respool *pool, void *addr);
void *respool_alloc_pages(struct respool *pool, unsigned int order, gfp_t gfp);
int respool_free_pages(struct respool *pool, void *addr, unsigned int order);
void *respool_start(const struct respool *pool);
unsigned long respool_nr_pages(const struct respool *pool);
u64 respool_virt_to_phys(const struct respool *pool, const void *addr);

/* Nothing is traced. */
#define trace_respool_run_taken(pool, run, nr_pages)	((void)(nr_pages))
#define trace_respool_run_returned(pool, run, nr_pages)	((void)(nr_pages))

#endif /* RESPOOL_HEAP_KERNEL_H */
