-- store: facts fixed when the store was made, one row.
-- key:    id = 1
-- serves: opening the store.
CREATE TABLE store (
    id          INTEGER PRIMARY KEY CHECK (id = 1),
    store_id    BLOB NOT NULL,    -- UUID, 16 bytes, as every id below
    shards      INTEGER NOT NULL, -- conversations hash to one of this many
    slots       INTEGER NOT NULL, -- of each shard's ring
    generation  INTEGER NOT NULL  -- grows when a restore may have rolled numbers back
) STRICT;
