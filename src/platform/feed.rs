//! The change feed: every change of the hub at a position of its own, in commit order.
//!
//! Writers append to `change_log` in their own transactions and take no shared lock. The sequencer
//! gives positions to what has become visible; the tail reads them once for the whole process and fans them out; a reader
//! that is too slow for the tail reads from storage by position.
//!
//! **Invariant:** positions are dense and rise in commit order for each entity; a reader proves completeness by
//! `position = previous + 1`.

pub mod cursor;
pub mod event;
pub mod pump;
pub mod reader;
pub mod retention;
pub mod store;
pub mod tail;
pub mod traces;
