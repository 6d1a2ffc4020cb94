/*
 * The lease protocol of src/store.ts and of its only user, the refresh loop: N nodes, one store with one record, one
 * token server. `lease.test.ts` builds it in several ways (-D...) and has spin go through every run there is.
 *
 * A step is what the store, the server or a node does as a whole; between any two steps all others may do any number
 * of theirs. So a node may be slow, or stopped, at each place; its lease may end there; it may die there, and start
 * again or stay dead (one stays alive). A poll may come at any moment: that covers each notice that comes, is late or
 * is lost.
 *
 * Faults and rotations are bounded, each build says how, and a step is possible only where it changes something. So
 * every run ends, and "in the end" is its last state: no assumption of fairness, whoever is scheduled when.
 *
 * Left out: real time (how long a lease, an overlap, a life is: an overlap may end at once or last), expiry, backoff,
 * floor, budget, forced calls; a refusal by the server (it is an answer that is not seen); several accounts; the store
 * being away (a node waits for it, so it is slow); a store's answer that is lost; encodings and sizes; a store that
 * breaks its contract. Clocks: an epoch is "last + 1", as if the store's clock stood still, which is the worst; with
 * CLOCK it is an instant that never was before.
 */

#ifndef N
#define N 2
#endif

/* How often a token becomes due. WARM: the run begins with one that all have and that is; else with none. */
#ifndef ROTATIONS
#define ROTATIONS 1
#endif

/* A lease that ends while its holder lives; unless NOCRASH also a crash, or a call whose answer is not seen. */
#ifndef FAULTS
#define FAULTS 0
#endif

/* Each loses the last write; EMPTY: all of them. */
#ifndef FAILOVERS
#define FAILOVERS 0
#endif

/* Calls that one fault may cost, beside one for each rotation. */
#ifndef EXTRA
#define EXTRA 2
#endif

#define max(a, b) ((a) > (b) -> (a) : (b))

/* A lease. LEFT: by a node that died, or by a failover. */
#define FREE 0
#define HELD 1
#define LEFT 2

typedef Record {
  byte epoch
  byte lease
  byte generation /* 0: no token */
  byte token
  bit suspect
}
Record store
#if FAILOVERS
Record before /* the last write */
#endif

/* The server numbers its tokens. The newest works, and the one before until its overlap ends (EACH: all before). */
byte newest
byte dead /* tokens up to this one */
bit renewing /* STABLE: the next call makes a new token; all others bring the newest */
byte orphans /* calls on their way for which nobody waits */
#define works(t) ((t) > dead)

byte due /* generations up to this one are; who has no token has 0 */

typedef Node {
  bit alive
  bit dies
  byte generation
  byte token
  bit suspect /* the store or an own reader said so */
  bit marking /* the store is to be told */
  byte late /* an own call may have retired whatever was fetched under leases up to this one */
  bit asking /* a call is on its way */
#if FAILOVERS
  byte known /* the highest epoch that was seen */
#endif
#ifdef NOPOLL
  bit heard /* a notice */
#endif
}
Node node[N]
#define me node[id]

byte rotations = ROTATIONS
byte faults = FAULTS
byte failovers = FAILOVERS
#ifdef CLOCK
byte top /* the highest epoch there ever was */
#endif
#ifdef ONEREFUSED
byte victim /* a token that was refused */
#endif
byte published /* the highest epoch of a publish; for the properties alone */

#ifdef NOFENCE
#define latest true
#define newer true
#else
#define latest (mine == store.epoch)
#define newer (next >= store.generation)
#endif

#define needed (me.generation <= due || me.suspect)

/* Before each write: what a failover goes back to. */
inline keep() {
#if FAILOVERS
  before.epoch = store.epoch
  before.lease = store.lease
  before.generation = store.generation
  before.token = store.token
  before.suspect = store.suspect
#else
  skip
#endif
}

/* A new epoch. */
inline grow() {
  keep()
  mine = max(store.epoch, store.generation) + 1
#if FAILOVERS
#ifndef NOKNOWN
  mine = max(mine, max(me.known, me.generation) + 1)
#endif
#endif
#ifdef CLOCK
  mine = max(mine, top + 1)
  top = mine
#endif
#if FAILOVERS
  me.known = mine
#endif
  store.epoch = mine
}

/* Each notice may be lost. */
inline notify() {
#ifdef NOPOLL
  i = 0
  do
  :: i < N ->
     if
     :: i != id -> node[i].heard = 1
     :: true
     fi
     i++
  :: else -> break
  od
  i = 0
#else
  skip
#endif
}

/* A node reads the record. A higher generation replaces its token, nothing else does. */
inline look() {
  if
  :: store.generation > me.generation ->
     me.generation = store.generation
     me.token = store.token
     me.suspect = (store.suspect || store.generation <= me.late)
     me.marking = (me.suspect && !store.suspect)
     me.late = (store.generation >= me.late -> 0 : me.late)
  :: store.generation == me.generation && store.suspect -> me.suspect = 1; me.marking = 0
  :: else
  fi
}

/* The server answers a call. */
inline serve(answer) {
#ifdef STABLE
  if
  :: newest == 0 || renewing -> dead = max(newest, 1) - 1; newest++; renewing = 0
  :: else
  fi
#else
#ifndef EACH
  dead = max(newest, 1) - 1
#endif
  newest++
#endif
  answer = newest
  assert(newest <= 1 + (ROTATIONS - rotations) + EXTRA * (FAULTS - faults + FAILOVERS - failovers))
}

/* Nobody waits for the answer: the server may see the call at once, later or never. */
inline abandon() {
  if
  :: me.asking -> orphans++
  :: true
  fi
  me.asking = 0
}

proctype refresher(byte id) {
  byte mine /* the epoch of its lease */
  byte got
  byte next
  byte i

again:
  {
    do
#ifdef NOPOLL
    :: atomic { me.heard -> me.heard = 0; look() }
#else
    :: atomic {
         store.generation > me.generation ||
         (store.generation == me.generation && store.suspect && !me.suspect) -> look()
       }
#endif
#ifndef NOREADERS
    :: atomic { /* an API refuses the token, and a reader says so */
         me.generation > 0 && !works(me.token) && !me.suspect ->
#ifdef NOREFUSAL
         assert(false)
#endif
#ifdef ONEREFUSED
         assert(victim == 0 || victim == me.token)
         victim = me.token
#endif
         me.suspect = 1
         me.marking = 1
       }
#endif
#ifdef OFFER
    :: atomic { /* the store lost what this node has: acquire, publish and release at once */
         store.generation < me.generation && store.lease == FREE && !needed ->
         grow()
         store.generation = me.generation
         store.token = me.token
         store.suspect = 0
         mine = 0
       }
#endif
    :: atomic { /* markSuspect */
         me.marking ->
         me.marking = 0
         if
         :: store.generation == me.generation && !store.suspect -> keep(); store.suspect = 1; notify()
         :: else
         fi
       }
    :: atomic { /* acquire, and read again */
         needed && store.lease == FREE ->
         grow()
         store.lease = HELD
#ifndef NOREREAD
         look()
#endif
       }
       if
       :: atomic { needed -> /* spend */
            if
            :: latest -> keep(); me.asking = 1
            :: else -> goto over
            fi
          }
          if
          :: atomic { serve(got); me.asking = 0 }
#ifndef NOCRASH
          :: atomic { faults > 0 -> faults--; abandon(); goto over }
#endif
          fi
          atomic { /* publish; a token that it has already keeps its generation */
            next = (got == me.token -> me.generation : mine)
            if
            :: latest && newer ->
               assert(mine == store.epoch) /* no stale holder writes */
               assert(next >= store.generation) /* generations grow */
#if !FAILOVERS || defined(CLOCK)
               assert(mine > published) /* one publish a lease */
#endif
               published = mine
               keep()
               store.suspect = (next > store.generation -> 0 : store.suspect)
               store.generation = next
               store.token = got
               notify()
               me.generation = next
               me.token = got
               me.suspect = store.suspect
               me.marking = 0
               me.late = 0
               got = 0
               next = 0
            :: else ->
               got = 0
               next = 0
#ifndef STABLE
               goto refused
#endif
            fi
          }
       :: !needed
       fi
over:
       atomic { /* release */
         if
         :: latest -> keep(); store.lease = FREE
         :: else
         fi
         mine = 0
       }
       goto again

       /*
        * The call may have retired the stored token, or one that a later holder fetched and has yet to publish: whatever
        * comes with a generation up to the record's epoch is suspect. FORGETFUL: only what is stored now.
        */
refused:
       atomic {
         look()
         if
         :: store.generation > 0 && store.generation == me.generation && !store.suspect ->
            me.suspect = 1
            me.marking = 1
         :: else
         fi
#ifndef FORGETFUL
         me.late = (store.generation >= store.epoch -> 0 : store.epoch)
#endif
         mine = 0
       }
    od
  } unless {
    atomic {
      me.dies ->
      me.dies = 0
      me.alive = 0
      store.lease = (mine > 0 && mine == store.epoch && store.lease == HELD -> LEFT : store.lease)
      abandon()
      mine = 0
      got = 0
      next = 0
      i = 0
      me.generation = 0
      me.token = 0
      me.suspect = 0
      me.marking = 0
      me.late = 0
#if FAILOVERS
      me.known = 0
#endif
#ifdef NOPOLL
      me.heard = 1
#endif
      if
      :: me.alive = 1; goto again
      :: node[(id + 1) % N].alive || node[(id + 2) % N].alive /* stays dead */
      fi
    }
  }
}

inline start(n) {
  node[n].alive = 1
  node[n].generation = store.generation
  node[n].token = store.token
#ifdef NOPOLL
  node[n].heard = 1
#endif
  run refresher(n)
}

#define may_crash(n) (faults > 0 && node[n].alive && !node[n].dies)

/* Clocks, the server and misfortune. */
init {
  byte answer
  atomic {
#ifdef WARM
    store.epoch = 1
    store.generation = 1
    store.token = 1
    keep()
#ifdef CLOCK
    top = 1
#endif
    newest = 1
    due = 1
    renewing = 1
    rotations--
#endif
    start(0)
    start(1)
#if N > 2
    start(2)
#endif
  }
  do
  :: atomic { store.lease == LEFT -> store.lease = FREE }
  :: atomic { store.lease == HELD && faults > 0 -> faults--; store.lease = FREE }
  :: atomic { rotations > 0 && store.generation > due -> rotations--; due = store.generation; renewing = 1 }
#ifdef PATIENT
  /* An overlap outlasts whatever the fleet has to do. */
  :: atomic { timeout && newest > 0 && dead < newest - 1 -> dead = newest - 1 }
#else
  :: atomic { newest > 0 && dead < newest - 1 -> dead = newest - 1 }
#endif
#ifndef NOCRASH
  :: atomic { orphans > 0 -> orphans--; serve(answer); answer = 0 }
  :: atomic { may_crash(0) -> faults--; node[0].dies = 1 }
  :: atomic { may_crash(1) -> faults--; node[1].dies = 1 }
#if N > 2
  :: atomic { may_crash(2) -> faults--; node[2].dies = 1 }
#endif
#endif
#if FAILOVERS
  :: atomic {
       failovers > 0 ->
       failovers--
#ifdef EMPTY
       store.epoch = 0
       store.lease = FREE
       store.generation = 0
       store.token = 0
       store.suspect = 0
#else
       store.epoch = before.epoch
       store.lease = (before.lease == FREE -> FREE : LEFT)
       store.generation = before.generation
       store.token = before.token
       store.suspect = before.suspect
#endif
     }
#endif
  od
}

/* Each live node has a token that works and is not due, and it is the same for all. */
#define has_good(n) (node[n].generation > due && works(node[n].token))
#define same(a, b) (a.generation == b.generation && a.token == b.token)
#if FAILOVERS && !defined(OFFER)
/* The store may stay behind the nodes until one of them needs a refresh or starts again. */
#define serves(n) (!node[n].alive || has_good(n))
#define agree(n, m) (!node[n].alive || !node[m].alive || same(node[n], node[m]))
#else
#define serves(n) (!node[n].alive || (has_good(n) && same(node[n], store)))
#define agree(n, m) true
#endif
#if N == 2
#define all_serve (serves(0) && serves(1) && agree(0, 1))
#else
#define all_serve (serves(0) && serves(1) && serves(2) && agree(0, 1) && agree(0, 2) && agree(1, 2))
#endif

#ifdef NEVER
ltl served { <> [] !all_serve }
#else
ltl served { <> [] all_serve }
#endif
