//! parvis: the edge in front of your web apps.

use clap::Parser;
use parvis::command::Arguments;
use std::process::ExitCode;

// Chosen by measurement: a proxied 66-byte answer takes 36 us of CPU with it, 43 with glibc's
// allocator and 43 with jemalloc (medians of five alternating rounds, 64 connections).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("{}", failure.message());
            failure.code()
        }
    }
}
