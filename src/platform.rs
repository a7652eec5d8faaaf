//! Machinery: knows no exchange.

pub mod action;
pub mod audit;
pub mod checks;
pub mod config;
pub mod db;
pub mod feed;
pub mod identity;
pub mod keys;
pub mod limits;
pub mod listener;
pub mod local_postgres;
pub mod mutation;
pub mod outcome;
pub mod page;
pub mod permit;
pub mod pki;
pub mod probes;
pub mod replay;
pub mod rpc;
pub mod serve;
pub mod status;
pub mod tasks;
pub mod telemetry;
pub mod tls;
pub mod trust;
pub mod upkeep;
