//! `parvis certs`: the certificates of all sites, in the terminal.

mod table;

use super::ask::{Told, status};
use super::{ConfigFile, Failure, files};
use crate::admin;
use crate::edge::Edge;
use http::StatusCode;
use serde_json::{Value, json};
use table::Report;

/// Examples for the command line's help.
pub const HELP: &str = "Examples:
  parvis certs                        each certificate: from where, until when, in what state
  parvis certs --json                 for scripts

It asks the running parvis. When none runs, it tells what the configuration names.";

/// Which certificates to tell of.
#[derive(Debug, clap::Args)]
pub struct Certs {
    /// As JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    file: ConfigFile,
}

/// Prints the certificates.
pub fn certs(arguments: &Certs) -> Result<(), Failure> {
    let path = files::choose(&arguments.file)?;
    let edge = files::load(&path)?;
    let (report, note) = match running(&edge)? {
        Ok(report) => (report, None),
        Err(why) => (configured(&edge)?, Some(why)),
    };
    if arguments.json {
        let text = serde_json::to_string_pretty(&report).map_err(failed)?;
        super::print(&text);
        return Ok(());
    }
    let report: Report = serde_json::from_value(report).map_err(failed)?;
    if let Some(why) = note {
        super::print(&format!("{why}: this is what the configuration names\n"));
    }
    super::print(&table::draw(&report));
    Ok(())
}

/// What the running parvis tells; the second is why there is none.
fn running(edge: &Edge) -> Result<Result<Value, String>, Failure> {
    let Told {
        admin,
        status,
        value: mut told,
    } = match status(edge)? {
        Ok(told) => told,
        Err(why) => return Ok(Err(why)),
    };
    let mut take = |key: &str| told.get_mut(key).map(Value::take);
    match (status, take("certificates"), take("acme")) {
        (StatusCode::OK, Some(certificates), Some(acme)) => Ok(Ok(
            json!({ "running": true, "certificates": certificates, "acme": acme }),
        )),
        _ => Err(Failure::Work(format!(
            "error: what answers on {admin} is no parvis that knows certificates (status {status})"
        ))),
    }
}

/// What the configuration names, when nobody can be asked.
fn configured(edge: &Edge) -> Result<Value, Failure> {
    let all = admin::certificates(edge, admin::now());
    let orders: Vec<Value> = edge
        .orders()
        .iter()
        .filter(|order| !order.names.is_empty())
        .map(|order| {
            json!({
                "site": order.site,
                "names": order.names,
                "on_demand": false,
                "directory": order.policy.directory,
                "state": "not_running",
            })
        })
        .collect();
    let all = serde_json::to_value(all).map_err(failed)?;
    Ok(json!({ "running": false, "certificates": all, "acme": orders }))
}

fn failed(error: serde_json::Error) -> Failure {
    Failure::Work(format!("error: {error}"))
}
