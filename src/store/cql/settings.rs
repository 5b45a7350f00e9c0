//! What conversations are set to beside their names, and who may not be a member.

use schema::record::{Ban, ConversationPatch, ConversationProfile, Posting};
use schema::{ConversationId, UserId};
use uuid::Uuid;

use super::failure::Failure;
use super::rows::{sequence, small, to_column};
use super::store::Store;

type SettingsColumns = (Option<String>, Option<String>, Option<i64>, Option<i32>, Option<String>);
type BanColumns = (Uuid, Option<i64>, Option<bool>, Option<Uuid>, Option<i64>);

const fn posting_text(posting: Posting) -> &'static str {
    match posting {
        Posting::Everyone => "everyone",
        Posting::Admins => "admins",
    }
}

fn posting(text: &str) -> Result<Posting, Failure> {
    match text {
        "everyone" => Ok(Posting::Everyone),
        "admins" => Ok(Posting::Admins),
        other => Err(Failure::Damaged(format!("unknown posting {other:?}"))),
    }
}

impl Store {
    pub(super) async fn read_settings(
        &self,
        id: ConversationId,
    ) -> Result<ConversationProfile, Failure> {
        let row = self.row::<SettingsColumns>(&self.statements().settings, (id.0,)).await?;
        let Some((description, photo, disappear, retention_days, text)) = row else {
            return Ok(ConversationProfile::default());
        };
        let no_number = |_| Failure::damaged("a setting is no number of ours");
        Ok(ConversationProfile {
            description,
            photo,
            disappear_after_ms: disappear.map(u64::try_from).transpose().map_err(no_number)?,
            retention_days: retention_days.map(u32::try_from).transpose().map_err(no_number)?,
            posting: text.as_deref().map(posting).transpose()?,
        })
    }

    /// Writes the fields that a change names, each as late as the change.
    pub(super) async fn write_settings(
        &self,
        id: ConversationId,
        change: &ConversationPatch,
        order: i64,
    ) -> Result<(), Failure> {
        let statements = self.statements();
        if let Some(description) = &change.description {
            self.write(&statements.set_description, (order, description, id.0)).await?;
        }
        if let Some(photo) = &change.photo {
            self.write(&statements.set_photo, (order, photo, id.0)).await?;
        }
        if let Some(after_ms) = change.disappear_after_ms {
            let row = (order, after_ms.map(to_column), id.0);
            self.write(&statements.set_disappear_after, row).await?;
        }
        if let Some(days) = change.retention_days {
            let row = (order, days.map(|days| small(days.into())), id.0);
            self.write(&statements.set_retention, row).await?;
        }
        if let Some(posting) = change.posting {
            self.write(&statements.set_posting, (order, posting_text(posting), id.0)).await?;
        }
        Ok(())
    }

    pub(super) async fn read_bans(&self, id: ConversationId) -> Result<Vec<Ban>, Failure> {
        let rows = self.rows::<BanColumns>(&self.statements().bans, (id.0,)).await?;
        let mut bans = Vec::new();
        for (user, seq, is_banned, by, at) in rows {
            let (Some(seq), Some(true), Some(by), Some(banned_at)) = (seq, is_banned, by, at)
            else {
                continue;
            };
            let (user_id, banned_by) = (UserId(user), UserId(by));
            bans.push(Ban { user_id, seq: sequence(seq)?, banned_by, banned_at });
        }
        // The database sorts ids by their version first.
        bans.sort_unstable_by_key(|ban| ban.user_id);
        Ok(bans)
    }
}
