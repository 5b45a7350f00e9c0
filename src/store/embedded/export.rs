//! Handing everything in a store to another one, while no server has it open.

use std::path::{Path, PathBuf};

use actors::committer::payload::{self, PayloadError};
use actors::ports::{CommitRing, MaterialisedCommit, MessageStore, RingError, StoreError};
use rusqlite::{Connection, Row};
use schema::record::{
    Ban, Conversation, Device, Due, Entry, FactWrite, Invite, MemberPosition, User,
};
use schema::{ConversationId, DeviceId, MessageId, Sequence, UserId};
use tokio::sync::mpsc;

use super::bans::ban_row;
use super::facts::StoreFacts;
use super::failure::Failure;
use super::invites::{INVITE_COLUMNS, invite_row};
use super::open::{Access, EmbeddedConfig, OpenError, connect, database_path};
use super::personal;
use super::roster::{CONVERSATION_COLUMNS, conversation_row};
use super::rows::{self, id, sequence};
use super::store::Store;

/// Rows that are handed over at a time.
const PAGE: usize = 500;
/// Pages that may wait for whoever takes them.
const PAGES_WAITING: usize = 2;

/// A store that is opened to be read whole. No server can have it open meanwhile.
pub struct Export {
    store: Store,
    database: PathBuf,
}

/// Why a store could not be opened for export.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    #[error(transparent)]
    Open(#[from] OpenError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the ring of commits cannot be read: {0}")]
    Ring(#[from] RingError),
    #[error("shard {shard}, commit {n}: {error}")]
    Payload { shard: u32, n: u64, error: PayloadError },
    #[error("shard {shard}, commit {n}: neither materialised nor in its slot")]
    Lost { shard: u32, n: u64 },
}

/// Someone's place in a conversation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedMembership {
    pub conversation_id: ConversationId,
    pub user_id: UserId,
    /// owner, admin, member
    pub role: String,
    /// Latest addition, zero for first members; `None` while only a removal is known.
    pub added_at: Option<Sequence>,
    /// Latest removal.
    pub removed_at: Option<Sequence>,
}

/// The one direct conversation of two users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedPair {
    pub low: UserId,
    pub high: UserId,
    pub conversation: Conversation,
    pub low_role: String,
    pub high_role: String,
}

/// A refresh token. Hashes are SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedToken {
    pub hash: [u8; 32],
    pub device_id: DeviceId,
    /// Milliseconds since 1970 UTC.
    pub expires_at: i64,
    pub spent: bool,
    /// The token that this one was spent for.
    pub next_hash: Option<[u8; 32]>,
}

/// A conversation's last entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedHead {
    pub conversation_id: ConversationId,
    pub head: Sequence,
    /// Milliseconds since 1970 UTC.
    pub last_sent_at: i64,
}

/// The number of a sent id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedSent {
    pub conversation_id: ConversationId,
    pub sender_id: UserId,
    pub message_id: MessageId,
    pub seq: Sequence,
}

/// A user who may not be a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedBan {
    pub conversation_id: ConversationId,
    pub ban: Ban,
}

/// An invite. Hashes are SHA-256.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExportedInvite {
    pub hash: [u8; 32],
    pub invite: Invite,
    pub used_by: Vec<UserId>,
}

/// How far a member is in a conversation, on whichever device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedMemberPosition {
    pub conversation_id: ConversationId,
    pub position: MemberPosition,
}

/// How far a user has read, or a device was delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExportedPosition<Owner> {
    pub owner: Owner,
    pub conversation_id: ConversationId,
    pub seq: Sequence,
}

impl Export {
    /// Opens the store of a data directory, brings it up to date, and writes commits that only
    /// the ring has to the tables, as a server does when it starts.
    ///
    /// # Errors
    /// See [`ExportError`]; [`OpenError::InUse`] while a server has it open.
    pub async fn open(data_dir: &Path) -> Result<Self, ExportError> {
        let database = database_path(data_dir);
        if !database.exists() {
            return Err(OpenError::Missing(data_dir.to_owned()).into());
        }
        let export = Self { store: Store::open(EmbeddedConfig::new(data_dir))?, database };
        for shard in 0..export.facts().shape.shards {
            export.materialise(shard).await?;
        }
        Ok(export)
    }

    #[must_use]
    pub fn facts(&self) -> StoreFacts {
        self.store.facts()
    }

    async fn materialise(&self, shard: u32) -> Result<(), ExportError> {
        let Some(guard) = self.store.guard(shard).await? else { return Ok(()) };
        for n in guard.done + 1..=guard.head {
            let slot = self.store.slot(shard, n).await?.filter(|slot| slot.n == n);
            let slot = slot.ok_or(ExportError::Lost { shard, n })?;
            let entries = payload::split(&slot.payload).map_err(|error| ExportError::Payload {
                shard,
                n,
                error,
            })?;
            let commit = MaterialisedCommit { shard, n, entries: entries.into() };
            self.store.materialise(vec![commit]).await?;
        }
        Ok(())
    }

    /// Accounts with their password hashes.
    #[must_use]
    pub fn users(&self) -> Rows<(User, Option<String>)> {
        let sql = "SELECT user_id, username, display_name, status_text, created_at, password_hash
                   FROM users";
        self.rows(sql, |row| {
            let user = User {
                user_id: id(row, 0, UserId::from_bytes)?,
                username: row.get(1)?,
                display_name: row.get(2)?,
                status_text: row.get(3)?,
                created_at: row.get(4)?,
            };
            Ok((user, row.get(5)?))
        })
    }

    /// Devices, revoked ones too.
    #[must_use]
    pub fn devices(&self) -> Rows<Device> {
        let sql = "SELECT device_id, user_id, name, created_at, last_seen_at, revoked_at
                   FROM devices";
        self.rows(sql, |row| {
            Ok(Device {
                device_id: id(row, 0, DeviceId::from_bytes)?,
                user_id: id(row, 1, UserId::from_bytes)?,
                name: row.get(2)?,
                created_at: row.get(3)?,
                last_seen_at: row.get(4)?,
                revoked_at: row.get(5)?,
            })
        })
    }

    #[must_use]
    pub fn refresh_tokens(&self) -> Rows<ExportedToken> {
        let sql = "SELECT hash, device_id, expires_at, spent, next_hash FROM refresh_tokens";
        self.rows(sql, |row| {
            Ok(ExportedToken {
                hash: row.get(0)?,
                device_id: id(row, 1, DeviceId::from_bytes)?,
                expires_at: row.get(2)?,
                spent: row.get(3)?,
                next_hash: row.get(4)?,
            })
        })
    }

    #[must_use]
    pub fn conversations(&self) -> Rows<Conversation> {
        let sql = format!("SELECT {CONVERSATION_COLUMNS} FROM conversations c");
        // Not written: the target has a generation of its own.
        self.rows(sql, |row| Ok(conversation_row(row, 0)?))
    }

    #[must_use]
    pub fn bans(&self) -> Rows<ExportedBan> {
        let sql = "SELECT user_id, seq, said_by, said_at, conversation_id FROM bans
                   WHERE is_banned";
        self.rows(sql, |row| {
            let ban = ban_row(row)?;
            Ok(ExportedBan { conversation_id: id(row, 4, ConversationId::from_bytes)?, ban })
        })
    }

    #[must_use]
    pub fn invites(&self) -> Rows<ExportedInvite> {
        let sql = format!(
            "SELECT {INVITE_COLUMNS}, hash,
                    (SELECT group_concat(hex(user_id), '') FROM invite_uses u
                     WHERE u.hash = invites.hash)
             FROM invites"
        );
        self.rows(sql, |row| {
            let used_by: Option<String> = row.get(9)?;
            let used_by = used_by.unwrap_or_default();
            let users = used_by.as_bytes().chunks(32).map(std::str::from_utf8);
            let users = users.map(|hex| hex.ok().and_then(|hex| hex.parse::<UserId>().ok()));
            let used_by = users.collect::<Option<Vec<UserId>>>();
            let used_by = used_by.ok_or_else(|| Failure::damaged("an invite's users"))?;
            Ok(ExportedInvite { hash: row.get(8)?, invite: invite_row(row)?, used_by })
        })
    }

    #[must_use]
    pub fn memberships(&self) -> Rows<ExportedMembership> {
        let sql = "SELECT conversation_id, user_id, role, added_seq, removed_seq FROM memberships";
        self.rows(sql, |row| {
            Ok(ExportedMembership {
                conversation_id: id(row, 0, ConversationId::from_bytes)?,
                user_id: id(row, 1, UserId::from_bytes)?,
                role: row.get(2)?,
                added_at: known_sequence(row, 3)?,
                removed_at: known_sequence(row, 4)?,
            })
        })
    }

    #[must_use]
    pub fn direct_pairs(&self) -> Rows<ExportedPair> {
        let sql = format!(
            "SELECT {CONVERSATION_COLUMNS}, p.low_user_id, p.high_user_id, low.role, high.role
                   FROM direct_pairs p
                   JOIN conversations c ON c.conversation_id = p.conversation_id
                   JOIN memberships low ON low.conversation_id = p.conversation_id
                       AND low.user_id = p.low_user_id
                   JOIN memberships high ON high.conversation_id = p.conversation_id
                       AND high.user_id = p.high_user_id"
        );
        self.rows(sql, |row| {
            Ok(ExportedPair {
                conversation: conversation_row(row, 0)?,
                low: id(row, 7, UserId::from_bytes)?,
                high: id(row, 8, UserId::from_bytes)?,
                low_role: row.get(9)?,
                high_role: row.get(10)?,
            })
        })
    }

    #[must_use]
    pub fn heads(&self) -> Rows<ExportedHead> {
        let sql = "SELECT conversation_id, head, last_sent_at FROM conversation_heads";
        self.rows(sql, |row| {
            Ok(ExportedHead {
                conversation_id: id(row, 0, ConversationId::from_bytes)?,
                head: sequence(row, 1)?,
                last_sent_at: row.get(2)?,
            })
        })
    }

    /// Every entry of every conversation, by conversation and number.
    #[must_use]
    pub fn entries(&self) -> Rows<Entry> {
        let sql = "SELECT conversation_id, entry_id & 0xFFFFFFFF, message_id, sender_id, sent_at,
                          event, ordinal
                   FROM messages JOIN conversation_heads ON number = entry_id >> 32
                   ORDER BY entry_id";
        self.rows(sql, |row| Ok(Entry { ordinal: rows::number(row, 6)?, ..entry(row)? }))
    }

    #[must_use]
    pub fn sent(&self) -> Rows<ExportedSent> {
        let sql = "SELECT conversation_id, sender_id, message_id, seq FROM sent_index";
        self.rows(sql, |row| {
            Ok(ExportedSent {
                conversation_id: id(row, 0, ConversationId::from_bytes)?,
                sender_id: id(row, 1, UserId::from_bytes)?,
                message_id: id(row, 2, MessageId::from_bytes)?,
                seq: sequence(row, 3)?,
            })
        })
    }

    #[must_use]
    pub fn read_positions(&self) -> Rows<ExportedPosition<UserId>> {
        let sql = "SELECT user_id, conversation_id, seq FROM read_positions";
        self.rows(sql, |row| position(row, UserId::from_bytes))
    }

    #[must_use]
    pub fn delivered_positions(&self) -> Rows<ExportedPosition<DeviceId>> {
        let sql = "SELECT device_id, conversation_id, seq FROM delivered_positions";
        self.rows(sql, |row| position(row, DeviceId::from_bytes))
    }

    /// How far members are on whichever device.
    #[must_use]
    pub fn member_positions(&self) -> Rows<ExportedMemberPosition> {
        let sql = "SELECT conversation_id, user_id, delivered, read FROM positions_by_conversation";
        self.rows(sql, |row| {
            Ok(ExportedMemberPosition {
                conversation_id: id(row, 0, ConversationId::from_bytes)?,
                position: MemberPosition {
                    user_id: id(row, 1, UserId::from_bytes)?,
                    delivered: sequence(row, 2)?,
                    read: sequence(row, 3)?,
                },
            })
        })
    }

    /// What belongs to users alone, with its stamps.
    #[must_use]
    pub fn personal_facts(&self) -> Rows<FactWrite> {
        let sql = "SELECT user_id, stamp, fact FROM facts WHERE fact IS NOT NULL ORDER BY user_id";
        self.rows(sql, |row| {
            Ok(FactWrite {
                user_id: id(row, 0, UserId::from_bytes)?,
                stamp: row.get(1)?,
                fact: personal::unpack(row.get_ref(2)?.as_blob().map_err(rusqlite::Error::from)?)?,
                is_gone: false,
            })
        })
    }

    /// Messages to be sent later.
    #[must_use]
    pub fn due(&self) -> Rows<Due> {
        let sql = "SELECT send_at, scheduled_id, user_id, conversation_id FROM due";
        self.rows(sql, |row| Ok(personal::due_row(row)?))
    }

    /// What entries did to earlier messages, less what was overruled.
    #[must_use]
    pub fn changes(&self) -> Rows<Entry> {
        let sql = "SELECT conversation_id, seq, message_id, sender_id, sent_at, event
                   FROM message_changes JOIN conversation_heads ON number = target_id >> 32
                   ORDER BY target_id";
        self.rows(sql, entry)
    }

    fn rows<T: Send + 'static>(
        &self,
        sql: impl Into<String>,
        read: fn(&Row<'_>) -> Result<T, Failure>,
    ) -> Rows<T> {
        let (sender, pages) = mpsc::channel(PAGES_WAITING);
        let (database, sql) = (self.database.clone(), sql.into());
        let read_all = move || {
            if let Err(failure) = send_pages(&database, &sql, read, &sender) {
                // Who does not wait for more has no use for the reason either.
                let _ = sender.blocking_send(Err(failure.into()));
            }
        };
        let thread = std::thread::Builder::new().name("store-export".to_owned());
        let failed = thread.spawn(read_all).err();
        Rows { pages, failed: failed.map(|error| StoreError::Unavailable(error.to_string())) }
    }
}

fn entry(row: &Row<'_>) -> Result<Entry, Failure> {
    rows::entry(id(row, 0, ConversationId::from_bytes)?, row, 1)
}

/// A number that is -1 while there is none.
fn known_sequence(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Sequence>> {
    let column: i64 = row.get(index)?;
    Ok(u64::try_from(column).ok().map(Sequence))
}

fn position<Owner>(
    row: &Row<'_>,
    owner: fn([u8; 16]) -> Owner,
) -> Result<ExportedPosition<Owner>, Failure> {
    Ok(ExportedPosition {
        owner: id(row, 0, owner)?,
        conversation_id: id(row, 1, ConversationId::from_bytes)?,
        seq: sequence(row, 2)?,
    })
}

type Page<T> = Result<Vec<T>, StoreError>;

/// Reads a table and hands it over page by page, until nobody takes more.
fn send_pages<T>(
    database: &Path,
    sql: &str,
    read: fn(&Row<'_>) -> Result<T, Failure>,
    pages: &mpsc::Sender<Page<T>>,
) -> Result<(), Failure> {
    let connection: Connection =
        connect(database, Access::Read).map_err(|error| Failure::Unavailable(error.to_string()))?;
    let mut statement = connection.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut page = Vec::with_capacity(PAGE);
    while let Some(row) = rows.next()? {
        page.push(read(row)?);
        if page.len() == PAGE && pages.blocking_send(Ok(std::mem::take(&mut page))).is_err() {
            return Ok(());
        }
    }
    let _ = pages.blocking_send(Ok(page));
    Ok(())
}

/// All rows of a table, read ahead by a thread.
pub struct Rows<T> {
    pages: mpsc::Receiver<Page<T>>,
    failed: Option<StoreError>,
}

impl<T> Rows<T> {
    /// The next rows; `None` at the end.
    ///
    /// # Errors
    /// When the file cannot be read. No more rows come then.
    pub async fn next_page(&mut self) -> Result<Option<Vec<T>>, StoreError> {
        match self.failed.take() {
            Some(error) => Err(error),
            None => self.pages.recv().await.transpose(),
        }
    }
}
