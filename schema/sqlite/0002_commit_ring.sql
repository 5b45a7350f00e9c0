-- ring_guards: who owns a shard and how far its commits are.
-- key:    shard
-- serves: every statement of the ring, by shard.
CREATE TABLE ring_guards (
    shard  INTEGER PRIMARY KEY,
    owner  BLOB NOT NULL,
    epoch  INTEGER NOT NULL,
    head   INTEGER NOT NULL, -- number of the last commit
    done   INTEGER NOT NULL  -- every commit up to here is materialised
) STRICT;

-- ring_slots: the last commits of each shard, before and after they are materialised.
-- key:    cell = shard * 2^32 + n % slots
-- serves: replay and resolving, by shard and commit number.
CREATE TABLE ring_slots (
    cell     INTEGER PRIMARY KEY,
    n        INTEGER NOT NULL,
    writer   BLOB NOT NULL,
    payload  BLOB NOT NULL
) STRICT;
