/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The protocol of the page layer's magazines, for spin: buddy/cpulock.[ch],
 * buddy/magazine.[ch], and respool_try_alloc() of buddy/pool.c.
 *
 * Two CPUs with a magazine each, a task on each, and interrupts that come at
 * any point, nested on CPU 0. All blocks are of one order. A step is what one
 * CPU does before another, or an interrupt, may see it. What is done under the
 * pool's lock, with interrupts off, is one: nobody sees its inside. CPU 1 may go
 * away: its task goes on on CPU 0, and what its magazine had is called in.
 *
 * To hold:
 *  - no block is handed out that somebody has (the assertion in hand_out);
 *  - none is lost: in the end each is in the pool, in a magazine or in a hand;
 *  - nothing stays with a CPU that is gone;
 *  - a request of a task does not fail while a block is free that was free when
 *    it began, unless somebody else took blocks meanwhile. In an interrupt it
 *    may: a magazine that somebody is in is passed over there.
 *
 * With -DNO_LOCK or -DNO_WAIT the model makes a mistake that spin must find:
 * the lock is looked at in one step and taken in another; a task passes over
 * what it should wait for.
 */
#define ALL		3	/* two blocks, a bit each */
#define NONE		255

/* Processes: 1 and 2 are tasks, 3 and 4 interrupts on CPU 0, 5 one on CPU 1. */
#define is_task(pid)	(pid <= 2)
#define irq_cpu(pid)	(pid == 5)
#define irq_level(pid)	(pid == 4 -> 2 : 1)
#define may_run(pid)	(level[cpu_of[pid]] == 0 && \
			 (holder[cpu_of[pid]] == 0 || holder[cpu_of[pid]] == pid))

byte pool = ALL;		/* blocks in it */
byte magazine[2];		/* the block in each; no more than one fits */
bool has[2];			/* its count */
byte owner[2];			/* who has a block; 0: nobody */
bool lock[2];			/* the CPUs' */

byte level[2];			/* of the interrupt that runs on a CPU; 0: none */
byte holder[2];			/* the task that has preemption off there; 0: none */
byte cpu_of[3];			/* where a task runs */
bool gone;			/* CPU 1 is */
byte running;			/* processes that are not done */

byte asker;			/* a task whose request is watched, and the blocks that */
byte there;			/* have been free since it began; none if others took some */

#define held		((owner[0] -> 1 : 0) | (owner[1] -> 2 : 0))
#define cached		((has[0] -> magazine[0] : 0) | (has[1] -> magazine[1] : 0))

inline begin_request()
{
	if
	:: is_task(_pid) && asker == 0 -> asker = _pid; there = pool | cached
	:: else
	fi
}

inline end_request()
{
	if
	:: asker == _pid ->
		assert(block || there == 0);
		asker = 0;
		there = 0
	:: else
	fi
}

inline others_took()
{
	if
	:: asker != _pid -> there = 0
	:: else
	fi
}

/* A block is a bit; block / 2 is its number. */
inline hand_out()
{
	assert(owner[block / 2] == 0);
	owner[block / 2] = _pid;
	others_took()
}

inline take_from_pool()
{
	block = (pool & 1 -> 1 : pool & 2);
	pool = pool & ~block
}

inline preempt_off()
{
	if
	:: is_task(_pid) -> cpu = cpu_of[_pid]; holder[cpu] = _pid
	:: else
	fi
}

inline unlock(c)
{
	lock[c] = false;
	if
	:: is_task(_pid) -> holder[cpu] = 0
	:: else
	fi
}

inline preempt_on()
{
	if
	:: is_task(_pid) -> holder[cpu] = 0
	:: else
	fi
}

/* respool_cpu_lock_try() */
#ifdef NO_LOCK
inline try(c)
{
	got = !lock[c];
	lock[c] = true
}
#else
inline try(c)
{
	atomic { got = !lock[c]; lock[c] = true }
}
#endif

/* respool_cpu_lock_claim(): a task waits, an interrupt does not for long */
inline claim(c)
{
#ifdef NO_WAIT
	try(c)
#else
	if
	:: is_task(_pid) -> atomic { !lock[c] -> lock[c] = true; got = true }
	:: !is_task(_pid) -> try(c)
	fi
#endif
}

/* respool_magazine_pop(), and respool_magazine_refill() where that finds nothing */
inline pop()
{
	atomic { begin_request(); preempt_off(); }
	try(cpu);
	if
	:: got ->
		if
		:: !has[cpu] ->
			atomic {
				take_from_pool();
				if
				:: block ->
					magazine[cpu] = block;
					has[cpu] = true;
					block = 0;
					others_took()
				:: else
				fi
			}
		:: has[cpu]
		fi;
		if
		:: has[cpu] ->
			block = magazine[cpu];
			atomic { has[cpu] = false; hand_out() }
		:: !has[cpu]
		fi;
		atomic { unlock(cpu) }
	:: !got ->
		atomic { preempt_on() }
	fi
}

/* alloc_core() */
inline from_core()
{
	atomic {
		take_from_pool();
		if
		:: block -> hand_out()
		:: else
		fi
	}
}

/* respool_magazines_drain_order() for one CPU; one that looks empty is believed to be */
inline drain(c)
{
	if
	:: has[c] ->
		atomic { preempt_off() }
		claim(c);
		if
		:: got ->
			atomic {
				if
				:: has[c] -> pool = pool | magazine[c]; has[c] = false
				:: else
				fi
			}
			atomic { unlock(c) }
		:: !got ->
			atomic { preempt_on() }
		fi
	:: !has[c]
	fi
}

/* respool_alloc_pages(): @block is what it returns, 0 for nothing. */
inline alloc()
{
	pop();
	if
	:: !block ->
		from_core();
		if
		:: !block ->
			drain(0);
			drain(1);
			from_core()
		:: block
		fi
	:: block
	fi;
	atomic { end_request(); got = false; cpu = (is_task(_pid) -> 0 : cpu) }
}

/* respool_free_pages(): into the magazine, what is in it making room; else into the core */
inline give()
{
	atomic { preempt_off() }
	try(cpu);
	if
	:: got ->
		if
		:: has[cpu] -> atomic { pool = pool | magazine[cpu]; has[cpu] = false }
		:: !has[cpu]
		fi;
		/* The state byte and the place in the array; then the count. */
		atomic { owner[block / 2] = 0; magazine[cpu] = block }
		has[cpu] = true;
		atomic { unlock(cpu) }
	:: !got ->
		atomic { owner[block / 2] = 0; pool = pool | block; preempt_on() }
	fi;
	atomic { block = 0; got = false; cpu = (is_task(_pid) -> 0 : cpu) }
}

/* What it has in the end stays its. */
proctype task() provided (may_run(_pid))
{
	byte cpu, block, n;
	bool got;

	do
	:: n < CALLS && !block -> n++; alloc()
	:: n < CALLS && block -> n++; give()
	:: n == CALLS -> break
	od;
	atomic { n = 0; running-- }
}

/* It comes at any point of what has a lower level, or not at all. */
proctype interrupt(bool comes) provided (level[irq_cpu(_pid)] <= irq_level(_pid))
{
	byte cpu = irq_cpu(_pid), block, before;
	bool got;

	if
	:: atomic {
		comes && level[cpu] < irq_level(_pid) && !(gone && cpu == 1) ->
		before = level[cpu];
		level[cpu] = irq_level(_pid)
	   }
		alloc();
		if
		:: block -> give()
		:: true		/* or it is kept, or there is none */
		fi;
		atomic { level[cpu] = before; before = 0 }
	:: true
	fi;
	atomic { block = 0; running-- }
}

/* respool_magazines_drain_cpu(), once CPU 1 is dead: nothing runs there any more */
proctype hotplug()
{
	atomic { holder[1] == 0 && level[1] == 0 -> cpu_of[2] = 0; gone = true }
	atomic { !lock[1] -> lock[1] = true }
	atomic {
		if
		:: has[1] -> pool = pool | magazine[1]; has[1] = false
		:: else
		fi
	}
	atomic { lock[1] = false; running-- }
}

init {
	atomic {
		cpu_of[2] = 1;
		running = 5;
		run task();
		run task();
		/* The numbers of processes that are not there are taken all the same. */
		run interrupt((INTERRUPTS & 1) != 0);
		run interrupt((INTERRUPTS & 2) != 0);
		run interrupt((INTERRUPTS & 4) != 0);
		if
		:: HOTPLUG -> running++; run hotplug()
		:: else
		fi
	}
	running == 0;
	assert(!(gone && has[1]));
	assert((held & (pool | cached)) == 0);
	assert((pool & cached) == 0);
	assert((held | pool | cached) == ALL)
}
