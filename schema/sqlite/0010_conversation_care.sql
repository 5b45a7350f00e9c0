-- What a conversation is set to beside its name, MessagePack: each change that none overrules, with
-- its entry.
ALTER TABLE conversations ADD COLUMN settings BLOB;

-- Entries up to here were removed for good.
ALTER TABLE conversation_heads ADD COLUMN purged_up_to INTEGER NOT NULL DEFAULT 0;

-- bans: the last word on each user: a ban, or its end.
-- key:    conversation_id, user_id
-- serves: who may not be a member.
CREATE TABLE bans (
    conversation_id  BLOB NOT NULL,
    user_id          BLOB NOT NULL,
    seq              INTEGER NOT NULL,  -- of the entry that said so
    is_banned        INTEGER NOT NULL,
    said_by          BLOB NOT NULL,
    said_at          INTEGER NOT NULL,  -- milliseconds since 1970 UTC, as every time below
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

-- invites: links that let others in, by SHA-256 of their token.
-- key:    hash; by conversation: the index below
-- serves: using an invite; the invites of a conversation.
CREATE TABLE invites (
    hash             BLOB PRIMARY KEY,
    invite_id        BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    created_by       BLOB NOT NULL,
    created_at       INTEGER NOT NULL,
    expires_at       INTEGER NOT NULL,
    uses_max         INTEGER,           -- none: any number of users
    uses             INTEGER NOT NULL DEFAULT 0,
    is_revoked       INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;

CREATE INDEX invites_by_conversation ON invites (conversation_id, created_at, invite_id);
CREATE INDEX invites_by_expiry ON invites (expires_at);

-- invite_uses: who came by an invite whose uses are counted.
-- key:    hash, user_id
-- serves: counting each user once.
CREATE TABLE invite_uses (
    hash     BLOB NOT NULL,
    user_id  BLOB NOT NULL,
    PRIMARY KEY (hash, user_id)
) STRICT, WITHOUT ROWID;

-- expiring: entries that say something until a certain time.
-- key:    shard, time, entry_id as in `messages`
-- serves: taking away what expired; kept for a day after.
CREATE TABLE expiring (
    shard       INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    entry_id    INTEGER NOT NULL,
    PRIMARY KEY (shard, expires_at, entry_id)
) STRICT, WITHOUT ROWID;

-- expired_up_to: how far what expired was taken away.
-- key:    shard
-- serves: going on after a start.
CREATE TABLE expired_up_to (
    shard  INTEGER PRIMARY KEY,
    up_to  INTEGER NOT NULL
) STRICT;
