//! Moving an embedded store into a cluster.
//!
//! Every row keeps its numbers and positions. Rows get a timestamp above that of creation and
//! below that of every commit, so what servers write later always wins. Each attempt's is above
//! that of the one before: its rows win, should the source have changed since.

use actors::ports::StoreError;
use actors::sequencer::shard_of;
use schema::record::{Conversation, Device, Due, Entry, FactWrite, PositionAdvance, User};
use schema::{DeviceId, UserId};
use scylla::errors::PrepareError;
use scylla::statement::prepared::PreparedStatement;
use uuid::Uuid;

use super::config::CqlConfig;
use super::facts::{self, Import};
use super::failure::Failure;
use super::materialise::{CREATED, Plan};
use super::open::CqlOpenError;
use super::rows::{role, small};
use super::statements::{Kind, prepare};
use super::store::{Store, all};
use super::tokens::ttl_s;
use crate::store::embedded::{
    Export, ExportedBan, ExportedHead, ExportedInvite, ExportedMemberPosition, ExportedMembership,
    ExportedPair, ExportedPosition, ExportedSent, ExportedToken, Rows,
};

/// How many rows were moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ImportReport {
    pub users: u64,
    pub devices: u64,
    pub refresh_tokens: u64,
    pub conversations: u64,
    pub direct_pairs: u64,
    pub memberships: u64,
    pub entries: u64,
    pub heads: u64,
    pub sent_ids: u64,
    pub positions: u64,
}

/// Why an import could not be made or finished.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error(transparent)]
    Open(#[from] CqlOpenError),
    #[error("the target is not empty (it has rows in {0}); an import needs a new keyspace")]
    TargetNotEmpty(&'static str),
    #[error("the target is being filled from another store ({0})")]
    AnotherStore(Uuid),
    #[error("the import was begun {0} times: make a new keyspace")]
    TooManyAttempts(i32),
    #[error("the target was filled from {0} before, and has gone on since")]
    AlreadyDone(Uuid),
    #[error("the source cannot be read: {0}")]
    Source(StoreError),
    #[error("the target cannot be written: {0}; run the same import again to go on")]
    Target(String),
}

impl From<Failure> for ImportError {
    fn from(failure: Failure) -> Self {
        Self::Target(failure.to_string())
    }
}

impl From<PrepareError> for ImportError {
    fn from(error: PrepareError) -> Self {
        Self::Target(error.to_string())
    }
}

/// Copies everything in `from` to a keyspace that was migrated and is empty, or that an
/// interrupted import of the same store was filling. `progress` is told of a table and how many of
/// its rows are moved. Servers refuse the keyspace until the import is done.
///
/// # Errors
/// See [`ImportError`]. What was copied stays, and the same import goes on from there.
pub async fn import(
    from: &Export,
    to: &CqlConfig,
    progress: impl FnMut(&'static str, u64),
) -> Result<ImportReport, ImportError> {
    let (store, begun) = Store::connect_to_any(to).await?;
    let source = from.facts().store_id;
    let attempt = begin(&store, begun, source).await?;
    let statements = Statements::prepare(&store).await?;
    let timestamp = CREATED + i64::from(attempt);
    let mut copy = Copy { store, statements, timestamp, progress };
    let mut report = ImportReport {
        users: copy.all("users", from.users(), Copy::users).await?,
        devices: copy.all("devices", from.devices(), Copy::devices).await?,
        refresh_tokens: copy.all("refresh_tokens", from.refresh_tokens(), Copy::tokens).await?,
        conversations: copy.all("conversations", from.conversations(), Copy::conversations).await?,
        direct_pairs: copy.all("direct_pairs", from.direct_pairs(), Copy::pairs).await?,
        memberships: copy.all("members", from.memberships(), Copy::memberships).await?,
        entries: copy.all("messages", from.entries(), Copy::entries).await?,
        heads: copy.all("conversation_heads", from.heads(), Copy::heads).await?,
        sent_ids: copy.all("sent_index", from.sent(), Copy::sent).await?,
        positions: 0,
    };
    report.positions += copy.all("read_positions", from.read_positions(), Copy::read).await?;
    let delivered = from.delivered_positions();
    report.positions += copy.all("delivered_positions", delivered, Copy::delivered).await?;
    copy.all("bans", from.bans(), Copy::bans).await?;
    copy.all("invites", from.invites(), Copy::invites).await?;
    copy.all("message_changes", from.changes(), Copy::changes).await?;
    copy.all("facts", from.personal_facts(), Copy::facts).await?;
    copy.all("due", from.due(), Copy::due).await?;
    let members = from.member_positions();
    copy.all("positions_by_conversation", members, Copy::member_positions).await?;
    end(&copy.store, (source, attempt), from.facts().generation).await?;
    Ok(report)
}

/// Tables that have rows as soon as anybody used the store.
const USED: [&str; 6] =
    ["commit_ring", "users", "usernames", "conversations", "conversation_heads", "messages"];

/// Attempts whose timestamps stay below that of every commit, which begin at 1024, also after half
/// a step of 512.
const ATTEMPTS_MAX: i32 = 500;

/// Marks the target as being filled and returns the number of this attempt.
async fn begin(store: &Store, begun: Option<Import>, source: Uuid) -> Result<i32, ImportError> {
    match begun {
        None => begin_first(store, source).await,
        Some(Import { from, done: true, .. }) => Err(ImportError::AlreadyDone(from)),
        Some(Import { from, .. }) if from != source => Err(ImportError::AnotherStore(from)),
        Some(Import { attempt, .. }) if attempt >= ATTEMPTS_MAX => {
            Err(ImportError::TooManyAttempts(attempt))
        }
        Some(Import { attempt, .. }) => begin_again(store, source, attempt).await,
    }
}

async fn begin_again(store: &Store, source: Uuid, before: i32) -> Result<i32, ImportError> {
    let cql = "UPDATE cluster SET import_attempt = ? WHERE id = 1
               IF import_state = 'importing' AND imported_from = ? AND import_attempt = ?";
    let values = (before + 1, source, before);
    if facts::change(store.session(), store.profiles(), cql, values).await? {
        return Ok(before + 1);
    }
    Err(ImportError::Target("another import began a moment ago".to_owned()))
}

async fn begin_first(store: &Store, source: Uuid) -> Result<i32, ImportError> {
    check_empty(store).await?;
    let cql = "UPDATE cluster SET import_state = 'importing', imported_from = ?, import_attempt = 1
               WHERE id = 1 IF import_state = null";
    let is_first = facts::change(store.session(), store.profiles(), cql, (source,)).await?;
    if !is_first {
        return Err(ImportError::Target("another import began a moment ago".to_owned()));
    }
    // A server that was connected before the mark may have written since the first look.
    let Err(used) = check_empty(store).await else { return Ok(1) };
    let cql = "UPDATE cluster SET import_state = null, imported_from = null WHERE id = 1
               IF import_state = 'importing' AND imported_from = ?";
    facts::change(store.session(), store.profiles(), cql, (source,)).await?;
    Err(used)
}

async fn check_empty(store: &Store) -> Result<(), ImportError> {
    for table in USED {
        let cql = format!("SELECT * FROM {table} LIMIT 1");
        let statement = prepare(store.session(), store.profiles(), Kind::Plain, &cql).await?;
        let answer =
            store.session().execute_unpaged(&statement, ()).await.map_err(Failure::from)?;
        if answer.into_rows_result().map_err(Failure::from)?.rows_num() > 0 {
            return Err(ImportError::TargetNotEmpty(table));
        }
    }
    Ok(())
}

/// The generation comes along: what clients know of numbers stays true.
async fn end(
    store: &Store,
    (source, attempt): (Uuid, i32),
    generation: u32,
) -> Result<(), ImportError> {
    let cql = "UPDATE cluster SET import_state = 'done', generation = ? WHERE id = 1
               IF import_state = 'importing' AND imported_from = ? AND import_attempt = ?";
    let values = (small(generation.into()), source, attempt);
    if facts::change(store.session(), store.profiles(), cql, values).await? {
        return Ok(());
    }
    Err(ImportError::Target("another import ended meanwhile".to_owned()))
}

/// Plain writes for tables that are else written conditionally. Their timestamp is below that of
/// every conditional statement.
struct Statements {
    user: PreparedStatement,
    username: PreparedStatement,
    device: PreparedStatement,
    token: PreparedStatement,
    pair: PreparedStatement,
}

impl Statements {
    async fn prepare(store: &Store) -> Result<Self, PrepareError> {
        let plain =
            async |cql: &str| prepare(store.session(), store.profiles(), Kind::Plain, cql).await;
        Ok(Self {
            user: plain(
                "INSERT INTO users (user_id, username, display_name, status_text, password_hash,
                                    created_at)
                 VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            username: plain(
                "INSERT INTO usernames (username, user_id, reserved_at) VALUES (?, ?, ?)
                 USING TIMESTAMP ?",
            )
            .await?,
            device: plain(
                "INSERT INTO devices (device_id, user_id, name, created_at, last_seen_at,
                                      revoked_at)
                 VALUES (?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
            token: plain(
                "INSERT INTO refresh_tokens (hash, device_id, expires_at, spent, next_hash)
                 VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            )
            .await?,
            pair: plain(
                "INSERT INTO direct_pairs (low_user_id, high_user_id, conversation_id, name,
                                           created_by, created_at, low_role, high_role)
                 VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?",
            )
            .await?,
        })
    }
}

struct Copy<P> {
    store: Store,
    statements: Statements,
    /// Of all rows of this attempt.
    timestamp: i64,
    progress: P,
}

impl<P: FnMut(&'static str, u64)> Copy<P> {
    /// Moves a table page by page and returns how many rows it had.
    async fn all<T>(
        &mut self,
        table: &'static str,
        mut rows: Rows<T>,
        write: impl AsyncFn(&Self, Vec<T>) -> Result<(), Failure>,
    ) -> Result<u64, ImportError> {
        let mut moved = 0;
        while let Some(page) = rows.next_page().await.map_err(ImportError::Source)? {
            let count = u64::try_from(page.len()).unwrap_or(u64::MAX);
            write(self, page).await?;
            moved += count;
            (self.progress)(table, moved);
        }
        Ok(moved)
    }

    async fn users(&self, users: Vec<(User, Option<String>)>) -> Result<(), Failure> {
        all(users.iter().map(|(user, hash)| self.user(user, hash.as_deref())).collect()).await?;
        Ok(())
    }

    async fn user(&self, user: &User, password_hash: Option<&str>) -> Result<(), Failure> {
        let row = (
            user.user_id.0,
            &user.username,
            &user.display_name,
            &user.status_text,
            password_hash,
            user.created_at,
            self.timestamp,
        );
        self.store.write(&self.statements.user, row).await?;
        let name = (&user.username, user.user_id.0, user.created_at, self.timestamp);
        self.store.write(&self.statements.username, name).await
    }

    async fn devices(&self, devices: Vec<Device>) -> Result<(), Failure> {
        all(devices.iter().map(|device| self.device(device)).collect()).await?;
        Ok(())
    }

    async fn device(&self, device: &Device) -> Result<(), Failure> {
        let of_user = (device.user_id.0, device.device_id.0);
        self.store.write(&self.store.statements().insert_device_of_user, of_user).await?;
        let row = (
            device.device_id.0,
            device.user_id.0,
            &device.name,
            device.created_at,
            device.last_seen_at,
            device.revoked_at,
            self.timestamp,
        );
        self.store.write(&self.statements.device, row).await
    }

    async fn tokens(&self, tokens: Vec<ExportedToken>) -> Result<(), Failure> {
        let rows = tokens.iter().map(|token| {
            let next_hash = token.next_hash.as_ref().map(|hash| &hash[..]);
            let ttl_s = ttl_s(token.expires_at);
            let (hash, device) = (&token.hash[..], token.device_id.0);
            (hash, device, token.expires_at, token.spent, next_hash, self.timestamp, ttl_s)
        });
        let statement = &self.statements.token;
        all(rows.map(|row| self.store.write(statement, row)).collect()).await?;
        Ok(())
    }

    async fn conversations(&self, conversations: Vec<Conversation>) -> Result<(), Failure> {
        let rows = conversations.iter();
        let writes = rows.map(|row| self.conversation(row));
        all(writes.collect()).await?;
        Ok(())
    }

    async fn conversation(&self, row: &Conversation) -> Result<(), Failure> {
        let id = row.conversation_id;
        self.store.write_conversation_row(row, self.timestamp).await?;
        let change = row.profile.as_change();
        self.store.write_settings(id, &change, self.timestamp).await?;
        if row.purged_up_to > schema::Sequence::START {
            self.store.write_purged(id, row.purged_up_to).await?;
        }
        Ok(())
    }

    async fn bans(&self, bans: Vec<ExportedBan>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for ExportedBan { conversation_id, ban } in bans {
            plan.add_imported_ban(conversation_id, ban, self.timestamp);
        }
        self.store.carry_out(plan).await
    }

    async fn invites(&self, invites: Vec<ExportedInvite>) -> Result<(), Failure> {
        let writes = invites.iter().map(|it| self.store.import_invite(it, self.timestamp));
        all(writes.collect()).await?;
        Ok(())
    }

    async fn pairs(&self, pairs: Vec<ExportedPair>) -> Result<(), Failure> {
        all(pairs.iter().map(|pair| self.pair(pair)).collect()).await?;
        Ok(())
    }

    async fn pair(&self, pair: &ExportedPair) -> Result<(), Failure> {
        let ExportedPair { low, high, conversation, low_role, high_role } = pair;
        let row = (
            low.0,
            high.0,
            conversation.conversation_id.0,
            &conversation.name,
            conversation.created_by.0,
            conversation.created_at,
            low_role,
            high_role,
            self.timestamp,
        );
        self.store.write(&self.statements.pair, row).await?;
        let peers = [(*low, *high), (*high, *low)];
        self.store.write_peers(conversation.conversation_id, &peers, self.timestamp).await
    }

    async fn memberships(&self, memberships: Vec<ExportedMembership>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for membership in memberships {
            let (id, user_id) = (membership.conversation_id, membership.user_id);
            if let Some(seq) = membership.added_at {
                let member = schema::record::Member { user_id, role: role(&membership.role)? };
                plan.add_member(id, member, seq, self.timestamp);
            }
            if let Some(seq) = membership.removed_at {
                plan.remove_member(id, user_id, seq, self.timestamp);
            }
        }
        self.store.carry_out(plan).await
    }

    async fn entries(&self, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for entry in &entries {
            plan.add_message(entry, self.timestamp)?;
            let shard = shard_of(entry.conversation_id, self.store.facts().shape.shards);
            plan.add_expiring(shard, entry, self.timestamp);
        }
        self.store.carry_out(plan).await
    }

    async fn changes(&self, entries: Vec<Entry>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for entry in &entries {
            if let Some(target) = entry.event.target() {
                plan.add_change(entry, target, self.timestamp)?;
            }
        }
        // What was deleted said nothing any more in the store it comes from.
        plan.deletions.clear();
        self.store.carry_out(plan).await
    }

    async fn facts(&self, facts: Vec<FactWrite>) -> Result<(), Failure> {
        self.store.write_all_facts(&facts).await
    }

    async fn due(&self, due: Vec<Due>) -> Result<(), Failure> {
        all(due.into_iter().map(|due| self.store.write_due(due)).collect()).await?;
        Ok(())
    }

    async fn member_positions(
        &self,
        positions: Vec<ExportedMemberPosition>,
    ) -> Result<(), Failure> {
        let positions = positions.iter().map(|it| (it.conversation_id, it.position));
        self.store.write_delivered_of_members(positions).await
    }

    async fn heads(&self, heads: Vec<ExportedHead>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for it in heads.iter().filter(|it| it.head > schema::Sequence::START) {
            plan.add_head(it.conversation_id, it.head, it.last_sent_at, self.timestamp);
        }
        self.store.carry_out(plan).await
    }

    async fn sent(&self, sent: Vec<ExportedSent>) -> Result<(), Failure> {
        let mut plan = Plan::default();
        for it in sent {
            plan.add_sent(it.conversation_id, it.sender_id, it.message_id, it.seq, self.timestamp);
        }
        self.store.carry_out(plan).await
    }

    async fn read(&self, positions: Vec<ExportedPosition<UserId>>) -> Result<(), Failure> {
        let advances = positions.into_iter().map(|it| PositionAdvance {
            user_id: it.owner,
            conversation_id: it.conversation_id,
            delivered: None,
            read: Some(it.seq),
            is_private: false,
        });
        self.store.write_positions(&advances.collect::<Vec<_>>()).await
    }

    async fn delivered(&self, positions: Vec<ExportedPosition<DeviceId>>) -> Result<(), Failure> {
        let advances = positions.into_iter().map(|it| PositionAdvance {
            // Deliveries are kept by device alone.
            user_id: UserId(Uuid::nil()),
            conversation_id: it.conversation_id,
            delivered: Some((it.owner, it.seq)),
            read: None,
            is_private: false,
        });
        self.store.write_positions(&advances.collect::<Vec<_>>()).await
    }
}
