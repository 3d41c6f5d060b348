//! parvis
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic
    )
)]

pub mod admin;
pub mod answer;
pub mod command;
pub mod config;
pub mod edge;
pub mod headers;
pub mod listen;
pub mod observe;
pub mod proxy;
pub mod route;
pub mod upstream;
pub mod wire;
