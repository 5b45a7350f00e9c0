-- The search index: a database of its own, made from the logs and made again when it is gone.

-- message_text: what messages say now.
-- key:    rowid = the message's entry_id in the store
-- serves: full text.
CREATE VIRTUAL TABLE IF NOT EXISTS message_text
    USING fts5 (text, tokenize = "unicode61 remove_diacritics 2");

-- indexed: how far each log is in the index.
-- key:    number = conversation_heads.number in the store
CREATE TABLE IF NOT EXISTS indexed (
    number  INTEGER PRIMARY KEY,
    seq     INTEGER NOT NULL
) STRICT;
