/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How a slab's memory goes back when nobody holds a block any more, for spin:
 * respool_racks_push(), respool_racks_free(), look_locked() and drain_rack() of
 * slab/magazine.[ch].
 *
 * Two CPUs with a rack of one magazine each, a task on each and interrupts at any
 * point. Each has a block and frees it; which block is of no concern. What is
 * done under the slab's lock, with interrupts off, is one step.
 *
 * Whoever frees looks, once so many frees have gone by on his CPU that nobody
 * might hold anything, and then empties all racks. An interrupt cannot wait for
 * a rack that is held: it passes it over, and leaves word for who holds it to
 * look himself.
 *
 * To hold, whoever frees last and whoever is in whose way: when all is quiet and
 * nobody holds a block, no rack does.
 *
 * Mistakes for spin to find: with -DNO_WORD nobody leaves word, with -DWORD_LAST
 * not before all tries were in vain; with -DNO_LIMIT a look leaves the other
 * CPUs as many frees as they had. With -DTORN the count
 * of frees is read and written in two steps, as CPUs do: then word that is left
 * in between is lost, and what is cached stays until the next free or drain.
 */
#define ROOM	1		/* blocks that a magazine takes */
#define MANY	2		/* frees before a look, at most */

/* Processes: 1 and 2 are tasks on CPUs 0 and 1, 3 and 4 interrupts there. */
#define is_task(pid)	(pid <= 2)
#define cpu		((_pid + 1) % 2)
#define may_run(pid)	(!interrupted[(pid + 1) % 2] || pid > 2)

byte used;			/* blocks that are not on the free list */
byte nr[2];			/* cached in each rack */
byte counted[2];		/* the same as its counters have it, a bit later */
short frees_left[2];
bool lock[2];			/* the racks' */
bool interrupted[2];
byte running;

inline try(c)
{
	atomic { got = !lock[c]; lock[c] = true }
}

/* look_locked(), all under the slab's lock */
inline look()
{
	atomic {
		live = used - counted[0] - counted[1];
		left = (live > 0 -> (live - 1) / 2 : 0);
		left = (left < MANY -> left : MANY);
#ifndef NO_LIMIT
		frees_left[1 - cpu] = (frees_left[1 - cpu] > left -> left : frees_left[1 - cpu]);
#endif
		frees_left[cpu] = left;
		left = 0
	}
}

/* A claim of a rack: a task waits, an interrupt does not for long. */
inline claim(c)
{
	if
	:: is_task(_pid) -> atomic { !lock[c] -> lock[c] = true; got = true }
	:: !is_task(_pid) -> try(c)
	fi
}

/*
 * drain_rack(). Word is left before the last try: its holder either has not looked
 * for it yet, or is gone by then.
 */
inline drain(c)
{
	if
	:: nr[c] != 0 ->
		claim(c);
#ifndef NO_WORD
		if
		:: !got -> frees_left[c] = -1;
#ifndef WORD_LAST
			claim(c)
#endif
		:: got
		fi;
#endif
		if
		:: got ->
			atomic {
				used = used - nr[c];
				counted[c] = counted[c] - nr[c];
				nr[c] = 0
			}
			lock[c] = false
		:: !got
		fi
	:: nr[c] == 0
	fi
}

/* respool_racks_settle() */
inline settle()
{
	look();
	if
	:: live <= 0 -> drain(0); drain(1)
	:: live > 0
	fi
}

/* The rack takes the block as it is: no lock but its own. */
inline push()
{
	try(cpu);
	pushed = false;
	if
	:: got && nr[cpu] < ROOM ->
		nr[cpu]++;
		counted[cpu]++;
#ifdef TORN
		left = frees_left[cpu];
		frees_left[cpu] = left - 1;
#else
		frees_left[cpu]--;
#endif
		lock[cpu] = false;
		pushed = true
	:: got && nr[cpu] >= ROOM -> lock[cpu] = false
	:: !got
	fi
}

/* It makes room, or the block goes to the free list. */
inline free_slowly()
{
	try(cpu);
	atomic {
		if
		:: got ->
			/* One goes back, one comes. */
			if
			:: nr[cpu] >= ROOM -> used--
			:: nr[cpu] < ROOM -> nr[cpu]++; counted[cpu]++
			fi;
			frees_left[cpu]--
		:: !got -> used--
		fi
	}
	if
	:: got -> lock[cpu] = false
	:: !got
	fi
}

inline give()
{
	push();
	if
	:: !pushed ->
		free_slowly();
		if
		:: !got || frees_left[cpu] < 0 -> settle()
		:: got && frees_left[cpu] >= 0
		fi
	:: pushed ->
		if
		:: frees_left[cpu] < 0 -> settle()
		:: frees_left[cpu] >= 0
		fi
	fi;
	atomic { got = false; pushed = false; left = 0; live = 0 }
}

proctype task(byte blocks) provided (may_run(_pid))
{
	short live, left;
	bool got, pushed;

	do
	:: blocks -> give(); blocks--
	:: !blocks -> break
	od;
	running--
}

proctype interrupt()
{
	short live, left;
	bool got, pushed;

	interrupted[cpu] = true;
	give();
	atomic { interrupted[cpu] = false; running-- }
}

init {
	atomic {
		used = BLOCKS + 3;
		running = 4;
		run task(BLOCKS);
		run task(1);
		run interrupt();
		run interrupt()
	}
	running == 0;
	assert(counted[0] == nr[0] && counted[1] == nr[1]);
	assert(used == 0 && nr[0] == 0 && nr[1] == 0)
}
