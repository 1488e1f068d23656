/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the objects of one word of a run go out and come back, for spin:
 * respool_object_pop() and respool_object_return(), which take no lock, beside
 * sweep(), take_fullest(), respool_objects_put_word() and respool_objects_notice()
 * of slab/objects.[ch] and return_runs() of slab/hot.c, which the slab's lock guards.
 *
 * Three CPUs have an object each, two of them a live one. Each returns what it has and
 * what it has not used, takes of the word again if it is on a list, and so on. Under the
 * lock each access to what others write or read without it is a step of its own. Memory
 * is as on CPUs that keep all accesses in order, which the barriers in the source are
 * there for.
 *
 * One word of one run: which of several words or runs somebody takes is of no concern.
 *
 * To hold: nobody has what another has, nor is an object of a run that has gone back
 * anybody's. A run that has returned objects is on a list, unless somebody is about to
 * see to that. When all is quiet and every object is back, the run has gone back.
 *
 * Mistakes for spin to find: with -DNO_LOOK who takes the last free objects does not
 * look what came back meanwhile; with -DLOOK_FIRST he does before it shows that he took
 * them; with -DONE_SWEEP nobody looks again after objects became free; with
 * -DFREE_FIRST an object is returned before it is live no more.
 */
#define ALL	7

byte live = 3, returned, free;
byte nr_free;			/* of the free, 0: the run is on no list */
bool in_service = true;
bool locked;
byte busy;			/* CPUs in the middle of something */
byte running = 3;

#define count(bits)	((bits & 1) + ((bits >> 1) & 1) + (bits >> 2))
#define lowest(bits)	(bits & 1 -> 1 : (bits & 2 -> 2 : 4))

inline begin()
{
	busy++
}

inline end()
{
	atomic { back = 0; busy--; assert(busy || !in_service || !returned || nr_free) }
}

inline lock()
{
	atomic { !locked -> locked = true }
}

inline unlock()
{
	locked = false
}

inline collect()
{
	atomic { back = returned; returned = 0; assert(!(back & (free | live))) }
	free = free | back;
	nr_free = count(free)
}

/* sweep() */
inline sweep()
{
	do
	:: collect();
#ifdef ONE_SWEEP
		break
#else
		if
		:: !back -> break
		:: back
		fi
#endif
	od
}

/* The same, and return_runs() for a run that is wholly free */
inline sweep_and_return()
{
	sweep();
	atomic {
		if
		:: free == ALL -> assert(!live && !returned); in_service = false
		:: else
		fi
	}
}

/* respool_objects_take_word() */
inline take()
{
	begin();
	lock();
	if
	:: in_service && nr_free ->
		sweep();
#ifdef LOOK_FIRST
		back = returned;
#endif
		/* Some of the word, or all. */
		if
		:: out = lowest(free)
		:: out = free
		fi;
		free = free & ~out;
		nr_free = count(free);
#if !defined(NO_LOOK) && !defined(LOOK_FIRST)
		if
		:: !nr_free -> sweep_and_return()
		:: nr_free
		fi
#endif
	:: else
	fi;
	unlock();
	end()
}

/* One that is out becomes live, and is this CPU's. */
inline pop()
{
	atomic {
		one = lowest(out);
		assert(in_service && !(live & one));
		live = live | one;
		out = out & ~one;
		mine = mine | one;
		one = 0
	}
}

/* respool_object_return(), and respool_objects_notice() if that is to follow */
inline give_back()
{
	begin();
	atomic {
		one = lowest(mine);
		mine = mine & ~one;
#ifndef FREE_FIRST
		assert(live & one);
		live = live & ~one
#else
		returned = returned | one
#endif
	}
#ifndef FREE_FIRST
	returned = returned | one;
#else
	live = live & ~one;
#endif
	one = 0;
	if
	:: !nr_free -> notice()
	:: nr_free ->
		back = returned;
		if
		:: (back | free) == ALL -> notice()
		:: else
		fi
	fi;
	end()
}

inline notice()
{
	lock();
	if
	:: in_service -> sweep_and_return()
	:: !in_service
	fi;
	unlock()
}

/* respool_objects_put_word() */
inline put()
{
	begin();
	lock();
	assert(in_service && !(out & (free | live)));
	free = free | out;
	out = 0;
	nr_free = count(free);
	sweep_and_return();
	unlock();
	end()
}

proctype cpu(byte mine; byte out; byte words)
{
	byte back, one;

	do
	:: out -> pop()
	:: mine -> give_back()
	:: out -> put()
	:: !out && !mine && words -> words--; take()
	:: !out && !mine && !words -> break
	od;
	running--
}

init {
	atomic {
		run cpu(1, 0, WORDS);
		run cpu(2, 0, WORDS);
		run cpu(0, 4, WORDS)
	}
	running == 0;
	assert(!in_service)
}
