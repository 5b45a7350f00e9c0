-- message_changes: what later entries did to a message: each edit, the deletion, each user's last
-- word on each emoji, the last word on the pin.
-- key:    target_id = the message's entry_id; slot: changes of one slot overrule each other
-- serves: the states of a range of messages.
CREATE TABLE message_changes (
    target_id   INTEGER NOT NULL,
    slot        TEXT NOT NULL,
    seq         INTEGER NOT NULL,  -- of the entry that changes
    message_id  BLOB NOT NULL,
    sender_id   BLOB NOT NULL,
    sent_at     INTEGER NOT NULL,
    event       BLOB NOT NULL,     -- MessagePack, a map with names
    PRIMARY KEY (target_id, slot)
) STRICT, WITHOUT ROWID;

-- The entry that changed a member's role alone, zero for none.
ALTER TABLE memberships ADD COLUMN role_seq INTEGER NOT NULL DEFAULT 0;

-- positions_by_conversation: how far each member has read and has on some device.
-- key:    conversation_id, user_id
-- serves: receipts of a message; what others see of a member.
CREATE TABLE positions_by_conversation (
    conversation_id  BLOB NOT NULL,
    user_id          BLOB NOT NULL,
    delivered        INTEGER NOT NULL,
    read             INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, user_id)
) STRICT, WITHOUT ROWID;

INSERT INTO positions_by_conversation (conversation_id, user_id, delivered, read)
SELECT conversation_id, user_id, max(delivered), max(read) FROM (
    SELECT conversation_id, user_id, 0 AS delivered, seq AS read FROM read_positions
    UNION ALL
    SELECT p.conversation_id, d.user_id, p.seq, 0
    FROM delivered_positions p JOIN devices d ON d.device_id = p.device_id
) GROUP BY conversation_id, user_id;
