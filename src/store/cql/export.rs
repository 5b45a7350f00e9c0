//! Copying a live cluster into an embedded store, by its contents.
//!
//! Of each conversation the head is read first, then its entries up to there: what came of them
//! (members, settings, bans, changes, ids of sends, when they disappear) is made from the entries
//! again, as they were made at first. So each conversation is whole and true to one moment, while
//! servers go on writing. Where the oldest entries were removed for good, what they had brought
//! about is taken from the tables. What is written meanwhile, and commits of the last moments that
//! readers' tables do not have yet, are not in it.
//!
//! What no entry says is copied as it stands: accounts, invites, positions, and what belongs to
//! users alone (settings, drafts, blocks, what is scheduled).

use std::collections::BTreeMap;

use actors::ports::{
    CommitRing as _, MaterialisedCommit, MessageStore as _, NewConversation, NewDevice, NewUser,
    PersonalStore as _, RosterStore, StoreError, UserStore as _,
};
use futures_util::TryStreamExt as _;
use schema::record::{Due, Entry, FactWrite, Member, NewRefreshToken, PositionAdvance};
use schema::{ConversationId, DeviceId, ScheduledId, Sequence, SequenceRange, UserId};
use scylla::deserialize::row::DeserializeRow;
use uuid::Uuid;

use super::failure::Failure;
use super::personal::unpack;
use super::rows::{role, sequence};
use super::statements::{Kind, prepare};
use super::store::Store;
use crate::store::embedded::{self, ExportedInvite, ExportedMembership, RemovedPart};

/// Rows written at a time.
const PAGE: usize = 500;
const ENTRIES_PAGE: u64 = 500;

/// What was copied.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Copied {
    pub users: u64,
    pub devices: u64,
    pub refresh_tokens: u64,
    pub conversations: u64,
    pub entries: u64,
    pub positions: u64,
    pub invites: u64,
    /// What belongs to users alone: settings, drafts, blocks and the like.
    pub facts: u64,
    /// Messages to be sent later.
    pub scheduled: u64,
}

struct Copy<'a, P> {
    from: &'a Store,
    to: &'a embedded::Store,
    copied: Copied,
    /// Whose each device is.
    owners: BTreeMap<DeviceId, UserId>,
    /// Heads of what was copied: positions beyond them are of what was not.
    heads: BTreeMap<ConversationId, Sequence>,
    commits: u64,
    progress: P,
}

/// Copies everything that readers are shown. `progress` is told of a table and its rows so far.
/// Memory: the head of each conversation and the owner of each device.
///
/// # Errors
/// When one cannot be read, or the other not be written: then it is no copy.
pub async fn export(
    from: &Store,
    to: &embedded::Store,
    progress: impl FnMut(&'static str, u64),
) -> Result<Copied, StoreError> {
    let (owners, heads) = (BTreeMap::new(), BTreeMap::new());
    let copied = Copied::default();
    let mut copy = Copy { from, to, copied, owners, heads, commits: 0, progress };
    copy.users().await?;
    copy.devices().await?;
    copy.refresh_tokens().await?;
    copy.conversations().await?;
    copy.read_positions().await?;
    copy.shown_positions().await?;
    copy.delivered_positions().await?;
    copy.invites().await?;
    // What is due comes first: of what is sent in between, the fact then says so.
    copy.due().await?;
    copy.facts().await?;
    Ok(copy.copied)
}

type UserRow = (Uuid, Option<String>, Option<String>, Option<String>, Option<String>, Option<i64>);
type DeviceRow = (Uuid, Option<Uuid>, Option<String>, Option<i64>, Option<i64>);
type TokenRow = (Vec<u8>, Option<Uuid>, Option<i64>, Option<bool>);
type MemberRow = (Uuid, Option<String>, Option<i64>, Option<i64>);
type FactRow = (Uuid, Option<Vec<u8>>, Option<i64>);
type DueRow = (i64, Uuid, Option<Uuid>, Option<Uuid>);

impl<P: FnMut(&'static str, u64)> Copy<'_, P> {
    async fn users(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT user_id, username, display_name, status_text, password_hash, created_at
                   FROM users";
        let mut rows = self.scan::<UserRow>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            for (user_id, username, display_name, status_text, password_hash, created_at) in page {
                // An account that was being made has no name yet.
                let Some(username) = username else { continue };
                let user_id = UserId(user_id);
                let new = NewUser {
                    user_id,
                    display_name: display_name.unwrap_or_else(|| username.clone()),
                    username,
                    password_hash,
                    created_at: created_at.unwrap_or(0),
                };
                let name = new.username.clone();
                if self.to.create_users(vec![new]).await?.is_err() {
                    return Err(StoreError::Damaged(format!("two accounts are called {name}")));
                }
                if status_text.is_some() {
                    self.to.update_profile(user_id, None, status_text).await?;
                }
                self.copied.users += 1;
            }
            (self.progress)("users", self.copied.users);
        }
        Ok(())
    }

    async fn devices(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT device_id, user_id, name, created_at, revoked_at FROM devices";
        let mut rows = self.scan::<DeviceRow>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            let (mut new, mut revoked) = (Vec::new(), Vec::new());
            for (device_id, user_id, name, created_at, revoked_at) in page {
                let (Some(user_id), device_id) = (user_id.map(UserId), DeviceId(device_id)) else {
                    continue;
                };
                let (name, created_at) = (name.unwrap_or_default(), created_at.unwrap_or(0));
                self.owners.insert(device_id, user_id);
                new.push(NewDevice { device_id, user_id, name, created_at });
                revoked.extend(revoked_at.map(|at_ms| (user_id, device_id, at_ms)));
            }
            self.copied.devices += new.len() as u64;
            self.to.add_devices(new).await?;
            for (user, device, at_ms) in revoked {
                self.to.revoke_device(user, device, at_ms).await?;
            }
            (self.progress)("devices", self.copied.devices);
        }
        Ok(())
    }

    /// Those that are not spent.
    async fn refresh_tokens(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT hash, device_id, expires_at, spent FROM refresh_tokens";
        let mut rows = self.scan::<TokenRow>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            for (hash, device_id, expires_at, spent) in page {
                let (Ok(hash), Some(device_id), Some(expires_at), false) =
                    (hash.try_into(), device_id, expires_at, spent.unwrap_or(false))
                else {
                    continue;
                };
                let device_id = DeviceId(device_id);
                let Some(user_id) = self.owners.get(&device_id).copied() else { continue };
                let token = NewRefreshToken { hash, user_id, device_id, expires_at };
                self.to.add_refresh_token(token).await?;
                self.copied.refresh_tokens += 1;
            }
            (self.progress)("refresh_tokens", self.copied.refresh_tokens);
        }
        Ok(())
    }

    async fn conversations(&mut self) -> Result<(), StoreError> {
        let mut rows = self.scan::<(Uuid,)>("SELECT conversation_id FROM conversations").await?;
        while let Some(page) = next_page(&mut rows).await? {
            for (id,) in page {
                self.conversation(ConversationId(id)).await?;
            }
            (self.progress)("messages", self.copied.entries);
        }
        Ok(())
    }

    async fn conversation(&mut self, id: ConversationId) -> Result<(), StoreError> {
        let Some(row) = self.from.conversation(id).await? else { return Ok(()) };
        let head = self.from.head(id).await?;
        let mut after = row.purged_up_to;
        let members = self.first_members(id).await?;
        let new = NewConversation {
            conversation_id: id,
            kind: row.kind,
            name: row.name,
            created_by: row.created_by,
            created_at: row.created_at,
            members,
        };
        RosterStore::create(self.to, new).await?;
        while after < head {
            let range = SequenceRange::above(after, ENTRIES_PAGE, head);
            let entries = self.from.range(id, range).await?;
            // What is missing shows in the audit of the copy.
            after = range.last;
            self.copied.entries += entries.len() as u64;
            self.write(entries).await?;
        }
        self.removed_part(id).await?;
        self.heads.insert(id, head);
        self.copied.conversations += 1;
        Ok(())
    }

    /// What was removed for good, also while it was copied: read after the entries.
    async fn removed_part(&self, id: ConversationId) -> Result<(), StoreError> {
        let Some(row) = self.from.conversation(id).await? else { return Ok(()) };
        let up_to = row.purged_up_to;
        if up_to == Sequence::START {
            return Ok(());
        }
        let head = self.from.read_head(id).await?;
        let statement = &self.from.statements().members;
        let mut memberships = Vec::new();
        for (user, text, added, removed) in self.from.rows::<MemberRow>(statement, (id.0,)).await? {
            let text = text.unwrap_or_else(|| "member".to_owned());
            let known = role(&text)?;
            let place = ExportedMembership {
                conversation_id: id,
                user_id: UserId(user),
                role: text,
                added_at: added.map(sequence).transpose()?,
                removed_at: removed.map(sequence).transpose()?,
            };
            memberships.push((place, known));
        }
        let mut bans = self.from.read_bans(id).await?;
        bans.retain(|ban| ban.seq <= up_to);
        let part = RemovedPart {
            conversation_id: id,
            up_to,
            last_sent_at: head.map_or(0, |(_, sent_at)| sent_at),
            settings: row.profile.as_change(),
            memberships,
            bans,
        };
        self.to.adopt_removed(part).await
    }

    async fn invites(&mut self) -> Result<(), StoreError> {
        let mut rows = self.scan::<(Vec<u8>,)>("SELECT hash FROM invites").await?;
        while let Some(page) = next_page(&mut rows).await? {
            for (hash,) in page {
                let Ok(hash) = <[u8; 32]>::try_from(hash) else { continue };
                let Some((invite, users)) = self.from.read_invite(&hash).await? else { continue };
                let used_by = users.into_iter().map(UserId).collect();
                self.to.adopt_invite(ExportedInvite { hash, invite, used_by }).await?;
                self.copied.invites += 1;
            }
            (self.progress)("invites", self.copied.invites);
        }
        Ok(())
    }

    async fn facts(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT user_id, fact, writetime(fact) FROM facts";
        let mut rows = self.scan::<FactRow>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            let mut writes = Vec::with_capacity(page.len());
            for (user, fact, stamp) in page {
                let (Some(fact), Some(stamp)) = (fact, stamp) else { continue };
                let (user_id, fact) = (UserId(user), unpack(&fact)?);
                writes.push(FactWrite { user_id, stamp, fact, is_gone: false });
            }
            self.copied.facts += writes.len() as u64;
            self.to.write_facts(writes).await?;
            (self.progress)("facts", self.copied.facts);
        }
        Ok(())
    }

    async fn due(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT send_at, scheduled_id, user_id, conversation_id FROM due";
        let mut rows = self.scan::<DueRow>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            for (send_at, scheduled, user, conversation) in page {
                let (Some(user), Some(conversation)) = (user, conversation) else { continue };
                let due = Due {
                    send_at,
                    scheduled_id: ScheduledId(scheduled),
                    user_id: UserId(user),
                    conversation_id: ConversationId(conversation),
                };
                self.to.add_due(due).await?;
                self.copied.scheduled += 1;
            }
            (self.progress)("due", self.copied.scheduled);
        }
        Ok(())
    }

    async fn write(&mut self, entries: Vec<Entry>) -> Result<(), StoreError> {
        self.commits += 1;
        let shard = u32::try_from(self.commits).unwrap_or(0) % self.to.shape().shards;
        let commit = MaterialisedCommit { shard, n: self.commits, entries: entries.into() };
        self.to.materialise(vec![commit]).await
    }

    /// Who was there from the beginning: all others were added by an entry.
    async fn first_members(&self, id: ConversationId) -> Result<Vec<Member>, StoreError> {
        let statement = &self.from.statements().members;
        let rows = self.from.rows::<MemberRow>(statement, (id.0,)).await?;
        let first = rows.into_iter().filter(|(_, _, added_seq, _)| *added_seq == Some(0));
        let member = |(user_id, text, _, _): MemberRow| {
            let role = role(text.as_deref().unwrap_or("member"))?;
            Ok(Member { user_id: UserId(user_id), role })
        };
        Ok(first.map(member).collect::<Result<Vec<_>, Failure>>()?)
    }

    async fn read_positions(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT user_id, conversation_id, seq FROM read_positions";
        self.positions(cql, |_, user_id, conversation_id, seq| {
            let user_id = UserId(user_id);
            // What others see of it is told apart.
            let (delivered, read) = (None, Some(seq));
            Some(PositionAdvance { user_id, conversation_id, delivered, read, is_private: true })
        })
        .await
    }

    async fn shown_positions(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT user_id, conversation_id, read FROM positions_by_conversation";
        let copied = self.copied.positions;
        self.positions(cql, |_, user_id, conversation_id, seq| {
            let (user_id, read) = (UserId(user_id), Some(seq).filter(|seq| seq.0 > 0)?);
            let (delivered, read) = (None, Some(read));
            Some(PositionAdvance { user_id, conversation_id, delivered, read, is_private: false })
        })
        .await?;
        self.copied.positions = copied;
        Ok(())
    }

    async fn delivered_positions(&mut self) -> Result<(), StoreError> {
        let cql = "SELECT device_id, conversation_id, seq FROM delivered_positions";
        self.positions(cql, |owners, device, conversation_id, seq| {
            let device = DeviceId(device);
            let user_id = *owners.get(&device)?;
            let delivered = Some((device, seq));
            let read = None;
            Some(PositionAdvance { user_id, conversation_id, delivered, read, is_private: false })
        })
        .await
    }

    async fn positions(
        &mut self,
        cql: &str,
        advance: fn(
            &BTreeMap<DeviceId, UserId>,
            Uuid,
            ConversationId,
            Sequence,
        ) -> Option<PositionAdvance>,
    ) -> Result<(), StoreError> {
        let mut rows = self.scan::<(Uuid, Uuid, Option<i64>)>(cql).await?;
        while let Some(page) = next_page(&mut rows).await? {
            let mut advances = Vec::with_capacity(page.len());
            for (owner, id, seq) in page {
                let id = ConversationId(id);
                let Some(head) = self.heads.get(&id) else { continue };
                let seq = sequence(seq.unwrap_or(0))?.min(*head);
                advances.extend(advance(&self.owners, owner, id, seq));
            }
            self.copied.positions += advances.len() as u64;
            self.to.advance_positions(advances).await?;
            (self.progress)("positions", self.copied.positions);
        }
        Ok(())
    }

    /// All rows of a table, page by page.
    async fn scan<R>(&self, cql: &str) -> Result<Scan<R>, StoreError>
    where
        R: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + Send + 'static,
    {
        let scan = async {
            let session = self.from.session();
            let statement = prepare(session, self.from.profiles(), Kind::Plain, cql).await;
            let statement = statement.map_err(|error| Failure::Unavailable(error.to_string()))?;
            let pages = session.execute_iter(statement, ()).await?;
            Ok::<_, Failure>(pages.rows_stream::<R>()?)
        };
        Ok(Box::pin(scan.await?.map_err(Failure::from)))
    }
}

type Scan<R> = futures_util::stream::LocalBoxStream<'static, Result<R, Failure>>;

async fn next_page<R>(rows: &mut Scan<R>) -> Result<Option<Vec<R>>, StoreError> {
    let mut page = Vec::with_capacity(PAGE);
    while page.len() < PAGE
        && let Some(row) = rows.try_next().await?
    {
        page.push(row);
    }
    Ok((!page.is_empty()).then_some(page))
}
