//! What works on applications.

use std::sync::Arc;

use crate::kernel::ids::ParticipantId;
use crate::platform::audit::receipt::Receipts;
use crate::platform::db::Db;
use crate::platform::keys::vault::KeyVault;
use crate::subsidies::blind::Blind;
use crate::subsidies::book::{Book, Programmes, Published};
use crate::subsidies::error::SubsidyError;
use crate::subsidies::programme::Exclusion;

/// What works on applications; clones share it.
#[derive(Clone, Debug)]
pub struct Desk {
    /// The database.
    pub db: Db,
    /// Where the keys are.
    pub vault: Arc<dyn KeyVault>,
    /// Names employers and claims.
    pub blind: Blind,
    /// What answers.
    pub programmes: Programmes,
    /// Issues receipts.
    pub receipts: Receipts,
}

/// An edition that answers, and the book that it is in.
#[derive(Clone, Debug)]
pub struct Answering {
    /// The book.
    pub book: Arc<Book>,
    /// The edition.
    pub published: Arc<Published>,
}

impl Desk {
    /// Returns the edition in force of a programme.
    ///
    /// # Errors
    ///
    /// `PROGRAMME_NOT_FOUND`.
    pub fn answering(&self, name: &str) -> Result<Answering, SubsidyError> {
        let book = self.programmes.present();
        let published = book.programme(name).cloned();
        let published =
            published.ok_or_else(|| SubsidyError::ProgrammeNotFound { name: name.to_owned() })?;
        Ok(Answering { book, published })
    }

    /// Returns an edition of a programme, in force or not.
    ///
    /// # Errors
    ///
    /// `PROGRAMME_EDITION_NOT_FOUND`, or the database fails.
    pub async fn edition(&self, name: &str, number: i64) -> Result<Arc<Published>, SubsidyError> {
        let found = self.programmes.edition(name, number).await?;
        found.ok_or_else(|| SubsidyError::EditionNotFound { name: format!("{name} {number}") })
    }

    /// Returns for how many days decisions of a programme can be appealed; `None`: it is not limited.
    #[must_use]
    pub fn appeal_days(&self, name: &str) -> Option<i32> {
        let found = self.programmes.present().programme(name).map(|it| it.compiled.appeal_days);
        found.filter(|days| *days > 0)
    }
}

impl Answering {
    /// Returns the programme's name.
    #[must_use]
    pub fn name(&self) -> &str {
        self.published.name()
    }

    /// Returns the number of the edition.
    #[must_use]
    pub fn number(&self) -> i64 {
        self.published.edition
    }

    /// Returns the bureau whose it is, which decides.
    #[must_use]
    pub fn bureau(&self) -> ParticipantId {
        self.published.owner
    }

    /// Returns the currency of its amounts.
    #[must_use]
    pub fn currency(&self) -> &str {
        &self.published.compiled.currency
    }

    /// Returns whether the bureau may grant less than was determined.
    #[must_use]
    pub fn is_discretionary(&self) -> bool {
        self.published.compiled.is_discretionary
    }

    /// Returns what other programmes exclude this one by.
    #[must_use]
    pub fn others(&self) -> Vec<Exclusion> {
        self.book.exclusions_of(self.published.name())
    }
}
