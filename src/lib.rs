//! peshub: an integration hub between job platforms and public employment services.
//!
//! Where to read on: `docs/ARCHITECTURE.md`. Modules in reading order: words ([`kernel`], [`codes`]), machinery
//! ([`platform`]), exchanges ([`participants`], [`postings`], [`workers`], [`credentials`], [`subsidies`], [`audit`]), what puts them together ([`server`], [`dev`]), what looks at it from outside ([`doctor`]), and the
//! client's side ([`client`], [`samples`], [`cli`]).

pub mod kernel;

pub mod codes;

pub mod pb;

pub mod platform;

pub mod participants;

pub mod postings;

pub mod workers;

pub mod credentials;

pub mod subsidies;

pub mod audit;

pub mod server;

pub mod dev;

pub mod doctor;

pub mod client;

pub mod json;

pub mod samples;

pub mod demo;

pub mod bench;

pub mod cli;
