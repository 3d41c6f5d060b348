//! Certificates that are ordered and renewed by themselves: ACME (RFC 8555), with http-01 and
//! tls-alpn-01 (RFC 8737) and renewal information (RFC 9773).
//!
//! A site's [`Order`] says what is wanted, and has a [`Slot`] where handshakes find the certificate.
//! What lies in the storage is put there at once. The [`Issuer`] lives as long as the process: it is
//! given all orders after each reload, and fills their slots. What it was taught by failures is on
//! disk: neither a restart nor many of them make it hammer the CA.
//!
//! Several edges for the same names order one after another: by a lock file on a storage that they
//! share, and by a lock in Redis. On one storage, the second finds what the first has ordered; edges
//! with storages of their own have a certificate each. Answers to a CA's questions are in Redis too,
//! so that it does not matter which edge it comes to. While that Redis is away nobody orders, unless
//! less than a sixth of a certificate's life is left.
//!
//! The protocol itself is instant-acme's. What is built here: when to order, who of several edges,
//! what is kept where, and a client for HTTPS with bounds on everything.

mod account;
mod allowed;
mod ask;
mod attend;
mod budget;
mod certificate;
mod challenges;
mod client;
mod failure;
mod held;
mod issue;
mod issuer;
mod memory;
mod order;
mod pauses;
mod plan;
mod policy;
mod recall;
pub mod settings;
mod shared;
mod slot;
pub mod status;
mod storage;
mod wanted;
mod window;
mod work;

pub use certificate::{Facts, Issued};
pub use issuer::{Issuer, Tallies};
pub use order::{Order, OrderRequest};
pub use policy::{OnDemand, Policy};
pub use shared::Shared;
pub use slot::Slot;
