-- admin_log: what operators did.
-- key:    id, a UUID of version 7: ordered by time
-- serves: the newest records, page by page.
CREATE TABLE admin_log (
    id       BLOB PRIMARY KEY,
    at_ms    INTEGER NOT NULL,
    action   TEXT NOT NULL,
    target   TEXT NOT NULL,
    asker    TEXT NOT NULL      -- the address that asked
) STRICT, WITHOUT ROWID;
