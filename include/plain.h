/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The few helpers the pure cores (buddy/buddy.c, slab/freelist.c,
 * slab/objects.c) stand on.
 *
 * In the kernel they are the kernel's own. Elsewhere the same names are made
 * from the compiler's builtins, so that one source file is the module, the
 * KUnit suite and the user-space build that runs under sanitizers.
 */
#ifndef RESPOOL_PLAIN_H
#define RESPOOL_PLAIN_H

#ifdef __KERNEL__

#include <linux/atomic.h>
#include <linux/bitops.h>
#include <linux/bug.h>
#include <linux/build_bug.h>
#include <linux/cache.h>
#include <linux/compiler.h>
#include <linux/errno.h>
#include <linux/limits.h>
#include <linux/log2.h>
#include <linux/math.h>
#include <linux/minmax.h>
#include <linux/overflow.h>
#include <linux/stddef.h>
#include <linux/string.h>
#include <linux/types.h>

#include <asm/barrier.h>

#else

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;

#ifndef __always_inline
#define __always_inline		inline __attribute__((always_inline))
#endif
#define noinline			__attribute__((noinline))
#define ____cacheline_aligned	__attribute__((aligned(64)))
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, v)	(*(volatile __typeof__(x) *)&(x) = (v))

/* Nobody watches. */
#define data_race(x)		(x)

/* full */
#define smp_mb()		__atomic_thread_fence(__ATOMIC_SEQ_CST)
/* of reads */
#define smp_rmb()		__atomic_thread_fence(__ATOMIC_ACQUIRE)
/* full */
#define smp_mb__after_atomic()	smp_mb()
#define xchg(p, v)		__atomic_exchange_n(p, v, __ATOMIC_SEQ_CST)
#define cmpxchg(p, old, new)	__sync_val_compare_and_swap(p, old, new)
#define try_cmpxchg(p, old, new) \
	__atomic_compare_exchange_n(p, old, new, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED)

typedef struct { int64_t counter; } atomic64_t;

static inline void atomic64_add(int64_t n, atomic64_t *v)
{
	__atomic_fetch_add(&v->counter, n, __ATOMIC_RELAXED);
}

#define ARRAY_SIZE(a)		(sizeof(a) / sizeof((a)[0]))
#define DIV_ROUND_UP(n, d)	(((n) + (d) - 1) / (d))
#define round_up(x, y)		((((x) - 1) | ((__typeof__(x))(y) - 1)) + 1)
#define round_down(x, y)	((x) & ~((__typeof__(x))(y) - 1))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define min_t(t, a, b)		((t)(a) < (t)(b) ? (t)(a) : (t)(b))
#define max_t(t, a, b)		((t)(a) > (t)(b) ? (t)(a) : (t)(b))

#define BIT(n)			(1UL << (n))
#define BIT_ULL(n)		(1ULL << (n))
#define hweight64(w)		((unsigned int)__builtin_popcountll(w))
#define __ffs64(w)		((unsigned int)__builtin_ctzll(w))
#define fls64(w)		((w) ? 64 - __builtin_clzll(w) : 0)
#define ilog2(n)		(63 - __builtin_clzll((unsigned long long)(n)))
#define is_power_of_2(n)	((n) != 0 && (((n) & ((n) - 1)) == 0))

static inline bool test_bit(unsigned long nr, const unsigned long *map)
{
	return READ_ONCE(map[nr / 64]) >> nr % 64 & 1;
}

static inline void set_bit(unsigned long nr, unsigned long *map)
{
	__atomic_fetch_or(&map[nr / 64], BIT(nr % 64), __ATOMIC_RELAXED);
}

static inline bool test_and_set_bit(unsigned long nr, unsigned long *map)
{
	return __atomic_fetch_or(&map[nr / 64], BIT(nr % 64), __ATOMIC_SEQ_CST) >> nr % 64 & 1;
}

static inline bool test_and_clear_bit(unsigned long nr, unsigned long *map)
{
	return __atomic_fetch_and(&map[nr / 64], ~BIT(nr % 64), __ATOMIC_SEQ_CST) >> nr % 64 & 1;
}

static inline void __set_bit(unsigned long nr, unsigned long *map)
{
	map[nr / 64] |= BIT(nr % 64);
}

static inline void __clear_bit(unsigned long nr, unsigned long *map)
{
	map[nr / 64] &= ~BIT(nr % 64);
}

#define check_add_overflow(a, b, d)	__builtin_add_overflow(a, b, d)

#define BUILD_BUG_ON(c)		_Static_assert(!(c), #c)

#endif /* __KERNEL__ */
#endif /* RESPOOL_PLAIN_H */
