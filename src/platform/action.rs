//! What can be called, and by whom: written from the option `access` of every RPC of the contract when the hub is built.

#![expect(clippy::too_many_lines, reason = "each RPC has its line in what is written")]

use crate::pb::peshub::common::v1::{QuotaClass, Role};

include!(concat!(env!("OUT_DIR"), "/actions.rs"));

/// Returns the number of a role that stands in the database and in the contract.
#[must_use]
pub fn role_number(role: Role) -> i16 {
    i16::try_from(i32::from(role)).unwrap_or_default()
}

impl Action {
    /// Returns whether somebody with some roles may do this. What is not granted is refused.
    #[must_use]
    pub fn is_granted_to(self, roles: &[Role]) -> bool {
        self.is_for_everyone() || self.roles().iter().any(|role| roles.contains(role))
    }

    /// Returns the action of an HTTP path, `/package.Service/Method`; `None` when it is no RPC of the hub.
    #[must_use]
    pub fn of_path(path: &str) -> Option<Self> {
        let name = path.strip_prefix('/')?;
        Self::RPCS.into_iter().find(|action| action.name() == name)
    }
}
