//! The command line: one file per subcommand.
//!
//! In: arguments. Out: an exit code: 0 fine, 1 failed at work, 2 wrong configuration or usage.

mod ask;
mod certs;
mod check;
mod demo;
mod explain;
mod files;
mod media;
mod precompress;
mod problem;
mod progress;
mod reload;
mod run;
mod shown;
mod stop;
mod visits;
mod walk;

use clap::{Parser, Subcommand};
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// The edge in front of your web apps: one binary, one TOML file.
#[derive(Debug, Parser)]
#[command(name = "parvis", version, about, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  parvis demo                              try it: no file, no app needed
  parvis check -c parvis.toml              is this configuration right?
  parvis run -c parvis.toml                serve
  parvis explain http://example.org/a.css  which route takes this, and why?
  parvis reload                            put a changed configuration in force
  parvis visits 7d --country FR            who came, to which pages, from where?
  parvis certs                             which certificates, from where, until when?
  parvis precompress static                make .br, .zst and .gz beside static files
  parvis media warm media                  make variants of pictures before they are asked for

Exit codes: 0 fine, 1 failed at work, 2 wrong configuration or usage.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the sites of a configuration.
    Run(ConfigFile),
    /// Check a configuration and say everything that is wrong with it.
    Check(ConfigFile),
    /// Tell the running parvis to load its configuration again.
    Reload(ConfigFile),
    /// Say which site and route would take a request, what would be done with it, and which line
    /// of which file says so.
    #[command(after_help = "Examples:
  parvis explain http://example.org/ws/chat
  parvis explain -X POST -H 'X-Beta: 1' http://example.org:8080/api?version=2")]
    Explain(explain::Explain),
    /// Make the compressed files that are sent in place of a site's static files.
    #[command(after_help = precompress::HELP)]
    Precompress(precompress::Precompress),
    /// Make variants of pictures ahead, tell what is kept, sign addresses.
    #[command(subcommand)]
    Media(media::Media),
    /// Tell how many guests came, to which pages, and from where.
    #[command(after_help = visits::HELP)]
    Visits(visits::Visits),
    /// Tell of each certificate where it is from, until when it is good, and how its renewal fares.
    #[command(after_help = certs::HELP)]
    Certs(certs::Certs),
    /// Serve a small site of parvis's own, with parvis in front of it.
    Demo(demo::Demo),
}

/// The configuration to work with.
#[derive(Debug, clap::Args)]
struct ConfigFile {
    /// The configuration's file [default: /etc/parvis/parvis.toml, else conf/parvis.toml].
    #[arg(short, long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command did not do its work.
#[derive(Debug)]
pub enum Failure {
    /// It failed at work: exit code 1.
    Work(String),
    /// The configuration or the usage is wrong: exit code 2.
    Wrong(String),
}

impl Failure {
    /// The text for people.
    pub fn message(&self) -> &str {
        match self {
            Failure::Work(text) | Failure::Wrong(text) => text.trim_end(),
        }
    }

    /// The process's exit code.
    pub fn code(&self) -> ExitCode {
        match self {
            Failure::Work(_) => ExitCode::from(1),
            Failure::Wrong(_) => ExitCode::from(2),
        }
    }
}

/// Prints a line, or several. Whoever reads it may have had enough (`parvis explain ... | grep -q`),
/// which is no failure.
fn print(text: &str) {
    let _ = writeln!(std::io::stdout(), "{text}");
}

impl Arguments {
    /// Runs the command.
    ///
    /// # Errors
    /// Why it did not do its work.
    pub fn run(self) -> Result<(), Failure> {
        match self.command {
            Command::Run(file) => run::run(&file),
            Command::Check(file) => check::check(&file),
            Command::Reload(file) => reload::reload(&file),
            Command::Explain(arguments) => explain::explain(&arguments),
            Command::Precompress(arguments) => precompress::precompress(&arguments),
            Command::Media(command) => media::media(&command),
            Command::Visits(arguments) => visits::visits(&arguments),
            Command::Certs(arguments) => certs::certs(&arguments),
            Command::Demo(arguments) => demo::demo(&arguments),
        }
    }
}
