-- conversation_heads: a short number for each conversation that has entries, and its last entry.
-- key:    number; also conversation_id
-- serves: head of a conversation; chat lists; the keys of `messages`.
CREATE TABLE conversation_heads (
    number           INTEGER PRIMARY KEY, -- of this store alone, never leaves it
    conversation_id  BLOB NOT NULL UNIQUE,
    head             INTEGER NOT NULL,
    last_sent_at     INTEGER NOT NULL     -- of the head entry, milliseconds since 1970 UTC
) STRICT;

-- messages: the log of every conversation.
-- key:    entry_id = conversation_heads.number * 2^32 + seq, so a conversation lies together
-- serves: a range of one conversation, ascending.
CREATE TABLE messages (
    entry_id      INTEGER PRIMARY KEY,
    message_id    BLOB NOT NULL,
    sender_id     BLOB NOT NULL,
    sent_at       INTEGER NOT NULL, -- milliseconds since 1970 UTC
    commit_order  INTEGER NOT NULL, -- commit number * 1024 + index: the later write of a row wins
    event         BLOB NOT NULL     -- MessagePack, a map with names
) STRICT;

-- sent_index: the number that a sender's message id has in a conversation.
-- key:    message_id first: ids carry their time, so new rows lie together
-- serves: deduplication by (sender, message id, conversation), for 30 days.
CREATE TABLE sent_index (
    message_id       BLOB NOT NULL,
    sender_id        BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    seq              INTEGER NOT NULL,
    sent_at          INTEGER NOT NULL,
    PRIMARY KEY (message_id, sender_id, conversation_id)
) STRICT, WITHOUT ROWID;

-- message_log: `messages` with its key taken apart, for people.
CREATE VIEW message_log AS
SELECT heads.conversation_id, messages.entry_id & 0xFFFFFFFF AS seq,
       messages.message_id, messages.sender_id, messages.sent_at, messages.event
FROM messages JOIN conversation_heads AS heads ON heads.number = messages.entry_id >> 32;
