//! The organisations that exchange through the hub, their sources and their divisions.

pub mod commands;
pub mod grpc;
pub mod store;
pub mod wire;
