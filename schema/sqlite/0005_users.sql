-- users: accounts.
-- key:    user_id; also username
-- serves: signing in by name; profiles by id.
CREATE TABLE users (
    user_id        BLOB PRIMARY KEY,
    username       TEXT NOT NULL UNIQUE, -- lower-case
    display_name   TEXT NOT NULL,
    status_text    TEXT,
    password_hash  TEXT,                 -- PHC string; none for accounts without a password
    created_at     INTEGER NOT NULL      -- milliseconds since 1970 UTC, as every time below
) STRICT, WITHOUT ROWID;

-- devices: signed-in installations.
-- key:    device_id; by user: devices_by_user
-- serves: checking a token's device; a user's devices, oldest first.
CREATE TABLE devices (
    device_id     BLOB PRIMARY KEY,
    user_id       BLOB NOT NULL,
    name          TEXT NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seen_at  INTEGER NOT NULL,
    revoked_at    INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX devices_by_user ON devices (user_id, created_at, device_id);

-- refresh_tokens: SHA-256 of each token that has not expired, spent or not.
-- key:    hash; by device and by expiry: the indexes below
-- serves: rotation; signing a device out; purging expired rows.
CREATE TABLE refresh_tokens (
    hash        BLOB PRIMARY KEY,
    device_id   BLOB NOT NULL,
    expires_at  INTEGER NOT NULL,
    spent       INTEGER NOT NULL DEFAULT 0,
    next_hash   BLOB                  -- the token that this one was spent for
) STRICT, WITHOUT ROWID;

CREATE INDEX refresh_tokens_by_device ON refresh_tokens (device_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
