-- Prosody for the comparison: no TLS, no limits that protect people, every message archived.
-- PORT and FOLDER are filled in by run.sh.
run_as_root = true
daemonize = false
pidfile = "FOLDER/prosody.pid"
data_path = "FOLDER/data"
log = { warn = "FOLDER/prosody.log" }
interfaces = { "127.0.0.1" }
c2s_ports = { PORT }
network_settings = { read_timeout = 600 }

modules_enabled = { "roster", "saslauth", "disco", "ping", "register_ibr", "mam" }
modules_disabled = { "s2s", "tls", "offline" }
allow_registration = true
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
authentication = "internal_plain"
storage = "internal"
default_archive_policy = true
archive_expires_after = "never"
max_archive_query_results = 250
gc = { mode = "generational" }

VirtualHost "localhost"

Component "conference.localhost" "muc"
    modules_enabled = { "muc_mam" }
    muc_room_locking = false
    muc_log_by_default = true
    muc_log_expires_after = "never"
    restrict_room_creation = false
