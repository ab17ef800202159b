/* SPDX-License-Identifier: Apache-2.0
 *
 * A model of a remote's log with pushes and collections at once (src/transfer/push.c, collect.c), for
 * spin. The only thing that processes share in one step is create(): entry n comes into being unless
 * it is there. Everything else they learn by reading, may be old by the time they use it, and any of
 * them may sleep between two steps for as long as it likes.
 *
 * Claims: every pack that a root needs, by the entries up to the newest, is there and alive; and a condemn
 * entry forgets no root but those that its collection had read of and chose to drop.
 *
 * A pack is one bit. A root is a number; its commit names the one pack in which it is, sent by this
 * push or by another. A condemn entry names packs, and all roots that still count. A rewrite entry, to
 * the code a commit without roots, names a pack in which is again what a root needs, and where it is
 * found from then on. Names of packs come once only; in the code the name depends on how many were
 * condemned. That pushes end when their
 * pack is condemned again and again is not claimed, nor does the model look for it.
 *
 * With -DNO_READ_BETWEEN a push does not read the entries that came since it planned, with
 * -DNO_LOOK_AGAIN a collection does not, and with -DNO_READ_BEFORE_REWRITE not before it commits what it
 * rewrote: spin must find the loss. With -DREWRITE collections rewrite. run.sh says how it is called.
 */
#ifndef LOG
#define LOG 5
#endif
#ifndef PACKS
#define PACKS 4
#endif
#define ROOTS 2
#define NONE 255

mtype = { vacant, commit, condemn, rewrite };

/* The remote. */
mtype kind[LOG];
byte root[LOG], pack[LOG];	/* of a commit, of a rewrite */
byte packs[LOG];		/* of a condemn entry: a set */
byte counts[LOG];		/* the roots that it says still count: a set */
byte files = 0;			/* packs/: a set */

byte top = 0;			/* entries 0 .. top - 1 are there; a process learns it by reading */
byte fresh = 0;			/* the next name of a pack */

/* What the entries below `n` add up to, as dv_log_apply() does: the roots that count, the packs in which
 * they are, the packs that live, and those that were condemned; all of them sets. */
inline replay(n, counting, roots_at, live, gone)
{
	d_step {
		byte i_ = 0, r_;
		byte at_[ROOTS];

		for (r_ : 0 .. ROOTS - 1) { at_[r_] = NONE }
		live = 0; gone = 0; roots_at = 0; counting = 0;
		do
		:: i_ < n && kind[i_] == commit ->
			at_[root[i_]] = pack[i_];
			live = live | (1 << pack[i_]);
			i_++
		:: i_ < n && kind[i_] == rewrite ->
			if
			:: at_[root[i_]] != NONE -> at_[root[i_]] = pack[i_]
			:: else
			fi;
			live = live | (1 << pack[i_]);
			i_++
		:: i_ < n && kind[i_] == condemn ->
			live = live & ~packs[i_];
			gone = gone | packs[i_];
			for (r_ : 0 .. ROOTS - 1) {
				if
				:: !(counts[i_] & (1 << r_)) -> at_[r_] = NONE
				:: else
				fi
			}
			i_++
		:: else -> break
		od;
		for (r_ : 0 .. ROOTS - 1) {
			if
			:: at_[r_] != NONE ->
				roots_at = roots_at | (1 << at_[r_]);
				counting = counting | (1 << r_)
			:: else
			fi
		}
		i_ = 0; r_ = 0
	}
}

inline check()
{
	replay(top, c_roots, c_need, c_live, c_gone);
	assert((c_need & files) == c_need);
	assert((c_need & c_live) == c_need);
	c_roots = 0; c_need = 0; c_live = 0; c_gone = 0
}

inline put(p)
{
	atomic { fresh < PACKS; p = fresh; fresh++; files = files | (1 << p) }
}

/* dv_transfer_push() */
proctype push(byte r)
{
	byte head, live, gone, p, need, roots, c_roots, c_need, c_live, c_gone;

plan:	/* push_once(): the walk asks the index; the chunks are in a pack that lives, or are sent */
	atomic { head = top; replay(head, roots, need, live, gone); need = 0; roots = 0; gone = 0 }
	p = 0;
	if
	:: live != 0 ->
		do
		:: (live & (1 << p)) -> break
		:: p < PACKS - 1 && (live >> (p + 1)) != 0 -> p++
		od
	:: put(p)
	fi;
append:	/* create entry head + 1 */
	atomic {
		if
		:: head >= LOG -> goto end
		:: head < LOG && kind[head] == vacant ->
			kind[head] = commit; root[head] = r; pack[head] = p; top = head + 1;
			check();
			goto end
		:: else
		fi
	}
	/* the number is taken: the entry is read */
#ifndef NO_READ_BETWEEN
	if
	:: kind[head] == condemn -> goto plan
	:: else
	fi;
#endif
	head++;
	goto append;
end:	skip
}

/* dv_transfer_collect() of a project whose roots are `own`: it drops them, and keeps all others. */
proctype collect(byte own)
{
	byte head, live, gone, marked, victims, roots, dropped, i, c_roots, c_need, c_live, c_gone;
#ifdef REWRITE
	byte p;
	bool done = false;
#endif

again:
	/* read_log() and mark(): the packs in which the roots are that stay */
	atomic {
		head = top;
		replay(head, roots, marked, live, gone);
		dropped = roots & own;
		roots = roots & ~own;
		marked = 0; i = head;
		c_roots = roots;
		do
		:: i > 0 && (kind[i - 1] == commit || kind[i - 1] == rewrite) &&
		   (c_roots & (1 << root[i - 1])) ->
			marked = marked | (1 << pack[i - 1]);
			c_roots = c_roots & ~(1 << root[i - 1]);
			i--
		:: i > 0 && !((kind[i - 1] == commit || kind[i - 1] == rewrite) &&
			      (c_roots & (1 << root[i - 1]))) -> i--
		:: else -> break
		od;
		i = 0; c_roots = 0;
		live = live & ~marked
	}
#ifdef REWRITE
	/* rewrite(): what a root that stays needs is put into a new pack, and that is committed */
	if
	:: !done && roots != 0 && fresh < PACKS ->
		put(p);
		if
		:: (roots & 1) -> i = 0
		:: (roots & 2) -> i = 1
		fi;
rewrite_:
		atomic {
			if
			:: head >= LOG -> goto end
			:: head < LOG && kind[head] == vacant ->
				kind[head] = rewrite; root[head] = i; pack[head] = p; top = head + 1;
				check();
				done = true; i = 0; p = 0; live = 0; gone = 0; marked = 0;
				goto again
			:: else
			fi
		}
#ifndef NO_READ_BEFORE_REWRITE
		if
		:: kind[head] == condemn -> goto again
		:: else
		fi;
#endif
		head++;
		goto rewrite_
	:: true
	fi;
#endif
	/* look_around(): the listing is newer than what was read of the log */
	atomic { victims = live | (files & ~live & ~marked & ~gone); live = 0; gone = 0; marked = 0 }
condemn_:
	if
	:: victims == 0 -> goto end
	:: else
	fi;
	atomic {
		if
		:: head >= LOG -> goto end
		:: head < LOG && kind[head] == vacant ->
			replay(top, c_roots, c_need, c_live, c_gone);
			assert((c_roots & ~roots & ~dropped) == 0);
			kind[head] = condemn; packs[head] = victims; counts[head] = roots;
			top = head + 1;
			check();
			goto remove_condemned
		:: else
		fi
	}
#ifndef NO_LOOK_AGAIN
	/* look_again(): a commit that came between */
	atomic {
		if
		:: kind[head] == condemn -> goto again
		:: kind[head] == rewrite -> victims = victims & ~(1 << pack[head])
		:: kind[head] == commit ->
			victims = victims & ~(1 << pack[head]);
			roots = roots | (1 << root[head]);
			dropped = dropped & ~(1 << root[head])
		fi
	}
#endif
	head++;
	goto condemn_;
remove_condemned:
	i = 0;
	do
	:: i < PACKS ->
		atomic {
			if
			:: victims & (1 << i) -> files = files & ~(1 << i); check()
			:: else
			fi;
			i++
		}
	:: else -> break
	od;
end:	skip
}

init
{
	byte i;

	atomic {
		for (i : 0 .. LOG - 1) { kind[i] = vacant }
		i = 0;
		run push(0);
		run push(1);
		run push(0);
		run collect(1);
#ifdef TWO_COLLECTORS
		run collect(1)
#endif
	}
}
