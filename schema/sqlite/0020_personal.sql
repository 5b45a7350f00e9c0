-- Differences of ordinals count messages: see record::Entry.
ALTER TABLE messages ADD COLUMN ordinal INTEGER NOT NULL DEFAULT 0;

UPDATE messages SET ordinal = counted.ordinal
FROM (
    SELECT entry_id,
           -- A packed message begins like this: a map of one, then its name.
           sum(substr(event, 1, 9) = x'81A76D657373616765')
               OVER (PARTITION BY entry_id >> 32 ORDER BY entry_id) AS ordinal
    FROM messages
) AS counted
WHERE counted.entry_id = messages.entry_id;

-- mentions: messages that mention a user; the lowest ids stand for everyone.
-- key:    user_id, conversation_id, seq
-- serves: counting mentions above what was read.
CREATE TABLE mentions (
    user_id          BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    seq              INTEGER NOT NULL,
    PRIMARY KEY (user_id, conversation_id, seq)
) STRICT, WITHOUT ROWID;

-- threads: messages that others reply to in a thread.
-- key:    conversation_id, root
-- serves: the threads of a conversation, newest root first.
CREATE TABLE threads (
    conversation_id  BLOB NOT NULL,
    root             INTEGER NOT NULL, -- the message's number
    last_seq         INTEGER NOT NULL, -- of the last reply
    PRIMARY KEY (conversation_id, root)
) STRICT, WITHOUT ROWID;

-- thread_replies: the replies of each thread.
-- key:    conversation_id, root, seq
-- serves: pages of a thread; counts of replies, read or not.
CREATE TABLE thread_replies (
    conversation_id  BLOB NOT NULL,
    root             INTEGER NOT NULL,
    seq              INTEGER NOT NULL,
    sender_id        BLOB NOT NULL,
    PRIMARY KEY (conversation_id, root, seq)
) STRICT, WITHOUT ROWID;

-- facts: what belongs to one user alone. See record::Fact.
-- key:    user_id, key: a kind, then what the fact is about
-- serves: ranges of one user's facts.
CREATE TABLE facts (
    user_id  BLOB NOT NULL,
    key      BLOB NOT NULL,
    stamp    INTEGER NOT NULL, -- of two writes the one with the higher stamp counts
    fact     BLOB,             -- MessagePack, a map with names; none: taken away
    PRIMARY KEY (user_id, key)
) STRICT, WITHOUT ROWID;

-- due: messages to be sent at a time.
-- key:    send_at, milliseconds since 1970 UTC; scheduled_id
-- serves: what is due now.
CREATE TABLE due (
    send_at          INTEGER NOT NULL,
    scheduled_id     BLOB NOT NULL,
    user_id          BLOB NOT NULL,
    conversation_id  BLOB NOT NULL,
    PRIMARY KEY (send_at, scheduled_id)
) STRICT, WITHOUT ROWID;
