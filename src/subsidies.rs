//! Subsidies: programmes that bureaus publish, who is eligible for what, how much, why, and what is missing; applications, decisions,
//! and claims that nobody gets paid twice.
//!
//! A programme's criteria and amounts are expressions over facts. What is not known is never taken as false: an answer is given only
//! when no value of the missing facts could change it, and otherwise says which facts can.

pub mod application;
pub mod blind;
pub mod book;
pub mod claimed;
pub mod domain;
pub mod eligibility;
pub mod error;
pub mod evaluator;
pub mod grpc;
pub mod incoming;
pub mod population;
pub mod programme;
pub mod publishing;
pub mod store;
pub mod sweep;
pub mod wire;
