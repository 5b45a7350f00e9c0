-- conversations: what a conversation is.
-- key:    conversation_id
-- serves: one conversation; chat lists.
CREATE TABLE conversations (
    conversation_id  BLOB PRIMARY KEY,
    kind             TEXT NOT NULL,    -- direct, group, channel
    name             TEXT,
    named_seq        INTEGER NOT NULL, -- the entry that named it last
    created_by       BLOB NOT NULL,
    created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- memberships: each user's latest addition and latest removal; the later of the two decides.
-- key:    conversation_id, user_id; by user: memberships_by_user
-- serves: members of a conversation; one place; conversations of a user.
CREATE TABLE memberships (
    conversation_id  BLOB NOT NULL,
    user_id          BLOB NOT NULL,
    role             TEXT NOT NULL,    -- owner, admin, member
    added_seq        INTEGER NOT NULL, -- 0 for first members, -1 while only a removal is known
    removed_seq      INTEGER NOT NULL, -- -1 while never removed
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX memberships_by_user
    ON memberships (user_id, conversation_id, role, added_seq, removed_seq);

-- direct_pairs: the one direct conversation of two users.
-- key:    the lower user id, the higher user id
-- serves: creating a direct conversation.
CREATE TABLE direct_pairs (
    low_user_id      BLOB NOT NULL,
    high_user_id     BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    PRIMARY KEY (low_user_id, high_user_id)
) STRICT, WITHOUT ROWID;

-- read_positions: how far a user has read.
-- key:    user_id, conversation_id
-- serves: chat lists.
CREATE TABLE read_positions (
    user_id          BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    seq              INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id)
) STRICT, WITHOUT ROWID;

-- delivered_positions: what a device has.
-- key:    device_id, conversation_id
-- serves: chat lists.
CREATE TABLE delivered_positions (
    device_id        BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    seq              INTEGER NOT NULL,
    PRIMARY KEY (device_id, conversation_id)
) STRICT, WITHOUT ROWID;
